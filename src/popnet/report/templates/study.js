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
    const [low, span] = [array.low[row], array.high[row] - array.low[row]];
    const [bytes, most] = [array.bits / 8, 2 ** array.bits - 2];
    return Float64Array.from({ length }, (_, column) => {
      const at = bytes * (row * length + column);
      const code = bytes === 1 ? array.codes.getUint8(at) : array.codes.getUint16(at, true);
      return code ? low + ((code - 1) / most) * span : NaN;
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

  // A table that sorts, filters and saves; see popnet.report.tables.shown_table.
  function table(spec) {
    const columns = spec.columns;
    const n = columns.length ? columns[0].values.length : 0;
    const long = (column) => column.values.some((value) => String(value).length > 30);
    columns.forEach((column) => { column.kind = column.numeric ? "number" : long(column) ? "long" : "name"; });
    const kind = (column) => column.kind;
    const ROWS = spec.rows || 25;
    const state = { order: [...Array(n).keys()], by: -1, down: false, text: "", most: ROWS };
    const body = element("tbody");
    const status = element("p", { class: "soft", role: "status" });
    const more = element("button", { type: "button", onclick: () => { state.most += 200; fill(); } }, "Show more rows");
    const heads = columns.map((column, place) => {
      const words = column.name.replaceAll("_", " ");
      const button = element("button", { type: "button", title: column.help, onclick: () => sort(place) }, words);
      return element("th", { scope: "col", class: kind(column) }, button);
    });

    function sort(place) {
      state.down = state.by === place ? !state.down : false;
      state.by = place;
      const values = columns[place].values;
      const missing = (value) => value === null || value === "";
      state.order.sort((one, other) => {
        const [a, b] = [values[one], values[other]];
        if (missing(a) || missing(b)) return missing(a) - missing(b);
        const way = columns[place].numeric ? a - b : a.localeCompare(b, "en", { numeric: true });
        return (state.down ? -way : way) || one - other;
      });
      heads.forEach((head, at) => {
        if (at === place) head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
      });
      fill();
    }

    function left() {
      const wanted = state.text.toLowerCase().split(/\s+/).filter(Boolean);
      if (!wanted.length) return state.order;
      return state.order.filter((row) => {
        const text = columns.map((column) => column.values[row]).join(" ").toLowerCase();
        return wanted.every((part) => text.includes(part));
      });
    }

    function cell(column, row) {
      const value = column.values[row];
      if (column.opens && value && popnet.knows(column.opens, value)) return link(column.opens, value);
      return column.numeric ? number(value) : String(value ?? "");
    }

    function fill() {
      const rows = left();
      body.replaceChildren(
        ...rows.slice(0, state.most).map((row) =>
          element("tr", {}, columns.map((column) =>
            element("td", { class: kind(column) }, cell(column, row)))),
        ),
      );
      more.hidden = rows.length <= state.most;
      const some = spec.total > n ? ` The file has all ${spec.total.toLocaleString("en")}.` : "";
      status.textContent = `${Math.min(state.most, rows.length)} of ${rows.length.toLocaleString("en")} rows.${some}`;
    }

    function save(separator, ending) {
      const quoted = (value) => {
        const text = value === null || value === undefined ? "" : String(value);
        return /["\t\n\r,]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
      };
      const lines = [columns.map((column) => quoted(column.name)), ...left().map((row) => columns.map((column) => quoted(column.values[row])))];
      const blob = new Blob([lines.map((line) => line.join(separator)).join("\n"), "\n"], { type: "text/plain" });
      const name = spec.title.replace(/[^A-Za-z0-9]+/g, "_").replace(/^_|_$/g, "");
      const anchor = element("a", { href: URL.createObjectURL(blob), download: `${name}.${ending}` });
      anchor.click();
      URL.revokeObjectURL(anchor.href);
    }

    const filter = element("input", { type: "search", oninput: (event) => { state.text = event.target.value; fill(); } });
    const meanings = columns.filter((column) => column.help);
    fill();
    return element("div", { class: "table" },
      element("div", { class: "tools no-print" },
        n > ROWS ? element("label", {}, "Filter rows ", filter) : null,
        element("button", { type: "button", onclick: () => save(",", "csv") }, "Save CSV"),
        element("button", { type: "button", onclick: () => save("\t", "tsv") }, "Save TSV"),
        spec.file ? element("a", { href: encodeURI(spec.file) }, "File with all columns") : null),
      element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": spec.title },
        element("table", {}, element("caption", {}, spec.title), element("thead", {}, element("tr", {}, heads)), body)),
      status, more,
      meanings.length
        ? element("details", { class: "no-print" }, element("summary", {}, "What the columns mean"),
          element("dl", {}, meanings.map((column) => [element("dt", {}, column.name.replaceAll("_", " ")), element("dd", {}, column.help)])))
        : null);
  }

  // A link that opens the card of a gene, a set or a module.
  function link(kind, name) {
    return element("button", { type: "button", class: "link", onclick: () => api.open(kind, name) }, name);
  }

  // The section of cards gives these two a meaning.
  const api = {
    data, element, number, unpack, section, show, table, link,
    knows: () => false,
    open: () => {},
  };
  return api;
})();
