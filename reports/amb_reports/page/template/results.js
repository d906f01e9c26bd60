"use strict";
// From a selection to its runs, medians, ranking and pairs.

function compute(data, asked) {
  const view = viewOf(data, asked.budget);
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
  const common = selection.problems.map((_, p) => p).filter((p) => all.length && all.every((row) => row[p].length));
  const commonOf = (row) => common.map((p) => row[p]);
  const cells = equalSeeds(all.map(commonOf), data.column.seed);
  const medians = (column) => cells.map((row) => row.map((cell) => median(cell.map((i) => view[column][i]))));
  const control = asked.whole || data.settings.control === null ? data.settings.control
    : selection.solvers.map((s) => data.solvers[s].name).find((name) => name === data.settings.control) ?? null;
  const result = {
    data, metric: data.metric, question: { ...data.settings, control }, selection, view, cells, all, runs,
    blocks: common.map((p) => selection.problems[p]),
    asked: selection.problems.filter((_, p) => all.some((row) => row[p].length)).length,
    ordered: medians("ordered"), scores: medians("score"),
  };
  const nameOf = (i) => data.solvers[selection.solvers[i]].name;
  const tests = pairsOf(result, control === null ? null : selection.solvers.findIndex((s) => data.solvers[s].name === control));
  result.ranking = rankingOf(result, tests);
  result.pairs = tests.map((pair) => ({ ...pair, first: nameOf(pair.first), second: nameOf(pair.second) }));
  const isRanked = (number) => data.solvers[number].ranked;
  const plainRow = (number, i) => (isRanked(number) ? null : asideRow(result, number, every[asked.solvers.length + i], commonOf));
  result.aside = [...rankedApart(data, result, selection.aside.filter(isRanked)), ...selection.aside.map(plainRow).filter((row) => row)];
  result.elsewhere = elsewhereOf(result, common);
  result.surplus = all.reduce((sum, row, s) => sum + common.reduce((n, p, k) => n + row[p].length - cells[s][k].length, 0), 0);
  return result;
}

// Cells without the runs that give a solver more seeds on a problem than another one has, as in amb.stats.equal.
function equalSeeds(cells, seed) {
  const kept = cells.map((row) => [...row]);
  for (let k = 0; cells.length && k < cells[0].length; k++) {
    const counts = cells.map((row) => row[k].length), fewest = Math.min(...counts);
    if (counts.every((count) => count === fewest)) continue;
    const common = cells.map((row) => new Set(row[k].map((run) => seed[run]))).reduce((a, b) => new Set([...a].filter((s) => b.has(s))));
    cells.forEach((row, s) => {
      const first = [...row[k]].sort((a, b) => seed[a] - seed[b]).slice(0, fewest);
      kept[s][k] = common.size ? row[k].filter((run) => common.has(seed[run])) : row[k].filter((run) => first.includes(run));
    });
  }
  return kept;
}

// The runs that are left out because not every solver has one on their problems.
function elsewhereOf({ all, view, selection }, common) {
  const places = selection.problems.map((_, p) => p).filter((p) => !common.includes(p) && all.some((row) => row[p].length));
  const runs = places.flatMap((p) => all.flatMap((row) => row[p]));
  return { runs: runs.length, failed: runs.filter((run) => view.failed[run]).length, problems: places.length };
}

