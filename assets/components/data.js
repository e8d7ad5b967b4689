// Arrays from files, selections as text, colours as numbers.

const MOST_TRIES = 10;

/** Arrays of a safetensors file: name -> typed array. */
export async function fetchArrays(address) {
  const answer = await patiently(new URL(address, document.baseURI));
  if (!answer.ok) throw new Error(`the numbers could not be read (${answer.status})`);
  const buffer = await answer.arrayBuffer();
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const kinds = { F64: Float64Array, F32: Float32Array, I32: Int32Array, U8: Uint8Array };
  const arrays = {};
  for (const [name, about] of Object.entries(header)) {
    if (!kinds[about.dtype]) continue;
    const [begin, end] = about.data_offsets.map((offset) => 8 + length + offset);
    arrays[name] = new kinds[about.dtype](buffer.slice(begin, end));
    arrays[name].shape = about.shape;
  }
  return arrays;
}

/** What lies there; a server with too much to do is asked again after the seconds it names. */
async function patiently(place) {
  for (let tries = 1; ; tries++) {
    const answer = await fetch(place);
    if (answer.status !== 503 || tries === MOST_TRIES) return answer;
    const pause = Number(answer.headers.get("Retry-After")) || 1;
    await new Promise((done) => setTimeout(done, 1000 * pause));
  }
}

/** A bit per point, as base64, to a 0 or 1 per point. */
export function bitsOf(text, count) {
  const chosen = new Uint8Array(count);
  if (!text) return chosen;
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  for (let i = 0; i < count; i++) chosen[i] = (bytes[i >> 3] >> (i & 7)) & 1;
  return chosen;
}

/** The inverse of bitsOf. */
export function textOf(chosen) {
  const bytes = new Uint8Array(Math.ceil(chosen.length / 8));
  for (let i = 0; i < chosen.length; i++) if (chosen[i]) bytes[i >> 3] |= 1 << (i & 7);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) {
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  }
  return btoa(text);
}

/** Red, green and blue, 0 to 255, of a colour like #3a7ca5. */
export const hex = (colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
