"use strict";
// The verdict, and the ranking: a few columns first, the others on request.

// The columns that are shown until others are chosen.
const SHOWN = ["solver", "letters", "covered", "score", "low", "difference", "mean_rank", "p_holm", "ert"];

function drawVerdict(result) {
  document.getElementById("headline").textContent = headlineOf(result);
  document.getElementById("verdict").textContent = verdictOf(result);
  document.getElementById("basis").textContent = basisWords(result);
  document.getElementById("scope").textContent = `${scopeWords(result)}.`;
}

function drawRanking(result) {
  const { data } = result, rows = [...result.ranking, ...result.aside];
  const thumbs = thumbnails(result), chosen = Hash.read().get("row");
  const link = (row, text) => rowsLink(text, row.solver);
  const known = declaredColumns(result, data.tables.ranking, rows, link, {
    solver: (row) => h("div", { class: "entry" },
      h("span", { class: "who" }, swatch(data.solvers[row.number]), " ", rowsLink(row.solver, row.solver), row.solver_class ? ` (${row.solver_class})` : "", rowLink(row)),
      thumbs(row)),
    letters: (_, text) => text,
    low: (row, text) => [intervalBar(result, row), text],
    p_holm: (_, text) => hashLink({ section: "pairs" }, {}, text),
    difference: (row, text) => compareLink(result, row, text),
  });
  const columns = known.filter(({ key }) => isShown(key));
  document.getElementById("ranking-table").replaceChildren(
    ...sortedTable({
      name: "ranking", caption: `Ranking of ${plural(rows.length, "solver")}`, columns, rows, sort: sortOf("sort"), onsort: keepSort("sort"),
      initial: ["mean_rank", 1], marked: (row) => row.solver === chosen, tools: [columnChooser(known)],
    }),
    h("p", { class: "muted" }, [
      result.groups.length ? sentence("letters") : "",
      "Brackets: 95% intervals, for problems like these.",
      columns.some(({ key }) => key === "normalized") ? normalizedWords(result) : "",
      columns.some(({ key }) => key.endsWith("seconds")) ? (allTimed(rows) ? "Runs were timed alone." : "Seconds are shares of joint batches and support no claim about wall time.") : "",
    ].filter((words) => words).join(" ")),
  );
}

// A column that is not among the first ones is shown if the address names it; "all" names all.
function isShown(key) {
  const asked = Hash.read().getAll("columns");
  return key === "solver" || (asked.length ? asked.includes("all") || asked.includes(key) : SHOWN.includes(key));
}

function columnChooser(known) {
  const choosable = known.filter(({ key }) => key !== "solver"), shown = choosable.filter(({ key }) => isShown(key));
  const set = (keys) => {
    const first = keys.length === choosable.filter(({ key }) => SHOWN.includes(key)).length && keys.every((key) => SHOWN.includes(key));
    Hash.change({ columns: first ? null : keys.length === choosable.length ? "all" : keys.length ? keys : NOTHING });
  };
  const box = ({ key, header }) => h("label", { class: "choice" }, h("input", {
    type: "checkbox", checked: isShown(key), "data-column": key,
    onchange: ({ target }) => set(choosable.map((column) => column.key).filter((one) => (one === key ? target.checked : isShown(one)))),
  }), h("span", { class: "name" }, header));
  return disclosure("columns", `Columns: ${shown.length + 1} of ${choosable.length + 1}`, { class: "chooser" },
    h("div", { class: "choices" }, choosable.map(box),
      h("button", { type: "button", "data-column": "all", onclick: () => set(choosable.map(({ key }) => key)) }, "Show all")));
}

// A permanent link to a solver's row.
const rowLink = (row) => hashLink({ row: row.solver }, { class: "permalink", "aria-label": `Link to the row of ${row.solver}`, title: "Link to this row" }, "#");

// Leads from a paired difference to the comparison of the two.
function compareLink(result, row, text) {
  const reference = result.question.control ?? result.ranking[0].solver;
  if (!result.ranking.includes(row)) return rowsLink(text, row.solver);
  return isKnown(row.difference) ? hashLink({ a: reference, b: row.solver, section: "compare" }, { title: "Compare the two, problem by problem" }, text) : text;
}

// The interval as a bar, all on one scale, to show overlaps.
function intervalBar(result, row) {
  const rows = result.ranking.filter((r) => isKnown(r.low));
  if (!isKnown(row.low)) return null;
  const low = Math.min(...rows.map((r) => r.low)), high = Math.max(...rows.map((r) => r.high));
  const x = (value) => 3 + 38 * (high > low ? (value - low) / (high - low) : 0.5);
  const style = `stroke: var(--c${result.data.solvers[row.number].colour})`;
  return svg("svg", { width: 46, height: 12, class: "interval", "aria-hidden": "true" },
    svg("line", { x1: x(row.low), x2: x(row.high), y1: 6, y2: 6, "stroke-width": 2, style }),
    svg("line", { x1: x(row.score), x2: x(row.score), y1: 1, y2: 11, "stroke-width": 3, style }));
}

