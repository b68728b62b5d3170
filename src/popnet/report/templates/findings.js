"use strict";
popnet.section("findings", (root, tables) => {
  root.querySelector("[data-place=tables]").append(...tables.map(popnet.table));
});
