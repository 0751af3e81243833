// What a model looked at in a picture, step by step (see stepping.js, with which this begins). The picture comes in a block of its own:
// header {picture: digest}, then its file. Everything else is drawn from it and from the traces' weights.

const pictures = new Map(); // the last few, decoded, by digest
const MOST = 4;
const living = new Set(); // the figures on the page: they are drawn again when their picture has come
const REST = 700; // ms without a key before what the keys painted is decoded
const NARROW = 820, SIDE = 300, BELOW = 45; // pixels: below it all is in one column; what stands beside the picture needs; what is free below
const FINE = 12; // shades a cell's side when smooth

async function carry(digest, file) {
  if (pictures.has(digest)) return;
  const bitmap = await createImageBitmap(new Blob([file], { type: "image/webp" }));
  pictures.set(digest, bitmap);
  for (const old of [...pictures.keys()].slice(0, -MOST)) pictures.delete(old);
  for (const self of living) layout(self);
}

const cells = (self) => self.head.grid[0] * self.head.grid[1];
const place = (self, s) => `row ${Math.floor(s / self.head.grid[1]) + 1}, column ${(s % self.head.grid[1]) + 1}`;
const shownRow = (self) => (self.draft && self.draft.t === self.step ? self.draft.weights : row(view(self), self.step));
const ofGrid = (self, values) => Array.from(values).slice(0, cells(self)); // without what is no region
const largest = (self, values) => ofGrid(self, values).reduce((a, b) => Math.max(a, b), 0);
const touchable = (self) => self.head.paintable && !self.untouched;
const forbidden = (self, number) => (number === self.head.traces.length - 1 ? self.head.touch.forbidden ?? [] : []);
const inView = (self) => (self.untouched ? 0 : self.head.traces.length - 1);

// What stands beside the step in view: the step that was kept, or the same step as it was before the touch.
function beside(self) {
  const { head, step } = self, kept = self.kept;
  if (kept && head.traces[kept.number] && kept.t < head.traces[kept.number].target.length) return kept;
  if (inView(self) > 0 && step < head.traces[0].target.length) return { number: 0, t: step };
  return null;
}

const named = (self, { number, t }) => `${self.head.traces.length > 1 ? self.head.labels[number] + ", " : ""}${self.head.unit} ${t + 1} “${self.head.traces[number].target[t]}”`;

function build(self) {
  const { root, head } = self, find = (selector) => root.querySelector(selector);
  root.classList.toggle("dark", isDark(root));
  root.classList.toggle("fixed", !touchable(self));
  root.classList.toggle("closed", !head.editable || self.untouched);
  root.classList.toggle("mute", !forces(self) || self.untouched);
  find(".force").placeholder = `force another ${head.outcome}`;
  find(".force").setAttribute("aria-label", `Force another ${head.outcome} in this step`);
  strips(self);
  find(".hint").textContent = `← → step · Home End · click a ${head.unit} · Shift-click keeps it beside (K) · S smooth or raw · G glimpse path`
    + (touchable(self) ? " · paint, erase or move the map: what follows is decoded anew · Tab to the picture: arrows choose a cell, Space uses the tool" : "")
    + (forces(self) ? ` · click a likely ${head.outcome} to force it` : "") + ". The weights say where the values came from, not why.";
  if (!touchable(self)) choose(self, "point");
  layout(self);
}

// The picture is as large as width and screen allow, so that strip, picture and candidates are seen together.
function layout(self) {
  const { root, head } = self, whole = root.querySelector(".scene").clientWidth;
  if (!whole) return;
  const room = whole > NARROW ? whole - SIDE : whole;
  self.above ??= Math.min(560, Math.max(330, root.querySelector(".scene").getBoundingClientRect().top)) + BELOW;
  const other = beside(self), [x, y] = head.size, stacked = other && x > 2 * y;
  const wide = other && !stacked ? (room - 14) / 2 : room, tall = Math.min(620, Math.max(290, window.innerHeight - self.above)) / (stacked ? 2 : 1);
  const width = Math.floor(Math.min(wide, (tall * x) / y)), height = Math.round((width * y) / x);
  root.classList.toggle("compares", Boolean(other));
  root.classList.toggle("stacked", stacked);
  root.classList.toggle("under", Boolean(other) || width > 0.75 * room);
  for (const canvas of root.querySelectorAll(".pictures canvas")) {
    fit(canvas, width, height);
    canvas.parentElement.style.width = width + "px";
  }
  self.width = width;
  multiples(self);
  draw(self);
}

