// Copies the methods as text.
"use strict";
popnet.section("methods", (root) => {
  const said = root.querySelector("#methods-copied");
  root.querySelector("#copy-methods").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(root.querySelector("#methods-text").innerText);
      said.textContent = "Copied.";
    } catch {
      const range = document.createRange();
      range.selectNodeContents(root.querySelector("#methods-text"));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      said.textContent = "The text is selected: copy it with the keyboard.";
    }
  });
});
