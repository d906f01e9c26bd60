"use strict";
// The values under the pointer or the arrow keys: every line's value at one place, the nearest dot, or a cell.

const NEAR = 30;
const px = (x) => String(Math.round(10 * x) / 10);

// Rows { solver, text } at a point of a panel, their heading, and the place of the guide line.
function valuesAt(panel, x, y) {
  if (panel.pick) return panel.pick(panel, x, y);
  const lines = panel.marks.filter((mark) => mark.line && mark.say);
  if (lines.length) {
    const rows = lines.flatMap((mark) => {
      const places = mark.x.map(panel.toX);
      let i = places.findLastIndex((place) => place <= x + 0.5);
      if (i < 0) return [];
      if (!mark.step && i + 1 < places.length && places[i + 1] - x < x - places[i]) i++;
      return [{ solver: mark.solver, text: mark.say(i), height: panel.toY(mark.y[i]), guide: places[i], head: mark.head(i) }];
    }).sort((a, b) => a.height - b.height);
    return rows.length ? { rows, head: rows[0].head, guide: rows[0].guide, open: opens(nearest(rows, (row) => Math.abs(row.height - y))) } : null;
  }
  const dots = panel.marks.filter((mark) => mark.say).flatMap((mark) => mark.x.map((value, i) => ({
    solver: mark.solver, text: mark.say(i), far: Math.hypot(panel.toX(value) - x, panel.toY(mark.y[i]) - y),
  }))).sort((a, b) => a.far - b.far);
  return dots.length && dots[0].far < NEAR ? { rows: dots.filter((dot) => dot.far < dots[0].far + 6), open: opens(dots[0]) } : null;
}

const nearest = (rows, far) => rows.reduce((a, b) => (far(b) < far(a) ? b : a));

// Shows the runs behind a line or dot.
const opens = ({ solver }) => () => openRows(solver.name);

function inBox({ box }, x, y) {
  return x >= box.left - 8 && x <= box.right + 8 && y >= box.top - 8 && y <= box.bottom + 8;
}

function showTip(root, x, y) {
  const tip = document.getElementById("tip");
  const panel = root.panels.find((one) => inBox(one, x, y));
  const here = panel ? valuesAt(panel, x, y) : null;
  root.querySelector(".guide")?.remove();
  tip.hidden = here === null;
  root.style.cursor = here?.open ? "pointer" : "";
  if (here === null) return null;
  if (here.guide !== undefined) {
    root.append(svg("path", { class: "guide", d: `M${px(here.guide)} ${px(panel.box.top)}V${px(panel.box.bottom)}`, stroke: "var(--muted)", "stroke-dasharray": "2 2" }));
  }
  tip.replaceChildren(...(here.head ? [h("div", { class: "muted" }, here.head)] : []),
    ...here.rows.map(({ solver, text }) => h("div", {}, solver ? [swatch(solver), " ", h("b", {}, solver.name), " "] : null, text)));
  const place = root.getBoundingClientRect();
  const left = place.left + x + 14, top = place.top + y - (root.cut ?? 0) + 14;
  tip.style.left = `${Math.max(4, left + tip.offsetWidth > innerWidth ? left - tip.offsetWidth - 28 : left)}px`;
  tip.style.top = `${Math.max(4, top + tip.offsetHeight > innerHeight ? top - tip.offsetHeight - 28 : top)}px`;
  return here;
}

function hideTip(root) {
  document.getElementById("tip").hidden = true;
  root?.querySelector(".guide")?.remove();
}

// A plot responds to the pointer and to the arrow keys.
function watchPlot(plot) {
  const root = () => plot.querySelector("svg");
  const at = (event) => {
    const place = root().getBoundingClientRect();
    return [event.clientX - place.left, event.clientY - place.top + (root().cut ?? 0)];
  };
  const keys = { x: 0, y: 0 };
  for (const name of ["pointermove", "pointerdown"]) plot.addEventListener(name, (event) => root() && showTip(root(), ...at(event)));
  for (const name of ["pointerleave", "blur"]) plot.addEventListener(name, () => hideTip(root()));
  plot.addEventListener("click", (event) => root() && showTip(root(), ...at(event))?.open?.());
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "Escape") hideTip(root());
    if (!root() || (!step && event.key !== "Enter")) return;
    const { box } = root().panels[0], far = root().panels.at(-1).box;
    const [width, height] = root().panels[0].steps ?? [8, 8];
    if (step) {
      event.preventDefault();
      keys.x = Math.min(far.right, Math.max(box.left, keys.x || (box.left + width / 2)) + step[0] * width);
      keys.y = Math.min(far.bottom, Math.max(box.top, keys.y || (box.top + height / 2)) + step[1] * height);
    }
    const here = showTip(root(), keys.x, keys.y);
    if (!step) here?.open?.();
  });
}
