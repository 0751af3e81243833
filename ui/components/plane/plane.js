// A plane of points: real ones, made ones, the judge's field, the generator's bent square of z. `data` is one block: header length,
// header (JSON), then float32 arrays in the order of `head.arrays` ([name, numbers]). The element stays while moments follow each other.

const instances = new WeakMap();
const LAYERS = { field: "judge's field", real: "real", made: "made", pull: "where the judge would have them", warp: "the square of z, bent" };
const STEP = 0.05, NEAR = 0.03;

const colour = (root, name) => getComputedStyle(root).getPropertyValue(name).trim();
const rgb = (hex) => hex.match(/[0-9a-f]{2}/gi).map((two) => parseInt(two, 16));

function unpack(bytes) {
  const [head, begin] = readHeader(bytes), arrays = {};
  let at = begin;
  for (const [name, count] of head.arrays) {
    arrays[name] = new Float32Array(bytes.slice(at, at + 4 * count).buffer);
    at += 4 * count;
  }
  return { head, arrays };
}

function draw(self) {
  const { root, canvas, head, arrays, hidden } = self;
  if (!root.isConnected) return; // a page that is left has no colours any more
  const side = Math.max(1, Math.round(canvas.clientWidth * (window.devicePixelRatio || 1)));
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const context = canvas.getContext("2d"), unit = side / (2 * head.reach);
  const place = (x, y) => [(x + head.reach) * unit, (head.reach - y) * unit];
  const dot = Math.max(2, side / 170), real = colour(root, "--real"), made = colour(root, "--made");
  context.clearRect(0, 0, side, side);
  if (arrays.field && !hidden.has("field")) field(context, self, side, rgb(real), rgb(made));
  if (arrays.warp && !hidden.has("warp")) warp(context, self, place);
  if (arrays.real && !hidden.has("real")) each(arrays.real, (x, y) => disc(context, ...place(x, y), dot, real));
  if (self.drawn) self.drawn.forEach(([x, y]) => disc(context, ...place(x, y), dot, real));
  if (arrays.pull && !hidden.has("pull")) pull(context, self, place, made);
  if (arrays.made && !hidden.has("made")) each(arrays.made, (x, y) => diamond(context, ...place(x, y), dot, made));
  if (self.pen) { context.strokeStyle = colour(root, "--st-text-color"); context.lineWidth = 2; context.beginPath(); context.arc(...place(...self.pen), 3 * dot, 0, 7); context.stroke(); }
}

function each(points, paint) { for (let i = 0; i < points.length; i += 2) paint(points[i], points[i + 1]); }

function disc(context, x, y, r, fill) { context.beginPath(); context.arc(x, y, r, 0, 7); context.fillStyle = fill; context.fill(); }

function diamond(context, x, y, r, fill) {
  const d = 1.35 * r;
  context.beginPath(); context.moveTo(x, y - d); context.lineTo(x + d, y); context.lineTo(x, y + d); context.lineTo(x - d, y); context.closePath();
  context.fillStyle = fill; context.fill();
  context.strokeStyle = "rgba(255,255,255,.8)"; context.lineWidth = r / 4; context.stroke();
}

// One dot a value, then enlarged by the browser, smoothly: ink as strong as the judge is sure.
function field(context, { head, arrays }, side, real, made) {
  const n = head.side, small = new OffscreenCanvas(n, n), image = new ImageData(n, n);
  for (let row = 0; row < n; row++) for (let column = 0; column < n; column++) {
    const p = arrays.field[(n - 1 - row) * n + column], at = 4 * (row * n + column), ink = p > 0.5 ? real : made;
    for (let c = 0; c < 3; c++) image.data[at + c] = ink[c];
    image.data[at + 3] = 150 * Math.abs(2 * p - 1);
  }
  small.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = true;
  const half = side / (n - 1) / 2; // the outermost values lie on the edge
  context.drawImage(small, -half, -half, side + 2 * half, side + 2 * half);
}

function warp(context, { root, head, arrays }, place) {
  const n = head.warp, at = (i, j) => place(arrays.warp[2 * (i * n + j)], arrays.warp[2 * (i * n + j) + 1]);
  context.strokeStyle = colour(root, "--st-text-color"); context.globalAlpha = 0.45; context.lineWidth = 1.2;
  context.beginPath();
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) {
    if (i + 1 < n) { context.moveTo(...at(i, j)); context.lineTo(...at(i + 1, j)); }
    if (j + 1 < n) { context.moveTo(...at(i, j)); context.lineTo(...at(i, j + 1)); }
  }
  context.stroke(); context.globalAlpha = 1;
}

function pull(context, { arrays }, place, ink) {
  context.strokeStyle = ink; context.lineWidth = 1.2; context.beginPath();
  for (let i = 0; i < arrays.pull.length; i += 2) {
    const x = arrays.made[i], y = arrays.made[i + 1];
    context.moveTo(...place(x, y)); context.lineTo(...place(x + arrays.pull[i], y + arrays.pull[i + 1]));
  }
  context.stroke();
}

