// All heads at a glance. `data` is one block: header length, header (JSON), then one byte a weight, map by map, row by row.
// Choosing a map asks the server only for the large one; the block is not sent again while it is the same.

const instances = new WeakMap();
const SETTLE = 150; // ms without another choice before the server is told

function build(self) {
  const { root, head } = self, grid = root.querySelector(".grid"), columns = head.columns.length;
  root.classList.toggle("dark", isDark(root));
  grid.style.setProperty("--columns", columns);
  grid.style.setProperty("--shape", `${head.sources} / ${Math.min(head.targets, 2 * head.sources)}`);
  grid.setAttribute("aria-label", `${head.captions.length} maps of weights`);
  self.maps = head.captions.map((caption, cell) => {
    const map = element("button", { className: "map", type: "button", title: caption }, document.createElement("canvas"));
    map.setAttribute("role", "radio");
    map.setAttribute("aria-label", caption + (head.hidden[cell] ? "; hidden by the filter" : ""));
    map.classList.toggle("hidden", Boolean(head.hidden[cell]));
    map.addEventListener("click", () => choose(self, cell));
    map.addEventListener("pointerenter", () => say(self, cell));
    map.addEventListener("pointerleave", () => say(self, self.cell));
    return map;
  });
  const corner = element("span", { className: "name row", textContent: head.corner });
  const names = head.columns.map((name) => element("span", { className: "name", textContent: name }));
  const lines = head.rows.flatMap((name, row) => [element("span", { className: "name row", textContent: name }), ...self.maps.slice(row * columns, (row + 1) * columns)]);
  grid.replaceChildren(corner, ...names, ...lines);
  root.querySelector(".symbol").textContent = head.symbol;
  mark(self);
  paint(self);
}

// A byte a weight becomes ink as strong as the weight. Where a dot covers several weights it shows the largest: an average would fade
// a thin diagonal away.
function paint(self) {
  const { root, head } = self, { targets, sources } = head;
  const [r, g, b] = getComputedStyle(root).getPropertyValue("--ink").match(/[0-9a-f]{2}/gi).map((two) => parseInt(two, 16));
  const first = self.maps[0].getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
  const width = Math.max(1, Math.min(sources, Math.floor((first.width || sources) * ratio))), height = Math.max(1, Math.min(targets, Math.floor((first.height || targets) * ratio)));
  self.size = first.width;
  self.maps.forEach((map, cell) => {
    const canvas = map.firstChild, from = cell * targets * sources;
    canvas.width = width; canvas.height = height;
    canvas.style.imageRendering = width === sources && height === targets ? "pixelated" : "auto";
    const context = canvas.getContext("2d"), image = context.createImageData(width, height);
    const largest = new Uint8Array(width * height);
    for (let t = 0; t < targets; t++) {
      const y = Math.floor((t * height) / targets) * width;
      for (let s = 0; s < sources; s++) {
        const at = y + Math.floor((s * width) / sources), value = self.bytes[from + t * sources + s];
        if (value > largest[at]) largest[at] = value;
      }
    }
    for (let i = 0; i < largest.length; i++) { image.data[4 * i] = r; image.data[4 * i + 1] = g; image.data[4 * i + 2] = b; image.data[4 * i + 3] = largest[i]; }
    context.putImageData(image, 0, 0);
  });
}

function mark(self) {
  self.maps.forEach((map, cell) => { map.setAttribute("aria-checked", String(cell === self.cell)); map.tabIndex = cell === self.cell ? 0 : -1; });
  say(self, self.cell);
  self.root.dataset.cell = self.cell;
}

function say(self, cell) { self.root.querySelector(".caption").textContent = self.head.captions[cell] + (self.head.hidden[cell] ? " · hidden by the filter" : ""); }

function choose(self, cell) {
  if (cell < 0 || cell >= self.maps.length) return;
  self.cell = cell;
  mark(self);
  clearTimeout(self.timer);
  self.timer = setTimeout(() => self.component.setStateValue("cell", { of: self.head.of, cell }), SETTLE);
}

function keys(self, event) {
  const columns = self.head.columns.length, row = Math.floor(self.cell / columns), column = self.cell % columns;
  const to = { ArrowLeft: column > 0 ? self.cell - 1 : self.cell, ArrowRight: column + 1 < columns ? self.cell + 1 : self.cell,
    ArrowUp: self.cell - columns, ArrowDown: self.cell + columns, Home: row * columns, End: (row + 1) * columns - 1 }[event.key];
  if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault(); event.stopPropagation();
  choose(self, to);
  self.maps[self.cell].focus();
}

function setUp(component) {
  const root = component.parentElement.querySelector(".heads");
  const self = { root, cell: null, maps: [] };
  root.querySelector(".grid").onkeydown = (event) => keys(self, event);
  self.resize = new ResizeObserver(() => { if (self.maps.length && self.maps[0].getBoundingClientRect().width !== self.size) { cancelAnimationFrame(self.frame); self.frame = requestAnimationFrame(() => paint(self)); } });
  return self;
}

export default function (component) {
  const { data, parentElement } = component;
  const isNew = !instances.has(parentElement);
  if (isNew) instances.set(parentElement, setUp(component));
  const self = instances.get(parentElement);
  const [head, at] = readHeader(data);
  const another = self.head?.of !== head.of, focused = self.maps.some((map) => map.matches(":focus"));
  Object.assign(self, { component, head, bytes: data.subarray(at) });
  if (another) { clearTimeout(self.timer); self.cell = head.cell; } // otherwise the browser knows better than the server what is chosen
  build(self);
  if (focused) self.maps[self.cell].focus();
  if (isNew) self.resize.observe(self.root);
  return () => { self.resize.disconnect(); clearTimeout(self.timer); instances.delete(parentElement); };
}
