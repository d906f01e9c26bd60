"use strict";
// Figures: each is computed when it comes into sight, drawn by plotly, and downloads as SVG with its legend and caption.

const FIGURES = [];
const drawn = new Map();
let shownResult = null;

// Plotly reads a few HTML tags in its texts; names must not be read so.
const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function baseLayout(more) {
  const [ink, muted, grid] = ["ink", "muted", "grid"].map(themeColour);
  const axis = { gridcolor: grid, zeroline: false, linecolor: muted, tickcolor: muted, ticks: "outside", ticklen: 4, fixedrange: true, automargin: true };
  const layout = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, size: 13, family: "system-ui, 'DejaVu Sans', sans-serif" },
    margin: { l: 56, r: 16, t: 12, b: 48 }, showlegend: false, hovermode: "closest", dragmode: false,
    hoverlabel: { bgcolor: themeColour("raised"), bordercolor: muted, font: { color: ink } }, ...more,
  };
  for (const name of Object.keys(layout)) if (/^[xy]axis\d*$/.test(name)) layout[name] = { ...axis, ...layout[name] };
  return layout;
}

const lineOf = (solver, width = 2) => ({ color: colourOf(solver), dash: solver.dash, width });

function faded(colour, alpha) {
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  return `rgba(${r},${g},${b},${alpha})`;
}

// A band between two curves on the same x, as one closed shape.
const bandOf = (solver, x, low, high) => ({
  x: [...x, ...[...x].reverse()], y: [...high, ...[...low].reverse()], type: "scatter", mode: "lines", fill: "toself", hoverinfo: "skip",
  fillcolor: faded(colourOf(solver), 0.12), line: { width: 0, shape: "linear" }, showlegend: false,
});

function logAxis(most, title) {
  const ticks = [];
  for (let tick = 1; tick <= most; tick *= 10) ticks.push(tick);
  if (Math.log10(most) % 1 > 0.25) ticks.push(most);
  return { type: "log", range: [0, Math.log10(Math.max(most, 2))], tickvals: ticks, ticktext: ticks.map(thousands), title: { text: title } };
}

const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false, showTips: false };

function makeFigures(place) {
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      drawn.get(target.dataset.figure).visible = isIntersecting;
      if (isIntersecting) drawIfStale(target.dataset.figure);
    }
  }, { rootMargin: "80px" });
  place.replaceChildren(h("h2", {}, "Figures"), h("div", { class: "swatches", id: "legend" }), h("div", { class: "figures" }, FIGURES.map((figure) => {
    const plot = h("div", { class: "plot", style: `min-height:${figure.least ?? 300}px` });
    const caption = h("figcaption");
    const save = h("button", { type: "button", class: "plain", "data-download": `${figure.name}.svg`, onclick: () => saveFigure(figure) }, "SVG");
    const element = h("figure", { id: `figure-${figure.name}`, "data-figure": figure.name, class: figure.wide ? "wide" : null },
      h("div", { class: "head" }, h("h3", {}, figure.title), save), plot, caption);
    drawn.set(figure.name, { figure, plot, caption, visible: false, stale: true });
    seen.observe(element);
    return element;
  })));
}

function drawFigures(result) {
  shownResult = result;
  document.getElementById("legend").replaceChildren(...result.selection.solvers.map((i) => h("span", {}, swatch(result.data.solvers[i]), result.data.solvers[i].name)));
  for (const state of drawn.values()) state.stale = true;
  clearTimeout(nextDrawing);
  nextDrawing = setTimeout(drawNext);
}

// Draws the figures in sight one by one, so that the tables answer a click before any figure does.
let nextDrawing = 0;

function drawNext() {
  const next = [...drawn].find(([, state]) => state.visible && state.stale);
  if (!next) return;
  drawIfStale(next[0]);
  nextDrawing = setTimeout(drawNext);
}

function drawIfStale(name) {
  const state = drawn.get(name);
  if (!state.stale || !shownResult) return;
  state.stale = false;
  const made = shownResult.runs.length ? state.figure.draw(shownResult, state.plot.clientWidth || 600) : null;
  state.caption.textContent = made ? `${made.caption} ${scopeWords(shownResult)}.` : "Nothing is selected.";
  if (!made) { Plotly.purge(state.plot); return; }
  const height = made.height ?? 340;
  state.plot.style.minHeight = `${height}px`;
  Plotly.react(state.plot, made.traces, baseLayout({ height, ...made.layout }), CONFIG);
  if (made.onclick) {
    state.plot.removeAllListeners("plotly_click");
    state.plot.on("plotly_click", made.onclick);
  }
}

async function saveFigure(figure) {
  const theme = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
  const width = 860;
  const made = figure.draw(shownResult, width);
  const layout = baseLayout({ height: (made.height ?? 340) + 110, width, ...made.layout });
  document.documentElement.dataset.theme = theme;
  layout.showlegend = !made.unnamed;
  layout.legend = { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 };
  layout.paper_bgcolor = "#ffffff";
  layout.margin = { l: 70, r: 24, t: 70, b: 90 };
  layout.title = { text: plain(figure.title), x: 0.01, xanchor: "left", font: { size: 16 } };
  const words = `${made.caption} ${scopeWords(shownResult)}.`.match(/.{1,130}(\s|$)/g) ?? [];
  layout.annotations = [...(layout.annotations ?? []), {
    text: words.map(plain).join("<br>"), showarrow: false, xref: "paper", yref: "paper", x: 0, y: 0, xanchor: "left", yanchor: "top",
    yshift: -44, align: "left", font: { size: 10, color: "#5a6570" },
  }];
  const holder = h("div", { style: "position:absolute;left:-9999px" });
  document.body.append(holder);
  await Plotly.newPlot(holder, made.traces, layout, { staticPlot: true });
  const url = await Plotly.toImage(holder, { format: "svg", width, height: layout.height });
  Plotly.purge(holder);
  holder.remove();
  download(`${figure.name}.svg`, decodeURIComponent(url.slice(url.indexOf(",") + 1)), "image/svg+xml");
}
