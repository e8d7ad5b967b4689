// A square to draw a grey image on. data: { side, start: pixel values as base64 or "" }.
// Event to the page: "drawn", the pixel values as base64.

const ready = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".pad");
  const canvas = root.querySelector("canvas");
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  root.querySelector("[data-do=place]").onclick = () => setTriggerValue("drawn", values());
  root.querySelector("[data-do=erase]").onclick = () => blank();
  if (ready.get(root) === data.start) return;
  ready.set(root, data.start);
  canvas.width = canvas.height = data.side;
  blank();
  if (data.start) begin(atob(data.start));

  let last = null;
  let cell = [data.side >> 1, data.side >> 1];
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = place(event);
    stroke(last, last, event.button === 2 || event.shiftKey);
  };
  canvas.onpointermove = (event) => {
    if (!last) return;
    const here = place(event);
    stroke(last, here, event.shiftKey);
    last = here;
  };
  canvas.onpointerup = () => (last = null);
  canvas.onkeydown = (event) => {
    const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
    if (!step[event.key]) return;
    const next = cell.map((at, axis) => Math.min(data.side, Math.max(0, at + step[event.key][axis])));
    if (!event.altKey) stroke(cell, next, event.shiftKey);
    cell = next;
    event.preventDefault();
  };

  function place(event) {
    const box = canvas.getBoundingClientRect();
    const scale = data.side / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  }

  function stroke([x0, y0], [x1, y1], erases) {
    pen.strokeStyle = erases ? "black" : "white";
    pen.lineWidth = data.side / 12;
    pen.lineCap = "round";
    pen.beginPath();
    pen.moveTo(x0, y0);
    pen.lineTo(x1 + 0.01, y1);
    pen.stroke();
  }

  function blank() {
    pen.fillStyle = "black";
    pen.fillRect(0, 0, canvas.width, canvas.height);
  }

  function begin(text) {
    const image = pen.createImageData(data.side, data.side);
    for (let i = 0; i < text.length; i++) {
      image.data.fill(text.charCodeAt(i), 4 * i, 4 * i + 3);
      image.data[4 * i + 3] = 255;
    }
    pen.putImageData(image, 0, 0);
  }

  function values() {
    const { data: pixels } = pen.getImageData(0, 0, canvas.width, canvas.height);
    let text = "";
    for (let i = 0; i < pixels.length; i += 4) text += String.fromCharCode(pixels[i]);
    return btoa(text);
  }
}
