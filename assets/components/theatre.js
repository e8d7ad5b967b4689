// The radial map of one training, epoch by epoch, with a slider and play and pause.
// data: what map.js takes, and frames: [{ name, text, radius }]; the tensor is (E, N, 2).
import { ScatterMap } from "./map.js";

const PAUSE = 700; // milliseconds between two epochs
const stages = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".theatre");
  if (!stages.has(root)) stages.set(root, new Theatre(root));
  const theatre = stages.get(root);
  theatre.map.tell = setTriggerValue;
  theatre.open(data).catch((error) => theatre.map.fail(error));
}

/** A map whose places are one frame of many. */
class FrameMap extends ScatterMap {
  settle(coordinates, travels, data) {
    const [, count, width] = coordinates.shape;
    const part = coordinates.subarray(data.frame * count * width, (data.frame + 1) * count * width);
    part.shape = [count, width];
    super.settle(part, travels, data);
  }
}

class Theatre {
  constructor(root) {
    this.map = new FrameMap(root.querySelector(".map"));
    this.slider = root.querySelector("input");
    this.button = root.querySelector(".play");
    this.text = root.querySelector(".frame");
    this.slider.oninput = () => this.show(Number(this.slider.value));
    this.button.onclick = () => (this.timer ? this.pause() : this.play());
  }

  async open(data) {
    const fresh = this.data?.arrays !== data.arrays;
    this.data = data;
    this.slider.max = data.frames.length - 1;
    if (fresh) this.slider.value = data.frames.length - 1;
    await this.show(Number(this.slider.value));
  }

  show(frame) {
    const { name, text, radius } = this.data.frames[frame];
    this.text.textContent = `${name}: ${text}`;
    this.slider.setAttribute("aria-valuetext", name);
    const tensor = this.data.tensor;
    return this.map.show({ ...this.data, tensor, frame, part: frame, steady: true, radii: [radius] });
  }

  play() {
    const last = this.data.frames.length - 1;
    if (Number(this.slider.value) >= last) this.slider.value = 0;
    this.button.textContent = "Pause";
    this.timer = setInterval(() => {
      if (!this.button.isConnected || Number(this.slider.value) >= last) {
        this.pause();
        return;
      }
      this.slider.value = Number(this.slider.value) + 1;
      this.show(Number(this.slider.value));
    }, PAUSE);
    this.show(Number(this.slider.value));
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.button.textContent = "Play";
  }
}
