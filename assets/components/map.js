// A map of images that is linked to the page: hover, click, lasso, keyboard, selection.
//
// data: { view, arrays, tensor, kind, label, radii, dials, colours, legend, contours, arrows, names,
// pictures, heatmaps, explainer, threshold, selection, focus } as pages/parts/space.py makes it. Events to the
// page: "picked" (an image), "selected" (a bit per image, as base64), "failed" (a sentence).

import { bitsOf, fetchArrays, textOf } from "./data.js";
import { Picture } from "./picture.js";
import { tile } from "./tile.js";

const REACH = 14; // pixels between the pointer and the point it means
const KEPT = 6; // files of points
const instances = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".map");
  if (!instances.has(root)) instances.set(root, new ScatterMap(root));
  const map = instances.get(root);
  map.tell = setTriggerValue;
  map.show(data).catch((error) => map.fail(error));
}

export class ScatterMap extends Picture {
  constructor(root) {
    super(root.querySelector(".stage"));
    this.root = root;
    this.card = root.querySelector(".card");
    this.count = root.querySelector(".count");
    this.legend = root.querySelector(".legend");
    this.tool = "move";
    this.files = new Map();
    this.hovered = -1;
    for (const button of root.querySelectorAll("[data-tool]")) {
      button.onclick = () => this.use(button.dataset.tool);
    }
    root.querySelector("[data-do=fit]").onclick = () => this.fit();
    this.near = root.querySelector("[data-do=sphere]");
    this.near.onclick = () => this.fit(2); // radii
    root.querySelector("[data-do=clear]").onclick = () => this.clear();
    this.marks.onpointerdown = (event) => this.press(event);
    this.marks.onpointermove = (event) => this.move(event);
    this.marks.onpointerup = (event) => this.release(event);
    this.marks.onpointerleave = () => this.hover(-1);
    this.marks.onkeydown = (event) => this.key(event);
  }

  fail(error) {
    this.stage.innerHTML = "";
    const sentence = document.createElement("p");
    sentence.className = "sentence";
    sentence.textContent = `The map cannot be drawn here: ${error.message}.`;
    this.stage.append(sentence);
    this.tell("failed", error.message);
  }

  async show(data) {
    const before = this.data;
    this.data = data;
    if (!this.renderer) this.begin();
    for (const address of [data.view, data.arrays]) {
      if (!this.files.has(address)) this.files.set(address, fetchArrays(address));
    }
    const view = await this.files.get(data.view);
    const arrays = await this.files.get(data.arrays);
    if (this.data !== data) return; // something newer has arrived meanwhile
    for (const address of this.files.keys()) {
      if (this.files.size > KEPT && ![data.view, data.arrays].includes(address)) {
        this.files.delete(address);
      }
    }
    const place = `${data.arrays} ${data.tensor} ${data.part ?? ""}`;
    const same = before && before.view === data.view && this.size === view.scores.length;
    this.view = view;
    if (this.place !== place) this.settle(arrays[data.tensor], same && this.place, data);
    this.place = place;
    if (data.focus !== null && data.focus !== before?.focus) this.reveal(data.focus);
    this.colour();
    this.choose(bitsOf(data.selection, this.size));
    this.surroundings();
    this.explain();
    this.draw();
    this.root.dataset.ready = place; // for those who wait: tests and style sheets
  }

  begin() {
    this.stage.querySelector(".sentence").remove();
    this.prepare();
    this.use("move");
  }

  /** Mark the chosen points, and say how many there are. */
  choose(chosen) {
    this.chosen = chosen;
    const total = this.highlight(chosen);
    const all = this.size.toLocaleString("en");
    this.count.textContent = total
      ? `${total.toLocaleString("en")} of ${all} images selected`
      : `${all} images`;
  }

  /** The legend, and what the map is to those who cannot see it. */
  explain() {
    const { legend, colours, kind, dials, label } = this.data;
    this.near.hidden = kind === "umap" || dials !== null;
    this.marks.setAttribute("aria-label", label);
    this.legend.replaceChildren();
    const entry = (kind, style, text) => {
      const item = document.createElement("span");
      const sign = document.createElement("i");
      sign.className = kind;
      Object.assign(sign.style, style);
      item.append(sign, text);
      this.legend.append(item);
    };
    if (colours.ramp) {
      entry("ramp", { background: `linear-gradient(90deg, ${colours.ramp.join(",")})` }, legend.ramp);
    } else {
      for (const group of colours.groups) entry("", { background: group.colour }, group.name);
    }
    if (legend.line) entry("line", { borderColor: colours.sphere }, legend.line);
  }

  use(tool) {
    this.tool = tool;
    for (const button of this.root.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    }
    this.marks.style.cursor = tool === "move" ? "grab" : "crosshair";
    this.turnable = tool === "move";
    if (this.controls) this.steer();
  }

