"use strict";
// Numbers and sentences, as amb.stats.columns and amb.stats.verdict write them.

const DASH = "–";
const isKnown = (x) => typeof x === "number" && !Number.isNaN(x);
const percent = (x) => (isKnown(x) ? `${toEven(100 * x, 0)}%` : DASH);
const short3 = (x) => String(Number(x.toPrecision(3)));
const thousands = (x) => Number(toEven(x, 0)).toLocaleString("en-US");
const fixed = (x, digits) => (isKnown(x) ? toEven(x, digits) : DASH);
const plural = (n, word) => `${thousands(n)} ${word}${n === 1 ? "" : "s"}`;
const listed = (names) => (names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`);

// A number to so many decimals; exact ties go to the even digit, as in Python.
function toEven(x, digits) {
  const scaled = x * 10 ** digits;
  const tie = Number.isInteger(x * 2 ** (digits + 1)) && Math.abs(scaled % 1) === 0.5;
  return tie ? (2 * Math.round(scaled / 2) / 10 ** digits).toFixed(digits) : x.toFixed(digits);
}

function seconds(x) {
  if (!isKnown(x)) return DASH;
  return x >= 100 ? x.toFixed(0) : x < 0.1 ? x.toFixed(3) : short3(x);
}

function pValue(p, note = "") {
  if (["underpowered", "all tied", "not ranked"].includes(note)) return note;
  return !isKnown(p) ? DASH : p < 0.001 ? "<0.001" : p.toFixed(3);
}

function showScore(metric, score) {
  if (!isKnown(score)) return DASH;
  return metric.logarithmic ? short3(10 ** -score) : toEven(score, 3);
}

function showDifference(metric, d) {
  if (!isKnown(d)) return DASH;
  return metric.logarithmic ? `${(10 ** d).toFixed(2)}×` : `${d < 0 ? "-" : "+"}${toEven(Math.abs(d), 3)}`;
}

function showInterval(metric, low, high, difference = false) {
  if (!isKnown(low) || !isKnown(high)) return DASH;
  const show = difference ? showDifference : showScore;
  const ends = metric.logarithmic && !difference ? [high, low] : [low, high];
  return `[${ends.map((end) => show(metric, end)).join(", ")}]`;
}

// An expected runtime; infinite where no run arrived.
const queriesOf = (x) => (!isKnown(x) ? DASH : Number.isFinite(x) ? thousands(x) : "never");

// What the two ends of a figure's axis are, in a sentence, as amb_reports.captions.way_and_scope has it.
function wayWords({ data }, problems) {
  const without = problems.filter((p) => !data.problems[p].anchored).length;
  const points = "The way leads from chance (0) to the best known value (1) of the suite's reference points";
  const runs = "from the floor (0) to the best value on this page (1)";
  if (!without) return `${points}.`;
  return without === problems.length ? `The way leads ${runs}.` : `${points}; on ${plural(without, "problem")} without them ${runs}.`;
}

// What a view rests on, in a line: the scope that captions share.
function scopeWords(result, problems = result.blocks) {
  const { selection, data } = result, runs = result.all.flatMap((row) => row.flat());
  const seeds = new Set(runs.map((i) => data.column.seed[i])).size;
  // A problem's suites begin with the smallest.
  const suites = problems.length ? data.problems[problems[0]].suites : [];
  const inSuite = suites.filter((s) => (selection.facets.suite?.has(s) ?? true) && problems.every((p) => data.problems[p].suites.includes(s)));
  const noise = new Set(problems.map((p) => data.problems[p].noise));
  return [
    plural(problems.length, "problem") + (inSuite.length ? ` of suite ${inSuite[0]}` : ""), plural(selection.solvers.length, "solver"), plural(seeds, "seed"),
    `${thousands(selection.budget)} queries a run`,
    ...[...noise].filter((name) => name !== "none").map((name) => `noise ${name}`),
  ].join(", ");
}

function verdictWords(result) {
  const { ranking, pairs, data } = result;
  if (!ranking.length) return "No solver is selected.";
  if (!result.blocks.length) {
    return "No verdict: there is no problem on which every selected solver has a run; select fewer solvers.";
  }
  if (result.selection.whole) return data.whole.verdict;
  const [best, second] = ranking;
  if (!second) {
    return `${best.solver} alone: ${data.metric.label} ${showScore(data.metric, best.score)}, with nothing to compare it with.`;
  }
  const name = (index) => ranking.find((row) => row.index === index).solver;
  if (result.control !== null) return controlWords(result, name);
  const own = pairs.filter((pair) => pair.first === best.index || pair.second === best.index);
  const ahead = (pair) => pair.differs && (pair.first === best.index ? pair.balance : -pair.balance) > 0;
  const rival = (pair) => name(pair.first === best.index ? pair.second : pair.first);
  const beaten = own.filter(ahead), rest = own.filter((pair) => !ahead(pair));
  const p = pValue(Math.max(...beaten.map((pair) => pair.p_holm)));
  const effect = effectWords(result, best.index, second.index);
  if (!rest.length && beaten.length === 1) return `${best.solver} is best: it beats ${second.solver} by ${effect}.`;
  if (!rest.length) {
    return `${best.solver} is best: it beats each of the ${beaten.length} other solvers (largest Holm p ${p}), `
      + `the runner-up ${second.solver} by ${effect}.`;
  }
  if (beaten.length) {
    return `${best.solver} ranks first and beats ${listed(beaten.map(rival))} (largest Holm p ${p}), but is not shown `
      + `to be better than ${listed(rest.map(rival))}: its difference to ${second.solver} is ${effect}.`;
  }
  if (pairs.every((pair) => pair.note === "all tied")) {
    return "All solvers tie on every problem: these problems cannot tell them apart at this budget.";
  }
  const lead = pairs.every((pair) => pair.note) ? "Underpowered, so no winner can be named" : "No winner is shown";
  return `${lead}: ${best.solver} ranks first, and its difference to ${second.solver} is ${effect}.`;
}

function controlWords(result, name) {
  const { pairs, data } = result;
  const parts = [
    [pairs.filter((p) => p.differs && p.balance > 0), "better than"],
    [pairs.filter((p) => p.differs && p.balance < 0), "worse than"],
    [pairs.filter((p) => !p.differs), "not shown to differ from"],
  ].filter(([found]) => found.length);
  return `${parts.map(([found, words]) => `${words} the control ${data.whole.control}: ${listed(found.map((p) => name(p.first)))}`).join("; ")}.`;
}

function effectWords(result, first, second) {
  const pair = result.pairs.find((p) => [p.first, p.second].includes(first) && [p.first, p.second].includes(second));
  const sign = pair.first === first ? 1 : -1;
  const words = `${showDifference(result.data.metric, sign * pair.difference)} in ${result.data.metric.noun}`;
  return pair.note ? words : `${words} (Holm p ${pValue(pair.p_holm)})`;
}

function basisWords(result) {
  const { data, ranking } = result;
  const whole = result.selection.whole;
  const shared = result.blocks.length < result.selection.problems.length
    ? ` ${plural(result.selection.problems.length - result.blocks.length, "problem")} of the selection count nowhere but in the heat map and the gallery, because not every solver has a run there.` : "";
  const { absent } = result.selection;
  const left = absent.length ? ` Without a run here: ${listed(absent.map((s) => data.solvers[s].name))}.` : "";
  if (whole) return data.whole.basis + left;
  const failed = ranking.reduce((sum, row) => sum + row.failures, 0);
  return `A part of the study: ${scopeWords(result)}; ${plural(ranking.reduce((sum, row) => sum + row.runs, 0), "run")}, ${failed || "none"} failed; `
    + `exact Wilcoxon signed-rank tests over problems (Pratt), Holm-corrected over ${plural(result.pairs.length, "comparison")}. `
    + `Bootstrap intervals exist for the whole only; best known values and targets stay those of the whole.${shared}${left}`;
}
