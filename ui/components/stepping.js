// What components share whose steps are walked and touched. `data` is one block: header length, header (JSON), then for each trace its
// weights and its scores (float32, steps × sources). All is drawn from those; the server is told the step when it rests, and asked only
// for a new decoding after a touch. Offline, in an exported file, the same code runs and nobody is told.
// A component has build(self), draw(self), reveal(self) and self.pin({ number, t }) of its own: the step t of the trace of that number.

const instances = new WeakMap();
const SETTLE = 150; // ms without a step before the server is told
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

const weight = (trace, t, s) => trace.weights[t * trace.columns + s];
const row = (trace, t) => trace.weights.subarray(t * trace.columns, (t + 1) * trace.columns);
const add = (values) => values.reduce((a, b) => a + b, 0);
const bits = (values) => -add(Array.from(values, (a) => (a > 0 ? a * Math.log2(a) : 0))) + 0;
const exact = (value) => (value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential(3) : value.toFixed(6));
const percent = (p) => (p > 0 && p < 5e-5 ? "<0.01 %" : (100 * p).toFixed(p < 0.0995 ? 2 : 1) + " %");
const colour = (root, name) => getComputedStyle(root).getPropertyValue(name).trim();

// The trace in view: the touched one when there is one, unless the visitor looks at the other.
const view = (self) => self.head.traces[self.untouched ? 0 : self.head.traces.length - 1];

// Whether a step writes one of its candidates, so that a hand may write another.
const forces = (self) => self.head.editable && self.head.writes;

function scoreOf(trace, t, s) {
  const score = trace.scores[t * trace.columns + s];
  return Number.isNaN(score) ? "" : `, score ${exact(score)}`;
}

// A line of words for each trace; the words that a touch has changed are underlined.
function strips(self) {
  const { head, root } = self, latest = head.traces.length - 1;
  root.querySelector(".strips").replaceChildren(...head.traces.map((trace, number) => {
    const label = element("span", { className: "label", textContent: head.labels[number] });
    const inView = trace === view(self);
    const given = Math.max(0, (head.given ?? 0) - 1), first = Math.min(given, ...head.traces.flatMap((one) => one.changed)); // what was given stands below
    const words = trace.target.map((word, t) => {
      const changed = trace.changed.includes(t);
      const made = element("span", { className: ["word", changed ? "changed" : "", trace.notes[t] && t >= given ? "noted" : "", t < first ? "before" : ""].join(" "), textContent: word, title: trace.notes[t] ?? "" });
      made.addEventListener("click", (event) => { if (event.shiftKey) return self.pin({ number, t }); look(self, number); go(self, t); });
      return made;
    });
    const strip = element("div", { className: "strip" + (inView ? " inview" : "") }, label, ...words);
    if (latest > 0) label.replaceChildren(element("button", { textContent: head.labels[number], title: "Show this one", onclick: () => look(self, number), ariaPressed: String(inView) }));
    return strip;
  }));
}

function markStrips(self) {
  self.root.querySelectorAll(".strip").forEach((strip) => strip.querySelectorAll(".word").forEach((word, t) => {
    word.classList.toggle("now", strip.classList.contains("inview") && t === self.step); word.classList.toggle("later", t > self.step);
  }));
}

function look(self, number) {
  self.untouched = number === 0 && self.head.traces.length > 1;
  self.step = Math.min(self.step, view(self).target.length - 1);
  build(self);
}

