// Stepping through an alignment. `data` is one block: header length, header (JSON), then for each trace its weights and its scores
// (float32, steps × sources; a score that is no number is of a word that the step cannot look at). Stepping, hovering, pinning and cutting are drawn from those; the server is told the step when it
// rests, and asked only for a new decoding after a touch. Offline, in an exported file, the same code runs and nobody is told.

const instances = new WeakMap();
const SETTLE = 150; // ms without a step before the server is told
const LONG = 48; // words, from which on a text that is read is not drawn as lines and matrix, too
const BEAT = 1000; // ms a step while playing

function unpack(bytes) {
  let [head, at] = readHeader(bytes);
  const floats = (count) => { const part = new Float32Array(bytes.slice(at, at + 4 * count).buffer); at += 4 * count; return part; };
  for (const trace of head.traces) {
    trace.weights = floats(trace.target.length * trace.columns);
    trace.scores = floats(trace.target.length * trace.columns);
  }
  return head;
}

// The trace in view: the touched one when there is one, unless the visitor looks at the other.
const view = (self) => self.head.traces[self.untouched ? 0 : self.head.traces.length - 1];
const source = (self) => view(self).source;
// A model that looks back at its own text: the first words of the source were given, each other one is what the step before wrote.
const isOwn = (self) => self.head.given > 0;
const isLong = (self) => self.head.reading && !isOwn(self) && source(self).length > LONG;
const canSee = (self, t, s) => !isOwn(self) || !Number.isNaN(view(self).scores[t * view(self).columns + s]);
const seen = (self, t) => source(self).slice(0, view(self).columns).filter((_, s) => canSee(self, t, s)).length;

const weight = (trace, t, s) => trace.weights[t * trace.columns + s];
const row = (trace, t) => trace.weights.subarray(t * trace.columns, (t + 1) * trace.columns);
const add = (values) => values.reduce((a, b) => a + b, 0);
const bits = (values) => -add(Array.from(values, (a) => (a > 0 ? a * Math.log2(a) : 0))) + 0;
const exact = (value) => (value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential(3) : value.toFixed(6));
const percent = (p) => (p > 0 && p < 5e-5 ? "<0.01 %" : (100 * p).toFixed(p < 0.0995 ? 2 : 1) + " %");
const element = (tag, properties, ...children) => { const made = Object.assign(document.createElement(tag), properties); made.append(...children); return made; };

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
  root.classList.toggle("decides", head.outcome !== "word");
  find(".reading").replaceChildren(...(trace.text ?? []).flatMap((piece, s) => [piece.match(/^\s*/)[0], heated(self, piece.trim(), s)]));
  strips(self);
  find(".hint").textContent = (trace.columns ? "← → step · Home End · click a word · hover a cell for its exact weight · ⊕ or Shift-click pins rows and adds them up"
    : "← → step · Home End · click a word. This model has no attention: all it knows of the " + (isOwn(self) ? "text is in its state." : "sentence is one fixed vector."))
    + (head.editable && trace.columns ? " · drag a source word's bar to change its weight · ⊘ forbids it" : "") + (forces(self) ? " · click a likely word to force it" : "") + (head.reading && head.editable && !isOwn(self) ? " · click a word of the text to forbid it" : "");
  find(".temperature").value = Math.round(20 * Math.log10(head.touch.temperature ?? 1));
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

const isDark = (root) => {
  const [r, g, b] = (getComputedStyle(root).getPropertyValue("--st-background-color").match(/[0-9a-f]{2}/gi) ?? ["ff", "ff", "ff"]).map((two) => parseInt(two, 16));
  return r + g + b < 382;
};

// Nothing is written: the tokens are given, as where a sentence looks at itself.
const isSilent = (self) => !self.head.editable && self.head.traces.every((trace) => trace.candidates.length === 0);

