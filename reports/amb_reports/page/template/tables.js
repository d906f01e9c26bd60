"use strict";
// Tables that sort by a click on a header and download as CSV and LaTeX.

// columns: [{ key, header, left, cell(row) -> text or element, text(row) -> text, value(row) -> what is sorted and exported }]
function sortedTable({ name, columns, rows, sort, onsort, most = Infinity }) {
  const [key, direction] = sort ?? [null, 1];
  const by = columns.find((column) => column.key === key);
  const ordered = by ? [...rows].sort((a, b) => direction * compareValues(by.value(a), by.value(b))) : rows;
  const head = columns.map((column) => {
    const active = column.key === key;
    const button = h("button", {
      type: "button", title: `Sort by ${column.header}`, "data-sort": column.key,
      onclick: () => onsort([column.key, active ? -direction : column.left ? 1 : column.first ?? 1]),
    }, column.header);
    return h("th", {
      scope: "col", class: column.left ? "left" : null, "aria-sort": active ? (direction > 0 ? "ascending" : "descending") : "none",
    }, button);
  });
  const body = ordered.slice(0, most).map((row) => h("tr", {}, columns.map((column) => h(
    "td", { class: column.left ? "left" : null }, column.cell ? column.cell(row) : column.text(row),
  ))));
  const table = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": name },
    h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)));
  const tools = h("div", { class: "tools" },
    h("button", { type: "button", "data-download": `${name}.csv`, onclick: () => download(`${name}.csv`, toCsv(columns, ordered), "text/csv") }, "CSV"),
    h("button", { type: "button", "data-download": `${name}.tex`, onclick: () => download(`${name}.tex`, toLatex(columns, ordered), "application/x-tex") }, "LaTeX"),
    ordered.length > most ? h("span", { class: "muted" }, `${most} of ${thousands(ordered.length)} rows are shown; the files have all.`) : null);
  return [table, tools];
}

