// The address follows what is looked at, and the browser keeps one entry of it per page: a step back
// leaves the page.

const PATCHED = Symbol.for("one-entry-per-page");

export default function () {
  if (window.history[PATCHED]) return;
  const push = window.history.pushState.bind(window.history);
  window.history.pushState = (state, unused, url) => {
    const next = new URL(url ?? "", window.location.href);
    if (next.pathname === window.location.pathname) {
      window.history.replaceState(state, unused, url);
    } else {
      push(state, unused, url);
    }
  };
  window.history[PATCHED] = true;
}
