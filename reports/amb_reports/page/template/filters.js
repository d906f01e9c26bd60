"use strict";
// The filters; they are also the legend, as each solver's line is drawn next to its name.

const FACET_WORDS = { suite: "Suite", generator: "Generator", target: "Target", layer: "Layer", noise: "Noise" };

function drawFilters(data, selection) {
  const place = document.getElementById("filters");
  const open = place.querySelector(":scope > details")?.open ?? matchMedia("(min-width: 62rem)").matches;
  const groups = [
    choices("solver", "Solver", data.solvers.map((s) => s.name), selection.chosenSolvers, (name, i) => swatch(data.solvers[i])),
    ...FACETS.map((facet) => [facet, facetValues(data, facet)]).filter(([, values]) => values.length > 1)
      .map(([facet, values]) => choices(facet, FACET_WORDS[facet], values, selection.facets[facet])),
  ];
  if (data.budgets.length > 1) {
    const select = h("select", { "data-choice": "budget", "aria-label": "Budget", onchange: (event) => Hash.change({ budget: Number(event.target.value) === data.budgets[0] ? null : event.target.value }) },
      [...data.budgets].sort((a, b) => b - a).map((b) => h("option", { value: b, selected: b === selection.budget }, `${thousands(b)} queries`)));
    groups.splice(1, 0, h("fieldset", {}, h("legend", {}, "Budget"), select));
  }
  const reset = h("button", { type: "button", id: "reset", onclick: () => Hash.change(Object.fromEntries(["solver", "budget", ...FACETS].map((name) => [name, null]))) }, "Show everything");
  const words = `Filters: ${selection.solvers.length} of ${plural(data.solvers.length, "solver")}, ${selection.problems.length} of ${plural(data.problems.length, "problem")}`;
  place.replaceChildren(h("details", { open }, h("summary", {}, words), h("div", { class: "groups" }, groups), selection.whole ? null : reset));
}

function choices(name, words, values, chosen, sign = () => null) {
  const change = (set) => Hash.change({ [name]: set.size === values.length ? null : set.size ? [...set] : NOTHING });
  const now = () => new Set(chosen ?? values);
  const boxes = h("fieldset", {}, h("legend", {}, words,
    h("button", { type: "button", class: "plain", "data-choice": `${name} all`, "aria-label": `all: ${words}`, onclick: () => change(new Set(values)) }, "all"),
    h("button", { type: "button", class: "plain", "data-choice": `${name} none`, "aria-label": `none: ${words}`, onclick: () => change(new Set()) }, "none")),
  values.map((value, i) => {
    const box = h("input", {
      type: "checkbox", checked: chosen === null || chosen.has(value), "data-choice": `${name} ${value}`, "data-facet": name,
      onchange: (event) => { const set = now(); if (event.target.checked) set.add(value); else set.delete(value); change(set); },
    });
    return h("label", { class: "choice" }, box, sign(value, i), h("span", { class: "name" }, value));
  }));
  if (values.length <= LONG || name === "solver") return boxes;
  return disclosure(`filter ${name}`, `${words} (${chosen === null ? values.length : `${chosen.size} of ${values.length}`})`, { class: "facet" }, boxes);
}

// A longer list opens on a click.
const LONG = 8;
