"use strict";
// Figures: each is computed when it becomes visible, and downloads as SVG with its legend and caption.

const FIGURES = [];
const drawn = new Map();
let shownResult = null;

function logAxis(most, title) {
  const ticks = [];
  for (let tick = 1; tick <= most; tick *= 10) ticks.push(tick);
  if (Math.log10(most) % 1 > 0.25) ticks.push(most);
  return { log: true, range: [1, Math.max(most, 2)], ticks: ticks.map((tick) => [tick, thousands(tick)]), title };
}

const shareAxis = (title, more = {}) => ({ range: [0, 1.02], title, ...more });
const wholePercent = (share) => `${Math.round(100 * share)}%`;

function makeFigures(place) {
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) drawn.get(target.dataset.figure).visible = isIntersecting;
    drawStale();
  });
  const resized = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      const state = drawn.get(target.parentElement.dataset.figure);
      if (Math.abs(contentRect.width - state.width) < 1) continue;
      state.width = contentRect.width;
      state.stale = true;
    }
    drawStale();
  });
  place.replaceChildren(h("h2", {}, "Figures"), h("div", { class: "swatches", id: "legend" }), h("div", { class: "figures" }, FIGURES.map((figure) => {
    const plot = h("div", { class: "plot", tabindex: 0, role: "img", "aria-label": figure.title, style: `min-height:${HEIGHT}px` });
    const caption = h("figcaption");
    const save = h("button", { type: "button", class: "plain", "data-download": `${figure.name}.svg`, onclick: () => saveFigure(figure) }, "SVG");
    const element = h("figure", { id: `figure-${figure.name}`, "data-figure": figure.name, class: figure.wide ? "wide" : null },
      h("div", { class: "head" }, h("h3", {}, figure.title), save), plot, caption);
    drawn.set(figure.name, { figure, element, plot, caption, width: 0, visible: false, stale: true });
    watchPlot(plot);
    seen.observe(element);
    resized.observe(plot);
    return element;
  })));
}

function drawFigures(result) {
  shownResult = result;
  document.getElementById("legend").replaceChildren(...result.selection.solvers.map((i) => h("span", {}, swatch(result.data.solvers[i]), result.data.solvers[i].name)));
  for (const state of drawn.values()) state.stale = true;
  drawStale();
}

// Redraws the visible figures that are out of date, or hidden ones too. Widths are those last seen: reading them now would force a layout.
function drawStale(hidden = false) {
  if (!shownResult) return;
  const due = [...drawn.values()].filter((state) => (state.visible || hidden) && state.stale);
  for (const state of due) state.width ||= state.plot.clientWidth || 600;
  for (const state of due) {
    state.stale = false;
    const drawing = figureOf(state.figure, state.width);
    state.caption.textContent = drawing.panels.length ? `${captionOf(drawing)} Click to see the runs.` : drawing.caption;
    state.plot.replaceChildren(...(drawing.panels.length ? [chart(drawing, state.width)] : []));
    state.plot.style.minHeight = `${drawing.height ?? HEIGHT}px`;
  }
}

// A figure of the selection; without panels, and with the reason, if there is nothing to show.
function figureOf(figure, width) {
  if (!shownResult.runs.length) return { panels: [], caption: "Nothing is selected." };
  if (!shownResult.blocks.length && !figure.every) return { panels: [], caption: "The selected solvers have no problem in common." };
  return figure.draw(shownResult, width);
}

const captionOf = (drawing) => `${drawing.caption} ${scopeWords(shownResult, drawing.problems)}.`;

function saveFigure(figure) {
  const width = 860, top = 40;
  const drawing = inLight(() => figureOf(figure, width - 24));
  const plot = chart(drawing, width - 24);
  const height = Number(plot.getAttribute("height"));
  const text = (words, x, y, attributes) => svg("text", { x, y, fill: "var(--ink)", ...attributes }, words);
  const legend = drawing.unnamed ? [] : legendOf(shownResult, width);
  const below = top + (legend.length ? legend.at(-1).row * 20 + 26 : 0);
  plot.setAttribute("x", 12);
  plot.setAttribute("y", below);
  const words = captionOf(drawing).match(/.{1,135}(\s|$)/g) ?? [];
  const whole = below + height + 16 * words.length + 16;
  const root = svg("svg", { width, height: whole, viewBox: `0 0 ${width} ${whole}`, "font-family": LETTERS, "font-size": 12, color: "var(--ink)" },
    svg("rect", { width, height: whole, fill: "var(--ground)" }),
    text(figure.title, 12, 26, { "font-size": 16, "font-weight": 600 }),
    ...legend.flatMap(({ solver, x, row }) => [
      svg("line", { x1: x, x2: x + 22, y1: top + 20 * row + 10, y2: top + 20 * row + 10, stroke: strokeOf(solver), "stroke-width": 3, "stroke-dasharray": DASH_ARRAYS[solver.dash] }),
      text(solver.name, x + 27, top + 20 * row + 14),
    ]),
    plot, ...words.map((line, i) => text(line.trim(), 12, below + height + 16 * (i + 1), { "font-size": 11, fill: "var(--muted)" })));
  const file = inLight(() => new XMLSerializer().serializeToString(root).replace(/var\(--([a-z0-9-]+)\)/g, (_, name) => themeColour(name)));
  download(`${figure.name}.svg`, file, "image/svg+xml");
}

function legendOf(result, width) {
  let x = 12, row = 0;
  return result.selection.solvers.map((i) => {
    const solver = result.data.solvers[i], space = 50 + 7 * solver.name.length;
    if (x > 12 && x + space > width) [x, row] = [12, row + 1];
    const placed = { solver, x, row };
    x += space;
    return placed;
  });
}

// Files are always drawn in the light colours, for paper.
function inLight(action) {
  const { dataset } = document.documentElement, theme = dataset.theme;
  dataset.theme = "light";
  const result = action();
  dataset.theme = theme;
  return result;
}
