"use strict";
// Which solvers, problems and budget the filters select.

const FACETS = ["suite", "generator", "target", "layer", "noise"];

// Values of a facet in the order of the problems.
function facetValues(data, facet) {
  const values = new Set();
  for (const problem of data.problems) for (const value of facet === "suite" ? problem.suites : [problem[facet]]) values.add(value);
  return [...values];
}

// The selection that the address describes. A facet that it does not name is not filtered; NOTHING selects none of its values.
const NOTHING = "\u2205";

function readSelection(data) {
  const parts = Hash.read();
  const chosen = (name, known) => {
    if (!parts.has(name)) return null;
    return new Set(parts.getAll(name).filter((value) => known.includes(value)));
  };
  const facets = Object.fromEntries(FACETS.map((facet) => [facet, chosen(facet, facetValues(data, facet))]));
  const solvers = chosen("solver", data.solvers.map((solver) => solver.name));
  const wanted = Number(parts.get("budget"));
  const budget = data.budgets.includes(wanted) ? wanted : data.budgets[0];
  const passes = (problem) => FACETS.every((facet) => {
    if (facets[facet] === null) return true;
    return facet === "suite" ? problem.suites.some((s) => facets.suite.has(s)) : facets[facet].has(problem[facet]);
  });
  const chosenSolvers = (aside) => [...data.solvers.keys()].filter((i) => (data.solvers[i].class !== "") === aside
    && (solvers === null || solvers.has(data.solvers[i].name)));
  const selection = {
    facets, budget, chosenSolvers: solvers,
    solvers: chosenSolvers(false),
    aside: chosenSolvers(true),  // solvers of other classes: shown below the ranking, in none of its tests and in no figure
    problems: [...data.problems.keys()].filter((i) => passes(data.problems[i])),
  };
  selection.whole = budget === data.budgets[0]
    && selection.solvers.length + selection.aside.length === data.solvers.length && selection.problems.length === data.problems.length;
  return selection;
}
