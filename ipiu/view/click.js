/* A picture to click on, for anywidget. Left: this belongs to it; with shift or the right button: this does not;
   drag: a box. Keys: arrows move a cross-hair (shift: by ten), Enter clicks, shift-Enter clicks away, B starts and ends
   a box, Backspace takes the last one back, Escape all of them. */
const INK = { yes: "#2371ad", no: "#d9691e" };

function mark(pen, step, scale) {
  pen.lineWidth = 2;
  if (step.kind === "box") {
    const [top, left, bottom, right] = step.at;
    pen.strokeStyle = INK.yes;
    pen.strokeRect(left * scale, top * scale, (right - left) * scale, (bottom - top) * scale);
    return;
  }
  const [row, column] = step.at;
  const [x, y] = [(column + 0.5) * scale, (row + 0.5) * scale];
  pen.fillStyle = step.kind === "yes" ? INK.yes : INK.no;
  pen.strokeStyle = "#fff";
  pen.beginPath();
  pen.arc(x, y, 8, 0, 2 * Math.PI);
  pen.fill();
  pen.stroke();
  pen.beginPath();
  pen.moveTo(x - 4, y);
  pen.lineTo(x + 4, y);
  if (step.kind === "yes") {
    pen.moveTo(x, y - 4);
    pen.lineTo(x, y + 4);
  }
  pen.stroke();
}

function loaded(source) {
  return new Promise((done) => {
    if (!source) return done(null);
    const image = new Image();
    image.onload = () => done(image);
    image.onerror = () => done(null);
    image.src = source;
  });
}

function render({ model, el }) {
  const [rows, columns] = model.get("shape");
  const scale = Math.max(1, Math.min(512 / columns, 512 / rows));
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: Math.round(columns * scale), height: Math.round(rows * scale), tabIndex: 0 });
  canvas.style.cssText = "max-width:100%;cursor:crosshair;touch-action:none;background:#000;border-radius:4px";
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", model.get("alt"));
  const said = document.createElement("div");
  said.setAttribute("role", "status");
  said.setAttribute("aria-live", "polite");
  const help = document.createElement("small");
  help.textContent =
    "Click: belongs to it. Shift or right button: does not. Drag: a box. " +
    "Keys: arrows, Enter, shift + Enter, B for a box, Backspace, Escape.";
  const undo = Object.assign(document.createElement("button"), { type: "button", textContent: "Undo" });
  const clear = Object.assign(document.createElement("button"), { type: "button", textContent: "Clear" });
  const bar = document.createElement("div");
  bar.append(undo, " ", clear);
  el.append(canvas, said, bar, help);

  const pen = canvas.getContext("2d");
  let picture = null;
  let overlay = null;
  let cross = null;
  let corner = null; // of a box that is being drawn, in pixels of the picture
  let start = null;

  function draw() {
    pen.imageSmoothingEnabled = true;
    pen.clearRect(0, 0, canvas.width, canvas.height);
    if (picture) pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
    if (overlay) pen.drawImage(overlay, 0, 0, canvas.width, canvas.height);
    for (const step of model.get("steps")) mark(pen, step, scale);
    if (cross) {
      pen.strokeStyle = "#ffd24a";
      pen.lineWidth = 1;
      const [x, y] = [(cross[1] + 0.5) * scale, (cross[0] + 0.5) * scale];
      pen.beginPath();
      pen.moveTo(x, 0);
      pen.lineTo(x, canvas.height);
      pen.moveTo(0, y);
      pen.lineTo(canvas.width, y);
      pen.stroke();
    }
    if (corner && cross) mark(pen, { kind: "box", at: boxed(corner, cross) }, scale);
  }

  const boxed = (a, b) => [
    Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]) + 1, Math.max(a[1], b[1]) + 1,
  ];

  function tell(steps) {
    model.set("steps", steps);
    model.save_changes();
    draw();
  }

  // one box at most: another replaces it
  function add(step) {
    const kept = step.kind === "box" ? model.get("steps").filter((one) => one.kind !== "box") : model.get("steps");
    tell([...kept, step]);
  }

  function place(event) {
    const box = canvas.getBoundingClientRect();
    const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
    const column = Math.floor(((event.clientX - box.left) / box.width) * columns);
    return [Math.min(rows - 1, Math.max(0, row)), Math.min(columns - 1, Math.max(0, column))];
  }

  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    start = { at: place(event), x: event.clientX, y: event.clientY };
    cross = corner = null;
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!start) return;
    if (Math.hypot(event.clientX - start.x, event.clientY - start.y) > 5) {
      [corner, cross] = [start.at, place(event)];
      draw();
    }
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!start) return;
    const at = place(event);
    if (corner) add({ kind: "box", at: boxed(corner, at) });
    else add({ kind: event.button === 2 || event.shiftKey ? "no" : "yes", at });
    start = corner = cross = null;
    draw();
  });
  canvas.addEventListener("pointercancel", () => {
    start = corner = null;
    draw();
  });
  canvas.addEventListener("keydown", (event) => {
    const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    cross ||= [Math.floor(rows / 2), Math.floor(columns / 2)];
    if (move) {
      const far = event.shiftKey ? 10 : 1;
      cross = [
        Math.min(rows - 1, Math.max(0, cross[0] + far * move[0])),
        Math.min(columns - 1, Math.max(0, cross[1] + far * move[1])),
      ];
      said.textContent = `row ${cross[0]}, column ${cross[1]}`;
    } else if (event.key === "Enter") add({ kind: event.shiftKey ? "no" : "yes", at: cross });
    else if (event.key === "b" || event.key === "B") {
      if (corner) {
        add({ kind: "box", at: boxed(corner, cross) });
        corner = null;
      } else corner = cross;
    } else if (event.key === "Backspace") tell(model.get("steps").slice(0, -1));
    else if (event.key === "Escape") {
      corner = null;
      tell([]);
    } else return;
    event.preventDefault();
    event.stopPropagation();
    draw();
  });
  undo.addEventListener("click", () => tell(model.get("steps").slice(0, -1)));
  clear.addEventListener("click", () => tell([]));

  async function refresh() {
    overlay = await loaded(model.get("overlay"));
    said.textContent = model.get("said");
    draw();
  }
  model.on("change:overlay change:said change:steps", refresh);
  loaded(model.get("picture")).then((image) => {
    picture = image;
    refresh();
  });
  return () => model.off("change:overlay change:said change:steps", refresh);
}

export default { render };