function fit(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
  canvas.style.width = width + "px"; canvas.style.height = height + "px";
}

function draw(self) {
  const { root, head, step } = self, trace = view(self), values = shownRow(self), other = beside(self);
  const find = (selector) => root.querySelector(selector);
  if (Boolean(other) !== root.classList.contains("compares")) return layout(self);
  const now = { number: inView(self), t: step }, most = scaleOf(self, trace, values);
  find(".where").textContent = `${head.unit} ${step + 1} of ${trace.target.length}: “${trace.target[step]}”`;
  find(".most").textContent = `${head.symbol} = ${exact(most)},`;
  paint(self, find(".map"), values, most, { trace, t: step, banned: forbidden(self, now.number), cursor: self.hover ?? (self.focused ? self.cursor : undefined), path: self.path });
  find(".map").setAttribute("aria-label", `Map of ${named(self, now)} over the picture, ${head.grid[0]} rows and ${head.grid[1]} columns; ${peak(self, values)}`);
  find(".map + figcaption").textContent = other ? named(self, now) : "";
  if (other) {
    const trace = head.traces[other.number], values = row(trace, other.t);
    paint(self, find(".beside"), values, scaleOf(self, trace, values), { trace, t: other.t, banned: forbidden(self, other.number), cursor: self.hover, path: self.path });
    find(".beside").setAttribute("aria-label", `Map of ${named(self, other)}; ${peak(self, values)}`);
    find(".beside + figcaption").textContent = named(self, other) + (self.kept ? ", kept" : "") + `; largest ${exact(largest(self, values))}`;
  }
  markStrips(self);
  root.querySelectorAll(".multiples button").forEach((item, t) => {
    item.setAttribute("aria-current", t === step ? "step" : "false");
    item.classList.toggle("kept", self.kept?.number === now.number && self.kept?.t === t);
  });
  candidates(self, trace, step);
  facts(self, trace, values, most, other);
  for (const [name, on] of [["smooth", self.smooth], ["path", self.path], ["keep", self.kept !== null]]) {
    find("button." + name).setAttribute("aria-pressed", String(on));
    root.classList.toggle(name + "s", on);
  }
  Object.assign(root.dataset, { step, word: trace.target[step], steps: trace.target.length, tool: self.tool, drawn: pictures.has(head.digest) });
}

// The weight that is drawn white.
const scaleOf = (self, trace, values) => (self.scale === "all" ? Math.max(...trace.target.map((_, t) => largest(self, row(trace, t)))) : largest(self, values)) || 1;
const cutOf = (self, most) => (self.cut / 100) * most;
const peak = (self, values) => { const most = largest(self, values), s = ofGrid(self, values).indexOf(most); return `most at ${place(self, s)}: ${self.head.symbol} = ${exact(values[s])}`; };

