"use strict";
// The atlas's data: plain facts from JSON, long columns from one compressed block; inputs are numbers into the columns.

const TYPES = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, i8: BigInt64Array, f4: Float32Array, f8: Float64Array };
const NONE = 65535; // NO_CLASS of amb_reports/atlas/payload.py

const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

async function readData() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const stream = new Blob([bytesOf(data.block)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = await new Response(stream).arrayBuffer();
  data.of = {};
  for (const [name, [type, offset, length]] of Object.entries(data.columns)) data.of[name] = new TYPES[type](bytes, offset, length);
  delete data.block;
  data.evolved = new Map();
  data.frames.rows.forEach((rows, sheet) => rows.forEach((input, row) => data.evolved.set(input, { sheet, row })));
  data.place = new Map(data.measured.map((key, row) => [key, row]));
  return data;
}

// Best inputs of the network itself (or of one of its states), by generator.
function bestInputs(data, generator, target = 0) {
  const { of } = data, found = [];
  for (let i = 0; i < data.count; i++) {
    if (of.best[i] && of.generator[i] === generator && of.target[i] === target) found.push(i);
  }
  return found;
}

// All inputs of one unit, best first.
function inputsOf(data, layer, unit, target = 0) {
  const { of } = data, found = [];
  for (let i = 0; i < data.count; i++) {
    if (of.layer[i] === layer && of.unit[i] === unit && of.target[i] === target) found.push(i);
  }
  return found.sort((a, b) => of.generator[a] - of.generator[b] || of.activation[b] - of.activation[a]);
}

const unitName = (data, i) => `${data.layers[data.of.layer[i]]} / ${data.of.unit[i]}`;
const unitKey = (data, i) => `${data.layers[data.of.layer[i]]}/${data.of.unit[i]}`;
const className = (data, number) => (number === NONE ? "–" : data.classes[number]);

function shown(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const plain = value.toFixed(digits), size = Math.abs(value); // as amb.text.activation
  return size >= 1e6 || (size >= 5e-13 && Number(plain) === 0) ? value.toExponential(2).replace("e+", "e") : plain;
}

function percent(value) {
  if (Number.isNaN(value)) return "–";
  return value >= 100 ? "above all" : `${value >= 99 ? value.toFixed(2) : value.toFixed(1)}%`;
}

// The probability of a class, which is 0% or 100% only if it is 0 or 1.
function inPercent(probability) {
  const whole = Math.round(100 * probability);
  return probability > 0 && whole === 0 ? "<1%" : probability < 1 && whole === 100 ? ">99%" : `${whole}%`;
}

// Shares of the data set's images in equal bins, from the unit's activations at known shares.
function histogram(data, key, bins) {
  const row = data.place.get(key);
  if (row === undefined) return null;
  const n = data.shares.length, values = data.of.quantiles.subarray(row * n, (row + 1) * n);
  const low = values[0], high = values[n - 1] > low ? values[n - 1] : low + 1;
  const below = (value) => {
    if (value >= values[n - 1]) return 1;
    if (value < low) return 0;
    let k = n - 1;
    while (k > 0 && values[k - 1] > value) k--;  // the first quantile above the value
    if (k === 0) return 0;
    const gap = values[k] - values[k - 1];
    return data.shares[k - 1] + (gap > 0 ? (value - values[k - 1]) / gap : 1) * (data.shares[k] - data.shares[k - 1]);
  };
  const edges = Array.from({ length: bins + 1 }, (_, i) => low + (i * (high - low)) / bins);
  const shares = edges.slice(1).map((edge, i) => below(edge) - (i ? below(edges[i]) : 0));
  return { shares, edges, low, high };
}
