// What is drawn over the points: rings of distance, contours, arrows, the open image, the lasso.

/** Draw all marks of a map anew. */
export function mark(map) {
  const pen = map.marks.getContext("2d");
  pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  pen.clearRect(0, 0, map.marks.width, map.marks.height);
  const { data } = map;
  const style = getComputedStyle(map.root);
  const text = style.color;
  pen.font = "11px sans-serif";
  if (data.kind === "radial") rings(map, pen, text, style.getPropertyValue("--st-background-color"));
  if (data.kind === "umap") contours(map, pen);
  for (const one of data.arrows || []) arrow(map, pen, one, text);
  if (data.focus !== null && data.focus < map.size) ring(map, pen, data.focus, text, 9);
  if (map.hovered >= 0) ring(map, pen, map.hovered, text, 7);
  if (map.path) outline(map, pen, text);
}

function rings(map, pen, text, ground) {
  const dials = map.data.dials || [[0, 0]];
  dials.forEach(([x, y], k) => {
    const [cx, cy] = map.point(x, y);
    const unit = map.point(x + 1, y)[0] - cx;
    pen.fillStyle = text;
    for (const ring of [2, 5, 10, 20, 50].filter((r) => r < map.widest)) {
      pen.lineWidth = 1;
      pen.strokeStyle = text;
      pen.globalAlpha = 0.18;
      circle(pen, cx, cy, ring * unit);
      pen.globalAlpha = 1;
      write(pen, `${ring} R`, cx + 3, cy - ring * unit - 3, ground);
    }
    const radius = map.data.radii[k] * unit;
    if (map.data.dials) write(pen, `sphere ${k + 1}`, cx + 3, cy + radius + 14, ground);
    pen.lineWidth = 2;
    pen.strokeStyle = map.data.colours.sphere;
    circle(pen, cx, cy, radius);
    pen.beginPath();
    for (const [dx, dy] of [[6, 0], [0, 6]]) {
      pen.moveTo(cx - dx, cy - dy);
      pen.lineTo(cx + dx, cy + dy);
    }
    pen.stroke();
  });
}

/** Words that can be read over points: with the ground around the letters. */
function write(pen, words, x, y, ground) {
  pen.lineWidth = 4;
  pen.lineJoin = "round";
  pen.strokeStyle = ground;
  pen.strokeText(words, x, y);
  pen.fillText(words, x, y);
}

function circle(pen, x, y, radius) {
  pen.beginPath();
  pen.arc(x, y, Math.max(0, radius), 0, 2 * Math.PI);
  pen.stroke();
}

function contours(map, pen) {
  pen.strokeStyle = map.data.colours.sphere;
  pen.lineWidth = 2;
  for (const line of map.data.contours || []) {
    pen.beginPath();
    line.forEach(([x, y], i) => pen[i ? "lineTo" : "moveTo"](...map.point(x, y)));
    pen.stroke();
  }
}

function arrow(map, pen, { from, to }, colour) {
  const [x1, y1] = map.point(...to);
  pen.strokeStyle = pen.fillStyle = colour;
  pen.lineWidth = 1.5;
  if (from) {
    const [x0, y0] = map.point(...from);
    const angle = Math.atan2(y1 - y0, x1 - x0);
    pen.beginPath();
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
    for (const turn of [2.7, -2.7]) {
      pen.moveTo(x1, y1);
      pen.lineTo(x1 + 9 * Math.cos(angle + turn), y1 + 9 * Math.sin(angle + turn));
    }
    pen.stroke();
  }
  pen.beginPath();
  pen.rect(x1 - 4, y1 - 4, 8, 8);
  pen.fill();
}

function ring(map, pen, row, colour, radius) {
  const places = map.screen();
  pen.strokeStyle = colour;
  pen.lineWidth = 2;
  circle(pen, places[2 * row], places[2 * row + 1], radius);
}

function outline(map, pen, colour) {
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5;
  pen.setLineDash([5, 4]);
  pen.beginPath();
  map.polygon().forEach(([x, y], i) => pen[i ? "lineTo" : "moveTo"](x, y));
  pen.closePath();
  pen.stroke();
  pen.setLineDash([]);
}