function where(self, event) {
  const box = self.canvas.getBoundingClientRect(), r = self.head.reach;
  return [((event.clientX - box.left) / box.width) * 2 * r - r, r - ((event.clientY - box.top) / box.height) * 2 * r];
}

function read(self, point) {
  const { head, arrays } = self, n = head.side, r = head.reach;
  let words = head.words;
  if (point && arrays.field) {
    const [column, row] = point.map((v) => Math.min(n - 1, Math.max(0, Math.round(((v + r) / (2 * r)) * (n - 1)))));
    words = `(${point[0].toFixed(2)}, ${point[1].toFixed(2)}): ${head.judged} ${arrays.field[row * n + column].toFixed(3)}`;
  }
  self.root.querySelector(".reading").textContent = words;
}

function layers(self) {
  const { root, arrays, hidden } = self, names = Object.keys(LAYERS).filter((name) => arrays[name]);
  if (self.layers === names.join()) return;
  self.layers = names.join();
  root.querySelector(".shown").replaceChildren(...names.map((name) => {
    const box = element("input", { type: "checkbox", checked: !hidden.has(name) });
    box.onchange = () => { if (box.checked) hidden.delete(name); else hidden.add(name); draw(self); };
    return element("label", {}, box, element("i", { className: `mark ${name}` }), LAYERS[name]);
  }));
}

function put(self, point) {
  const inside = point.map((v) => Math.min(1, Math.max(-1, v))), last = self.drawn.at(-1);
  if (self.drawn.length >= self.head.most || (last && Math.hypot(inside[0] - last[0], inside[1] - last[1]) < NEAR)) return;
  self.drawn.push(inside);
  self.strokes[self.strokes.length - 1] += 1;
  draw(self);
}

function tell(self) {
  const { root, drawn } = self;
  root.querySelectorAll(".pen button").forEach((button) => (button.disabled = !drawn.length));
  root.dataset.drawn = drawn.length;
  self.component.setStateValue("drawn", drawn.map(([x, y]) => [Math.round(100 * x), Math.round(100 * y)]));
}

function keys(self, event) {
  if (!self.drawn) return;
  const move = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] }[event.key];
  if (!move && event.key !== " ") return;
  event.preventDefault(); event.stopPropagation();
  self.pen ??= [0, 0];
  if (move) { self.pen = self.pen.map((v, i) => Math.min(1, Math.max(-1, v + move[i]))); draw(self); read(self, self.pen); }
  else { self.strokes.push(0); put(self, self.pen); tell(self); }
}

function setUp(component) {
  const root = component.parentElement.querySelector(".plane"), canvas = root.querySelector("canvas");
  const self = { root, canvas, hidden: new Set(["pull"]), drawn: null, strokes: [] };
  let drawing = false;
  canvas.onpointerdown = (event) => { if (!self.drawn) return; drawing = true; canvas.setPointerCapture(event.pointerId); self.strokes.push(0); put(self, where(self, event)); };
  canvas.onpointermove = (event) => { if (drawing) put(self, where(self, event)); else read(self, where(self, event)); };
  canvas.onpointerup = canvas.onpointercancel = () => { if (drawing) { drawing = false; tell(self); } };
  canvas.onpointerleave = () => read(self, null);
  canvas.onkeydown = (event) => keys(self, event);
  root.querySelector(".undo").onclick = () => { self.drawn.splice(self.drawn.length - (self.strokes.pop() ?? self.drawn.length)); draw(self); tell(self); };
  root.querySelector(".clear").onclick = () => { self.drawn = []; self.strokes = []; draw(self); tell(self); };
  self.resize = new ResizeObserver(() => draw(self));
  return self;
}

export default function (component) {
  const { data, parentElement } = component;
  const isNew = !instances.has(parentElement);
  if (isNew) instances.set(parentElement, setUp(component));
  const self = instances.get(parentElement), { root } = self;
  Object.assign(self, { component }, unpack(data));
  if (self.head.drawn === null) { self.drawn = null; self.pen = null; }
  else if (self.drawn === null) { self.drawn = self.head.drawn.map(([x, y]) => [x / 100, y / 100]); self.strokes = self.drawn.map(() => 1); } // afterwards the browser knows better
  root.classList.toggle("dark", isDark(root));
  root.classList.toggle("drawable", self.drawn !== null);
  root.querySelectorAll(".pen button").forEach((button) => (button.disabled = !self.drawn?.length));
  root.dataset.moment = self.head.moment;
  self.canvas.setAttribute("aria-label", self.head.alt);
  layers(self);
  read(self, null);
  draw(self);
  if (isNew) self.resize.observe(self.canvas);
  return () => { self.resize.disconnect(); instances.delete(parentElement); };
}