function facts(self, trace, values, most, other) {
  const { head, step } = self, all = cells(self), cut = cutOf(self, most), small = ofGrid(self, values).filter((a) => a < cut && a > 0);
  const say = [`map ${step + 1} “${trace.target[step]}”: Σ = ${add(values).toFixed(6)} · entropy ${bits(values).toFixed(3)} of ${Math.log2(values.length).toFixed(3)} bits · `
    + `not drawn: ${percent(add(small))} of the map, ${small.length} of ${all} cells`];
  const compared = other ? row(head.traces[other.number], other.t) : null;
  const s = self.hover ?? (self.focused ? self.cursor : undefined);
  if (s != null) say.push(`${place(self, s)}: ${head.symbol} = ${exact(values[s])}${self.draft ? "" : scoreOf(trace, step, s)}` + (compared ? ` (beside it ${exact(compared[s])})` : ""));
  else say.push(peak(self, values) + (compared ? `; the two maps share ${percent(add(Array.from(values, (a, i) => Math.min(a, compared[i]))))} of their weight` : ""));
  head.others.forEach((name, i) => say.push(`on ${name}, which is no region and not drawn: ${exact(values[all + i])}`));
  if (self.draft?.lost > 0) say.push(`${percent(self.draft.lost)} of the map went over the edge; what is left is made to sum to one`);
  if (trace.notes[step]) say.push(trace.notes[step]);
  self.root.querySelector(".facts").textContent = say.join("\n");
}

// ---------------------------------------------------------------- drawing

// One map over the picture: white mixes black and white into it, a light leaves it as it is where the model looks and dark elsewhere.
function paint(self, canvas, values, most, { trace, t, banned = [], cursor, path }) {
  const context = canvas.getContext("2d"), { width, height } = canvas, [rows, columns] = self.head.grid, picture = pictures.get(self.head.digest);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, width, height);
  context.globalAlpha = 1;
  context.imageSmoothingEnabled = self.head.size[0] > 200;
  context.imageSmoothingQuality = "high";
  if (picture) context.drawImage(picture, 0, 0, width, height);
  const strength = self.opacity / 100, cut = cutOf(self, most), light = self.overlay === "light";
  const part = (s) => (values[s] < cut ? 0 : Math.min(1, values[s] / most));
  const shade = shaded(self.smooth ? smoothly(part, rows, columns) : { values: Float32Array.from({ length: rows * columns }, (_, s) => part(s)), rows, columns },
    light ? (v) => 255 * (1 - strength + strength * v) : (v) => 255 * v);
  context.globalCompositeOperation = light ? "multiply" : "source-over";
  context.globalAlpha = light ? 1 : strength;
  context.imageSmoothingEnabled = self.smooth;
  context.drawImage(shade, 0, 0, width, height);
  context.globalCompositeOperation = "source-over"; context.globalAlpha = 1;
  const w = width / columns, h = height / rows, ratio = window.devicePixelRatio || 1;
  const box = (s) => [(s % columns) * w, Math.floor(s / columns) * h, w, h];
  const accent = colour(self.root, "--now");
  if (canvas.className === "map" && self.tool !== "point") {
    context.strokeStyle = "#8888"; context.lineWidth = ratio / 2;
    for (let s = 0; s < rows * columns; s++) context.strokeRect(...box(s));
  }
  for (const s of banned) {
    const [x, y] = box(s);
    context.strokeStyle = accent; context.lineWidth = 1.5 * ratio;
    context.strokeRect(x + 1, y + 1, w - 2, h - 2);
    context.beginPath(); context.moveTo(x, y); context.lineTo(x + w, y + h); context.moveTo(x + w, y); context.lineTo(x, y + h); context.stroke();
  }
  if (path) glimpses(self, context, trace, t, w, h, ratio);
  if (cursor != null) { context.strokeStyle = accent; context.lineWidth = 2.5 * ratio; context.strokeRect(...box(cursor)); }
}

function shaded({ values, rows, columns }, grey) {
  const canvas = document.createElement("canvas");
  canvas.width = columns; canvas.height = rows;
  const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
  values.forEach((v, i) => { image.data.fill(Math.round(grey(v)), 4 * i, 4 * i + 3); image.data[4 * i + 3] = 255; });
  context.putImageData(image, 0, 0);
  return canvas;
}

