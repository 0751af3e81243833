// Stepping through an alignment: words, lines, matrix, drawn from the traces (see stepping.js, with which this begins). A score that
// is no number is of a word that the step cannot look at.

const LONG = 48; // words, from which on a text that is read is not drawn as lines and matrix, too

const source = (self) => view(self).source;
// A model that looks back at its own text: the first words of the source were given, each other one is what the step before wrote.
const isOwn = (self) => self.head.given > 0;
const isLong = (self) => self.head.reading && !isOwn(self) && source(self).length > LONG;
const canSee = (self, t, s) => !isOwn(self) || !Number.isNaN(view(self).scores[t * view(self).columns + s]);
const seen = (self, t) => source(self).slice(0, view(self).columns).filter((_, s) => canSee(self, t, s)).length;

const shownRow = (self) => {
  const trace = view(self), t = self.hover?.t ?? self.step;
  return self.draft && self.draft.t === t ? self.draft.weights : row(trace, t);
};

function build(self) {
  const { root, head } = self, trace = view(self), find = (selector) => root.querySelector(selector);
  const longest = Math.max(trace.target.length, source(self).length);
  root.style.setProperty("--row", (longest <= 12 && !isSilent(self) ? 1.5 : longest <= 24 ? 1.22 : 1.05) + "rem");
  root.classList.toggle("fixed", !head.editable || self.untouched);
  root.classList.toggle("blind", trace.columns === 0);
  root.classList.toggle("silent", isSilent(self));
  find(".legend .symbol").textContent = head.symbol === "α" ? "weight α" : head.symbol;
  root.classList.toggle("dark", isDark(root));
  find(".source").replaceChildren(...source(self).map((word, s) => {
    const ban = element("button", { className: "ban", textContent: "⊘", title: "Forbid this word", ariaLabel: "Forbid " + word });
    ban.addEventListener("click", (event) => { event.stopPropagation(); forbid(self, s); });
    return element("li", { title: word }, ...(head.editable && trace.columns ? [ban] : []), element("span", { textContent: word }));
  }));
  find(".target").replaceChildren(...trace.target.map((word, t) => {
    const pin = element("button", { className: "pin", textContent: "⊕", title: "Pin this row; pin several to add them up", ariaLabel: "Pin " + word });
    pin.addEventListener("click", (event) => { event.stopPropagation(); pick(self, t); });
    const item = element("li", { title: trace.notes[t] ?? word }, element("span", { textContent: word }), pin);
    item.addEventListener("click", (event) => (event.shiftKey || event.ctrlKey || event.metaKey ? pick(self, t) : go(self, t)));
    item.addEventListener("pointerenter", () => { self.hover = { t }; schedule(self); });
    item.addEventListener("pointerleave", () => { self.hover = null; schedule(self); });
    return item;
  }));
  find(".source").querySelectorAll("li").forEach((item, s) => grab(self, item, s));
  root.classList.toggle("reads", head.reading);
  root.classList.toggle("long", isLong(self));
  root.classList.toggle("own", isOwn(self));
  root.classList.toggle("single", head.traces.length === 1);
  root.classList.toggle("decides", !head.writes);
  find(".reading").replaceChildren(...(trace.text ?? []).flatMap((piece, s) => [piece.match(/^\s*/)[0], heated(self, piece.trim(), s)]));
  strips(self);
  find(".hint").textContent = (trace.columns ? "← → step · Home End · click a word · hover a cell for its exact weight · ⊕ or Shift-click pins rows and adds them up"
    : "← → step · Home End · click a word. This model has no attention: all it knows of the " + (isOwn(self) ? "text is in its state." : "sentence is one fixed vector."))
    + (head.editable && trace.columns ? " · drag a source word's bar to change its weight · ⊘ forbids it" : "") + (forces(self) ? " · click a likely word to force it" : "") + (head.reading && head.editable && !isOwn(self) ? " · click a word of the text to forbid it" : "");
  layout(self);
}

// A word of the text that is read; a click forbids it, or goes to the step that wrote it.
function heated(self, word, s) {
  const made = element("span", { textContent: word, className: isOwn(self) && s >= self.head.given ? "written" : "" });
  made.addEventListener("pointerenter", () => { self.hover = { t: self.step, s }; schedule(self); });
  made.addEventListener("pointerleave", () => { self.hover = null; schedule(self); });
  if (isOwn(self)) made.addEventListener("click", () => go(self, s - 1));
  else if (self.head.editable && !self.untouched) made.addEventListener("click", () => forbid(self, s));
  return made;
}

// Nothing is written: the tokens are given, as where a sentence looks at itself.
const isSilent = (self) => !self.head.editable && self.head.traces.every((trace) => trace.candidates.length === 0);