// Tests, effects, intervals and costs of all pairs; the probabilities are those of the whole study, and missing in a part of it.
function pairsOf(result, control) {
  const { cells, ordered, scores, view, data, question, blocks, selection } = result;
  if (cells.length < 2) return [];
  const known = new Map(selection.whole ? data.whole.pairs.map((pair) => [`${pair.first}\n${pair.second}`, pair]) : []);
  const nameOf = (i) => data.solvers[selection.solvers[i]].name;
  const problems = blocks.map((p) => data.problems[p]);
  const values = cells.map((row) => row.map((cell) => Float64Array.from(cell, (i) => round12(view.ordered[i])).sort()));
  const costs = cells.map((row) => row.map((cell, k) => expectedQueriesOf(view, cell, problems[k])));
  return comparePairs(ordered, scores, problems, question, control).map((pair) => {
    const { first, second } = pair;
    const chances = blocks.map((_, k) => a12(values[first][k], values[second][k]));
    const whole = known.get(`${nameOf(first)}\n${nameOf(second)}`) ?? {};
    const [difference, low, high] = blocks.length ? walsh(atLevel(blocks.map((_, k) => scores[first][k] - scores[second][k]), problems, question.level)) : [NaN, NaN, NaN];
    return {
      ...pair, first_better: NaN, equal: NaN, ...pick(whole, ["first_better", "equal"]), difference, low, high,
      a12: chances.reduce((a, b) => a + b, 0) / chances.length, rope: question.rope, ...solvedBy(costs[first], costs[second]),
    };
  });
}

// Queries of a solver's runs on a problem over the number of runs that reached the threshold; NaN without thresholds.
function expectedQueriesOf(view, cell, { start, best }) {
  if (!(best > start)) return NaN;
  const sum = (name) => cell.reduce((total, run) => total + (isKnown(view[name][run]) ? view[name][run] : 0), 0), reached = sum("reached");
  return reached ? sum("spent") / reached : Infinity;
}

// On which problems the first two reach the threshold, and what it costs where both do, as in amb.stats.runtimes.add_costs.
function solvedBy(first, second) {
  const solvable = first.filter((queries) => !Number.isNaN(queries)).length, both = first.map((_, k) => k).filter((k) => Number.isFinite(first[k]) && Number.isFinite(second[k]));
  return {
    solvable, solved_first: first.filter(Number.isFinite).length, solved_second: second.filter(Number.isFinite).length, solved_both: both.length,
    queries_first: median(both.map((k) => first[k])), queries_second: median(both.map((k) => second[k])),
  };
}

function rankingOf(result, tests) {
  const { data, selection, cells, all, ordered, scores, question, blocks } = result;
  const mean = meanRanks(ordered), anchored = blocks.filter((p) => data.problems[p].anchored).length / blocks.length;
  const rows = selection.solvers.map((number, i) => ({
    index: i, number, solver: data.solvers[number].name, solver_class: "", mean_rank: mean[i], score: median(scores[i]),
    ...endsOf(medianInterval(scores[i])), problems: blocks.length, seeds: Math.min(...cells[i].map((cell) => cell.length)), covered: all[i].filter((cell) => cell.length).length, asked: result.asked, anchored,
    ...factsOf(result, cells[i]), ...tally(result, i),
  }));
  rows.sort((a, b) => (a.mean_rank - b.mean_rank) || (b.score - a.score) || 0);
  result.groups = question.control === null && blocks.length ? groups(rows.map((row) => row.index), tests) : [];
  const reference = question.control === null ? rows[0] : rows.find((row) => row.solver === question.control);
  for (const row of rows) {
    row.place = 1 + rows.filter((other) => other.mean_rank < row.mean_rank).length;
    row.letters = result.groups.map((group, k) => (group.includes(row.index) ? letter(k) : "")).join("");
    const pair = tests.find(({ first, second }) => row !== reference && [first, second].includes(row.index) && [first, second].includes(reference.index));
    row.p_holm = pair ? pair.p_holm : NaN;
    row.note = pair ? pair.note : "";
    Object.assign(row, differenceFrom(pair, row.index));
  }
  return rows;
}

// Solvers of another class that is ranked: among themselves, on the problems that are compared, with capital letters.
function rankedApart(data, result, numbers) {
  const kinds = [...new Set(numbers.map((number) => data.solvers[number].class))];
  return kinds.flatMap((kind) => {
    const solvers = numbers.filter((number) => data.solvers[number].class === kind);
    const own = compute(data, { ...result.selection, solvers, aside: [], problems: result.blocks, whole: false });
    return own.ranking.map((row) => ({ ...row, solver_class: kind, letters: row.letters.toUpperCase(), asked: result.asked }));
  });
}

