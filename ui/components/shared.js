// What the components share; their scripts begin with it.

// The header of a block of bytes (see packing.py) and where the arrays begin.
function readHeader(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  return [JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))), 4 + length];
}

// A key that is meant for a field, a list or a table, or for the browser: not for us.
const TAKES_KEYS = "input, textarea, select, [contenteditable], [role=slider], [role=tab], [role=radio], [role=listbox], [role=dialog], [data-testid=stDataFrame]";
const isForOthers = (event) => event.ctrlKey || event.metaKey || event.altKey || Boolean(event.composedPath()[0].closest?.(TAKES_KEYS));


const element = (tag, properties, ...children) => { const made = Object.assign(document.createElement(tag), properties); made.append(...children); return made; };

const isDark = (root) => {
  const [r, g, b] = (getComputedStyle(root).getPropertyValue("--st-background-color").match(/[0-9a-f]{2}/gi) ?? ["ff", "ff", "ff"]).map((two) => parseInt(two, 16));
  return r + g + b < 382;
};

// The cell of a grid over a picture, row by row from the top left, that the pointer is in; of one outside, the nearest.
function cellUnder(event, canvas, [rows, columns]) {
  const box = canvas.getBoundingClientRect(), at = (part, whole, n) => Math.min(n - 1, Math.max(0, Math.floor((part / whole) * n)));
  return at(event.clientY - box.top, box.height, rows) * columns + at(event.clientX - box.left, box.width, columns);
}

// How many rows and columns an arrow key goes; undefined of another key.
const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

// The cell that an arrow key leads to from cell s, staying in the grid; null of another key.
function cellByKey(key, s, [rows, columns]) {
  const by = ARROWS[key], within = (i, n) => Math.min(n - 1, Math.max(0, i));
  return by ? within(Math.floor(s / columns) + by[0], rows) * columns + within((s % columns) + by[1], columns) : null;
}