// The matrix' cells are as high as the words are, and as wide as there is room for.
function layout(self) {
  const { root } = self, trace = view(self), target = root.querySelector(".target");
  const height = parseFloat(getComputedStyle(root.querySelector(".source li") ?? root).height) || 24;
  const room = root.querySelector(".map").clientWidth || 300;
  const font = 0.8 * height * 0.72;
  const measure = root.querySelector(".matrix").getContext("2d");
  measure.font = font + "px sans-serif";
  const longest = Math.max(0, ...source(self).map((word) => measure.measureText(word.slice(0, 24)).width));
  const cell = Math.max(6, Math.min(1.6 * height, (room - longest * 0.6) / Math.max(1, source(self).length)));
  self.size = { height, cell, font, head: Math.ceil(longest * 0.82 + 10), slant: longest * 0.6 };
  root.querySelector(".words").style.setProperty("--head", self.size.head + "px");
  fit(root.querySelector(".matrix"), cell * source(self).length + self.size.slant, self.size.head + height * trace.target.length);
  fit(root.querySelector(".lines"), root.querySelector(".lines").clientWidth || 80, height * Math.max(trace.target.length, source(self).length));
  root.querySelector(".matrix").setAttribute("aria-label", `Weights of ${trace.target.length} steps over ${source(self).length} words`);
  draw(self);
}

function fit(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
  if (canvas.className === "matrix") canvas.style.width = width + "px";
  canvas.style.height = height + "px";
  canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
}

function draw(self) {
  const { root, head, step } = self, trace = view(self), now = self.hover?.t ?? step, values = shownRow(self);
  const find = (selector) => root.querySelector(selector);
  const picked = [...self.picked].filter((t) => t < trace.target.length).sort((a, b) => a - b);
  const total = picked.length ? source(self).map((_, s) => add(picked.map((t) => weight(trace, t, s)))) : null;
  find(".where").textContent = `${isSilent(self) ? "token" : "step"} ${step + 1} of ${trace.target.length}: “${trace.target[step]}”`;
  find(".target").querySelectorAll("li").forEach((item, t) => {
    item.classList.toggle("now", t === now); item.classList.toggle("picked", self.picked.has(t));
    item.setAttribute("aria-current", t === step ? "step" : "false");
  });
  find(".source").querySelectorAll("li").forEach((item, s) => {
    const w = trace.columns === 0 ? 0 : total ? total[s] / picked.length : values[s];
    item.style.setProperty("--w", w); item.classList.toggle("picked", total !== null);
    item.classList.toggle("forbidden", (head.touch.forbidden ?? []).includes(s) && !self.untouched);
    item.title = source(self)[s] + (trace.columns ? `  ${head.symbol} = ` + exact(values[s]) : "");
  });
  if (head.reading) {
    const heat = total ?? values, most = Math.max(1e-9, ...heat);
    find(".reading").classList.toggle("summed", total !== null);
    find(".reading").querySelectorAll("span").forEach((item, s) => {
      item.style.setProperty("--w", (heat[s] ?? 0) / most);
      item.classList.toggle("asks", isOwn(self) && s === now); item.classList.toggle("now", isOwn(self) && s === now + 1);
      item.classList.toggle("later", isOwn(self) && s > now + 1); item.classList.toggle("changed", trace.changed.includes(s - 1));
      item.classList.toggle("forbidden", (head.touch.forbidden ?? []).includes(s) && !self.untouched);
      item.title = s < trace.columns ? `${head.symbol} = ${exact(heat[s])}` : "";
    });
    find(".legend .least").textContent = "0"; find(".legend .most").textContent = isLong(self) ? exact(most) : "1 (in the text " + exact(most) + ")";
  }
  markStrips(self);
  candidates(self, trace, step);
  facts(self, trace, now, values, total, picked);
  if (trace.columns) { lines(self, trace, now, values, total, picked); matrix(self, trace, now, values); }
  Object.assign(root.dataset, { step, word: trace.target[step], steps: trace.target.length });
}

function facts(self, trace, t, values, total, picked) {
  const say = [];
  if (trace.columns) {
    const cut = self.cut / 100, hidden = add(Array.from(values, (a) => (a < cut ? a : 0)));
    say.push(`row ${t + 1} “${trace.target[t]}”: sum ${add(values).toFixed(6)} · entropy ${bits(values).toFixed(3)} of ${Math.log2(Math.max(1, seen(self, t))).toFixed(3)} bits`
      + (isLong(self) ? "" : ` · lines not drawn: ${percent(hidden)} of the row`));
    const s = self.hover?.s;
    if (!seen(self, t)) say.push("the first word has none before it to look at");
    else if (s !== undefined) say.push(`“${trace.target[t]}” ← “${source(self)[s]}”: ${self.head.symbol} = ${exact(values[s])}${scoreOf(trace, t, s)}`);
    else if (total) say.push(`${picked.length} pinned (${picked.map((p) => trace.target[p]).join(" + ")}): Σ = ${add(total).toFixed(6)}; most on “${source(self)[total.indexOf(Math.max(...total))]}” with ${exact(Math.max(...total))}`);
    else { const best = values.indexOf(Math.max(...values)); say.push(`most on “${source(self)[best]}”: ${self.head.symbol} = ${exact(values[best])}`); }
  }
  if (trace.notes[t]) say.push(trace.notes[t]);
  self.root.querySelector(".facts").textContent = say.join("\n");
}

