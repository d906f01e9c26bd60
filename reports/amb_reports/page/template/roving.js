"use strict";
// One tab stop for many links: the arrow keys, Home and End move among them.

const FOCUSABLE = "a[href], button, input, select, summary";

// root: the element that holds them; rowsOf(root): its controls, row by row.
function roving(root, rowsOf = tableRows) {
  const controls = [...root.querySelectorAll(FOCUSABLE)];
  for (const control of controls) control.tabIndex = -1;
  if (controls.length) controls[0].tabIndex = 0;
  root.addEventListener("focusin", ({ target }) => {
    if (!target.matches(FOCUSABLE)) return;
    for (const control of root.querySelectorAll('[tabindex="0"]')) control.tabIndex = -1;
    target.tabIndex = 0;
  });
  root.addEventListener("keydown", (event) => {
    const rows = rowsOf(root).filter((row) => row.length), down = rows.findIndex((row) => row.includes(event.target));
    if (down < 0) return;
    const across = rows[down].indexOf(event.target), { key } = event;
    const above = (row) => row && nearestControl(row, event.target, across);
    const next = {
      ArrowLeft: rows[down][across - 1], ArrowRight: rows[down][across + 1], Home: rows[down][0], End: rows[down].at(-1),
      ArrowUp: above(rows[down - 1]), ArrowDown: above(rows[down + 1]),
    }[key];
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
  return root;
}

const tableRows = (table) => [...table.rows].map((row) => [...row.querySelectorAll(FOCUSABLE)]);

// In a table the control in the same column, else the one in the same place of its row.
function nearestControl(row, from, place) {
  const column = from.closest("th, td")?.cellIndex;
  return (column === undefined ? null : row.find((control) => control.closest("th, td")?.cellIndex >= column)) ?? row[Math.min(place, row.length - 1)];
}
