"use strict";
// The statistics of a selection, as amb.stats computes them (docs/statistics.md); intervals are not computed here.

const round12 = (x) => Math.round(x * 1e12) / 1e12;

function median(values) {
  if (!values.length) return NaN;
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

// The p-quantile of sorted values, interpolated as numpy does by default.
function quantile(sorted, p) {
  const place = p * (sorted.length - 1), low = Math.floor(place);
  const next = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (sorted[next] - sorted[low]) * (place - low);
}

// Ranks from 1, the smallest first; ties share their mean rank.
function ranks(values) {
  const order = Array.from(values.keys()).sort((a, b) => values[a] - values[b]);
  const result = new Float64Array(values.length);
  for (let i = 0; i < order.length;) {
    let j = i;
    while (j + 1 < order.length && values[order[j + 1]] === values[order[i]]) j++;
    for (let k = i; k <= j; k++) result[order[k]] = (i + j) / 2 + 1;
    i = j + 1;
  }
  return result;
}

// Mean rank of each solver over problems, 1 the best. blocks[solver][problem], higher is better.
function meanRanks(blocks) {
  const problems = blocks.length ? blocks[0].length : 0;
  const sums = new Float64Array(blocks.length);
  for (let p = 0; p < problems; p++) {
    ranks(blocks.map((row) => -round12(row[p]))).forEach((rank, i) => { sums[i] += rank; });
  }
  return Array.from(sums, (sum) => (problems ? sum / problems : NaN));
}

const nullCache = new Map();

// Probability of each sum of a random subset of these integers (Streitberg & Röhmel 1986).
function nullDistribution(doubled) {
  const key = doubled.join();
  if (!nullCache.has(key)) {
    const total = doubled.reduce((a, b) => a + b, 0);
    const chances = new Float64Array(total + 1);
    chances[0] = 1;
    let reach = 0;
    for (const rank of doubled) {
      reach += rank;
      for (let s = reach; s >= 0; s--) {
        chances[s] = (chances[s] + (s >= rank ? chances[s - rank] : 0)) / 2;
      }
    }
    nullCache.set(key, chances);
  }
  return nullCache.get(key);
}

// Wilcoxon's signed-rank test, exact and two-sided, zeros as Pratt (1959) treats them.
function signedRank(differences) {
  const rounded = differences.map(round12);
  const all = ranks(rounded.map(Math.abs));
  const doubled = [];
  let positive = 0, total = 0;
  rounded.forEach((d, i) => {
    if (d === 0) return;
    const rank = Math.round(2 * all[i]);
    doubled.push(rank);
    total += rank;
    if (d > 0) positive += rank;
  });
  if (!doubled.length) return { p: 1, balance: 0, informative: 0 };
  const chances = nullDistribution(doubled.sort((a, b) => a - b));
  let below = 0, above = 0;
  for (let s = 0; s <= positive; s++) below += chances[s];
  for (let s = positive; s < chances.length; s++) above += chances[s];
  return { p: Math.min(1, 2 * Math.min(below, above)), balance: 2 * positive / total - 1, informative: doubled.length };
}

// The smallest two-sided p-value that this many non-zero differences can give.
const smallestP = (informative) => Math.min(1, 2 ** (1 - informative));

// P-values adjusted by Holm (1979).
function holm(p) {
  const order = Array.from(p.keys()).sort((a, b) => p[a] - p[b]);
  const adjusted = new Array(p.length);
  let highest = 0;
  order.forEach((i, k) => {
    highest = Math.max(highest, p[i] * (p.length - k));
    adjusted[i] = Math.min(1, highest);
  });
  return adjusted;
}

// Signed-rank tests of all pairs, or of all against a control; solvers are numbers into blocks.
function comparePairs(blocks, alpha, control) {
  const mean = meanRanks(blocks);
  const order = Array.from(blocks.keys()).sort((a, b) => (mean[a] - mean[b]) || 0);
  const couples = [];
  order.forEach((first, i) => {
    if (control === null) for (const second of order.slice(i + 1)) couples.push([first, second]);
    else if (first !== control) couples.push([first, control]);
  });
  const pairs = couples.map(([first, second]) => {
    const d = Array.from(blocks[first], (value, p) => round12(value - blocks[second][p]));
    const count = (sign) => d.filter((x) => Math.sign(x) === sign).length;
    return { first, second, problems: d.length, wins: count(1), ties: count(0), losses: count(-1), ...signedRank(d) };
  });
  holm(pairs.map((pair) => pair.p)).forEach((p, i) => {
    const pair = pairs[i];
    pair.p_holm = p;
    pair.differs = p <= alpha;
    const reachable = pairs.length * smallestP(pair.informative) <= alpha;
    pair.note = pair.informative === 0 ? "all tied" : !pair.differs && !reachable ? "underpowered" : "";
  });
  return pairs;
}

// Groups of solvers that no test tells apart (Piepho 2004): arrays of solvers, each in the given order.
function groups(order, pairs) {
  const bit = new Map(order.map((solver, i) => [solver, 1n << BigInt(i)]));
  let columns = [(1n << BigInt(order.length)) - 1n];
  for (const { first, second } of pairs.filter((pair) => pair.differs)) {
    const a = bit.get(first), b = bit.get(second);
    const split = new Set();
    for (const c of columns) {
      if ((c & a) && (c & b)) { split.add(c & ~a); split.add(c & ~b); } else split.add(c);
    }
    columns = [...split].filter((c) => ![...split].some((other) => other !== c && (other & c) === c));
  }
  const places = (c) => order.map((_, i) => i).filter((i) => c & (1n << BigInt(i)));
  const listed = columns.map(places);
  listed.sort((a, b) => {
    for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i] - b[i];
    return a.length - b.length;
  });
  return listed.map((list) => list.map((i) => order[i]));
}

const letter = (i) => String.fromCharCode(i < 26 ? 97 + i : 65 + i - 26);

// Median of the Walsh averages.
function hodgesLehmann(d) {
  const averages = new Float64Array(d.length * (d.length + 1) / 2);
  let k = 0;
  for (let i = 0; i < d.length; i++) for (let j = i; j < d.length; j++) averages[k++] = (d[i] + d[j]) / 2;
  return median(averages);
}

// Chance that a value of the first exceeds one of the second, a tie counting half; both are rounded already, and sorted.
function a12(first, second) {
  let sum = 0, below = 0, upTo = 0;
  for (const x of first) {
    while (below < second.length && second[below] < x) below++;
    while (upTo < second.length && second[upTo] <= x) upTo++;
    sum += (below + upTo) / 2;
  }
  return sum / (first.length * second.length);
}
