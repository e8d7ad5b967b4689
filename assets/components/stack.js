// Images one below the other, over each its map of relevance and the outline of marked pixels.
// Pointer or arrow keys tell the value of a pixel.
// data: { sheets, colours, positive, opacity, limit, cells: [{ row or picture, map, note, label,
//   marked }], ahead: { key: cells } }; picture and map: { address, array, place }, where the
//   browser finds them. opacity null shows maps alone; colours: [red, green, blue, alpha] from
//   lowest to highest; limit: the relevance at their end, or "each" or "all", what decides it.
//   ahead: what a click on the button of this key is going to show; fetched before.
import { bitsOf, fetchArrays } from "./data.js";

const MOST_KEPT = 1000; // files
const kept = new Map(); // what was fetched, by address
const CELL = `
  <figcaption></figcaption>
  <div class="frame">
    <div class="picture" role="img" tabindex="0">
      <canvas class="image"></canvas><canvas class="map"></canvas>
      <svg preserveAspectRatio="none"><path class="dark"/><path class="bright"/></svg>
    </div>
    <div class="bar" aria-hidden="true"><canvas></canvas>
      <div><span></span><span></span><span></span></div></div>
  </div>
  <output></output>`;

const shown = new Set(); // every stack on the page
document.addEventListener("click", ({ target }) => {
  for (const root of shown) if (!root.isConnected) shown.delete(root);
  const leads = (name) => target.closest?.(`.st-key-${name} button`);
  const steps = [...shown].flatMap((root) => {
    const key = Object.keys(root.latest.ahead).find(leads);
    return key ? [[root, root.latest.ahead[key]]] : [];
  });
  if (!steps.every(([, cells]) => cells.every(isThere))) return; // all columns step together
  for (const [root, cells] of steps) render(root, { ...root.latest, cells, ahead: {} });
});

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".stack");
  shown.add(root);
  render(root, data);
}

/** Draw all cells as soon as they are there, unless others are wanted by then. */
async function render(root, data) {
  root.latest = data;
  const parts = await Promise.all(data.cells.map((cell) => fetched(cell, data.sheets)));
  if (root.latest !== data) return;
  while (root.children.length > parts.length) root.lastChild.remove();
  while (root.children.length < parts.length) {
    const figure = document.createElement("figure");
    figure.innerHTML = CELL;
    root.append(figure);
  }
  const limits = limitsOf(parts.map((part) => part.relevance), data.limit);
  const hasBar = barsOf(parts.map((part) => part.relevance), limits, data.opacity);
  data.cells.forEach((cell, place) => {
    draw(root.children[place], cell, parts[place], limits[place], data, hasBar[place]);
  });
  const count = parts.filter((part) => part.relevance).length;
  root.dataset.drawn = `${data.cells.map((cell) => cell.row).join()}:${count}`;
  for (const cell of Object.values(data.ahead).flat()) {
    if (root.latest !== data) return;
    await fetched(cell, data.sheets);
  }
  root.dataset.ahead = Object.values(data.ahead).flat().filter(isThere).length;
}

/** The picture and the relevance of a cell as far as they are found, or why one is not. */
async function fetched(cell, sheets) {
  const wanted = [pictureOf(cell, sheets), valuesOf(cell.map)];
  const [picture, relevance] = await Promise.allSettled(wanted);
  const error = picture.reason ?? relevance.reason;
  return { picture: picture.value, relevance: relevance.value, error };
}

/** Which maps have a bar of colours: each, or the first where all have the same limit. */
export function barsOf(maps, limits, opacity) {
  if (opacity === 0) return maps.map(() => false);
  if (new Set(limits).size > 1) return maps.map(Boolean);
  return maps.map((_, place) => place === 0 && maps.some(Boolean));
}

