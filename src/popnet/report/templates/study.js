// What the scripts of all sections share. Names from the data only ever become text.
"use strict";
const popnet = (() => {
  const parsed = {};

  // The data of a section, read once.
  function data(id) {
    if (!(id in parsed)) {
      const element = document.getElementById(`data-${id}`);
      parsed[id] = element ? JSON.parse(element.textContent) : null;
    }
    return parsed[id];
  }

  // A new element; children are elements or text, of which null and "" are left out.
  function element(tag, attributes = {}, ...children) {
    const svg = ["svg", "g", "line", "circle", "path", "rect", "text", "title", "polyline"];
    const made = svg.includes(tag)
      ? document.createElementNS("http://www.w3.org/2000/svg", tag)
      : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.flat().filter((child) => child !== null && child !== ""));
    return made;
  }

  // A number in three digits, as the tables of the page write it.
  function number(value) {
    if (value === null || value === undefined || value === "") return "";
    if (typeof value !== "number") return String(value);
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (Number.isInteger(value) || (size >= 1000 && size < 1e9)) {
      return Math.round(value).toLocaleString("en");
    }
    return size < 1e-3 || size >= 1e9 ? value.toExponential(1) : String(+value.toPrecision(3));
  }

  // The values of an array of `popnet.report.embedding.packed`: one row, NaN where missing.
  function unpack(array, row = 0) {
    const length = array.shape[array.shape.length - 1];
    if (!array.codes) {
      const text = atob(array.data);
      const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
      array.codes = new DataView(bytes.buffer);
    }
    const span = array.high[row] - array.low[row];
    return Float64Array.from({ length }, (_, column) => {
      const code = array.codes.getUint16(2 * (row * length + column), true);
      return code ? array.low[row] + ((code - 1) / 65534) * span : NaN;
    });
  }

  // Calls make(root, data) of a section when the reader comes near it, or prints.
  const waiting = new Map();
  function section(id, make) {
    const root = document.getElementById(id);
    if (!root) return;
    waiting.set(root, () => make(root, data(id)));
    watcher.observe(root);
  }
  function show(root) {
    const make = waiting.get(root);
    waiting.delete(root);
    watcher.unobserve(root);
    if (make) make();
  }
  const watcher = new IntersectionObserver(
    (seen) => seen.filter((one) => one.isIntersecting).forEach((one) => show(one.target)),
    { rootMargin: "600px" },
  );
  window.addEventListener("beforeprint", () => [...waiting.keys()].forEach(show));

  return { data, element, number, unpack, section, show };
})();
