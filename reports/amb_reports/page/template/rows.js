"use strict";
// The runs behind a number, and the commands that repeat them.

const MOST_ROWS = 200;

function openRows(solver, problem = null) {
  location.hash = Hash.with({ of: solver, on: problem, rows: "1" });
}

function drawRows(result) {
  const dialog = document.getElementById("rows");
  const parts = Hash.read();
  if (!parts.has("rows")) {
    if (dialog.open) dialog.close();
    return;
  }
  const { data, view } = result;
  const named = parts.getAll("of");
  const problem = data.problems.findIndex((p) => p.id === parts.get("on"));
  const problems = new Set(problem < 0 ? result.blocks : [problem]);
  const runs = result.runs.filter((i) => (!named.length || named.includes(data.solvers[data.column.solver[i]].name))
    && problems.has(data.column.problem[i]));
  const rows = runs.map((i) => ({
    problem: data.problems[data.column.problem[i]], solver: data.solvers[data.column.solver[i]].name,
    seed: data.column.seed[i], status: data.statuses[result.view.status[i]], queries: view.queries[i], final: view.final[i],
    hit: firstHit(data, i, data.threshold, result.selection.budget), own: view.solver_seconds[i],
    generator: view.generator_seconds[i], target: view.target_seconds[i], run_id: runIdOf(data, i),
    message: data.messages[i] ?? "", source: data.sources[data.column.source[i]].name,
  }));
  const column = (key, header, text, more = {}) => ({ key, header, text, value: (row) => row[key], ...more });
  const columns = [
    column("run_id", "run", (row) => row.run_id.slice(0, 8), { left: true, cell: (row) => h("code", { title: row.run_id }, row.run_id.slice(0, 8)) }),
    column("problem", "problem", (row) => row.problem.label, { left: true, value: (row) => row.problem.id }),
    column("solver", "solver", (row) => row.solver, { left: true }),
    column("seed", "seed", (row) => String(row.seed)),
    column("final", "activation", (row) => activation(row.final, 4), { descending: true }),
    column("hit", "queries to 75%", (row) => (Number.isFinite(row.hit) ? thousands(row.hit) : `>${thousands(result.selection.budget)}`)),
    column("queries", "queries", (row) => thousands(row.queries)),
    column("status", "status", (row) => row.status, { left: true }),
    column("own", "solver time, s", (row) => seconds(row.own)),
    column("generator", "generator time, s", (row) => seconds(row.generator)),
    column("target", "target time, s", (row) => seconds(row.target)),
    ...(data.sources.length > 1 ? [column("source", "study", (row) => row.source, { left: true })] : []),
    ...(rows.some((row) => row.message) ? [column("message", "reason", (row) => row.message, { left: true })] : []),
  ];
  const title = [listed(named), problem < 0 ? "" : data.problems[problem].id].filter((x) => x).join(" on ") || "All runs in this view";
  dialog.replaceChildren(
    h("div", { class: "head" }, h("h3", {}, `${title}: ${plural(rows.length, "run")}`),
      h("form", { method: "dialog" }, h("button", { "aria-label": "Close" }, "Close"))),
    ...sortedTable({ name: "runs", caption: title, columns, rows, sort: sortOf("by"), onsort: keepSort("by"), most: MOST_ROWS }),
    ...commands(result, runs).map(([words, command]) => commandBox(words, command)),
  );
  if (!dialog.open) dialog.showModal();
}

function commands(result, runs) {
  const { data, selection } = result;
  const distinct = (values) => [...new Set(values)];
  const solvers = distinct(runs.map((i) => data.solvers[data.column.solver[i]].name));
  const problems = distinct(runs.map((i) => data.problems[data.column.problem[i]].id));
  const seeds = distinct(runs.map((i) => data.column.seed[i])).sort((a, b) => a - b);
  const studies = distinct(runs.map((i) => data.sources[data.column.source[i]].name)).filter((name) => name);
  if (!runs.length) return [];
  const which = problems.length === data.problems.length ? [] : ["--problems", quote(problems.join(","))];
  const who = solvers.length === data.solvers.length ? [] : ["--solvers", quote(solvers.join(","))];
  const less = selection.budget === data.budgets[0] ? [] : ["--budget", String(selection.budget)];
  const run = ["amb", "run", "--solvers", quote(solvers.join(",")), "--problems", quote(problems.join(",")),
    "--budget", selection.budget, "--seeds", seedWords(seeds), "--study", "again"].join(" ");
  return [
    ...studies.map((study) => ["To get these numbers from the stored runs:", ["amb", "report", quote(study), ...who, ...which, ...less].join(" ")]),
    ["To repeat these runs from scratch:", run],
  ];
}

function seedWords(seeds) {
  const range = seeds.every((seed, i) => seed === seeds[0] + i);
  if (range && seeds[0] === 0) return String(seeds.length);
  return range ? `${seeds[0]}..${seeds.at(-1)}` : seeds.join(",");
}