/** The end of the colours of each map: a number, or what the greatest value of "each" or "all" is. */
export function limitsOf(maps, limit) {
  if (typeof limit === "number") return maps.map(() => limit);
  const own = maps.map((map) =>
    (map ?? []).reduce((most, value) => (isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0),
  );
  return own.map((most) => (limit === "each" ? most : Math.max(...own)) || 1);
}

/** The raw numbers of a map. */
export function noteOf(map) {
  if (!map.every(isFinite)) return "not a number in some pixels";
  const [low, high] = [Math.min, Math.max].map((end) => map.reduce((a, b) => end(a, b)));
  const sum = map.reduce((total, value) => total + value, 0);
  return `raw ${short(low, 3)} to ${short(high, 3)}\nsum ${short(sum, 4)}`;
}

function draw(figure, cell, { picture, relevance, error }, limit, data, hasBar) {
  const { height, width } = data.sheets;
  const map = relevance && noteOf(relevance);
  const note = error ? `not shown: ${error.message}` : (cell.note ?? map);
  figure.querySelector("figcaption").textContent = note;
  const frame = figure.querySelector(".picture");
  frame.setAttribute("aria-label", `${cell.label}: ${note}`);
  frame.style.aspectRatio = `${width} / ${height}`;
  const alone = relevance && data.opacity === null;
  const image = cleared(frame.querySelector(".image"), width, height);
  if (picture && !alone) picture(image);
  const over = cleared(frame.querySelector(".map"), width, height);
  if (relevance) fill(over, coloured(relevance, limit, data), width);
  over.canvas.style.opacity = data.opacity ?? 1;
  outline(frame.querySelector("svg"), cell.marked, width, height);
  bar(figure.querySelector(".bar"), hasBar, limit, data);
  const value = (row, column) => {
    if (relevance) return short(relevance[row * width + column], 3);
    const [red, green, blue] = image.getImageData(column, row, 1, 1).data;
    return red === green && green === blue ? red : `${red}, ${green}, ${blue}`;
  };
  tell(figure, value, width, height);
}

/** What `make` promises for an address, once. */
function once(address, make) {
  if (!kept.has(address)) {
    if (kept.size >= MOST_KEPT) kept.delete(kept.keys().next().value);
    const promise = make();
    promise.then(
      (value) => (promise.value = value),
      () => kept.delete(address),
    );
    kept.set(address, promise);
  }
  return kept.get(address);
}

/** Whether the map of a cell has been fetched. */
const isThere = (cell) => !cell.map || kept.get(cell.map.address)?.value;

/** A part of a stored array, by the places along its first axes; null for none. */
async function valuesOf(wanted) {
  if (!wanted) return null;
  const arrays = await once(wanted.address, () => fetchArrays(wanted.address));
  const whole = arrays[wanted.array];
  const rest = whole.shape.slice(wanted.place.length);
  const size = rest.reduce((product, length) => product * length, 1);
  const first = wanted.place.reduce((at, place, axis) => at * whole.shape[axis] + place, 0);
  return whole.subarray(first * size, (first + 1) * size);
}

/** What draws the image of a cell with a pen. */
async function pictureOf(cell, sheets) {
  const { height, width } = sheets;
  if (cell.picture) {
    const pixels = pixelsOf(await valuesOf(cell.picture), height * width);
    return (pen) => fill(pen, pixels, width);
  }
  const { address, size, columns } = sheets;
  const [sheet, place] = [Math.floor(cell.row / size), cell.row % size];
  const file = new URL(`${address}/${sheet}.png`, document.baseURI).href;
  const picture = await once(file, async () => {
    const image = new Image();
    image.src = file;
    await image.decode();
    return image;
  });
  const [left, top] = [(place % columns) * width, Math.floor(place / columns) * height];
  return (pen) => pen.drawImage(picture, left, top, width, height, 0, 0, width, height);
}

/** Colours of an image of so many pixels, from its one grey plane or its red, green and blue. */
export function pixelsOf(planes, count) {
  const pixels = new Uint8ClampedArray(4 * count).fill(255);
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) pixels[4 * i + c] = planes[(c * count + i) % planes.length];
  }
  return pixels;
}

