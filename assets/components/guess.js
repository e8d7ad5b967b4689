// The drawing pad for a guess: as pad.js, but erasing brings back the image it began with.
import pad from "./pad.js";

const begun = new WeakMap();

export default function (component) {
  pad(component);
  const root = component.parentElement.querySelector(".pad");
  const canvas = root.querySelector("canvas");
  const pen = canvas.getContext("2d");
  const { start } = component.data;
  if (begun.get(root)?.start !== start) {
    begun.set(root, { start, image: pen.getImageData(0, 0, canvas.width, canvas.height) });
  }
  root.querySelector("[data-do=erase]").onclick = () => {
    pen.putImageData(begun.get(root).image, 0, 0);
  };
}
