"use strict";
// How numbers become text, as amb.stats.formats has it; a test compares the two on random values.

const UNKNOWN = "–";
const NOT_RANKED = "white-box, not ranked";
const isKnown = (x) => typeof x === "number" && !Number.isNaN(x);

const withExponent = (x) => x.toExponential(2).replace("e+", "e"); // three significant digits

// A number with a fixed count of decimals; exact ties go to the even digit, and there is no negative zero, as in Python.
function fixed(x, digits) {
  if (!isKnown(x)) return UNKNOWN;
  if (!Number.isFinite(x)) return x < 0 ? "-∞" : "∞";
  if (Math.abs(x) >= 1e11) return withExponent(x);
  const scaled = x * 10 ** digits;
  const tie = Number.isInteger(x * 2 ** (digits + 1)) && Math.abs(scaled % 1) === 0.5;
  const text = tie ? (2 * Math.round(scaled / 2) / 10 ** digits).toFixed(digits) : x.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text;
}

// An activation, or a difference of two, in whatever unit the responses have: decimals where they show it within a sensible width, otherwise
// three significant digits and an exponent. What rounding of activations removes is 0.
const ROUNDING = 5e-13, MANY = 1e6;
function activation(x, digits = 3, sign = false) {
  if (!isKnown(x)) return UNKNOWN;
  const size = Math.abs(x) >= ROUNDING ? Math.abs(x) : 0, text = fixed(size, digits);
  const wide = Number.isFinite(size) && size > 0 && (size >= MANY || Number(text) === 0);
  const minus = x < 0 && (sign || size > 0);
  return `${minus ? "-" : sign ? "+" : ""}${wide ? withExponent(size) : text}`;
}

// The label of a tick on an axis of scores: as short as it can be, without the rounding errors of the axis's steps.
const tick = (x) => String(Number(x.toPrecision(6))).replace("e+", "e");

const thousands = (x) => Number(fixed(x, 0)).toLocaleString("en-US");

// A positive number to three significant digits without an exponent; whole from 100 on.
function compact(x) {
  if (!Number.isFinite(x)) return fixed(x, 0);
  if (x >= 100) return thousands(x);
  const place = [10, 1, 0.1, 0.01, 0.001].findIndex((least) => x >= least);
  return fixed(x, place < 0 ? 6 : place + 1).replace(/\.?0+$/, "");
}

// A share of runs, queries or the like, which is 0% for none and 100% for all alone.
function percent(share) {
  if (!isKnown(share)) return UNKNOWN;
  const text = fixed(100 * share, 0);
  return share > 0 && text === "0" ? "<1%" : share < 1 && text === "100" ? ">99%" : `${text}%`;
}

// A share that was chosen, with all its digits.
const exactPercent = (share) => `${tick(100 * share)}%`;

// Seconds to three significant digits, and no finer than a millisecond.
const seconds = (x) => (x >= 0.1 ? compact(x) : fixed(x, 3));

// An expected runtime; infinite if no run reached the threshold.
const expectedQueries = (x) => (!isKnown(x) ? UNKNOWN : Number.isFinite(x) ? thousands(x) : "never");

function pValue(p, note = "") {
  if (["underpowered", "all tied"].includes(note)) return note;
  if (note === NOT_RANKED) return "not ranked";
  return p < 0.001 && p !== null ? "<0.001" : fixed(p, 3);
}

function score(x, logarithmic = false) {
  if (!isKnown(x)) return UNKNOWN;
  return logarithmic ? compact(10 ** -x) : activation(x);
}

function difference(x, logarithmic = false) {
  if (!isKnown(x)) return UNKNOWN;
  return logarithmic ? `${fixed(10 ** x, 2)}×` : activation(x, 3, true);
}

const interval = (...ends) => (ends.includes(UNKNOWN) ? UNKNOWN : `[${ends.join(", ")}]`);
const scoreInterval = (low, high, logarithmic = false) => interval(...(logarithmic ? [high, low] : [low, high]).map((end) => score(end, logarithmic)));
const differenceInterval = (low, high, logarithmic = false) => interval(...[low, high].map((end) => difference(end, logarithmic)));
const differenceWithInterval = (x, low, high, logarithmic = false) => [difference(x, logarithmic), differenceInterval(low, high, logarithmic)]
  .filter((text, i) => i === 0 || text !== UNKNOWN).join(" ");

const FORMATS = {
  text: ([text]) => text,
  solver: ([name, kind]) => (kind ? `${name} (${kind})` : name),
  score: ([x], { logarithmic }) => score(x, logarithmic),
  difference: ([x], { logarithmic }) => difference(x, logarithmic),
  "score interval": ([low, high], { logarithmic }) => scoreInterval(low, high, logarithmic),
  "difference interval": ([low, high], { logarithmic }) => differenceInterval(low, high, logarithmic),
  "difference with interval": ([x, low, high], { logarithmic }) => differenceWithInterval(x, low, high, logarithmic),
  number: ([x], { digits }) => fixed(x, digits),
  "p-value": ([p, note]) => pValue(p, note),
  percent: ([share]) => percent(share),
  seconds: ([x]) => seconds(x),
  "expected queries": ([x]) => expectedQueries(x),
  tally: (counts) => (counts.every(isKnown) ? counts.map((n) => fixed(n, 0)).join("/") : UNKNOWN),
  count: (counts) => (counts.every(isKnown) ? counts.map(thousands).join("/") : UNKNOWN),
};

// The text of one cell.
const show = (format, values, style) => FORMATS[format](values, style);