function candidates(self, trace, step) {
  const list = self.root.querySelector(".candidates"), chosen = trace.candidates[step] ?? [];
  self.root.querySelector(".what").textContent = chosen.length ? `p(${self.head.outcome})${self.head.writes ? ` of step ${step + 1}` : ""}; the rest ${percent(Math.max(0, 1 - add(chosen.map(([, p]) => p))))}` : "";
  list.replaceChildren(...chosen.slice(0, 8).map(([word, p]) => {
    const item = element("li", { title: `p = ${exact(p)}` + (forces(self) ? `; click to force this ${self.head.outcome}` : "") }, element("span", { textContent: word }), element("span", { textContent: percent(p) }));
    item.style.setProperty("--p", p);
    item.classList.toggle("written", word === (self.head.writes ? trace.target[step] : chosen[0][0]));
    if (forces(self) && !self.untouched) item.addEventListener("click", () => force(self, word));
    return item;
  }));
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

function tell(self) { if (self.told !== self.step) self.component.setStateValue("step", { of: self.head.of, step: (self.told = self.step) }); }

// Touches of later steps are of words that may not be written any more: a new touch keeps those before it.
const kept = (by, step) => Object.fromEntries(Object.entries(by ?? {}).filter(([t]) => Number(t) < step));

function touch(self, change, keepRest) {
  const before = keepRest ? { ...self.head.touch, weights: kept(self.head.touch.weights, self.step + 1) } : {};
  self.draft = null;
  self.component.setStateValue("touch", { ...before, ...change, of: self.head.of });
}

function lay(self, weights) { touch(self, { weights: { ...kept(self.head.touch.weights, self.step), [self.step]: Array.from(weights) } }, true); }

function force(self, word) { touch(self, { words: { ...kept(self.head.touch.words, self.step), [self.step]: word } }, true); }

function forbid(self, s) {
  const now = new Set(self.head.touch.forbidden ?? []);
  if (!now.delete(s)) now.add(s);
  touch(self, { forbidden: [...now].sort((a, b) => a - b) }, true);
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

// Buttons and keys that step, and the fields that touch.
function begin(component, selector, own) {
  const root = component.parentElement.querySelector(selector);
  const self = { root, stop: new AbortController(), step: null, hover: null, untouched: false, ...own };
  self.listen = (target, event, handler) => target.addEventListener(event, handler, { signal: self.stop.signal });
  const last = () => view(self).target.length - 1;
  const moves = { first: () => 0, back: () => self.step - 1, next: () => self.step + 1, last };
  for (const [name, to] of Object.entries(moves)) self.listen(root.querySelector("." + name), "click", () => { halt(self); go(self, to()); });
  self.listen(root.querySelector(".play"), "click", () => (self.playing ? halt(self) : play(self)));
  self.listen(window, "keydown", (event) => {
    if (isForOthers(event)) return;
    const to = { ArrowLeft: moves.back, ArrowRight: moves.next, Home: moves.first, End: moves.last }[event.key];
    if (!to) return;
    event.preventDefault(); halt(self); go(self, to());
  });
  self.listen(root.querySelector(".uniform"), "click", () => {
    const sees = Array.from({ length: view(self).columns }, (_, s) => ((self.canSee?.(self.step, s) ?? true) ? 1 : 0)), n = add(sees);
    if (n) lay(self, sees.map((one) => one / n));
  });
  self.listen(root.querySelector(".restore"), "click", () => touch(self, {}, false));
  const field = root.querySelector(".force");
  self.listen(field, "change", () => {
    const word = field.value.trim();
    field.value = "";
    if (word) force(self, word);
  });
  const heat = root.querySelector(".temperature"), factor = () => 10 ** (Number(heat.value) / 20);
  self.showHeat = () => (root.querySelector(".heat b").textContent = "τ = " + factor().toFixed(2));
  self.listen(heat, "input", self.showHeat);
  self.listen(heat, "change", () => touch(self, { temperature: factor() }, true));
  return self;
}

// New data: of the same source the browser knows better than the server where the visitor is; another begins where the server says.
function receive(self, head, isNew, forget) {
  const another = self.head?.of !== head.of;
  if (another) { forget?.(); self.untouched = false; halt(self); }
  if (!isNew && another) self.step = self.told = head.step;
  self.head = head;
  self.told ??= head.step;
  self.step ??= head.step;
  if (head.traces.length < 2) self.untouched = false;
  self.step = Math.min(self.step, view(self).target.length - 1);
  self.draft = null;
  if (another || !self.pointsAtPicture) self.hover = null; // the words under a pointer are drawn anew, a picture stays where it is
  self.root.querySelector(".temperature").value = Math.round(20 * Math.log10(head.touch.temperature ?? 1));
  self.showHeat();
  build(self);
  if (another) requestAnimationFrame(() => reveal(self));
  if (isNew) requestAnimationFrame(() => setTimeout(() => { self.component.setStateValue("painted", true); reveal(self); }));
}

function end(self, parentElement) { self.stop.abort(); self.resize.disconnect(); halt(self); clearTimeout(self.timer); instances.delete(parentElement); }