  place_of(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  press(event) {
    this.marks.focus({ preventScroll: true });
    if (event.button !== 0) return;
    this.pressed = this.place_of(event);
    if (this.tool !== "move") {
      this.path = [this.pressed];
      this.marks.setPointerCapture(event.pointerId);
    }
  }

  move(event) {
    const here = this.place_of(event);
    if (this.path) {
      this.path.push(here);
      this.redraw();
    } else if (!event.buttons) {
      this.hover(this.nearest(here));
    } else {
      this.hover(-1);
    }
  }

  release(event) {
    if (!this.pressed || !this.points) return;
    const [x, y] = this.place_of(event);
    const path = this.path;
    const [x0, y0] = this.pressed;
    const still = [...(path || []), [x, y]].every(([a, b]) => Math.hypot(a - x0, b - y0) < 4);
    if (still) {
      const row = this.nearest([x, y]);
      if (row >= 0) this.take(row, event);
    } else if (path) {
      const inside = this.inside(this.polygon());
      this.combine((i) => inside[i], event);
    }
    this.pressed = this.path = null;
    this.redraw();
  }

  /** A click picks; with Shift or Alt it changes the selection. */
  take(row, event) {
    if (event.shiftKey || event.altKey) this.combine((i) => i === row, event);
    else this.pick(row);
  }

  pick(row) {
    this.data.focus = row;
    this.tell("picked", row);
    this.redraw();
  }

  polygon() {
    if (this.tool !== "box") return this.path;
    const [[x0, y0], [x1, y1]] = [this.path[0], this.path[this.path.length - 1]];
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
  }

  inside(corners) {
    const places = this.screen();
    const result = new Uint8Array(this.size);
    for (let i = 0; i < this.size; i++) {
      const [x, y] = [places[2 * i], places[2 * i + 1]];
      let odd = false;
      for (let a = 0, b = corners.length - 1; a < corners.length; b = a++) {
        const [[xa, ya], [xb, yb]] = [corners[a], corners[b]];
        if (ya > y !== yb > y && x < ((xb - xa) * (y - ya)) / (yb - ya) + xa) odd = !odd;
      }
      result[i] = odd;
    }
    return result;
  }

  /** Shift adds to the selection, Alt takes away, neither begins anew. */
  combine(meant, { shiftKey, altKey }) {
    const chosen = this.chosen.map((bit, i) => {
      const hit = meant(i);
      return altKey ? bit && !hit : shiftKey ? bit || hit : hit;
    });
    this.choose(chosen);
    this.tell("selected", textOf(chosen));
  }

  clear() {
    if (!this.points) return;
    this.choose(new Uint8Array(this.size));
    this.tell("selected", "");
  }

  nearest([x, y]) {
    if (!this.points) return -1;
    const places = this.screen();
    let best = -1;
    let least = REACH * REACH;
    for (let i = 0; i < this.size; i++) {
      const dx = places[2 * i] - x;
      const dy = places[2 * i + 1] - y;
      const squared = dx * dx + dy * dy;
      if (squared < least) [least, best] = [squared, i];
    }
    return best;
  }

  hover(row) {
    if (row === this.hovered) return;
    this.hovered = row;
    this.redraw();
    this.card.style.display = row < 0 ? "none" : "block";
    if (row < 0) return;
    const { names, pictures, heatmaps, rows } = this.data;
    const image = rows ? rows[row] : row;
    const score = this.view.scores[row];
    const below = this.order().get(row);
    const [portrait, heat, title, about] = this.card.querySelectorAll(".picture, b, small");
    portrait.style.display = pictures ? "block" : "none";
    if (pictures) tile(portrait, pictures, image, 84);
    heat.style.display = heatmaps ? "block" : "none";
    if (heatmaps) tile(heat, heatmaps, image, 84);
    title.textContent = `${names[this.view.labels[row]]}, image ${image}`;
    about.textContent =
      `Score ${score.toPrecision(3)}, stranger than ${below.toFixed(1)} % of these images; ` +
      `${score > this.data.threshold ? "above" : "not above"} the threshold.` +
      (heatmaps ? ` Map: ${this.data.explainer}.` : "");
    const places = this.screen();
    const [x, y] = [places[2 * row], places[2 * row + 1]];
    const right = x < this.stage.clientWidth - 250;
    this.card.style.left = right ? `${x + 14}px` : "";
    this.card.style.right = right ? "" : `${this.stage.clientWidth - x + 14}px`;
    this.card.style.top = `${Math.min(Math.max(8, y - 60), this.stage.clientHeight - 190)}px`;
    this.card.dataset.row = row;
  }

  /** row -> percent of images with a lower score. */
  order() {
    if (this.ranked?.scores !== this.view.scores) {
      const { scores } = this.view;
      const rows = Array.from(scores.keys()).sort((a, b) => scores[a] - scores[b]);
      this.ranked = { scores, rows, get: null };
      const places = new Float64Array(rows.length);
      rows.forEach((row, place) => (places[row] = (100 * place) / rows.length));
      this.ranked.get = (row) => places[row];
    }
    return this.ranked;
  }

  /** Arrows walk along the ranking, Enter opens, Space selects, plus and minus zoom. */
  key(event) {
    if (!this.points) return;
    const { rows } = this.order();
    const current = this.data.focus ?? rows[rows.length - 1];
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    const zoom = { "+": 1.25, "=": 1.25, "-": 0.8 }[event.key];
    if (step) {
      const next = rows[Math.max(0, Math.min(rows.length - 1, rows.indexOf(current) + step))];
      this.pick(next);
      this.hover(next);
    } else if (event.key === "Enter") {
      this.pick(current);
    } else if (event.key === " ") {
      this.combine((i) => i === current, { shiftKey: true, altKey: this.chosen[current] });
    } else if (event.key === "Escape") {
      this.path = this.pressed = null;
      this.hover(-1);
      this.clear();
    } else if (zoom) {
      this.camera.zoom *= zoom;
      this.camera.updateProjectionMatrix();
      this.draw();
    } else {
      return;
    }
    event.preventDefault();
  }
}
