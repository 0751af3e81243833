// The ε slider. `data` is one block: header length, header (JSON), picture bytes, signs in two bits each.
// Everything below is pure drawing from those; nothing is asked of the server until the slider is let go.

const instances = new WeakMap();
const SETTLE = 150; // ms without a key before the server is told: a held arrow key is one move

function unpack(bytes) {
  const [head, begin] = readHeader(bytes);
  const count = head.size * head.size * 3;
  const x = bytes.subarray(begin, begin + count);
  const packed = bytes.subarray(begin + count);
  const sign = new Int8Array(count);
  for (let i = 0; i < count; i++) sign[i] = ((packed[i >> 2] >> (2 * (i & 3))) & 3) - 1;
  return { head, x, sign };
}

// value(i) gives the colour of the i-th of size × size × 3 values; a Uint8ClampedArray clips and rounds as 8 bits do.
function paint(canvas, size, value) {
  if (canvas.width !== size) canvas.width = canvas.height = size;
  const context = canvas.getContext("2d");
  const image = context.createImageData(size, size);
  for (let i = 0, j = 0; i < size * size * 3; i += 3, j += 4) {
    image.data[j] = value(i); image.data[j + 1] = value(i + 1); image.data[j + 2] = value(i + 2); image.data[j + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

const percent = (p) => (100 * p).toFixed(1) + " %";

function bars(list, rows, head) {
  list.replaceChildren(...rows.map(([name, p], rank) => {
    const item = document.createElement("li");
    const wanted = head.target === null ? name !== head.truth && rank === 0 : name === head.target;
    item.className = [name === head.truth ? "truth" : wanted ? "other" : "", rank === 0 ? "first" : ""].join(" ");
    item.style.setProperty("--p", p);
    item.title = name + " " + percent(p);
    for (const text of [name, percent(p)]) item.append(Object.assign(document.createElement("span"), { textContent: text }));
    return item;
  }));
}

// The last step at or below n whose answer is known: while the fine steps are computed, only the coarse ones are.
const known = (head, n) => head.steps.findLastIndex((step) => step <= n);

function draw(self) {
  const { root, head, x, sign, n } = self;
  const at = known(head, n), exact = head.steps[at] === n;
  const find = (selector) => root.querySelector(selector);
  const factor = n === 0 ? 0 : Math.floor(127 / n);
  paint(find("canvas.eta"), head.size, (i) => 128 + factor * n * sign[i]);
  paint(find("canvas.adversarial"), head.size, (i) => x[i] + n * sign[i]);
  bars(find(".after"), head.bars[at], head);
  find(".after").classList.toggle("waiting", !exact);
  find(".value").textContent = n + "/255";
  find(".factor").textContent = n === 0 ? "= 0" : "shown × " + factor;
  root.querySelectorAll(".budget").forEach((budget) => (budget.textContent = n + "/255"));
  find(".words").textContent = exact ? head.verdicts[at] : "Computing this step … the bars are those of " + head.steps[at] + "/255.";
  find(".mark").textContent = !exact ? "…" : head.fooled[at] ? "✗" : head.cleanRight ? "✓" : "!";
  find("input").value = n;
  find("input").setAttribute("aria-valuetext", n + "/255: " + head.bars[at][0][0]);
  Object.assign(root.dataset, { n, answer: exact ? head.bars[at][0][0] : "", fooled: exact && head.fooled[at], complete: head.complete });
  showPixel(self);
}

function showPixel(self) {
  const { root, head, x, sign, n } = self;
  const [row, column] = self.pointed ?? self.pixel ?? [head.size >> 1, head.size >> 1];
  const i = 3 * (row * head.size + column);
  const three = (value) => [0, 1, 2].map((c) => value(i + c)).join("  ");
  const signed = (v) => (v > 0 ? "+" + v : v < 0 ? "−" + -v : "0");
  root.querySelector(".pixel").textContent = `row ${row}, column ${column} (R G B, in 255ths)\nx  ${three((k) => x[k])}\n` +
    `η  ${three((k) => signed(n * sign[k]))}\nx̃  ${three((k) => Math.min(255, Math.max(0, x[k] + n * sign[k])))}`;
}

function schedule(self) {
  self.frame ||= requestAnimationFrame(() => { self.frame = 0; draw(self); });
}

function setUp(component) {
  const self = { root: component.parentElement.querySelector(".epsilon"), stop: new AbortController(), n: null };
  const input = self.root.querySelector("input");
  const listen = (target, event, handler) => target.addEventListener(event, handler, { signal: self.stop.signal });
  const tell = () => {
    clearTimeout(self.timer);
    if (self.told !== self.n) self.component.setStateValue("n", (self.told = self.n));
  };
  const tellSoon = () => { clearTimeout(self.timer); self.timer = setTimeout(tell, SETTLE); };
  const move = (n) => { self.n = Math.min(self.head.last, Math.max(0, n)); schedule(self); };

  listen(input, "input", () => move(Number(input.value)));
  listen(input, "pointerup", tell);
  listen(input, "change", tellSoon);
  listen(window, "keydown", (event) => {
    if (isForOthers(event)) return;
    const to = { ArrowLeft: self.n - 1, ArrowRight: self.n + 1, Home: 0, End: self.head.last }[event.key];
    if (to === undefined) return;
    event.preventDefault(); move(to); tellSoon();
  });
  self.root.querySelectorAll("canvas").forEach((canvas) => {
    const place = (event) => {
      const box = canvas.getBoundingClientRect(), cell = (part, whole) => Math.min(self.head.size - 1, Math.max(0, Math.floor(part / whole * self.head.size)));
      return [cell(event.clientY - box.top, box.height), cell(event.clientX - box.left, box.width)];
    };
    listen(canvas, "pointermove", (event) => { self.pointed = place(event); showPixel(self); });
    listen(canvas, "pointerleave", () => { self.pointed = null; showPixel(self); });
    listen(canvas, "click", (event) => { self.pixel = place(event); self.component.setStateValue("pixel", self.pixel); });
  });
  return self;
}

export default function (component) {
  const { data, parentElement } = component;
  const isNew = !instances.has(parentElement);
  if (isNew) instances.set(parentElement, setUp(component));
  const self = instances.get(parentElement);
  self.component = component;
  Object.assign(self, unpack(data));
  self.told ??= self.head.n;
  self.n ??= self.head.n; // afterwards the browser knows better than the server where the finger is
  self.pixel ??= self.head.pixel;
  paint(self.root.querySelector("canvas.clean"), self.head.size, (i) => self.x[i]);
  bars(self.root.querySelector(".before"), self.head.bars[0], self.head);
  self.root.querySelector("input").max = self.head.last;
  draw(self);
  // What explains the figure is heavy to load; it comes when this has been painted and can be dragged.
  if (isNew) requestAnimationFrame(() => setTimeout(() => self.component.setStateValue("painted", true)));
  return () => { self.stop.abort(); clearTimeout(self.timer); instances.delete(parentElement); };
}
