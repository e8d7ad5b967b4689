// Pictures by number, cut from sheets that the browser fetches once.

/** Show image `row` in an element; sheets: { address, size, columns, width, height }. */
export function tile(element, sheets, row, box) {
  const { address, size, columns, width, height } = sheets;
  const tall = (box * height) / width;
  const [sheet, place] = [Math.floor(row / size), row % size];
  const [column, line] = [place % columns, Math.floor(place / columns)];
  element.style.width = `${box}px`;
  element.style.height = `${tall}px`;
  element.style.backgroundImage = `url("${new URL(`${address}/${sheet}.png`, document.baseURI)}")`;
  element.style.backgroundSize = `${columns * box}px auto`;
  element.style.backgroundPosition = `-${column * box}px -${line * tall}px`;
}
