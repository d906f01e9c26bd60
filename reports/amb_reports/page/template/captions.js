"use strict";
// What figures and tables rest on, in a line.

// The two ends of the gap whose closed share a figure shows, as amb_reports.captions.gap has it.
function gapWords({ data }, problems) {
  const without = problems.filter((p) => !data.problems[p].anchored).length, these = "the runs on this page";
  if (!without) return sentence("gap with points");
  return without === problems.length ? sentence("gap without points", { these }) : sentence("gap mixed", { problems: without, these });
}

// Over which problems normalized activations of a table are, unless that is all or none of them.
function normalizedWords({ data, blocks }) {
  const anchored = blocks.filter((p) => data.problems[p].anchored).length;
  return anchored && anchored < blocks.length ? sentence("normalized of some", { problems: anchored }) : "";
}

// How many seeds solvers have on problems: "5 seeds", or "5 to 10 seeds" where some have more.
function seedCountWords(cells) {
  const counts = cells.flatMap((row) => row.map((cell) => cell.length)).filter((count) => count);
  const low = counts.length ? Math.min(...counts) : 0, high = Math.max(low, ...counts);
  return low === high ? plural(low, "seed") : `${thousands(low)} to ${plural(high, "seed")}`;
}

// The scope of a view: how many problems, solvers and seeds, and which budget.
function scopeWords(result, problems = result.blocks) {
  const { selection, data } = result;
  // Of problems that are compared, only as many seeds count as every solver has there.
  const cells = problems.every((p) => result.blocks.includes(p)) ? result.cells : result.all;
  // A problem's suites begin with the smallest.
  const suites = problems.length ? data.problems[problems[0]].suites : [];
  const inSuite = suites.filter((s) => (selection.facets.suite?.has(s) ?? true) && problems.every((p) => data.problems[p].suites.includes(s)));
  const noise = new Set(problems.map((p) => data.problems[p].noise));
  return [
    plural(problems.length, "problem") + (inSuite.length ? ` of suite ${inSuite[0]}` : ""), plural(selection.solvers.length, "solver"), seedCountWords(cells),
    `${thousands(selection.budget)} queries per run`,
    ...[...noise].filter((name) => name !== "none").map((name) => `noise ${name}`),
  ].join(", ");
}

// What the tables of a view support: its verdict's basis, and what a part of the study lacks.
function basisWords(result) {
  const { data, ranking, selection: { whole, absent } } = result;
  return [
    ranking.length ? basisOf(result) : null,
    whole && ranking.length ? data.whole.across : null,
    whole || !ranking.length ? null : sentence("part of the study"),
    absent.length ? sentence("without a run", { solvers: absent.map((s) => data.solvers[s].name) }) : null,
  ].filter((words) => words).join(" ");
}
