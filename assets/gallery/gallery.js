// A row of clickable images cut from one sprite; arrow keys move the focus, Enter or click picks.
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".gallery");
  const { sprite, columns, width, height, size, items } = data;
  const rows = Math.ceil(items.length / columns);
  const tall = Math.round((size * height) / width);
  root.replaceChildren(
    ...items.map((item, position) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = item.side;
      button.dataset.id = item.id;
      button.setAttribute("aria-label", item.label);
      button.title = item.label;
      const picture = document.createElement("span");
      picture.className = "picture";
      picture.style.width = `${size}px`;
      picture.style.height = `${tall}px`;
      picture.style.backgroundImage = `url(${sprite})`;
      picture.style.backgroundSize = `${columns * size}px ${rows * tall}px`;
      const column = position % columns;
      const row = Math.floor(position / columns);
      picture.style.backgroundPosition = `-${column * size}px -${row * tall}px`;
      const caption = document.createElement("span");
      caption.className = "caption";
      caption.textContent = item.caption;
      button.append(picture, caption);
      button.onclick = () => setTriggerValue("picked", item.id);
      return button;
    }),
  );
  root.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const buttons = [...root.children];
    const next = buttons[buttons.indexOf(event.target) + step];
    if (step && next) {
      next.focus();
      event.preventDefault();
    }
  };
}