/** Colours of relevance; transparent where it is not a number. */
export function coloured(relevance, limit, { colours, positive }) {
  const pixels = new Uint8ClampedArray(4 * relevance.length);
  const last = colours.length - 1;
  relevance.forEach((value, i) => {
    const share = positive ? value / limit : (value / limit + 1) / 2;
    if (Number.isNaN(share)) return;
    const at = Math.min(1, Math.max(0, share)) * last;
    const low = Math.min(last - 1, Math.floor(at));
    for (let c = 0; c < 4; c++) {
      pixels[4 * i + c] = colours[low][c] + (at - low) * (colours[low + 1][c] - colours[low][c]);
    }
  });
  return pixels;
}

/** The pen of an empty canvas of this size. */
function cleared(canvas, width, height) {
  canvas.width = width; // also erases it
  canvas.height = height;
  return canvas.getContext("2d", { willReadFrequently: true });
}

const fill = (pen, pixels, width) => pen.putImageData(new ImageData(pixels, width), 0, 0);

/** A line around the marked pixels, a bright one on a dark one. */
function outline(svg, marked, width, height) {
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const path = outlineOf(bitsOf(marked, width * height), width, height);
  for (const line of svg.children) line.setAttribute("d", path);
}

/** The border of marked pixels as an SVG path, in pixels from the upper left corner. */
export function outlineOf(inside, width, height) {
  const at = (row, column) =>
    row >= 0 && column >= 0 && row < height && column < width && inside[row * width + column] > 0;
  let path = "";
  for (let row = 0; row <= height; row++) {
    for (let column = 0; column <= width; column++) {
      if (at(row, column) !== at(row, column - 1)) path += `M${column} ${row}v1`;
      if (at(row, column) !== at(row - 1, column)) path += `M${column} ${row}h1`;
    }
  }
  return path;
}

/** The colours from the limit down to 0 or minus the limit, and their numbers. */
function bar(element, isShown, limit, data) {
  element.style.visibility = isShown ? "visible" : "hidden";
  if (!isShown) return;
  const ends = data.positive ? [limit, limit / 2, 0] : [limit, 0, -limit];
  const steps = Float32Array.from({ length: 64 }, (_, i) => limit + (i / 63) * (ends[2] - limit));
  fill(cleared(element.querySelector("canvas"), 1, 64), coloured(steps, limit, data), 1);
  element.querySelectorAll("span").forEach((span, i) => (span.textContent = short(ends[i], 2)));
}

/** A number with so many digits. */
function short(value, digits) {
  const size = Math.abs(value);
  if (size && (size < 1e-3 || size >= 1e5)) return value.toExponential(digits - 1);
  return String(Number(value.toPrecision(digits)));
}

/** Tell the value of the pixel under the pointer, or of the one that arrow keys move to. */
function tell(figure, value, width, height) {
  const [frame, output] = [figure.querySelector(".picture"), figure.querySelector("output")];
  const show = (...at) => {
    const [row, column] = [Math.min(at[0], height - 1), Math.min(at[1], width - 1)];
    figure.at = [row, column];
    output.textContent = `row ${row}, column ${column}: ${value(row, column)}`;
  };
  if (output.textContent) show(...figure.at); // the same pixel of what is drawn now
  frame.onpointermove = (event) => {
    output.ariaLive = "off"; // only what keys ask for is read out
    const box = frame.getBoundingClientRect();
    const place = (share, count) => Math.max(0, Math.floor(share * count));
    show(
      place((event.clientY - box.top) / box.height, height),
      place((event.clientX - box.left) / box.width, width),
    );
  };
  frame.onpointerleave = frame.onblur = () => (output.textContent = "");
  frame.onkeydown = (event) => {
    const by = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
    if (!by[event.key]) return;
    output.ariaLive = "polite";
    const [row, column] = figure.at ?? [height >> 1, width >> 1];
    const [down, across] = by[event.key];
    show(Math.max(0, row + down), Math.max(0, column + across));
    event.preventDefault();
  };
}