function lines(self, trace, now, values, total, picked) {
  const canvas = self.root.querySelector(".lines"), context = canvas.getContext("2d"), { height } = self.size;
  const width = canvas.clientWidth, cut = self.cut / 100, ink = colour(self.root, "--ink");
  context.clearRect(0, 0, width, canvas.clientHeight);
  const line = (t, s, w, stroke, faint) => {
    if ((w < cut && !faint) || w <= 0) return;
    context.globalAlpha = Math.min(1, w); context.strokeStyle = stroke; context.lineWidth = 0.5 + 4 * w;
    const from = (s + 0.5) * height, to = (t + 0.5) * height;
    context.beginPath(); context.moveTo(0, from); context.bezierCurveTo(width / 2, from, width / 2, to, width, to); context.stroke();
  };
  if (!self.background || self.background.key !== `${canvas.width} ${canvas.height} ${self.cut} ${ink}` || self.background.trace !== trace) {
    // every other row, faint, painted once
    context.save();
    for (let t = 0; t < trace.target.length; t++) for (let s = 0; s < trace.columns; s++) if (weight(trace, t, s) >= cut) line(t, s, 0.3 * weight(trace, t, s), ink, true);
    context.restore();
    const copy = document.createElement("canvas");
    copy.width = canvas.width; copy.height = canvas.height;
    if (canvas.width && canvas.height) copy.getContext("2d").drawImage(canvas, 0, 0);
    self.background = { key: `${canvas.width} ${canvas.height} ${self.cut} ${ink}`, trace, copy };
    context.clearRect(0, 0, width, canvas.clientHeight);
  }
  context.globalAlpha = 1;
  if (canvas.width && canvas.height) context.drawImage(self.background.copy, 0, 0, width, canvas.clientHeight);
  for (const t of picked) for (let s = 0; s < trace.columns; s++) line(t, s, weight(trace, t, s), colour(self.root, "--picked"));
  for (let s = 0; s < trace.columns; s++) if (self.hover?.s === undefined || self.hover.s === s) line(now, s, values[s], colour(self.root, "--now"));
  context.globalAlpha = 1;
}

function matrix(self, trace, now, values) {
  const canvas = self.root.querySelector(".matrix"), context = canvas.getContext("2d"), { height, cell, head, font } = self.size;
  const text = colour(self.root, "--st-text-color"), ink = colour(self.root, "--ink");
  const key = `${canvas.width} ${canvas.height} ${ink} ${text} ${cell}`;
  if (!self.painted || self.painted.key !== key || self.painted.trace !== trace) {
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = ink;
    for (let t = 0; t < trace.target.length; t++) for (let s = 0; s < trace.columns; s++) {
      context.globalAlpha = Math.min(1, weight(trace, t, s));
      context.fillRect(s * cell, head + t * height, cell - 1, height - 1);
    }
    context.globalAlpha = 1;
    context.fillStyle = text; context.font = font + "px sans-serif";
    if (cell >= 9) source(self).forEach((word, s) => {
      context.save(); context.translate((s + 0.5) * cell, head - 5); context.rotate(-Math.PI / 3.2); context.fillText(word.slice(0, 24), 0, 0); context.restore();
    });
    const copy = document.createElement("canvas");
    copy.width = canvas.width; copy.height = canvas.height; copy.getContext("2d").drawImage(canvas, 0, 0);
    self.painted = { key, trace, copy };
  }
  const ratio = window.devicePixelRatio || 1;
  context.globalAlpha = 1;
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.drawImage(self.painted.copy, 0, 0, canvas.width / ratio, canvas.height / ratio);
  context.lineWidth = 2;
  const box = (t, stroke) => { context.strokeStyle = stroke; context.strokeRect(1, head + t * height, cell * trace.columns - 2, height - 1); };
  for (const t of self.picked) if (t < trace.target.length) box(t, colour(self.root, "--picked"));
  if (self.draft && self.draft.t === now) {
    context.clearRect(0, head + now * height, cell * trace.columns, height);
    context.fillStyle = ink;
    values.forEach((w, s) => { context.globalAlpha = Math.min(1, w); context.fillRect(s * cell, head + now * height, cell - 1, height - 1); });
    context.globalAlpha = 1;
  }
  box(now, colour(self.root, "--now"));
  if (self.hover?.s !== undefined) { context.strokeStyle = text; context.strokeRect(self.hover.s * cell, head + now * height, cell - 1, height - 1); }
}