// Bilinear between the centres of the cells; beyond the outermost centres the value is held.
function smoothly(part, rows, columns) {
  const values = new Float32Array(rows * columns * FINE * FINE), wide = columns * FINE;
  const between = (i, n) => { const at = Math.min(n - 1, Math.max(0, (i + 0.5) / FINE - 0.5)), low = Math.floor(at); return [low, Math.min(n - 1, low + 1), at - low]; };
  for (let y = 0; y < rows * FINE; y++) {
    const [up, down, b] = between(y, rows);
    for (let x = 0; x < wide; x++) {
      const [left, right, a] = between(x, columns), line = (r) => (1 - a) * part(r * columns + left) + a * part(r * columns + right);
      values[y * wide + x] = (1 - b) * line(up) + b * line(down);
    }
  }
  return { values, rows: rows * FINE, columns: wide };
}

// Where the step looks on average: Σ α · (column, row), in cells from the top left.
function mean(values, columns) {
  let x = 0, y = 0;
  values.forEach((a, s) => { x += a * ((s % columns) + 0.5); y += a * (Math.floor(s / columns) + 0.5); });
  const total = add(values) || 1;
  return [x / total, y / total];
}

function glimpses(self, context, trace, t, w, h, ratio) {
  const points = trace.target.map((_, step) => mean(ofGrid(self, step === self.step && trace === view(self) ? shownRow(self) : row(trace, step)), self.head.grid[1])).map(([x, y]) => [x * w, y * h]);
  const accent = colour(self.root, "--now");
  for (let step = 1; step < points.length; step++) {
    context.beginPath(); context.moveTo(...points[step - 1]); context.lineTo(...points[step]);
    context.globalAlpha = step <= t ? 1 : 0.35;
    context.strokeStyle = "#fff"; context.lineWidth = 4.5 * ratio; context.stroke();
    context.strokeStyle = accent; context.lineWidth = 2.5 * ratio; context.stroke();
  }
  points.forEach(([x, y], step) => {
    context.globalAlpha = step <= t ? 1 : 0.35;
    context.beginPath(); context.arc(x, y, (step === t ? 8 : 4.5) * ratio, 0, 7);
    context.fillStyle = accent; context.fill(); context.strokeStyle = "#fff"; context.lineWidth = 1.5 * ratio; context.stroke();
    if (step === t) { context.fillStyle = "#fff"; context.font = `bold ${10 * ratio}px sans-serif`; context.textAlign = "center"; context.textBaseline = "middle"; context.fillText(String(step + 1), x, y); }
  });
  context.globalAlpha = 1;
}

// The maps of all steps, small: made anew when they change, not when one steps.
function multiples(self) {
  const { root, head } = self, trace = view(self), list = root.querySelector(".multiples");
  const key = [head.of, inView(self), self.scale, self.overlay, self.opacity, self.cut, self.smooth, pictures.has(head.digest)].join(" ");
  if (self.small?.key === key && self.small.trace === trace) return;
  self.small = { key, trace };
  const width = Math.min(120, Math.round((72 * head.size[0]) / head.size[1])), height = Math.round((width * head.size[1]) / head.size[0]);
  list.replaceChildren(...trace.target.map((word, t) => {
    const canvas = element("canvas", { className: "small" }), values = row(trace, t);
    const clicked = (event) => { if (event.shiftKey) return keep(self, { number: inView(self), t }); halt(self); go(self, t); };
    const item = element("button", { title: `${head.unit} ${t + 1}: ${peak(self, values)}`, onclick: clicked }, canvas, element("span", { textContent: word }));
    fit(canvas, width, height);
    paint(self, canvas, values, scaleOf(self, trace, values), { trace, t });
    return element("li", {}, item);
  }));
}

function reveal(self) {
  const list = self.root.querySelector(".multiples"), item = list.children[self.step];
  if (!item) return;
  const from = item.offsetLeft - list.offsetLeft;
  if (from < list.scrollLeft || from + item.offsetWidth > list.scrollLeft + list.clientWidth) list.scrollLeft = from - list.clientWidth / 2;
  if (self.painting?.t !== self.step) self.painting = null;
}

function keep(self, what) {
  const same = self.kept && what && self.kept.number === what.number && self.kept.t === what.t;
  self.kept = same ? null : what;
  schedule(self);
}

