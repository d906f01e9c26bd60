"use strict";
// The figures about queries, ranks and final activations: from a result to panels and a caption.

const THRESHOLDS = 52;

function queryGrid(budget, points) {
  const grid = new Set();
  for (let i = 0; i < points; i++) grid.add(Math.round(budget ** (i / (points - 1))));
  return [...grid];
}

const curveCache = new Map();

// The share of the gap that each run has closed, from chance (0) to the best known value (data.scale), at each query of a
// budget's grid: [run × query].
function curvesAt(data, budget) {
  if (!curveCache.has(budget)) {
    const grid = queryGrid(budget, 64);
    const start = data.column["curve.start"], query = data.column["curve.query"], share = data.column["curve.share"];
    const curves = new Uint16Array(data.runs * grid.length);
    for (let run = 0; run < data.runs; run++) {
      let place = start[run], reached = 0;
      for (let g = 0; g < grid.length; g++) {
        while (place < start[run + 1] && query[place] <= grid[g]) reached = share[place++];
        curves[run * grid.length + g] = reached;
      }
    }
    curveCache.set(budget, { grid, curves });
  }
  return curveCache.get(budget);
}

// The solvers of a result with their cells, those without any run left out.
const solversOf = (result) => result.cells.map((cells, s) => ({ cells, solver: result.data.solvers[result.selection.solvers[s]] }))
  .filter(({ cells }) => cells.some((cell) => cell.length));

// Places, among the compared problems, of those that have thresholds.
const withThresholds = ({ data, blocks }) => [...blocks.keys()].filter((k) => data.problems[blocks[k]].best > data.problems[blocks[k]].start);

// What a figure computes from one solver's runs stays in a cache while problems and budget stay: other solvers do not change it.
const figureCache = { of: "", parts: new Map() };

function cached(figure, { selection, blocks }, solver, compute) {
  const of = `${selection.budget} ${blocks}`, name = `${figure} ${solver.name}`;
  if (figureCache.of !== of) Object.assign(figureCache, { of, parts: new Map() });
  if (!figureCache.parts.has(name)) figureCache.parts.set(name, compute());
  return figureCache.parts.get(name);
}

FIGURES.push({
  name: "convergence",
  title: "Best activation found so far",
  caption: "The higher and the further left a line, the fewer queries a solver needs.",
  how: (result) => `Best activation found so far against queries. ${gapWords(result, result.blocks)} Lines: median over runs; bands: middle half of the runs.`,
  draw(result) {
    const { data, selection } = result;
    const { grid, curves } = curvesAt(data, selection.budget);
    const head = (g) => `after ${thousands(grid[g])} queries`;
    const curved = solversOf(result).map(({ cells, solver }) => cached("convergence", result, solver, () => {
      const runs = cells.flat();
      const column = new Uint16Array(runs.length);
      const [low, middle, high] = [[], [], []];
      grid.forEach((_, g) => {
        for (let i = 0; i < runs.length; i++) column[i] = curves[runs[i] * grid.length + g];
        column.sort();
        low.push(quantile(column, 0.25) / data.scale);
        middle.push(quantile(column, 0.5) / data.scale);
        high.push(quantile(column, 0.75) / data.scale);
      });
      return { solver, low, middle, high };
    }));
    return {
      panels: [{
        x: logAxis(selection.budget, "queries"), y: shareAxis("share of the gap closed", { text: (share) => share.toFixed(1) }),
        marks: [
          ...curved.map(({ solver, low, high }) => ({ band: true, step: true, solver, x: grid, low, high })),
          ...curved.map(({ solver, middle }) => ({ line: true, step: true, solver, x: grid, y: middle, head, say: (g) => fixed(middle[g], 3) })),
        ],
      }],
      says: `After ${thousands(selection.budget)} queries the median run has closed ${ordered(curved.map(({ solver, middle }) => [solver.name, middle.at(-1)]), (x) => fixed(x, 2))} of the gap.`,
    };
  },
});

// A small seeded generator of random numbers, so that a band looks the same each time it is drawn.
function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

