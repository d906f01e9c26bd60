"use strict";
// Drawing: a figure's panels with their axes and marks, by Observable Plot. Colours are the page's variables, so
// they follow its theme.
//
// A panel: { x, y, marks, place, pick, steps }; place is its part of the figure [left, top, right, bottom] as shares.
// An axis: { range, log, ticks: [[value, text]], text(value), title, top, angle, grid }; ticks are chosen if none are given.
// A mark: { line: true, x, y, step } or { band: true, x, low, high, step } or { dots: true, x, y, low, high, labels, symbol } or
// { cells: true, shades, texts } or { box: true, x, y } (a band from x to x), each with a solver or a style, and say(i) for the text under the pointer.

const MARGIN = { left: 56, right: 18, top: 12, bottom: 48 };
const HEIGHT = 340;
const LETTERS = "system-ui, 'DejaVu Sans', sans-serif";

const strokeOf = (solver) => `var(--c${solver.colour})`;
const MARKERS = ["circle", "square", "diamond", "triangle", "cross", "star", "wye", "hexagon", "times", "asterisk"];
const symbolOf = (solver) => MARKERS[solver.symbol % MARKERS.length];

function chart(drawing, width) {
  const height = drawing.height ?? HEIGHT;
  const margin = { ...MARGIN, ...drawing.margin };
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, class: "chart", "aria-hidden": "true", color: "var(--ink)" });
  const across = width - margin.left - margin.right, down = height - margin.top - margin.bottom;
  root.panels = drawing.panels.map((panel) => {
    const [left, top, right, bottom] = panel.place ?? [0, 0, 1, 1];
    const box = {
      left: margin.left + left * across, right: margin.left + right * across,
      top: margin.top + top * down, bottom: margin.top + bottom * down,
    };
    const corner = { x: box.left - margin.left, y: box.top - margin.top };
    const plot = plotOf(panel, box, margin);
    // Plot labels its groups, which say nothing to a reader: the figure's own label says the result.
    for (const part of plot.querySelectorAll("[aria-label]")) {
      part.dataset.part = part.getAttribute("aria-label");
      part.removeAttribute("aria-label");
    }
    setAttributes(plot, corner);
    root.append(plot);
    const [x, y] = [plot.scale("x"), plot.scale("y")];
    return { ...panel, box, toX: (value) => corner.x + x.apply(value), toY: (value) => corner.y + y.apply(value) };
  });
  return root;
}

function plotOf({ x, y, marks }, box, margin) {
  const across = box.right - box.left, down = box.bottom - box.top;
  const scale = (axis) => ({ domain: axis.range, type: axis.log ? "log" : "linear" });
  return Plot.plot({
    width: margin.left + across + margin.right, height: margin.top + down + margin.bottom,
    marginLeft: margin.left, marginRight: margin.right, marginTop: margin.top, marginBottom: margin.bottom,
    style: { fontSize: "12px", fontFamily: LETTERS, overflow: "visible" },
    x: scale(x),
    y: { ...scale(y), clamp: true },  // an interval may have no upper end
    marks: [axisOf(Plot.axisX, Plot.gridX, x, across, 65), axisOf(Plot.axisY, Plot.gridY, y, down, 50), marks.map(markOf)],
  });
}

// An axis that is `length` pixels long, with a tick about every `room` pixels.
function axisOf(draw, grid, axis, length, room) {
  const ticks = axis.ticks ?? (axis.log ? logTicks(axis, length / room) : null);
  const words = new Map(ticks), where = ticks ? [[...words.keys()]] : [];
  return [
    axis.grid === false ? null : grid(...where, { tickSpacing: room, stroke: "var(--grid)", strokeOpacity: 1 }),
    draw(...where, {
      tickSpacing: room, tickSize: 0, tickPadding: 8, ...(ticks ? { text: (value) => words.get(value) } : { tickFormat: axis.text ?? String }),
      ...(axis.top ? { anchor: "top" } : {}),
      ...(axis.angle ? { tickRotate: axis.angle, textAnchor: "start" } : {}),
      label: axis.title ?? null, labelAnchor: "center", labelArrow: "none", ...(draw === Plot.axisX ? { labelOffset: 42 } : {}),
    }),
  ];
}

// Plot would label every digit of every decade.
function logTicks({ range: [low, high], text = String }, most) {
  const decades = Math.log10(high / low);
  const digits = decades > most / 2 ? [1] : decades > 0.7 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
  return d3.range(Math.floor(Math.log10(low)), Math.log10(high) + 1).flatMap((e) => digits.map((digit) => Number(`${digit}e${e}`)))
    .filter((value) => value >= low && value <= high).map((value) => [value, text(value)]);
}

const CURVES = new Map([[undefined, "linear"], [true, "step-after"], ["before", "step-before"]]);
const OUTLINES = new Set(["times", "asterisk"]);

function markOf(mark) {
  const { x, y, low, high } = mark;
  const colour = mark.solver ? strokeOf(mark.solver) : "var(--muted)", curve = CURVES.get(mark.step);
  if (mark.line) {
    const dash = mark.solver ? DASH_ARRAYS[mark.solver.dash] : "";
    return Plot.line(x, { x, y, curve, stroke: colour, strokeWidth: 2, strokeDasharray: dash || undefined, ...mark.style });
  }
  if (mark.band) return Plot.areaY(x, { x, y1: low, y2: high, curve, fill: colour, fillOpacity: 0.12 });
  if (mark.cells) return cellsOf(mark);
  if (mark.box) return Plot.rect([0], { x1: [x[0]], x2: [x[1]], y1: [y[0]], y2: [y[1]], fill: "var(--focus)", fillOpacity: 0.15 });
  const { symbol = "circle", size = 4.5, labels, faint } = mark;
  return [
    low && Plot.ruleY(x, { x1: low, x2: high, y, stroke: colour, strokeWidth: 1.2 }),
    Plot.dot(x, { x, y, symbol, r: size, ...(OUTLINES.has(symbol) ? { stroke: colour, strokeWidth: 2 } : { fill: colour, fillOpacity: faint ? 0.75 : 1, stroke: "none" }) }),
    labels && Plot.text(x, { x, y, text: labels, dy: -8, lineAnchor: "bottom", fontSize: 11 }),
  ];
}

function cellsOf({ shades, texts }) {
  const cells = shades.flatMap((row, k) => row.flatMap((shade, i) => (shade === null ? [] : [{ i, k, ...shade, text: texts?.[k][i] }])));
  const column = (name) => cells.map((cell) => cell[name]);
  const x = column("i"), y = column("k");
  return [
    Plot.rect(cells, {
      x1: x.map((i) => i - 0.5), x2: x.map((i) => i + 0.5), y1: y.map((k) => k - 0.5), y2: y.map((k) => k + 0.5), inset: 0.5,
      fill: { value: column("fill"), scale: null },
    }),
    texts && Plot.text(cells, { x, y, text: column("text"), fontSize: 11, fill: { value: column("ink"), scale: null } }),
  ];
}