// Keep the row of the step inside the drawing, without moving the page.
function reveal(self) {
  const box = self.root.querySelector(".drawing"), item = self.root.querySelectorAll(".target li")[self.step];
  const strips = self.root.querySelector(".strips"), word = strips.querySelectorAll(".word")[self.step];
  if (isSilent(self) && word) strips.scrollTop = word.offsetTop - strips.offsetTop - strips.clientHeight / 2;
  if (!item || box.scrollHeight <= box.clientHeight) return;
  const from = item.offsetTop - box.offsetTop;
  if (from < box.scrollTop || from + item.offsetHeight > box.scrollTop + box.clientHeight) box.scrollTop = from - box.clientHeight / 2;
}

function pick(self, t) { if (!self.picked.delete(t)) self.picked.add(t); schedule(self); }

// Drag along a source word: its weight follows the finger, the others share what is left in the proportion they had.
function grab(self, item, s) {
  let width = 0;
  const set = (event) => {
    const box = item.getBoundingClientRect(), before = row(view(self), self.step), rest = add(before) - before[s];
    const w = Math.min(1, Math.max(0, (box.right - event.clientX) / box.width));
    const others = seen(self, self.step) - 1;
    const weights = Array.from(before, (a, i) => (i === s ? w : rest > 1e-9 ? (a / rest) * (1 - w) : canSee(self, self.step, i) ? (1 - w) / others : 0));
    self.draft = { t: self.step, weights }; self.hover = null; schedule(self);
  };
  item.addEventListener("pointerenter", () => { if (!self.draft) { self.hover = { t: self.step, s }; schedule(self); } });
  item.addEventListener("pointerleave", () => { if (!self.draft) { self.hover = null; schedule(self); } });
  item.addEventListener("pointerdown", (event) => {
    if (!self.head.editable || self.untouched || seen(self, self.step) < 2 || !canSee(self, self.step, s) || event.target.closest("button")) return;
    item.setPointerCapture(event.pointerId); width = event.clientX;
  });
  item.addEventListener("pointermove", (event) => { if (item.hasPointerCapture(event.pointerId) && Math.abs(event.clientX - width) > 2) set(event); });
  item.addEventListener("pointerup", () => {
    if (self.draft) lay(self, self.draft.weights);
  });
}

function setUp(component) {
  const self = begin(component, ".alignment", { picked: new Set(), cut: 2 }), { root, listen } = self;
  self.pin = ({ t }) => pick(self, t);
  self.canSee = (t, s) => canSee(self, t, s);
  const canvas = root.querySelector(".matrix");
  const place = (event) => {
    const box = canvas.getBoundingClientRect(), trace = view(self);
    const t = Math.floor((event.clientY - box.top - self.size.head) / self.size.height), s = Math.floor((event.clientX - box.left) / self.size.cell);
    return t >= 0 && t < trace.target.length && s >= 0 && s < trace.columns ? { t, s } : null;
  };
  listen(canvas, "pointermove", (event) => { self.hover = place(event); schedule(self); });
  listen(canvas, "pointerleave", () => { self.hover = null; schedule(self); });
  listen(canvas, "click", (event) => { const at = place(event); if (at) event.shiftKey ? pick(self, at.t) : go(self, at.t); });
  const cut = root.querySelector(".cut input");
  listen(cut, "input", () => { self.cut = Number(cut.value); root.querySelector(".cut b").textContent = (self.cut / 100).toFixed(2); schedule(self); });
  root.querySelector(".cut b").textContent = (self.cut / 100).toFixed(2);
  self.resize = new ResizeObserver(() => { cancelAnimationFrame(self.layoutFrame); self.layoutFrame = requestAnimationFrame(() => { self.painted = self.background = null; layout(self); }); });
  return self;
}

export default function (component) {
  const { data, parentElement } = component;
  const isNew = !instances.has(parentElement);
  if (isNew) instances.set(parentElement, setUp(component));
  const self = instances.get(parentElement), before = self.head, head = unpack(data);
  self.component = component;
  receive(self, head, isNew, () => self.picked.clear());
  const grown = isOwn(self) && before?.of === head.of && head.traces.at(-1).target.length > before.traces.at(-1).target.length;
  if (grown) go(self, view(self).target.length - 1); // the text went on: so does the visitor
  if (isNew) self.resize.observe(self.root);
  return () => end(self, parentElement);
}
