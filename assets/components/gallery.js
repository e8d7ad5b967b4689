// A page of clickable images in the order of a ranking; arrow keys move the focus, Enter or click
// picks. data: { sheets, box, items: [{ row, caption, label, side, current }] }.
import { tile } from "./tile.js";

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".gallery");
  const held = root.querySelector(":focus")?.dataset.row;
  root.replaceChildren(
    ...data.items.map((item) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = item.side;
      button.dataset.row = item.row;
      button.setAttribute("aria-label", item.label);
      button.setAttribute("aria-current", String(item.current));
      button.title = item.label;
      const picture = document.createElement("span");
      picture.className = "picture";
      tile(picture, data.sheets, item.row, data.box);
      const caption = document.createElement("span");
      caption.className = "caption";
      caption.textContent = item.caption;
      button.append(picture, caption);
      button.onclick = () => setTriggerValue("picked", item.row);
      return button;
    }),
  );
  if (held) root.querySelector(`[data-row="${held}"]`)?.focus();
  root.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const buttons = [...root.children];
    const next = buttons[buttons.indexOf(event.target) + step];
    if (step && next) {
      next.focus();
      event.preventDefault();
    }
  };
}
