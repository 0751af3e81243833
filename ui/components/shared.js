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
