// The drawing pad, for a guess: see pad.js.
export { default } from "./pad.js";
