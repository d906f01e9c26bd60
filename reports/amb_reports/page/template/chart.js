"use strict";
// Drawing: a figure's panels with their axes and marks become one SVG. Colours are the page's variables, so that they
// follow its theme.
//
// A panel: { x, y, marks, place, pick, steps }; place is its part of the figure [left, top, right, bottom] as shares.
// An axis: { range, log, ticks: [[value, text]], text(value), title, top, angle, grid }; ticks are chosen where none are given.
// A mark: { line: true, x, y, step } or { band: true, x, low, high } or { dots: true, x, y, low, high, labels, symbol } or
// { cells: true, shades, texts }, each with a solver or a style, and for its words under the pointer say(i).

const MARGIN = { left: 56, right: 16, top: 12, bottom: 48 };
const HEIGHT = 340;

const px = (x) => String(Math.round(10 * x) / 10);
const strokeOf = (solver) => `var(--c${solver.colour})`;

function chart(made, width) {
  const height = made.height ?? HEIGHT;
  const margin = { ...MARGIN, ...made.margin };
  const root = svg("svg", {
    width, height, viewBox: `0 0 ${width} ${height}`, class: "chart", "font-size": 12, "font-family": "system-ui, 'DejaVu Sans', sans-serif",
  });
  const across = width - margin.left - margin.right, down = height - margin.top - margin.bottom;
  root.panels = made.panels.map((panel) => {
    const [left, top, right, bottom] = panel.place ?? [0, 0, 1, 1];
    const box = {
      left: margin.left + left * across, right: margin.left + right * across,
      top: margin.top + top * down, bottom: margin.top + bottom * down,
    };
    const placed = { ...panel, box, toX: scaleOf(panel.x, box.left, box.right), toY: scaleOf(panel.y, box.bottom, box.top) };
    root.append(...axesOf(placed, margin));
    for (const mark of panel.marks) root.append(...drawMark(placed, mark));
    return placed;
  });
  return root;
}

function scaleOf(axis, from, to) {
  const read = axis.log ? Math.log10 : (value) => value;
  const [low, high] = axis.range.map(read);
  return (value) => from + (to - from) * (read(value) - low) / (high - low);
}

// Ticks of an axis so many pixels long, one in about `room` of them.
function ticksOf(axis, length, room) {
  if (axis.ticks) return axis.ticks;
  const [low, high] = [Math.min(...axis.range), Math.max(...axis.range)];
  const values = [];
  if (axis.log) {
    const decades = Math.log10(high / low);
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++) {
      for (const digit of decades > length / (2 * room) ? [1] : decades > 0.7 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7]) values.push(Number(`${digit}e${e}`));
    }
  } else {
    const rough = (high - low) / Math.max(2, length / room), power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) values.push(Number((k * step).toPrecision(12)));
  }
  return values.filter((value) => value >= low && value <= high).map((value) => [value, (axis.text ?? String)(value)]);
}

function axesOf({ x, y, box, toX, toY }, margin) {
  const { left, right, top, bottom } = box;
  const middle = (left + right) / 2, centre = (top + bottom) / 2;
  const acrossTicks = ticksOf(x, right - left, 65), upTicks = ticksOf(y, bottom - top, 50);
  const text = (words, attributes) => svg("text", { fill: "var(--ink)", ...attributes }, words);
  const grid = [
    ...(x.grid === false ? [] : acrossTicks.map(([value]) => `M${px(toX(value))} ${px(top)}V${px(bottom)}`)),
    ...(y.grid === false ? [] : upTicks.map(([value]) => `M${px(left)} ${px(toY(value))}H${px(right)}`)),
  ].join("");
  const edge = x.top ? top - 6 : bottom + 18;
  return [
    svg("path", { d: grid, stroke: "var(--grid)", fill: "none" }),
    ...acrossTicks.map(([value, words]) => text(words, x.angle
      ? { transform: `translate(${px(toX(value))} ${px(edge)}) rotate(${x.angle})` }
      : { x: px(toX(value)), y: px(edge), "text-anchor": "middle" })),
    ...upTicks.map(([value, words]) => text(words, { x: px(left - 7), y: px(toY(value) + 4), "text-anchor": "end" })),
    ...(x.title ? [text(x.title, { x: px(middle), y: px(bottom + 38), "text-anchor": "middle", "font-size": 13 })] : []),
    ...(y.title ? [text(y.title, { transform: `translate(${px(left - margin.left + 14)} ${px(centre)}) rotate(-90)`, "text-anchor": "middle", "font-size": 13 })] : []),
  ];
}