// Names with their values, the largest first, for a figure's label.
const ordered = (pairs, text) => pairs.filter(([, x]) => isKnown(x)).sort((a, b) => b[1] - a[1]).map(([name, x]) => `${name} ${text(x)}`).join(", ");

const DRAWS = 200;

// Mean over problems at every point, and the 95% interval of a bootstrap over problems. shares: [problem × point].
function resampled(shares, problems, points) {
  const random = randomNumbers(1);
  const mean = new Float64Array(points), sums = new Float64Array(points), draws = new Float64Array(points * DRAWS);
  for (let k = 0; k < problems; k++) for (let g = 0; g < points; g++) mean[g] += shares[k * points + g] / problems;
  for (let d = 0; d < DRAWS; d++) {
    sums.fill(0);
    for (let k = 0; k < problems; k++) {
      const first = Math.floor(random() * problems) * points;
      for (let g = 0; g < points; g++) sums[g] += shares[first + g];
    }
    for (let g = 0; g < points; g++) draws[g * DRAWS + d] = sums[g] / problems;
  }
  const [low, high] = [[], []];
  for (let g = 0; g < points; g++) {
    const column = draws.subarray(g * DRAWS, (g + 1) * DRAWS).sort();
    low.push(quantile(column, 0.025));
    high.push(quantile(column, 0.975));
  }
  return { mean: Array.from(mean), low, high };
}

FIGURES.push({
  name: "runtime",
  title: "Thresholds reached",
  caption: "How many of many thresholds, easy and hard, a run has reached after so many queries.",
  how: (result) => `Share reached of ${THRESHOLDS} thresholds per problem, evenly spaced over the gap (empirical distribution of runtimes). ${gapWords(result, result.blocks)} Bands: 95% bootstrap over problems; × marks the budget.`,
  draw(result) {
    const { data, selection } = result;
    const { grid, curves } = curvesAt(data, selection.budget);
    const step = data.scale / THRESHOLDS, points = grid.length;
    const places = withThresholds(result);
    const head = (g) => `within ${thousands(grid[g])} queries`;
    const curved = solversOf(result).flatMap(({ cells, solver }) => cached("runtime", result, solver, () => {
      const own = places.filter((k) => cells[k].length);
      if (!own.length) return [];
      const shares = new Float64Array(own.length * points);
      own.forEach((k, p) => {
        for (const run of cells[k]) {
          for (let g = 0; g < points; g++) shares[p * points + g] += Math.floor(curves[run * points + g] / step) / THRESHOLDS / cells[k].length;
        }
      });
      return [{ solver, ...resampled(shares, own.length, points) }];
    }));
    return {
      panels: [{
        x: logAxis(selection.budget, "queries"), y: shareAxis("thresholds reached", { text: wholePercent }),
        marks: [
          ...curved.map(({ solver, low, high }) => ({ band: true, step: true, solver, x: grid, low, high })),
          ...curved.map(({ solver, mean }) => ({ line: true, step: true, solver, x: grid, y: mean, head, say: (g) => `${fixed(100 * mean[g], 1)}%` })),
          ...curved.map(({ solver, mean }) => ({ dots: true, solver, x: [selection.budget], y: [mean.at(-1)], symbol: "times" })),
        ],
      }],
      says: `Share of thresholds reached within the budget: ${ordered(curved.map(({ solver, mean }) => [solver.name, mean.at(-1)]), percent)}.`,
    };
  },
});