function compareValues(a, b) {
  const unknown = (x) => x === null || x === undefined || Number.isNaN(x);
  if (unknown(a) || unknown(b)) return unknown(a) - unknown(b);
  if (typeof a === "number" && typeof b === "number") return a - b || 0;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

function toCsv(columns, rows) {
  const cell = (value) => {
    const text = value === null || value === undefined || Number.isNaN(value) ? "" : value === Infinity ? "inf" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = rows.map((row) => columns.flatMap((c) => c.values?.(row) ?? [c.value(row)]).map(cell).join(","));
  return `${columns.flatMap((c) => c.keys ?? [c.key]).join(",")}\n${lines.join("\n")}\n`;
}

const SPECIAL = {
  "\\": "\\textbackslash{}", "&": "\\&", "%": "\\%", $: "\\$", "#": "\\#", _: "\\_", "{": "\\{", "}": "\\}",
  "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}", ">": "\\textgreater{}",
  "–": "--", "×": "$\\times$", "→": "$\\to$", "[": "{[}", "]": "{]}",
};
const toTex = (text) => Array.from(String(text), (c) => SPECIAL[c] ?? c).join("").replace(/[\r\n]+/g, " ");

function toLatex(columns, rows) {
  const line = (cells) => `${cells.map(toTex).join(" & ")} \\\\`;
  return [
    "% Needs \\usepackage{booktabs}.",
    `\\begin{tabular}{${columns.map((column) => (column.left ? "l" : "r")).join("")}}`, "\\toprule",
    line(columns.map((column) => column.header.replaceAll("\u200b", ""))), "\\midrule",
    ...rows.map((row) => line(columns.map((column) => column.text(row)))), "\\bottomrule", "\\end{tabular}", "",
  ].join("\n");
}

// A sort order kept in the address under a name: "score" or "-score".
function sortOf(name) {
  const text = Hash.read().get(name);
  return text ? [text.replace(/^-/, ""), text.startsWith("-") ? -1 : 1] : null;
}
const keepSort = (name) => ([key, direction]) => Hash.change({ [name]: direction < 0 ? `-${key}` : key });

// Leads to the runs behind a number: of a solver or of several.
const rowsLink = (words, solvers) => (words ? hashLink({ of: solvers, on: null, rows: "1" }, { title: "The runs behind this number" }, words) : words);

function drawRanking(result) {
  const { data, ranking } = result;
  const metric = data.metric;
  const link = (show) => (row) => rowsLink(show(row), row.solver);
  const against = result.control === null ? "vs best" : `vs ${data.whole.control}`;
  const column = (key, header, text, more = {}) => ({ key, header, text, value: (row) => row[key], cell: link(text), ...more });
  const columns = [
    column("solver", "solver", (row) => `${row.solver}${row.white_box ? " (white-box)" : ""}`, {
      left: true, cell: (row) => [swatch(data.solvers[row.number]), " ", rowsLink(row.solver, row.solver), row.white_box ? " (white-box)" : ""],
    }),
    ...(result.control === null ? [column("letters", "group", (row) => row.letters, { left: true, cell: (row) => row.letters })] : []),
    ...([...ranking, ...result.aside].some((row) => row.covered < result.selection.problems.length)
      ? [column("covered", "problems", (row) => `${row.covered}/${result.selection.problems.length}`)] : []),
    column("score", metric.label, (row) => showScore(metric, row.score), { first: -1 }),
    column("low", "95% interval", (row) => showInterval(metric, row.low, row.high), {
      cell: (row) => [intervalBar(result, row), showInterval(metric, row.low, row.high)],
      keys: ["low", "high"], values: (row) => [row.low, row.high],
    }),
    ...(ranking.some((row) => isKnown(row.normalized))
      ? [column("normalized", "normalized", (row) => fixed(row.normalized, 2), { first: -1 })] : []),
    column("mean_rank", "mean rank", (row) => fixed(row.mean_rank, 2)),
    column("wins", "wins/\u200bties/\u200blosses", (row) => (row.white_box ? DASH : `${row.wins}/${row.ties}/${row.losses}`), {
      first: -1, keys: ["wins", "ties", "losses"], values: (row) => [row.wins, row.ties, row.losses],
    }),
    column("p_holm", `Holm p ${against}`, (row) => pValue(row.p_holm, row.note), {
      cell: (row) => hashLink({ section: "pairs" }, {}, pValue(row.p_holm, row.note)),
    }),
    column("ert", "expected queries to 75%", (row) => queriesOf(row.ert)),
    column("hit_share", "reached, % of runs", (row) => percent(row.hit_share), { first: -1 }),
    column("solver_seconds", "solver s a run", (row) => seconds(row.solver_seconds)),
    column("evaluation_seconds", "evaluation s a run", (row) => seconds(row.evaluation_seconds)),
    column("failures", "failed runs", (row) => `${row.failures}/${row.runs}`),
  ];
  const timed = allTimed([...ranking, ...result.aside]);
  document.getElementById("ranking-table").replaceChildren(
    ...sortedTable({ name: "ranking", columns, rows: [...ranking, ...result.aside], sort: sortOf("sort"), onsort: keepSort("sort") }),
    h("p", { class: "muted" }, [
      `${scopeWords(result)}. `,
      result.control === null && result.blocks.length ? "Solvers that share a letter are not shown to differ. " : "",
      result.selection.whole ? "Brackets: 95% nested bootstrap. " : "Intervals are given for the whole study only. ",
      timed ? "Runs were timed alone." : "Seconds are shares of joint batches, no claim about wall time.",
    ].join("")),
  );
}

// The interval as a bar, all on one scale, so that overlaps can be seen.
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

function drawPairs(result) {
  const { data, pairs, selection } = result;
  const place = document.getElementById("pairs");
  const name = (i) => data.solvers[selection.solvers[i]].name;
  const metric = data.metric;
  const link = (show) => (row) => rowsLink(show(row), [name(row.first), name(row.second)]);
  const column = (key, header, text, more = {}) => ({ key, header, text, value: (row) => row[key], cell: link(text), ...more });
  const columns = [
    column("first", "solver", (row) => name(row.first), { left: true, value: (row) => name(row.first), cell: (row) => rowsLink(name(row.first), name(row.first)) }),
    column("second", "against", (row) => name(row.second), { left: true, value: (row) => name(row.second), cell: (row) => rowsLink(name(row.second), name(row.second)) }),
    column("wins", "wins/\u200bties/\u200blosses", (row) => `${row.wins}/${row.ties}/${row.losses}`, {
      first: -1, keys: ["wins", "ties", "losses"], values: (row) => [row.wins, row.ties, row.losses],
    }),
    column("difference", "difference (HL)", (row) => showDifference(metric, row.difference), { first: -1 }),
    column("low", "95% interval", (row) => showInterval(metric, row.low, row.high, true), {
      keys: ["low", "high"], values: (row) => [row.low, row.high],
    }),
    column("a12", "A12", (row) => fixed(row.a12, 2), { first: -1 }),
    column("p", "p", (row) => pValue(row.p)),
    column("p_holm", "Holm p", (row) => pValue(row.p_holm)),
    column("first_better", "P(better)", (row) => fixed(row.first_better, 2), { first: -1 }),
    column("equal", "P(equal)", (row) => fixed(row.equal, 2), { first: -1 }),
    column("note", "note", (row) => row.note, { left: true }),
  ];
  place.replaceChildren(h("h2", {}, "Pairs of solvers"), ...(pairs.length && result.blocks.length ? [
    ...sortedTable({ name: "pairs", columns, rows: pairs, sort: sortOf("pairs"), onsort: keepSort("pairs") }),
    h("p", { class: "muted" }, `Exact Wilcoxon signed-rank tests over ${plural(result.blocks.length, "problem")} (Pratt), `
      + `Holm-corrected over ${plural(pairs.length, "comparison")}; HL: Hodges–Lehmann estimate; A12: chance that a run of the `
      + "first beats one of the second; P: Bayesian signed-rank test with a region of practical equivalence of "
      + `${percent(data.settings.rope)} of the range. ${scopeWords(result)}.${selection.whole ? ` ${omnibusWords(data)}` : ""}`),
  ] : [h("p", {}, "Two solvers with runs on common problems are needed.")]));
}

function omnibusWords(data) {
  const o = data.whole.omnibus;
  return isKnown(o.f) ? `Omnibus test (${o.method}): F(${o.df1}, ${o.df2}) = ${o.f.toFixed(2)}, p ${pValue(o.p)}.` : "";
}