function choose(self, tool) {
  self.tool = tool;
  self.root.querySelectorAll(".tools button").forEach((button) => {
    const chosen = button.dataset.tool === tool;
    button.setAttribute("aria-checked", String(chosen)); button.tabIndex = chosen ? 0 : -1;
  });
  schedule(self);
}

// ---------------------------------------------------------------- touching

const normal = (values) => { const total = add(values); return total > 0 ? Array.from(values, (a) => a / total) : null; };

// A new map: every cell that a stroke passes gets the same, a second stroke over it adds as much again.
function painted(self, stroke) {
  const counts = self.painting?.t === self.step ? self.painting.counts : new Float32Array(cells(self));
  const more = Float32Array.from(counts, (n, s) => n + (stroke.has(s) ? 1 : 0));
  return { counts: more, weights: normal(more) };
}

function erased(self, stroke) { return normal(Array.from(row(view(self), self.step), (a, s) => (stroke.has(s) ? 0 : a))); }

// The map so many rows and columns further; what leaves the picture is lost.
function moved(self, down, across) {
  const [rows, columns] = self.head.grid, before = row(view(self), self.step), after = new Float32Array(before.length);
  before.forEach((a, s) => {
    const r = Math.floor(s / columns) + down, c = (s % columns) + across;
    if (r >= 0 && r < rows && c >= 0 && c < columns) after[r * columns + c] = a;
  });
  return { weights: normal(after), lost: Math.max(0, add(before) - add(after)) };
}

// What the tool makes of the cells passed since the pointer went down; kept as a draft, shown at once.
function work(self, stroke, from, to) {
  const columns = self.head.grid[1], made = self.tool === "paint" ? painted(self, stroke)
    : self.tool === "erase" ? { weights: erased(self, stroke) }
    : self.tool === "move" ? moved(self, Math.floor(to / columns) - Math.floor(from / columns), (to % columns) - (from % columns)) : {};
  if (made.weights) self.draft = { t: self.step, ...made };
  schedule(self);
}

// Let go: the draft becomes the touch of this step.
function finish(self, stroke) {
  if (self.tool === "forbid") {
    const before = new Set(self.head.touch.forbidden ?? []), [first] = stroke, allow = before.has(first);
    for (const s of stroke) allow ? before.delete(s) : before.add(s);
    if (before.size < cells(self)) touch(self, { forbidden: [...before].sort((a, b) => a - b) }, true);
  } else if (self.draft) {
    const { weights, counts } = self.draft;
    self.painting = counts ? { t: self.step, counts } : null;
    lay(self, weights);
    self.draft = { t: self.step, weights }; // stays in view until the new decoding has come
  }
}

function pointing(self, canvas) {
  let stroke = null, from = 0;
  const under = (event) => cellUnder(event, canvas, self.head.grid);
  const works = () => canvas.className === "map" && self.tool !== "point" && touchable(self);
  canvas.onpointerdown = (event) => {
    if (event.button || !works()) return;
    event.preventDefault(); canvas.setPointerCapture(event.pointerId);
    halt(self);
    from = under(event); stroke = new Set([from]);
    work(self, stroke, from, from);
  };
  canvas.onpointermove = (event) => {
    self.hover = under(event);
    if (stroke) { stroke.add(self.hover); work(self, stroke, from, self.hover); }
    schedule(self);
  };
  canvas.onpointerup = () => { if (stroke) { const done = stroke; stroke = null; finish(self, done); } };
  canvas.onpointercancel = () => { stroke = null; self.draft = null; schedule(self); };
  canvas.onpointerleave = () => { self.hover = null; schedule(self); };
}