function drawMark(panel, mark) {
  const style = { stroke: mark.solver ? strokeOf(mark.solver) : "var(--muted)", "stroke-width": 2, ...mark.style };
  if (mark.line) return [svg("path", { d: pathOf(panel, mark), fill: "none", "stroke-dasharray": mark.solver ? DASH_ARRAYS[mark.solver.dash] : null, ...style })];
  if (mark.band) return [svg("path", { d: bandOf(panel, mark), fill: style.stroke, "fill-opacity": 0.12 })];
  return mark.cells ? cellsOf(panel, mark) : dotsOf(panel, mark, style);
}

// Heights are kept inside the panel: an interval may have no upper end. A step rises where it ends, or before.
function heightIn({ toY, box }) {
  return (value) => Math.min(box.bottom, Math.max(box.top, toY(value)));
}

function pathOf(panel, { x, y, step }) {
  const high = heightIn(panel);
  let path = "";
  for (let i = 0; i < x.length; i++) {
    const across = px(panel.toX(x[i])), up = px(high(y[i]));
    if (i === 0) path = `M${across} ${up}`;
    else if (!step) path += `L${across} ${up}`;
    else if (step === "before") path += `V${up}H${across}`;
    else if (y[i] !== y[i - 1]) path += `H${across}V${up}`;
    else if (i === x.length - 1) path += `H${across}`;
  }
  return path;
}

function bandOf(panel, { x, low, high, step }) {
  const there = pathOf(panel, { x, y: high, step });
  const back = pathOf(panel, { x: [...x].reverse(), y: [...low].reverse(), step: step && "before" });
  return there ? `${there}${back.replace("M", "L")}Z` : "";
}

function dotsOf(panel, { x, y, low, high, labels, symbol = "circle", size = 4.5 }, style) {
  const { toX, toY } = panel;
  return x.flatMap((value, i) => {
    const across = px(toX(value)), up = px(toY(y[i]));
    return [
      ...(low ? [svg("path", { d: `M${px(toX(low[i]))} ${up}H${px(toX(high[i]))}`, stroke: style.stroke, "stroke-width": 1.2 })] : []),
      svg("path", symbol === "stroke"
        ? { d: "M-4 -4L4 4M-4 4L4 -4", transform: `translate(${across} ${up})`, stroke: style.stroke, "stroke-width": 2 }
        : { d: SYMBOLS[symbol](size), transform: `translate(${across} ${up})`, fill: style.stroke }),
      ...(labels ? [svg("text", { x: across, y: px(toY(y[i]) - 8), "text-anchor": "middle", "font-size": 11, fill: "var(--ink)" }, labels[i])] : []),
    ];
  });
}

function cellsOf({ toX, toY }, { shades, texts }) {
  const width = toX(1) - toX(0), height = toY(1) - toY(0);
  return shades.flatMap((row, k) => row.flatMap((shade, i) => (shade === null ? [] : [
    svg("rect", { x: px(toX(i) - width / 2 + 0.5), y: px(toY(k) - height / 2 + 0.5), width: px(width - 1), height: px(height - 1), fill: shade.fill }),
    ...(texts ? [svg("text", { x: px(toX(i)), y: px(toY(k) + 4), "text-anchor": "middle", "font-size": 11, fill: shade.ink }, texts[k][i])] : []),
  ])));
}

function polygon(corners, turn = 0, inner = 1) {
  return (size) => {
    const points = Array.from({ length: corners }, (_, i) => {
      const angle = turn + 2 * Math.PI * i / corners, radius = size * (i % 2 ? inner : 1);
      return `${px(radius * Math.sin(angle))} ${px(-radius * Math.cos(angle))}`;
    });
    return `M${points.join("L")}Z`;
  };
}

const SYMBOLS = {
  circle: (r) => `M${-r} 0A${r} ${r} 0 1 1 ${r} 0A${r} ${r} 0 1 1 ${-r} 0Z`,
  square: polygon(4, Math.PI / 4), diamond: polygon(4), "triangle-up": polygon(3), "triangle-down": polygon(3, Math.PI),
  pentagon: polygon(5), hexagon: polygon(6), star: polygon(10, 0, 0.45), cross: polygon(8, 0, 0.4), x: polygon(8, Math.PI / 4, 0.4),
};
