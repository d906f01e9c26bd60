"use strict";
// How to add a solver to this page.

function drawSubmit({ data }) {
  const studies = data.sources.map(({ name }) => name).filter((name) => name), seeds = [...new Set(data.column.seed)].sort((a, b) => a - b);
  const problems = data.problems.map(({ id }) => id).join(",");
  document.getElementById("submit-commands").replaceChildren(
    commandBox("Run your solver, a class or a function in a Python file, on the same problems:",
      ["amb", "run", "--solvers", "my_module:MySolver", "--problems", quote(problems), "--budget", data.budgets[0], "--seeds", seedWords(seeds), "--study", "mine"].join(" ")),
    commandBox("Write this page with your solver on it:", ["amb", "leaderboard", ...studies.map(quote), "mine", "--out", "mine.html"].join(" ")),
    commandBox("Make a folder of a few megabytes to hand in, with every value, so that others can check it:", "amb publish mine published"),
  );
}