// The picture has the focus: arrows choose a cell, Space uses the tool there (with "move", Shift and arrows move the map).
function keys(self, event) {
  const s = self.cursor, by = ARROWS[event.key];
  const uses = event.key === " " || event.key === "Enter";
  if ((!by && !uses) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault(); event.stopPropagation();
  if (by && event.shiftKey && self.tool === "move" && touchable(self)) {
    self.keyed = { down: (self.keyed?.down ?? 0) + by[0], across: (self.keyed?.across ?? 0) + by[1] };
    const made = moved(self, self.keyed.down, self.keyed.across);
    if (made.weights) self.draft = { t: self.step, ...made };
  } else if (by) {
    self.cursor = cellByKey(event.key, s, self.head.grid);
  } else if (touchable(self) && self.tool !== "point" && self.tool !== "move") {
    self.stroke = (self.stroke ?? new Set()).add(s);
    work(self, self.stroke, s, s);
  }
  schedule(self);
  clearTimeout(self.resting);
  self.resting = setTimeout(() => {
    if (self.stroke || self.keyed) finish(self, self.stroke ?? new Set());
    self.stroke = self.keyed = null;
  }, REST);
}

// ---------------------------------------------------------------- life

function setUp(component) {
  const self = begin(component, ".regions", { pointsAtPicture: true, kept: null, tool: "point", cursor: 0, smooth: false, path: false, scale: "step", overlay: "white", opacity: 60, cut: 0 });
  const { root, listen } = self, find = (selector) => root.querySelector(selector), map = find(".map");
  const again = () => { multiples(self); schedule(self); };
  const toggles = { smooth: () => { self.smooth = !self.smooth; again(); }, path: () => { self.path = !self.path; schedule(self); },
    keep: () => keep(self, self.kept ? null : { number: inView(self), t: self.step }) };
  for (const [name, toggle] of Object.entries(toggles)) listen(find("button." + name), "click", toggle);
  listen(window, "keydown", (event) => {
    const toggle = isForOthers(event) || event.shiftKey ? null : { s: toggles.smooth, g: toggles.path, k: toggles.keep }[event.key];
    if (toggle) { event.preventDefault(); toggle(); }
  });
  for (const name of ["scale", "overlay"]) listen(find("select." + name), "change", (event) => { self[name] = event.target.value; again(); });
  for (const name of ["opacity", "cut"]) listen(find("input." + name), "input", (event) => { self[name] = Number(event.target.value); showCut(); again(); });
  const showCut = () => (find(".cut + b").textContent = self.cut + " % of the largest");
  showCut();
  listen(find(".tools"), "click", (event) => event.target.dataset.tool && choose(self, event.target.dataset.tool));
  listen(find(".tools"), "keydown", (event) => {
    const to = { ArrowLeft: -1, ArrowRight: 1 }[event.key], buttons = [...root.querySelectorAll(".tools button")];
    if (!to) return;
    event.preventDefault(); event.stopPropagation();
    const next = buttons[(buttons.findIndex((button) => button.dataset.tool === self.tool) + to + buttons.length) % buttons.length];
    choose(self, next.dataset.tool); next.focus();
  });
  for (const canvas of root.querySelectorAll(".pictures canvas")) pointing(self, canvas);
  map.onkeydown = (event) => keys(self, event);
  map.onfocus = () => { self.focused = map.matches(":focus-visible"); schedule(self); };
  map.onblur = () => { self.focused = false; schedule(self); };
  listen(find(".restore"), "click", () => { self.painting = null; });
  self.pin = (what) => keep(self, what);
  self.resize = new ResizeObserver(() => { cancelAnimationFrame(self.layoutFrame); self.layoutFrame = requestAnimationFrame(() => layout(self)); });
  choose(self, self.tool);
  living.add(self);
  return self;
}

export default function (component) {
  const { data, parentElement } = component;
  const [told, at] = readHeader(data);
  if (told.picture) return void carry(told.picture, data.slice(at));
  const isNew = !instances.has(parentElement);
  if (isNew) instances.set(parentElement, setUp(component));
  const self = instances.get(parentElement);
  self.component = component;
  const head = unpack(data);
  receive(self, head, isNew, () => {
    self.kept = head.beside === null ? null : { number: 0, t: head.beside };
    self.painting = null; self.path = head.path; self.cursor = 0;
  });
  if (isNew) self.resize.observe(self.root);
  return () => { living.delete(self); clearTimeout(self.resting); end(self, parentElement); };
}
