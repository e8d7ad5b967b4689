// Hands a component to its own module, which the browser fetches and keeps.
export default function (component) {
  import(new URL("files/components/NAME.js", document.baseURI)).then((module) =>
    module.default(component),
  );
}
