"use strict";
// From a selection to its runs, medians, ranking and pairs.

// The one target that tables give, as amb.stats.queries.TARGET.
const HIT = 0.75;

function compute(data, asked) {
  const view = viewColumns(data, asked.budget);
  const { problem, solver } = data.column;
  const shown = [...asked.solvers, ...asked.aside];
  const solverPlace = new Map(shown.map((s, i) => [s, i]));
  const problemPlace = new Map(asked.problems.map((p, i) => [p, i]));
  const every = shown.map(() => asked.problems.map(() => []));
  const runs = [];
  for (let i = 0; i < data.runs; i++) {
    const s = solverPlace.get(solver[i]), p = problemPlace.get(problem[i]);
    if (s === undefined || p === undefined || !view.present[i]) continue;
    every[s][p].push(i);
    runs.push(i);
  }
  // Solvers without any run here are left out: they would leave no common problem.
  const ran = asked.solvers.map((_, s) => !runs.length || every[s].some((cell) => cell.length));
  const [solvers, absent] = [true, false].map((has) => asked.solvers.filter((_, s) => ran[s] === has));
  const selection = { ...asked, solvers, absent }, all = every.filter((_, s) => ran[s]);
  // Only problems on which every solver has a run are compared; the heat map and the gallery show all.
  const kept = selection.problems.map((_, p) => p).filter((p) => all.length && all.every((row) => row[p].length));
  const common = (row) => kept.map((p) => row[p]);
  const cells = all.map(common);
  const medians = (column) => cells.map((row) => row.map((cell) => median(cell.map((i) => view[column][i]))));
  const result = {
    data, selection, view, cells, all, runs,
    anchored: kept.map((p) => all.some((row) => row[p].some((i) => isKnown(view.normalized[i])))),
    blocks: kept.map((p) => selection.problems[p]),
    ordered: medians("ordered"), scores: medians("score"),
  };
  const control = data.whole.control === null ? null
    : selection.solvers.findIndex((s) => data.solvers[s].name === data.whole.control);
  result.control = control === -1 ? null : control;
  result.pairs = pairsOf(result);
  result.ranking = rankingOf(result);
  result.aside = selection.aside.map((number, i) => asideRow(result, number, every[asked.solvers.length + i], common));
  return result;
}

function pairsOf(result) {
  const { cells, ordered, scores, view, data } = result;
  const known = new Map(result.selection.whole
    ? data.whole.pairs.map((pair) => [`${pair.first}\n${pair.second}`, pair]) : []);
  const nameOf = (i) => data.solvers[result.selection.solvers[i]].name;
  if (cells.length < 2) return [];
  const values = cells.map((row) => row.map((cell) => Float64Array.from(cell, (i) => round12(view.ordered[i])).sort()));
  return comparePairs(ordered, data.settings.alpha, result.control).map((pair) => {
    const { first, second } = pair;
    const chances = result.blocks.map((_, k) => a12(values[first][k], values[second][k]));
    const whole = known.get(`${nameOf(first)}\n${nameOf(second)}`) ?? {};
    return {
      ...pair, low: NaN, high: NaN, first_better: NaN, equal: NaN, ...pick(whole, ["low", "high", "first_better", "equal"]),
      difference: hodgesLehmann(result.blocks.map((_, k) => scores[first][k] - scores[second][k])),
      a12: chances.reduce((a, b) => a + b, 0) / chances.length,
    };
  });
}

function rankingOf(result) {
  const { data, selection, cells, all, ordered, scores, pairs } = result;
  const mean = meanRanks(ordered);
  const rows = selection.solvers.map((number, i) => ({
    index: i, number, solver: data.solvers[number].name, mean_rank: mean[i], score: median(scores[i]),
    low: NaN, high: NaN, problems: result.blocks.length,
    covered: all[i].filter((cell) => cell.length).length,
    ...costs(result, cells[i]), ...tally(result, i),
  }));
  rows.sort((a, b) => (a.mean_rank - b.mean_rank) || (b.score - a.score) || 0);
  const grouped = result.control === null ? groups(rows.map((row) => row.index), pairs) : [];
  result.groups = grouped;
  const reference = result.control ?? (rows.length ? rows[0].index : null);
  const whole = new Map(selection.whole ? data.whole.ranking.map((row) => [row.solver, row]) : []);
  for (const row of rows) {
    row.place = 1 + rows.filter((other) => other.mean_rank < row.mean_rank).length;
    row.letters = grouped.map((group, k) => (group.includes(row.index) ? letter(k) : "")).join("");
    const pair = pairs.find(({ first, second }) => (first === row.index && second === reference)
      || (second === row.index && first === reference));
    row.p_holm = pair ? pair.p_holm : NaN;
    row.note = pair ? pair.note : "";
    Object.assign(row, pick(whole.get(row.solver) ?? {}, ["low", "high"]));
  }
  return rows;
}

