"use strict";
popnet.section("measurable", (root, table) => {
  if (table) root.querySelector("[data-place=table]").append(popnet.table(table));
});