function strips(self) {
  const { head, root } = self, latest = head.traces.length - 1;
  root.querySelector(".strips").replaceChildren(...head.traces.map((trace, number) => {
    const label = element("span", { className: "label", textContent: head.labels[number] });
    const inView = trace === view(self);
    const words = trace.target.map((word, t) => {
      const changed = trace.changed.includes(t);
      const made = element("span", { className: ["word", changed ? "changed" : "", trace.notes[t] ? "noted" : ""].join(" "), textContent: word, title: trace.notes[t] ?? "" });
      made.addEventListener("click", () => { look(self, number); go(self, t); });
      return made;
    });
    const strip = element("div", { className: "strip" + (inView ? " inview" : "") }, label, ...words);
    if (latest > 0) label.replaceChildren(element("button", { textContent: head.labels[number], title: "Show this one", onclick: () => look(self, number), ariaPressed: String(inView) }));
    return strip;
  }));
}

function look(self, number) {
  self.untouched = number === 0 && self.head.traces.length > 1;
  self.step = Math.min(self.step, view(self).target.length - 1);
  build(self);
}

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

const colour = (root, name) => getComputedStyle(root).getPropertyValue(name).trim();

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
  root.querySelectorAll(".strip").forEach((strip) => strip.querySelectorAll(".word").forEach((word, t) => {
    word.classList.toggle("now", strip.classList.contains("inview") && t === step); word.classList.toggle("later", t > step);
  }));
  candidates(self, trace, step);
  facts(self, trace, now, values, total, picked);
  if (trace.columns) { lines(self, trace, now, values, total, picked); matrix(self, trace, now, values); }
  Object.assign(root.dataset, { step, word: trace.target[step], steps: trace.target.length });
}

function candidates(self, trace, step) {
  const list = self.root.querySelector(".candidates"), chosen = trace.candidates[step] ?? [];
  self.root.querySelector(".what").textContent = chosen.length ? `p(${self.head.outcome})${self.head.outcome === "word" ? ` of step ${step + 1}` : ""}; the rest ${percent(Math.max(0, 1 - add(chosen.map(([, p]) => p))))}` : "";
  list.replaceChildren(...chosen.slice(0, 8).map(([word, p]) => {
    const item = element("li", { title: `p = ${exact(p)}` + (forces(self) ? "; click to force this word" : "") }, element("span", { textContent: word }), element("span", { textContent: percent(p) }));
    item.style.setProperty("--p", p);
    item.classList.toggle("written", word === (self.head.outcome === "word" ? trace.target[step] : chosen[0][0]));
    if (forces(self) && !self.untouched) item.addEventListener("click", () => touch(self, { words: { ...kept(self.head.touch.words, step), [step]: word } }, true));
    return item;
  }));
}

const forces = (self) => self.head.editable && self.head.outcome === "word";

// Touches of later steps are of words that may not be written any more: a new touch keeps those before it.
const kept = (by, step) => Object.fromEntries(Object.entries(by ?? {}).filter(([t]) => Number(t) < step));

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

function scoreOf(trace, t, s) {
  const score = trace.scores[t * trace.columns + s];
  return Number.isNaN(score) ? "" : `, score ${exact(score)}`;
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

function schedule(self) { self.frame ||= requestAnimationFrame(() => { self.frame = 0; draw(self); }); }

function go(self, step) {
  self.step = Math.min(view(self).target.length - 1, Math.max(0, step));
  self.draft = null;
  schedule(self);
  reveal(self);
  clearTimeout(self.timer);
  self.timer = setTimeout(() => tell(self), SETTLE);
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

function tell(self) { if (self.told !== self.step) self.component.setStateValue("step", { of: self.head.sentence, step: (self.told = self.step) }); }

function pick(self, t) { if (!self.picked.delete(t)) self.picked.add(t); schedule(self); }

function touch(self, change, keepRest) {
  const before = keepRest ? { ...self.head.touch, weights: kept(self.head.touch.weights, self.step + 1) } : {};
  self.draft = null;
  self.component.setStateValue("touch", { ...before, ...change, of: self.head.sentence });
}

function forbid(self, s) {
  const now = new Set(self.head.touch.forbidden ?? []);
  if (!now.delete(s)) now.add(s);
  touch(self, { forbidden: [...now].sort((a, b) => a - b) }, true);
}

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
    if (self.draft) touch(self, { weights: { ...kept(self.head.touch.weights, self.step), [self.step]: self.draft.weights } }, true);
  });
}

