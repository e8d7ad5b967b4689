// A histogram of scores whose threshold line can be dragged, or moved with the arrow keys.
// data: { edges, groups: [{ name, colour, counts }], threshold, line, title, fixed }.
// Event to the page: "moved", the new threshold, when the line is let go.

const [WIDE, TALL, LOW, TOP] = [1000, 190, 160, 22];
const NAMESPACE = "http://www.w3.org/2000/svg";
const states = new WeakMap();

function make(name, attributes, text) {
  const element = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".scores");
  const state = states.get(root) || {};
  states.set(root, state);
  if (state.dragging) return;
  const held = root.querySelector(".handle:focus") !== null;
  const { edges, groups } = data;
  const [low, high] = [edges[0], edges[edges.length - 1]];
  const wide = root.clientWidth || WIDE;
  const bins = edges.length - 1;
  // All bins are drawn equally wide, whatever their range.
  const place = (score) => {
    const clipped = Math.min(Math.max(score, low), high);
    const bin = Math.min(bins - 1, Math.max(0, edges.findIndex((edge) => edge > clipped) - 1));
    const last = clipped === high ? bins - 1 : bin;
    return ((last + (clipped - edges[last]) / (edges[last + 1] - edges[last])) / bins) * wide;
  };
  const score_of = (share) => {
    const bin = Math.min(bins - 1, Math.max(0, Math.floor(share * bins)));
    const inside = Math.min(1, Math.max(0, share * bins - bin));
    return edges[bin] + inside * (edges[bin + 1] - edges[bin]);
  };
  const most = Math.max(1, ...groups.flatMap((group) => group.counts));

  const svg = make("svg", { viewBox: `0 0 ${wide} ${TALL}` });
  for (const { counts, colour, name } of groups) {
    counts.forEach((count, i) => {
      if (!count) return;
      const tall = ((LOW - TOP) * count) / most;
      const bar = make("rect", {
        x: place(edges[i]), y: LOW - tall, width: Math.max(1, place(edges[i + 1]) - place(edges[i])),
        height: tall, fill: colour, "fill-opacity": 0.65,
      });
      bar.append(make("title", {}, `${name}: ${count} images, ${edges[i].toPrecision(3)} to ` +
        edges[i + 1].toPrecision(3)));
      svg.append(bar);
    });
  }
  svg.append(make("line", { class: "axis", x1: 0, x2: wide, y1: LOW, y2: LOW }));
  for (let i = 0; i <= 5; i++) {
    const anchor = i === 0 ? "start" : i === 5 ? "end" : "middle";
    svg.append(make("text", { x: (wide * i) / 5, y: LOW + 14, "text-anchor": anchor },
      score_of(i / 5).toPrecision(3)));
  }
  svg.append(make("text", { x: wide / 2, y: TALL - 2, "text-anchor": "middle" }, data.title));

  const handle = make("g", { class: "handle", tabindex: 0, role: "slider",
    "aria-label": "Threshold", "aria-valuemin": low, "aria-valuemax": high });
  const line = make("line", { y1: TOP - 6, y2: LOW, stroke: data.line, "stroke-width": 2.5 });
  const grip = make("rect", { y: TOP - 14, width: 12, height: 12, rx: 3, fill: data.line });
  const reach = make("rect", { y: 0, width: 28, height: LOW, fill: "transparent" });
  const text = make("text", { y: 10 });
  handle.append(line, grip, reach, text);
  svg.append(handle);
  const move = (score) => {
    state.score = Math.min(Math.max(score, low), high);
    const x = place(state.score);
    for (const end of ["x1", "x2"]) line.setAttribute(end, x);
    grip.setAttribute("x", x - 6);
    reach.setAttribute("x", x - 14);
    const right = x > wide - 150;
    text.setAttribute("x", right ? x - 10 : x + 10);
    text.setAttribute("text-anchor", right ? "end" : "start");
    text.textContent = `threshold ${state.score.toPrecision(4)}`;
    handle.setAttribute("aria-valuenow", state.score);
  };
  move(data.threshold);

  const score_at = (event) => {
    const box = svg.getBoundingClientRect();
    return score_of((event.clientX - box.left) / box.width);
  };
  root.replaceChildren(svg);
  if (held) handle.focus();
  if (data.fixed) {
    handle.removeAttribute("tabindex");
    handle.setAttribute("aria-disabled", "true");
    return;
  }
  handle.onpointerdown = (event) => {
    state.dragging = true;
    handle.setPointerCapture(event.pointerId);
  };
  handle.onpointermove = (event) => state.dragging && move(score_at(event));
  handle.onpointerup = () => {
    state.dragging = false;
    setTriggerValue("moved", state.score);
  };
  svg.onclick = (event) => {
    if (handle.contains(event.target)) return;
    move(score_at(event));
    setTriggerValue("moved", state.score);
  };
  handle.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1,
      PageUp: 10, PageDown: -10 }[event.key];
    if (!step) return;
    move(score_of(place(state.score) / wide + step / 200));
    setTriggerValue("moved", state.score);
    event.preventDefault();
  };
}
