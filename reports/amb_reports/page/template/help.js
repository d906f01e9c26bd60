"use strict";
// What a term means: a button next to it opens the explanation, by click, tap or Enter; Escape or a click elsewhere closes it.

function helpButton(term, words) {
  return h("button", { type: "button", class: "help", "aria-label": `What does “${term}” mean?`, "aria-haspopup": "dialog", onclick: (event) => showHelp(event.currentTarget, term, words) });
}

function showHelp(button, term, words) {
  const box = document.getElementById("help"), { left, bottom } = button.getBoundingClientRect();
  box.replaceChildren(h("strong", {}, term), " ", words);
  if (!box.matches(":popover-open")) box.showPopover();
  box.style.left = `${Math.max(8, Math.min(left - 12, innerWidth - box.offsetWidth - 8))}px`;
  box.style.top = `${bottom + 6 + box.offsetHeight > innerHeight ? Math.max(8, bottom - box.offsetHeight - 28) : bottom + 6}px`;
}
