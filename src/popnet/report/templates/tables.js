// The tables of tests, one at a time.
"use strict";
popnet.section("tables", (root, tables) => {
  const place = root.querySelector("[data-place=table]");
  const selects = [...root.querySelectorAll("select")];
  const chosen = () => Object.fromEntries(selects.map((one) => [one.dataset.choice, one.value]));

  // Offers what the choices before it leave, and keeps what was chosen where it can.
  function fill() {
    let left = tables;
    for (const select of selects) {
      const key = select.dataset.choice;
      const values = [...new Set(left.map((table) => table[key]))];
      const before = select.value;
      select.replaceChildren(
        ...values.map((value) => popnet.element("option", { value }, value)),
      );
      select.value = values.includes(before) ? before : values[0];
      left = left.filter((table) => table[key] === select.value);
    }
    place.replaceChildren(popnet.table(left[0]));
  }

  popnet.openTable = (wanted) => {
    for (const select of selects) {
      if (wanted[select.dataset.choice] === undefined) continue;
      select.value = wanted[select.dataset.choice];
      fill();
    }
    root.scrollIntoView();
  };
  selects.forEach((select) => select.addEventListener("change", fill));
  if (tables.length) fill();
});