// A pair's difference and interval as seen from one of its two solvers.
function differenceFrom(pair, index) {
  if (!pair) return { difference: NaN, difference_low: NaN, difference_high: NaN };
  const sign = pair.first === index ? 1 : -1, [low, high] = sign > 0 ? [pair.low, pair.high] : [-pair.high, -pair.low];
  return { difference: sign * pair.difference, difference_low: low, difference_high: high };
}

// A white-box solver: what it scored and cost, without rank or test.
function asideRow(result, number, every, commonOf) {
  const { data, view } = result, cells = commonOf(every);
  const filled = cells.filter((cell) => cell.length), medians = filled.map((cell) => median(cell.map((i) => view.score[i])));
  return {
    number, solver: data.solvers[number].name, solver_class: data.solvers[number].class, letters: "", mean_rank: NaN, p_holm: NaN, note: NOT_RANKED, ...differenceFrom(null),
    wins: NaN, ties: NaN, losses: NaN, covered: every.filter((cell) => cell.length).length, asked: result.asked,
    ...endsOf(medianInterval(medians)), score: median(medians), ...factsOf(result, cells),
  };
}

// What is counted of a solver's runs, and every declared aggregate of them.
function factsOf(result, cells) {
  const { data, view, selection, blocks } = result, runs = cells.flat();
  const count = (flags) => runs.reduce((sum, run) => sum + flags[run], 0);
  const facts = { runs: runs.length, failures: count(view.failed), timed: runs.length > 0 && count(view.timing) === runs.length, budget: selection.budget };
  for (const { name, aggregate: rule } of data.tables.ranking) if (rule) facts[name] = aggregated(view, rule.anchored ? cells.filter((_, k) => data.problems[blocks[k]].anchored) : cells, rule);
  return facts;
}

// A solver's number from a quantity of its runs, by the same rule as amb.stats.aggregates.aggregate.
function aggregated(view, cells, { how, of, per, started_only: startedOnly, failed }) {
  const plain = (run) => of.reduce((sum, name) => sum + view[name][run], 0);
  const own = per && how !== "ratio" ? (run) => plain(run) / (view[per][run] || NaN) : plain;
  const value = (run) => (failed !== null && view.failed[run] ? failed : own(run));
  const counts = (run) => !(startedOnly && view.skipped[run]);
  const average = (list) => (list.length ? list.reduce((a, b) => a + b, 0) / list.length : NaN);
  if (how === "median") return median(cells.map((cell) => median(cell.filter(counts).map(value).filter(isKnown))).filter(isKnown));
  const runs = cells.flat().filter(counts);
  if (how === "mean") return average(runs.map(value).filter(isKnown));
  const sum = (quantity) => runs.map(quantity).filter(isKnown).reduce((a, b) => a + b, 0);
  return sum(own) / sum((run) => view[per][run]);
}

// Whether all runs of these rows had the machine to themselves, so that their seconds compare.
const allTimed = (rows) => rows.length > 0 && rows.every((row) => row.timed);

function tally(result, i) {
  const counts = { wins: 0, ties: 0, losses: 0 }, { data, selection, question: { control } } = result;
  result.ordered.forEach((other, j) => {
    if (j === i || (control !== null && data.solvers[selection.solvers[j]].name !== control)) return;
    other.forEach((value, k) => {
      const d = round12(round12(result.ordered[i][k]) - round12(value));
      counts[d > 0 ? "wins" : d < 0 ? "losses" : "ties"]++;
    });
  });
  return counts;
}

// Queries after which a run first closed a share of the gap between chance and the best known value; Infinity if it never did.
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

// An activation between its problem's chance (0) and best known value (1).
const gapClosed = ({ start, best }, activation) => (best > start ? (activation - start) / (best - start) : 0);

// The same of a run's final activation; failed runs are at 0.
function finalGapClosed(result, run) {
  return result.view.failed[run] ? 0 : gapClosed(result.data.problems[result.data.column.problem[run]], result.view.final[run]);
}

const endsOf = ([low, high]) => ({ low, high });

function pick(object, names) {
  return Object.fromEntries(names.filter((name) => typeof object[name] === "number").map((name) => [name, object[name]]));
}