function setUp(component) {
  const root = component.parentElement.querySelector(".alignment");
  const self = { root, stop: new AbortController(), step: null, picked: new Set(), hover: null, cut: 2, untouched: false };
  const listen = (target, event, handler) => target.addEventListener(event, handler, { signal: self.stop.signal });
  const last = () => view(self).target.length - 1;
  const moves = { first: () => 0, back: () => self.step - 1, next: () => self.step + 1, last };
  for (const [name, to] of Object.entries(moves)) listen(root.querySelector("." + name), "click", () => { halt(self); go(self, to()); });
  listen(root.querySelector(".play"), "click", () => (self.playing ? halt(self) : play(self)));
  listen(window, "keydown", (event) => {
    if (isForOthers(event)) return;
    const to = { ArrowLeft: moves.back, ArrowRight: moves.next, Home: moves.first, End: moves.last }[event.key];
    if (!to) return;
    event.preventDefault(); halt(self); go(self, to());
  });
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
  listen(root.querySelector(".uniform"), "click", () => {
    const n = seen(self, self.step), row = Array.from({ length: view(self).columns }, (_, s) => (canSee(self, self.step, s) ? 1 / n : 0));
    if (n) touch(self, { weights: { ...kept(self.head.touch.weights, self.step), [self.step]: row } }, true);
  });
  listen(root.querySelector(".restore"), "click", () => touch(self, {}, false));
  const force = root.querySelector(".force");
  listen(force, "change", () => {
    const word = force.value.trim();
    force.value = "";
    if (word) touch(self, { words: { ...kept(self.head.touch.words, self.step), [self.step]: word } }, true);
  });
  const heat = root.querySelector(".temperature"), factor = () => 10 ** (Number(heat.value) / 20);
  const showHeat = () => (root.querySelector(".heat b").textContent = "τ = " + factor().toFixed(2));
  self.showHeat = showHeat;
  listen(heat, "input", showHeat);
  listen(heat, "change", () => touch(self, { temperature: factor() }, true));
  self.resize = new ResizeObserver(() => { cancelAnimationFrame(self.layoutFrame); self.layoutFrame = requestAnimationFrame(() => { self.painted = self.background = null; layout(self); }); });
  return self;
}

function play(self) {
  const button = self.root.querySelector(".play");
  self.playing = setInterval(() => (self.step + 1 < view(self).target.length ? go(self, self.step + 1) : halt(self)), BEAT);
  button.textContent = "Pause"; button.setAttribute("aria-pressed", "true");
  go(self, self.step + 1 < view(self).target.length ? self.step + 1 : 0);
}

function halt(self) {
  clearInterval(self.playing); self.playing = null;
  const button = self.root.querySelector(".play");
  button.textContent = "Play"; button.setAttribute("aria-pressed", "false");
}

export default function (component) {
  const { data, parentElement } = component;
  const isNew = !instances.has(parentElement);
  if (isNew) instances.set(parentElement, setUp(component));
  const self = instances.get(parentElement);
  self.component = component;
  const head = unpack(data);
  const another = self.head?.sentence !== head.sentence, length = self.head?.traces.at(-1).target.length;
  if (another) { self.picked.clear(); self.untouched = false; halt(self); }
  if (!isNew && another) self.step = self.told = head.step;
  self.head = head;
  self.told ??= head.step;
  self.step ??= head.step; // afterwards the browser knows better than the server where the finger is
  if (self.head.traces.length < 2) self.untouched = false;
  const grown = isOwn(self) && !isNew && !another && head.traces.at(-1).target.length > length;
  if (grown) self.step = view(self).target.length - 1; // the text went on: so does the visitor
  self.step = Math.min(self.step, view(self).target.length - 1);
  self.draft = self.hover = null;
  build(self);
  self.showHeat();
  if (another || (isNew && isOwn(self))) requestAnimationFrame(() => reveal(self));
  if (grown) go(self, self.step);
  if (isNew) {
    self.resize.observe(self.root);
    requestAnimationFrame(() => setTimeout(() => self.component.setStateValue("painted", true)));
  }
  return () => { self.stop.abort(); self.resize.disconnect(); halt(self); clearTimeout(self.timer); instances.delete(parentElement); };
}
