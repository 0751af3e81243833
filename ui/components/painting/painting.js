// Cells of a grid over a picture, painted. `data` is one block: header length, header (JSON), the picture's file.
// What is painted is a whole number whose bit s is cell s; the server is told when a stroke ends.

const instances = new WeakMap();
const REST = 700; // ms without a key before the server is told what the keys painted

const bit = (s) => 1n << BigInt(s);
const has = (self, s) => s >= 0 && (self.mask & bit(s)) !== 0n;
const cells = ({ grid: [rows, columns] }) => rows * columns;

function put(self, s) {
  self.mask = self.erases ? self.mask & ~bit(s) : self.mask | bit(s);
  draw(self);
}

function tell(self) {
  const text = `${self.head.grid.join("x")}.${self.mask.toString(16)}`;
  if (text !== self.told) self.component.setStateValue("cells", (self.told = text));
}

function draw(self) {
  const { canvas, head, root } = self, [x, y] = head.size, [rows, columns] = head.grid, ratio = window.devicePixelRatio || 1;
  const width = Math.min(root.clientWidth, head.most), height = Math.round((width * y) / x);
  if (!width) return;
  root.classList.toggle("dark", isDark(root));
  Object.assign(canvas.style, { width: width + "px", height: height + "px" });
  canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d"), w = canvas.width / columns, h = canvas.height / rows, paint = getComputedStyle(root).getPropertyValue("--paint").trim();
  context.imageSmoothingQuality = "high";
  if (self.picture) context.drawImage(self.picture, 0, 0, canvas.width, canvas.height);
  const box = (s) => [(s % columns) * w, Math.floor(s / columns) * h, w, h];
  context.strokeStyle = "#8888"; context.lineWidth = ratio / 2;
  for (let s = 0; s < rows * columns; s++) context.strokeRect(...box(s));
  context.fillStyle = paint; context.globalAlpha = 0.4;
  for (let s = 0; s < rows * columns; s++) if (has(self, s)) context.fillRect(...box(s));
  context.globalAlpha = 1;
  for (const [colour, wide] of [["#fff", 4], [paint, 2]]) outline(self, context, box, colour, wide * ratio);
  const at = self.hover ?? (canvas.matches(":focus-visible") ? self.cursor : null);
  if (at !== null) { context.strokeStyle = "#fff"; context.lineWidth = 2 * ratio; context.setLineDash([4 * ratio, 3 * ratio]); context.strokeRect(...box(at)); context.setLineDash([]); }
  const count = [...Array(cells(head)).keys()].filter((s) => has(self, s)).length;
  root.querySelector("output").textContent = `${count} of ${cells(head)} cells painted`;
  root.querySelector(".clear").disabled = !count;
  const where = `row ${Math.floor(self.cursor / columns) + 1}, column ${(self.cursor % columns) + 1}`;
  canvas.setAttribute("aria-label", `${head.label}, ${rows} rows and ${columns} columns; at ${where}, ${has(self, self.cursor) ? "painted" : "not painted"}`);
  Object.assign(root.dataset, { cells: count, drawn: Boolean(self.picture) });
}

// A line wherever a painted cell meets one that is not.
function outline(self, context, box, colour, wide) {
  const { head: { grid: [rows, columns] } } = self;
  context.strokeStyle = colour; context.lineWidth = wide; context.lineCap = "square";
  context.beginPath();
  for (let s = 0; s < rows * columns; s++) {
    if (!has(self, s)) continue;
    const [x, y, w, h] = box(s), c = s % columns;
    const sides = [[s - columns, x, y, x + w, y], [s + columns < rows * columns ? s + columns : -1, x, y + h, x + w, y + h],
      [c ? s - 1 : -1, x, y, x, y + h], [c + 1 < columns ? s + 1 : -1, x + w, y, x + w, y + h]];
    for (const [other, x0, y0, x1, y1] of sides) if (!has(self, other)) { context.moveTo(x0, y0); context.lineTo(x1, y1); }
  }
  context.stroke();
}

function pointing(self, canvas) {
  let before = null;
  canvas.onpointerdown = (event) => {
    if (event.button) return;
    event.preventDefault(); canvas.setPointerCapture(event.pointerId);
    const s = cellUnder(event, canvas, self.head.grid);
    before = self.mask; self.cursor = s; self.erases = has(self, s);
    put(self, s);
  };
  canvas.onpointermove = (event) => {
    self.hover = cellUnder(event, canvas, self.head.grid);
    if (before === null) return draw(self);
    for (const each of event.getCoalescedEvents?.() ?? []) put(self, cellUnder(each, canvas, self.head.grid));
    put(self, self.hover);
  };
  canvas.onpointerup = () => { if (before !== null) { before = null; tell(self); } };
  canvas.onpointercancel = () => { if (before !== null) { self.mask = before; before = null; draw(self); } };
  canvas.onpointerleave = () => { self.hover = null; draw(self); };
}

function keys(self, event) {
  const to = cellByKey(event.key, self.cursor, self.head.grid), uses = event.key === " " || event.key === "Enter";
  if ((to === null && !uses) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault(); event.stopPropagation();
  self.hover = null;
  if (uses) { self.erases = has(self, self.cursor); put(self, self.cursor); } else { self.cursor = to; draw(self); }
  clearTimeout(self.resting);
  self.resting = setTimeout(() => tell(self), REST);
}

function setUp({ parentElement }) {
  const root = parentElement.querySelector(".painting"), canvas = root.querySelector("canvas");
  const self = { root, canvas, mask: 0n, cursor: 0, hover: null, erases: false, picture: null };
  pointing(self, canvas);
  canvas.onkeydown = (event) => keys(self, event);
  canvas.onfocus = canvas.onblur = () => draw(self);
  root.querySelector(".clear").onclick = () => { self.mask = 0n; draw(self); tell(self); };
  self.resize = new ResizeObserver(() => draw(self));
  return self;
}

export default function (component) {
  const { data, parentElement } = component, [head, at] = readHeader(data), isNew = !instances.has(parentElement);
  if (isNew) instances.set(parentElement, setUp(component));
  const self = instances.get(parentElement), other = self.head?.digest !== head.digest;
  Object.assign(self, { component, head });
  if (isNew) {
    self.mask = BigInt("0x" + head.begin.split(".")[1]); self.told = head.begin;
    self.resize.observe(self.root);
  }
  draw(self);
  if (other) createImageBitmap(new Blob([data.slice(at)], { type: "image/webp" })).then((picture) => { if (self.head.digest === head.digest) { self.picture = picture; draw(self); } });
  return () => { clearTimeout(self.resting); self.resize.disconnect(); instances.delete(parentElement); };
}
