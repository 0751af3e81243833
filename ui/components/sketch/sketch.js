// A black sheet and a white pen. The ink travels as one byte a pixel of side × side, in base64, when a stroke ends.

const sheets = new WeakMap();

function smaller(canvas, side) {
  const small = element("canvas", { width: side, height: side }), context = small.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(canvas, 0, 0, side, side);
  const { data } = context.getImageData(0, 0, side, side);
  return Uint8Array.from({ length: side * side }, (_, i) => data[4 * i]);
}

function show(self, text) {
  const { side } = self, small = element("canvas", { width: side, height: side }), context = small.getContext("2d"), image = context.createImageData(side, side);
  const ink = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  for (let i = 0; i < side * side; i++) image.data.set([ink[i] ?? 0, ink[i] ?? 0, ink[i] ?? 0, 255], 4 * i);
  context.putImageData(image, 0, 0);
  self.context.drawImage(small, 0, 0, self.canvas.width, self.canvas.height);
}

function clear(self) {
  self.context.fillStyle = "#000";
  self.context.fillRect(0, 0, self.canvas.width, self.canvas.height);
}

function tell(self) {
  const ink = smaller(self.canvas, self.side);
  self.component.setStateValue("ink", ink.some(Boolean) ? btoa(String.fromCharCode(...ink)) : "");
}

function setUp(component) {
  const root = component.parentElement.querySelector(".sketch"), canvas = root.querySelector(".paper");
  const self = { root, canvas, context: canvas.getContext("2d", { willReadFrequently: true }), side: component.data.side, stop: new AbortController(), last: null };
  const listen = (target, event, handler) => target.addEventListener(event, handler, { signal: self.stop.signal });
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * canvas.width, (event.clientY - box.top) / box.height * canvas.height];
  };
  const stroke = (event) => {
    const to = place(event), { context } = self;
    Object.assign(context, { strokeStyle: "#fff", lineCap: "round", lineJoin: "round", lineWidth: Number(root.querySelector(".pen").value) });
    context.beginPath();
    context.moveTo(...(self.last ?? to));
    context.lineTo(...to);
    context.stroke();
    self.last = to;
  };
  const end = () => { if (self.last) { self.last = null; tell(self); } };
  listen(canvas, "pointerdown", (event) => { event.preventDefault(); canvas.setPointerCapture(event.pointerId); stroke(event); });
  listen(canvas, "pointermove", (event) => { if (self.last) stroke(event); });
  listen(canvas, "pointerup", end);
  listen(canvas, "pointercancel", end);
  listen(root.querySelector(".clear"), "click", () => { clear(self); tell(self); });
  clear(self);
  if (component.data.ink) show(self, component.data.ink);
  return self;
}

export default function (component) {
  const { parentElement } = component;
  if (!sheets.has(parentElement)) sheets.set(parentElement, setUp(component));
  const self = sheets.get(parentElement);
  self.component = component;
  return () => { self.stop.abort(); sheets.delete(parentElement); };
}
