"use strict";
// The statistics of a selection, as amb.stats computes them (docs/notes/statistics.md); intervals are not computed here.

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

// P-values adjusted by Holm (1979); unknown ones stay unknown and do not count.
function holm(p) {
  const order = Array.from(p.keys()).filter((i) => isKnown(p[i])).sort((a, b) => p[a] - p[b]);
  const adjusted = new Array(p.length).fill(NaN);
  let highest = 0;
  order.forEach((i, k) => {
    highest = Math.max(highest, p[i] * (order.length - k));
    adjusted[i] = Math.min(1, highest);
  });
  return adjusted;
}

// The smallest adjusted p-value that each test could have had, the others being as they are.
function leastHolm(p, least) {
  const ranked = p.filter(isKnown).sort((a, b) => a - b), n = ranked.length, before = [0];
  ranked.forEach((value, k) => before.push(Math.max(before[k], value * (n - k))));
  return least.map((value) => {
    const found = ranked.findIndex((other) => other >= value), place = found < 0 ? n : found;
    return Math.min(1, Math.max(before[place], value * Math.max(n - place, 1)));
  });
}

// The mean of each group's values; groups in the order in which they first appear.
function groupMeans(values, keys) {
  const sums = new Map();
  values.forEach((value, i) => {
    const [sum, count] = sums.get(keys[i]) ?? [0, 0];
    sums.set(keys[i], [sum + value, count + 1]);
  });
  return [...sums].map(([key, [sum, count]]) => [key, sum / count]);
}

// Mean difference on every target network; each generator in front of it counts alike.
function networkMeans(differences, problems) {
  const cells = groupMeans(differences, problems.map(({ target, generator }) => `${target}\n${generator}`));
  return groupMeans(cells.map(([, mean]) => mean), cells.map(([key]) => key.split("\n")[0])).map(([, mean]) => mean);
}

// The differences that are exchangeable at a level, as in amb.stats.levels.
function atLevel(differences, problems, level) {
  if (level === "problems") return differences;
  if (level === "networks") return networkMeans(differences, problems);
  return groupMeans(differences, problems.map(({ target, layer }) => `${target}\n${layer}`)).map(([, mean]) => mean);
}

// Sign of the mean difference on every network or, if there is only one, behind every generator.
function directions(differences, problems) {
  const several = new Set(problems.map(({ target }) => target)).size > 1;
  const means = several ? networkMeans(differences, problems)
    : groupMeans(differences, problems.map(({ generator }) => generator)).map(([, mean]) => mean);
  return means.map((mean) => Math.sign(round12(mean)));
}

const LEAST_NETWORKS = 6;

// Signed-rank tests of all pairs, or of all against a control; solvers are numbers into ordered and scores.
function comparePairs(ordered, scores, problems, { alpha_now: alpha, level }, control) {
  const mean = meanRanks(ordered);
  const order = Array.from(ordered.keys()).sort((a, b) => (mean[a] - mean[b]) || 0);
  const couples = [];
  order.forEach((first, i) => {
    if (control === null) for (const second of order.slice(i + 1)) couples.push([first, second]);
    else if (first !== control) couples.push([first, control]);
  });
  const networks = new Set(problems.map(({ target }) => target)).size, generators = new Set(problems.map(({ generator }) => generator)).size;
  const pairs = couples.map(([first, second]) => {
    // Where scores are equal, the tie-break decides the sign; elsewhere it changes nothing.
    const d = Array.from(scores[first], (value, p) => round12(value - scores[second][p]) || round12(ordered[first][p] - ordered[second][p]));
    const count = (sign) => d.filter((x) => Math.sign(x) === sign).length;
    const tested = atLevel(d, problems, level), test = signedRank(tested), means = networkMeans(d, problems), enough = means.length >= LEAST_NETWORKS;
    const [networkLow, networkHigh] = enough ? walsh(means).slice(1) : [NaN, NaN];
    return {
      first, second, problems: d.length, wins: count(1), ties: count(0), losses: count(-1), units: tested.length, ...test,
      p: d.length > 1 ? test.p : NaN, networks, generators, agree: directions(d, problems).filter((sign) => sign === Math.sign(test.balance)).length,
      p_networks: enough ? signedRank(means).p : NaN, network_low: networkLow, network_high: networkHigh,
    };
  });
  const corrected = holm(pairs.map((pair) => pair.p)), overNetworks = holm(pairs.map((pair) => pair.p_networks));
  const least = leastHolm(pairs.map((pair) => pair.p), pairs.map((pair) => smallestP(pair.informative)));
  pairs.forEach((pair, i) => {
    pair.p_holm = corrected[i];
    pair.p_networks = overNetworks[i];
    pair.differs = pair.p_holm <= alpha;
    pair.differs_networks = pair.p_networks <= alpha;
    pair.note = pair.informative === 0 ? "all tied" : !pair.differs && !(least[i] <= alpha) ? "underpowered" : "";
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

const letter = (i) => (i < 52 ? String.fromCharCode(i < 26 ? 97 + i : 65 + i - 26) : `(${i + 1})`);

// Median of the Walsh averages, and the ends of the 95% interval that belongs to the signed-rank test; unknown for few values.
function walsh(d) {
  const n = d.length, averages = new Float64Array(n * (n + 1) / 2);
  let k = 0;
  for (let i = 0; i < n; i++) for (let j = i; j < n; j++) averages[k++] = (d[i] + d[j]) / 2;
  averages.sort();
  const centre = median(averages), rejected = rejectedSums(n);
  return rejected ? [centre, averages[rejected - 1], averages[averages.length - rejected]] : [centre, NaN, NaN];
}

const rejectedCache = new Map();

// How many sums of the ranks 1 to n lie in the lower 2.5% of their null distribution.
function rejectedSums(n) {
  if (!rejectedCache.has(n)) {
    const chances = nullDistribution(Array.from({ length: n }, (_, i) => 2 * (i + 1)));
    let sum = 0, count = 0;
    for (let s = 0; s < chances.length; s += 2) {
      sum += chances[s];
      if (sum > LOWER_TAIL) break;
      count++;
    }
    rejectedCache.set(n, n ? count : 0);
  }
  return rejectedCache.get(n);
}

const LOWER_TAIL = 0.025;

// The 95% interval of a median: order statistics, interpolated (Hettmansperger & Sheather 1986).
function medianInterval(values) {
  const n = values.length, ranked = Float64Array.from(values).sort(), confidence = [1];
  let term = -n * Math.LN2, below = 0;
  for (let k = 1; k <= n >> 1; k++) {
    below += Math.exp(term);
    term += Math.log((n - k + 1) / k);
    confidence.push(1 - 2 * below);
  }
  const depth = confidence.filter((value) => value >= 1 - 2 * LOWER_TAIL).length - 1;
  if (depth < 1) return [NaN, NaN];
  const next = confidence[depth + 1] ?? 0, share = (confidence[depth] - 1 + 2 * LOWER_TAIL) / (confidence[depth] - next);
  const weight = (n - depth) * share / (depth + (n - 2 * depth) * share);
  return [
    (1 - weight) * ranked[depth - 1] + weight * ranked[depth], (1 - weight) * ranked[n - depth] + weight * ranked[n - depth - 1],
  ];
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
