"use strict";
// Small charts: bars, boxes by layer, lines; colours are the page's variables, so they follow its theme.

const WIDE = 340, HIGH = 190, EDGE = { left: 38, right: 8, top: 8, bottom: 26 };

function niceTicks(low, high, number = 4) {
  const step0 = (high - low) / number, power = 10 ** Math.floor(Math.log10(step0));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= step0 * 0.999) * power;
  const ticks = [];
  for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-6; value += step) ticks.push(Math.abs(value) < 1e-12 ? 0 : value);
  return ticks;
}

const tickText = (value) => (Math.abs(value) >= 1000 ? value.toLocaleString("en") : String(Number(value.toPrecision(3))));

function frame(description, yRange, { wide = WIDE, high = HIGH, edge = EDGE } = {}) {
  const root = svg("svg", { class: "chart", viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": description });
  const [low, top] = yRange;
  const y = (value) => high - edge.bottom - ((value - low) / (top - low || 1)) * (high - edge.top - edge.bottom);
  for (const tick of niceTicks(low, top)) {
    root.append(svg("line", { class: "rule", x1: edge.left, x2: wide - edge.right, y1: y(tick), y2: y(tick) }));
    root.append(svg("text", { x: edge.left - 5, y: y(tick) + 3.5, "text-anchor": "end" }, tickText(tick)));
  }
  return { root, y, left: edge.left, across: wide - edge.left - edge.right, bottom: high - edge.bottom };
}

// Names under groups: as many as fit.
function names(root, words, x, bottom, across) {
  const longest = Math.max(...words.map((word) => word.length)), room = Math.floor(across / (6.2 * longest + 10));
  const every = Math.max(1, Math.ceil(words.length / room));
  words.forEach((word, i) => {
    if (i % every === 0) root.append(svg("text", { x: x(i), y: bottom + 15, "text-anchor": "middle" }, word));
  });
}

// A box of quartiles with its median, or a bar for a plain mean, for each group and layer.
// groups: [{ name, colour, values: [{ low, middle, high, say } or null for each layer] }]
function layerChart(layers, groups, description, from = null, to = null) {
  const known = groups.flatMap((group) => group.values).filter((value) => value !== null);
  if (!known.length) return null;
  const top = to ?? (Math.max(...known.map((value) => value.high)) * 1.02 || 1), bottom = from ?? Math.min(...known.map((value) => value.low));
  const { root, y, left, across, bottom: floor } = frame(description, [Math.min(bottom, top), top]);
  const step = across / layers.length, width = Math.min(16, (0.7 * step) / groups.length);
  groups.forEach((group, g) => group.values.forEach((value, i) => {
    if (value === null) return;
    const x = left + step * (i + 0.5) + (g - (groups.length - 1) / 2) * (width + 1);
    const mark = svg("g", {}, svg("title", {}, `${layers[i]}, ${group.name}: ${value.say}`));
    if (value.high > value.low) mark.append(svg("rect", { x: x - width / 2, width, y: y(value.high), height: Math.max(1, y(value.low) - y(value.high)), rx: 2, fill: group.colour, "fill-opacity": 0.35 }));
    mark.append(svg("rect", { x: x - width / 2, width, y: y(value.middle) - 1.5, height: 3, rx: 1, fill: group.colour }));
    root.append(mark);
  }));
  names(root, layers.map(shortLayer), (i) => left + step * (i + 0.5), floor, across);
  return root;
}

const shortLayer = (name) => name.replace(/^layer/, "");

function histogramChart({ shares, low, high }, activation, images) {
  const end = Math.max(high, activation), start = Math.min(low, activation);
  const { root, left, across, bottom } = frame(
    `Histogram of the unit's activations over ${images.toLocaleString("en")} natural images; this input reaches ${shown(activation)}.`,
    [0, 1], { wide: 420, high: 150, edge: { left: 8, right: 8, top: 20, bottom: 24 } });
  root.querySelectorAll("*").forEach((part) => part.remove());
  const x = (value) => left + ((value - start) / (end - start || 1)) * across;
  // Heights by square root: rare strong responses stay visible beside the many weak ones.
  const most = Math.sqrt(Math.max(...shares)), width = (high - low) / shares.length;
  shares.forEach((share, i) => {
    const tall = (Math.sqrt(share) / (most || 1)) * (bottom - 22);
    const from = low + i * width;
    root.append(svg("rect", { x: x(from) + 0.5, width: Math.max(0.5, x(from + width) - x(from) - 1), y: bottom - tall, height: tall, fill: "var(--bar)", "fill-opacity": 0.55 },
      svg("title", {}, `${shown(from)} to ${shown(from + width)}: ${(100 * share).toFixed(2)}% of the images`)));
  });
  root.append(svg("line", { class: "rule", x1: left, x2: left + across, y1: bottom, y2: bottom }));
  for (const tick of niceTicks(start, end, 5)) root.append(svg("text", { x: x(tick), y: bottom + 15, "text-anchor": "middle" }, tickText(tick)));
  root.append(svg("line", { class: "mark", x1: x(activation), x2: x(activation), y1: 16, y2: bottom }));
  const right = x(activation) > left + across / 2;
  root.append(svg("text", { class: "marked", x: x(activation) + (right ? 2 : -2), y: 11, "text-anchor": right ? "end" : "start" }, `this input ${shown(activation)}`));
  return root;
}

function classChart(classes, probabilities, preferred) {
  const rows = classes.length, line = 19, label = 8 + 6.6 * Math.max(...classes.map((name) => name.length)), wide = 420;
  const root = svg("svg", { class: "chart", viewBox: `0 0 ${wide} ${rows * line + 4}`, role: "img", "aria-label": `Class probabilities: ${classes.map((name, i) => `${name} ${inPercent(probabilities[i])}`).join(", ")}` });
  classes.forEach((name, i) => {
    const y = i * line + 3, long = probabilities[i] * (wide - label - 48);
    root.append(
      svg("text", { x: label, y: y + 11, "text-anchor": "end", ...(i === preferred ? { class: "marked" } : {}) }, name),
      svg("rect", { x: label + 7, y, width: Math.max(1, long), height: line - 6, rx: 2, fill: "var(--bar)", "fill-opacity": 0.75 }),
      svg("text", { x: label + 12 + Math.max(1, long), y: y + 11 }, inPercent(probabilities[i])),
    );
  });
  return root;
}

// Lines over the steps of a training, on a logarithmic axis. lines: [{ name, colour, values }]
function stepChart(steps, lines, description) {
  const known = lines.flatMap((line) => line.values).filter((value) => Number.isFinite(value));
  if (!known.length) return null;
  const { root, y, left, across, bottom } = frame(description, [Math.min(0, ...known), Math.max(...known) * 1.02 || 1]);
  const [low, high] = [Math.log(steps[0]), Math.log(steps.at(-1))];
  const x = (step) => left + 4 + ((Math.log(step) - low) / (high - low || 1)) * (across - 12);
  for (const line of lines) {
    const points = line.values.map((value, i) => [x(steps[i]), value]).filter(([, value]) => Number.isFinite(value));
    root.append(svg("path", { d: points.map(([px, value], i) => `${i ? "L" : "M"}${px.toFixed(1)} ${y(value).toFixed(1)}`).join(""), fill: "none", stroke: line.colour, "stroke-width": 2 }));
    points.forEach(([px, value]) => root.append(svg("circle", { cx: px, cy: y(value), r: 2.6, fill: line.colour }, svg("title", {}, `${line.name}: ${shown(value)}`))));
  }
  steps.forEach((step, i) => {
    const every = Math.ceil(steps.length / 5), last = steps.length - 1;
    if (i === last || (i % every === 0 && last - i >= every)) root.append(svg("text", { x: x(step), y: bottom + 15, "text-anchor": i === steps.length - 1 ? "end" : "middle" }, step.toLocaleString("en")));
  });
  return root;
}