FIGURES.push({
  name: "profile",
  title: "Final activation of the runs",
  caption: "Share of a solver's runs that end at or above a value: the further up a line, the better.",
  how: (result) => `Performance profile: share of runs whose final noise-free activation is at or above a value; every problem has the same weight. ${gapWords(result, result.blocks)}`,
  draw(result) {
    const fractions = Array.from({ length: 201 }, (_, i) => 1 - i / 200);
    const curved = solversOf(result).map(({ cells, solver }) => {
      const filled = cells.filter((cell) => cell.length);
      // Each run counts from the highest fraction that it reaches.
      const share = new Float64Array(fractions.length + 1);
      for (const cell of filled) {
        for (const run of cell) {
          const reached = result.view.failed[run] ? -1 : finalGapClosed(result, run);
          const first = Math.max(0, Math.ceil((1 - reached - 1e-12) * 200));
          if (first < fractions.length) share[first] += 1 / cell.length / filled.length;
        }
      }
      for (let i = 1; i < fractions.length; i++) share[i] += share[i - 1];
      return { solver, share: Array.from(share.subarray(0, fractions.length)) };
    });
    // The axis ends where the last line has reached its highest point.
    const full = curved.map(({ share }) => fractions[share.findIndex((y) => y >= share.at(-1) - 1e-9)]);
    const lowest = Math.max(0, Math.min(0.9, ...full.map((f) => f - 0.03)));
    const x = fractions.filter((f) => f >= lowest - 1e-9);
    const head = (i) => `at least ${fixed(100 * x[i], 1)}% of the gap closed`;
    return {
      panels: [{
        x: { range: [1, lowest], text: (share) => fixed(share, 1), title: "share of the gap closed" },
        y: shareAxis("runs at or above it", { text: wholePercent }),
        marks: curved.map(({ solver, share }) => ({ line: true, step: true, solver, x, y: share.slice(0, x.length), head, say: (i) => `${percent(share[i])} of runs` })),
      }],
      says: `Share of runs that close at least three quarters of the gap: ${ordered(curved.map(({ solver, share }) => [solver.name, share[50]]), percent)}.`,
    };
  },
});

const nameMargin = (width, names) => Math.min(width * 0.4, 24 + 7.2 * Math.max(...names.map((name) => name.length)));
// A name that does not fit is shortened in its middle, where similar names differ least.
function fitted(name, pixels) {
  const most = Math.max(6, Math.floor((pixels - 16) / 6.6));
  return name.length <= most ? name : `${name.slice(0, Math.ceil(most / 2) - 1)}…${name.slice(name.length - Math.floor(most / 2))}`;
}

FIGURES.push({
  name: "ranks",
  title: "Mean rank over problems",
  caption: "1 is best. A bar on the right joins solvers that the tests do not tell apart.",
  how: () => "On every problem the solvers are ranked by their median over seeds; the dots are the means of these ranks. The tests are Holm-corrected signed-rank tests.",
  height: ({ ranking }) => 90 + 30 * ranking.length,
  draw(result, width) {
    const { data, ranking } = result;
    const place = new Map(ranking.map((row, i) => [row.index, i]));
    const left = nameMargin(width, ranking.map((row) => row.solver));
    const joined = result.groups.filter((group) => group.length > 1);
    return {
      unnamed: true,
      margin: { left },
      panels: [{
        x: {
          range: [0.8, ranking.length + 0.5 + 0.22 * joined.length], title: "mean rank",
          ticks: ranking.map((_, i) => [i + 1, String(i + 1)]).filter((_, i) => i % Math.ceil(ranking.length / 10) === 0),
        },
        y: { range: [ranking.length - 0.4, -0.7], ticks: ranking.map((row, i) => [i, fitted(row.solver, left)]) },
        marks: [
          ...ranking.map((row, i) => ({ dots: true, solver: data.solvers[row.number], x: [row.mean_rank], y: [i], labels: [fixed(row.mean_rank, 2)], size: 5.5, say: () => fixed(row.mean_rank, 2) })),
          ...joined.map((group, k) => {
            const rows = group.map((index) => place.get(index));
            const x = ranking.length + 0.35 + 0.22 * k;
            return { line: true, x: [x, x], y: [Math.min(...rows) - 0.2, Math.max(...rows) + 0.2], style: { strokeWidth: 4 } };
          }),
        ],
      }],
      says: `${ranking.map((row) => `${row.solver} ${fixed(row.mean_rank, 2)}`).join(", ")}. ${joined.length ? `Not told apart: ${joined.map((group) => listed(group.map((index) => ranking[place.get(index)].solver))).join("; ")}.` : "The tests tell all of them apart."}`,
    };
  },
});
