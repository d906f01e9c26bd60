"use strict";
// The most exciting inputs at a glance: the best of every layer under the verdict, and a few of each solver in its row.

const MOST_COLUMNS = 24;

// One column per layer, or per network if there are too many layers: the problem on which the highest activation was found.
function stripOf(result) {
  const { data, selection } = result, ranked = new Set([...selection.solvers, ...selection.aside]), wanted = new Set(selection.problems);
  const several = (part) => new Set(selection.problems.map((p) => data.problems[p][part])).size > 1;
  const parts = ["generator", "target"].filter(several), layers = new Set(selection.problems.map((p) => `${data.problems[p].target} ${data.problems[p].layer}`));
  const finest = layers.size > MOST_COLUMNS && several("target") ? [] : ["layer"], columns = new Map();
  for (const sheet of data.gallery.filter(({ problem }) => wanted.has(problem))) {
    const problem = data.problems[sheet.problem], name = [...parts, ...finest].map((part) => problem[part]).join(" · ");
    sheet.cells.forEach((cell, row) => {
      const activation = cell.activations.at(-1), query = cell.queries.at(-1), now = columns.get(name);
      if (!ranked.has(cell.solver) || (now && (now.activation > activation || (now.activation === activation && now.query <= query)))) return;
      columns.set(name, { name, sheet, row, problem, solver: data.solvers[cell.solver], activation, query, marks: data.landmarks.problems[sheet.problem] });
    });
  }
  const all = [...columns.values()], step = Math.max(1, all.length / MOST_COLUMNS);
  return Array.from({ length: Math.min(all.length, MOST_COLUMNS) }, (_, i) => all[Math.floor(i * step)]);
}

function drawStrip(result) {
  const { data } = result, columns = stripOf(result), place = document.getElementById("strip");
  if (!columns.length) {
    place.replaceChildren();
    return;
  }
  const best = (column) => hashLink({ of: column.solver.name, on: column.problem.id, rows: "1" }, { class: "found", title: `${column.problem.id}: the runs of ${column.solver.name}` },
    frameOf(column.sheet, column.row, null), h("b", {}, activation(column.activation)), h("span", { class: "by" }, swatch(column.solver), column.solver.name));
  const mark = (kind) => ({ marks, problem }) => {
    if (!isKnown(marks?.[kind])) return h("span", { class: "muted" }, UNKNOWN);
    const number = marks[`${kind}_image`];
    if (number === null) return [anyImage(kind) ? h("span", { class: "absent" }, "no image") : null, activation(marks[kind])];
    const words = kind === "natural" ? "Best natural image as the generator shows it" : "An image at chance level";
    return [landmarkOf(data, number, `${words}, ${problem.id}`), activation(kind === "natural" ? marks.natural_shown : marks[kind])];
  };
  const anyImage = (kind) => columns.some(({ marks }) => isKnown(marks?.[`${kind}_image`]));
  const rows = [
    ["best found", "Best found", "The image of the highest noise-free activation that any run found in this layer, and the solver that found it first.", best],
    ["natural", "Best natural", anyImage("natural") ? "The natural image that drives the unit hardest after the generator has encoded and decoded it, with its activation then. Where there is no image, the generator has no encoder: only the activation of the natural image is known."
      : "The activation of the natural image that drives the same unit hardest. The image itself belongs to a data set and is not part of a study, and this generator cannot draw it: it has no encoder.", mark("natural")],
    ["chance", "Chance", "A random image at chance level: of the runs' first queries on the same unit, the one closest to the median activation of random latents.", mark("chance")],
  ].filter(([kind]) => kind === "best found" || columns.some(({ marks }) => isKnown(marks?.[kind])));
  const table = roving(h("table", { class: "strip" }, h("caption", { class: "unseen" }, "Most exciting inputs by layer, next to natural images and chance"),
    h("thead", {}, h("tr", {}, h("td"), columns.map(({ name }) => h("th", { scope: "col" }, name.split(" · ").flatMap((part, i, { length }) => (i === length - 1 ? [part.replaceAll(".", ".\u200b")] : [h("span", {}, part), " "])))))),
    h("tbody", {}, rows.map(([kind, title, words, cell]) => h("tr", { class: kind.split(" ")[0] }, h("th", { scope: "row" }, title, helpButton(title, words), kind === "best found" || anyImage(kind) ? null : h("span", { class: "absent" }, "activation only")), columns.map((column) => h("td", {}, cell(column))))))));
  place.replaceChildren(scrolling(table, "More layers: scroll sideways →"));
}

const THUMBNAILS = 3;

// A few inputs that each solver found, on the same problems for all: the first, middle and last layer of the strip.
function thumbnails(result) {
  const columns = stripOf(result), places = [...new Set([0, Math.floor((columns.length - 1) / 2), columns.length - 1])].slice(0, THUMBNAILS);
  return ({ number, solver }) => {
    const images = (columns.length ? places : []).flatMap((i) => {
      const { sheet, problem } = columns[i], row = sheet.cells.findIndex((cell) => cell.solver === number);
      return row < 0 ? [] : [frameOf(sheet, row, `Found by ${solver} on ${problem.id}: ${activation(sheet.cells[row].activations.at(-1))}`)];
    });
    return images.length ? h("span", { class: "thumbnails" }, images) : null;
  };
}