// A white-box solver: what it scored and cost, without rank or test.
function asideRow(result, number, every, common) {
  const { data, view } = result, cells = common(every);
  const filled = cells.filter((cell) => cell.length);
  const whole = result.selection.whole ? data.whole.ranking.find((row) => row.solver === data.solvers[number].name) : null;
  return {
    number, solver: data.solvers[number].name, white_box: true, letters: "", mean_rank: NaN, p_holm: NaN, note: "not ranked",
    wins: DASH, ties: DASH, losses: DASH, covered: every.filter((cell) => cell.length).length, low: NaN, high: NaN,
    score: median(filled.map((cell) => median(cell.map((i) => view.score[i])))),
    ...costs(result, cells), ...pick(whole ?? {}, ["low", "high"]),
  };
}

// Final activations between chance (0) and the best known value (1) of the suite's reference points, where there are any.
function normalized(result, cells) {
  const { view } = result;
  const known = cells.filter((cell, p) => cell.length && result.anchored[p]);
  return median(known.map((cell) => median(cell.map((i) => (view.failed[i] ? 0 : view.normalized[i])))));
}

function costs(result, cells) {
  const { data, view, selection } = result;
  const hits = [], own = [], evaluation = [];
  let failures = 0, runs = 0, timed = 0;
  cells.forEach((cell, p) => {
    const facts = data.problems[result.blocks[p]];
    for (const run of cell) {
      runs++;
      failures += view.failed[run];
      timed += data.column.timing[run];
      if (facts.best > facts.start) hits.push(firstHit(data, run, HIT, selection.budget));
      if (STATUSES[data.column.status[run]] === "skip") continue;
      own.push(view.solver_seconds[run]);
      evaluation.push(view.generator_seconds[run] + view.target_seconds[run]);
    }
  });
  const arrived = hits.filter(Number.isFinite).length;
  const spent = hits.reduce((sum, hit) => sum + Math.min(hit, selection.budget), 0);
  const average = (list) => (list.length ? list.reduce((a, b) => a + b, 0) / list.length : NaN);
  return {
    runs, failures, timed, budget: selection.budget, normalized: normalized(result, cells),
    hit_share: hits.length ? arrived / hits.length : NaN, ert: hits.length ? spent / arrived : NaN,
    solver_seconds: average(own), evaluation_seconds: average(evaluation),
  };
}

// Whether all runs of these rows had the machine for themselves, so that their seconds compare.
const allTimed = (rows) => rows.length > 0 && rows.every((row) => row.runs > 0 && row.timed === row.runs);

function tally(result, i) {
  const counts = { wins: 0, ties: 0, losses: 0 };
  result.ordered.forEach((other, j) => {
    if (j === i || (result.control !== null && j !== result.control)) return;
    other.forEach((value, k) => {
      const d = round12(round12(result.ordered[i][k]) - round12(value));
      counts[d > 0 ? "wins" : d < 0 ? "losses" : "ties"]++;
    });
  });
  return counts;
}

// Queries after which a run first reached a share of the way to the best known; Infinity if never.
function firstHit(data, run, share, budget) {
  const start = data.column["curve.start"], shares = data.column["curve.share"];
  let low = start[run], high = start[run + 1];
  const wanted = Math.round(share * data.scale);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (shares[middle] >= wanted) high = middle; else low = middle + 1;
  }
  const query = low < start[run + 1] ? data.column["curve.query"][low] : Infinity;
  return query <= budget ? query : Infinity;
}

// How far an activation has come on its problem's way to the best known.
const wayOf = ({ start, best }, activation) => (best > start ? (activation - start) / (best - start) : 0);

// The same of a run's final activation; failed runs are at 0.
function finalShare(result, run) {
  return result.view.failed[run] ? 0 : wayOf(result.data.problems[result.data.column.problem[run]], result.view.final[run]);
}

function pick(object, names) {
  return Object.fromEntries(names.filter((name) => typeof object[name] === "number").map((name) => [name, object[name]]));
}
