// A film of pictures in rows of one image file. `data` is one block: header length, header (JSON), the file.

const instances = new WeakMap();
const BEAT = 250; // ms a moment while playing
const GAP = 2, BAR = 3; // pixels of a picture: between two, and of the judge's bar
const MOST = 3; // times its fair share that a bar's height shows

const colour = (root, name) => getComputedStyle(root).getPropertyValue(name).trim();

function draw(self) {
  const { root, canvas, head, sheet, moment } = self;
  if (!sheet) return;
  const { side, columns } = head, n = head.opinion[0].length, rows = Math.ceil(n / columns), across = side + GAP, down = side + BAR + GAP;
  canvas.width = columns * across - GAP; canvas.height = rows * down - GAP;
  canvas.style.aspectRatio = `${canvas.width} / ${canvas.height}`;
  const context = canvas.getContext("2d");
  for (let i = 0; i < n; i++) {
    const left = (i % columns) * across, top = Math.floor(i / columns) * down, real = Math.round(head.opinion[moment][i] * side);
    context.drawImage(sheet, i * side, moment * side, side, side, left, top, side, side);
    context.fillStyle = colour(root, "--real"); context.fillRect(left, top + side, real, BAR);
    context.fillStyle = colour(root, "--made"); context.fillRect(left + real, top + side, side - real, BAR);
  }
  root.dataset.drawn = moment;
}

function counts(self) {
  const { head, moment, root } = self, fair = head.opinion[0].length / head.counts[0].length;
  root.querySelector(".counts").replaceChildren(...head.counts[moment].map((count, digit) => {
    const item = element("li", { title: `${count} of ${head.opinion[0].length} are taken for a ${digit}`, className: count ? "" : "missing" }, String(count), element("i", {}), element("b", { textContent: digit }));
    item.style.setProperty("--share", Math.min(1, count / (MOST * fair)));
    return item;
  }));
}

function go(self, moment) {
  const { head, root, canvas } = self, last = head.steps.length - 1;
  self.moment = Math.min(last, Math.max(0, moment));
  const slider = root.querySelector(".moment"), round = head.steps[self.moment].toLocaleString("en");
  slider.max = last; slider.value = self.moment; slider.setAttribute("aria-valuetext", `round ${round}`);
  root.querySelector(".where").textContent = round;
  root.querySelector(".reading").textContent = head.words[self.moment];
  canvas.setAttribute("aria-label", `${head.alt}, at round ${round}`);
  counts(self);
  draw(self);
}

function halt(self) {
  clearInterval(self.playing); self.playing = null;
  const button = self.root.querySelector(".play");
  button.textContent = "Play"; button.setAttribute("aria-pressed", "false");
}

function play(self) {
  const last = self.head.steps.length - 1, button = self.root.querySelector(".play");
  self.playing = setInterval(() => (self.moment < last ? go(self, self.moment + 1) : halt(self)), BEAT);
  button.textContent = "Pause"; button.setAttribute("aria-pressed", "true");
  go(self, self.moment < last ? self.moment + 1 : 0);
}

function setUp(component) {
  const root = component.parentElement.querySelector(".film"), slider = root.querySelector(".moment");
  const self = { root, canvas: root.querySelector("canvas"), stop: new AbortController(), moment: null };
  slider.oninput = () => { halt(self); go(self, Number(slider.value)); };
  root.querySelector(".play").onclick = () => (self.playing ? halt(self) : play(self));
  window.addEventListener("keydown", (event) => {
    if (isForOthers(event)) return;
    const to = { ArrowLeft: self.moment - 1, ArrowRight: self.moment + 1, Home: 0, End: self.head.steps.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault(); halt(self); go(self, to);
  }, { signal: self.stop.signal });
  return self;
}

export default function (component) {
  const { data, parentElement } = component;
  if (!instances.has(parentElement)) instances.set(parentElement, setUp(component));
  const self = instances.get(parentElement), [head, begin] = readHeader(data);
  self.head = head;
  self.root.classList.toggle("dark", isDark(self.root));
  go(self, self.moment ?? head.steps.length - 1);
  if (self.data !== data) {
    self.data = data;
    createImageBitmap(new Blob([data.slice(begin)])).then((sheet) => { self.sheet = sheet; draw(self); });
  }
  return () => { self.stop.abort(); halt(self); instances.delete(parentElement); };
}
