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
      reserve(state);
    }
    drawStale();
  });
  place.replaceChildren(h("h2", {}, "Figures"), h("div", { class: "swatches", id: "legend" }), h("div", { class: "figures" }, FIGURES.map((figure) => {
    const plot = h("div", { class: "plot", tabindex: 0, role: "img", "aria-label": figure.title }), head = h("div", { class: "top", "aria-hidden": "true" });
    const caption = h("p"), words = h("p");
    const save = h("button", { type: "button", class: "plain", "data-download": `${figure.name}.svg`, "aria-label": `Download ${figure.title} as SVG`, onclick: () => saveFigure(figure) }, "SVG");
    const element = h("figure", { id: `figure-${figure.name}`, "data-figure": figure.name, class: figure.wide ? "wide" : null },
      h("div", { class: "head" }, h("h3", {}, figure.title), save), head, plot,
      h("figcaption", {}, caption, h("details", { class: "how" }, h("summary", {}, "How to read this"), words)));
    const state = { figure, element, head, plot, caption, words, width: 0, visible: false, stale: true };
    drawn.set(figure.name, state);
    watchPlot(plot);
    seen.observe(element);
    resized.observe(plot);
    return element;
  })));
}

function drawFigures(result) {
  shownResult = result;
  document.getElementById("legend").replaceChildren(...result.selection.solvers.map((i) => h("span", {}, swatch(result.data.solvers[i]), result.data.solvers[i].name)));
  for (const state of drawn.values()) {
    state.stale = true;
    reserve(state);
  }
  drawStale();
  drawWhenIdle();
}

// Gives a figure its captions and its final height before it is drawn, so that nothing below it moves when it is.
function reserve(state) {
  if (!shownResult) return;
  const { figure } = state, why = whyEmpty(figure);
  state.width ||= state.plot.clientWidth || 600;
  state.caption.textContent = why ?? figure.caption;
  state.words.textContent = why ? "" : `${howOf(figure)} Click to see the runs.`;
  state.plot.style.height = `${why ? HEIGHT : heightOf(figure, state.width)}px`;
}

const heightOf = (figure, width) => figure.height?.(shownResult, width) ?? HEIGHT;

// Redraws the visible figures that are out of date, or hidden ones too. Widths are those last seen: reading them now would force a layout.
function drawStale(hidden = false) {
  if (!shownResult) return;
  for (const state of drawn.values()) if ((state.visible || hidden) && state.stale) drawFigure(state);
}

function drawFigure(state) {
  state.stale = false;
  const { figure, plot, head, width } = state, drawing = figureOf(figure, width);
  plot.setAttribute("aria-label", `${figure.title}. ${drawing.says ?? drawing.why ?? figure.caption}`);
  if (!drawing.panels.length) state.caption.textContent = drawing.why;
  const picture = drawing.panels.length ? chart(drawing, width) : null;
  head.replaceChildren();
  if (picture && drawing.keepTop) cutTop(picture, head, drawing.margin.top);
  plot.replaceChildren(...(picture ? [picture] : []));
}

// Moves the top of a long picture, with the names of its columns, to an element that stays in sight.
function cutTop(picture, head, top) {
  const width = Number(picture.getAttribute("width")), height = Number(picture.getAttribute("height")), names = picture.cloneNode(true);
  for (const cells of names.querySelectorAll("[data-part=rect], [data-part=text], [data-part^='y-axis']")) cells.remove();
  setAttributes(names, { height: top, viewBox: `0 0 ${width} ${top}` });
  setAttributes(picture, { height: height - top, viewBox: `0 ${top} ${width} ${height - top}` });
  picture.cut = top;
  head.replaceChildren(names);
}

// Figures out of sight are drawn when there is nothing else to do, so that their labels say the result and they print.
let idle = 0;

function drawWhenIdle() {
  clearTimeout(idle);
  idle = setTimeout(() => {
    const next = [...drawn.values()].find((state) => state.stale);
    if (!next) return;
    drawFigure(next);
    drawWhenIdle();
  }, 400);
}

const whyEmpty = (figure) => (!shownResult.runs.length ? "Nothing is selected."
  : !shownResult.blocks.length && !figure.every ? "The selected solvers have no problem in common." : null);

// A figure of the selection; without panels, and with the reason, if there is nothing to show.
function figureOf(figure, width) {
  const why = whyEmpty(figure);
  return why ? { panels: [], why } : { height: heightOf(figure, width), ...figure.draw(shownResult, width) };
}

// What stands behind "How to read this": more about the figure, and the data that it rests on.
const howOf = (figure) => `${figure.how(shownResult)} ${scopeWords(shownResult, figure.problems?.(shownResult))}.`;

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
  const words = (drawing.panels.length ? `${figure.caption} ${howOf(figure)}` : drawing.why).match(/.{1,135}(\s|$)/g) ?? [];
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
