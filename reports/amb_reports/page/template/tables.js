"use strict";
// Tables that sort on a click on a header and download as CSV and LaTeX.

// columns: [{ key, header, help, left, descending, text(row), value(row) -> what is sorted, cell(row) -> text or elements; by default
// the text, and keys and values(row) -> names and values in the CSV file; by default key and value }]
function sortedTable({ name, columns, rows, sort, onsort, most = Infinity }) {
  const [key, direction] = sort ?? [null, 1];
  const by = columns.find((column) => column.key === key);
  const ordered = by ? [...rows].sort((a, b) => compareValues(by.value(a), by.value(b), direction)) : rows;
  const head = columns.map((column) => {
    const active = column.key === key;
    const button = h("button", {
      type: "button", title: `${column.help ? `${column.help} ` : ""}Click to sort.`, "data-sort": column.key,
      onclick: () => onsort([column.key, active ? -direction : column.descending ? -1 : 1]),
    }, column.header.replaceAll("/", "/\u200b"));
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
    ordered.length > most ? h("span", { class: "muted" }, `${most} of ${thousands(ordered.length)} rows are shown; the files hold all of them.`) : null);
  return [table, tools];
}

// Unknown values come last in either direction.
function compareValues(a, b, direction) {
  const unknown = (x) => x === null || x === undefined || Number.isNaN(x);
  if (unknown(a) || unknown(b)) return unknown(a) - unknown(b);
  if (typeof a === "number" && typeof b === "number") return direction * (a - b) || 0;
  return direction * String(a).localeCompare(String(b), "en", { numeric: true });
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
    line(columns.map((column) => column.header)), "\\midrule",
    ...rows.map((row) => line(columns.map((column) => column.text(row)))), "\\bottomrule", "\\end{tabular}", "",
  ].join("\n");
}

// A sort order kept in the address under a name: "score" or "-score".
function sortOf(name) {
  const text = Hash.read().get(name);
  return text ? [text.replace(/^-/, ""), text.startsWith("-") ? -1 : 1] : null;
}
const keepSort = (name) => ([key, direction]) => Hash.change({ [name]: direction < 0 ? `-${key}` : key });

// A link to the runs behind a number, of one solver or of several.
const rowsLink = (words, solvers) => (words ? hashLink({ of: solvers, on: null, rows: "1" }, { title: "The runs behind this number" }, words) : words);

// The columns of one of the declared tables: those that say something about these rows. Cells lead to the runs behind them, unless
// `cells` draws them differently.
function declaredColumns(result, declared, rows, link, cells = {}) {
  const words = { metric: result.metric.label, reference: result.question.control ?? "best" };
  const says = ({ present, fields: [first, second] }) => present === "always"
    || rows.some((row) => (present === "where known" ? ![null, undefined, ""].includes(row[first]) && !Number.isNaN(row[first]) : row[first] !== row[second]));
  return declared.filter(says).map((column) => {
    const style = { digits: column.digits, logarithmic: result.metric.logarithmic };
    const values = (row) => column.fields.map((field) => row[field]), text = (row) => show(column.format, values(row), style);
    return {
      key: column.name, header: fill(column.header, words) + (column.unit ? `, ${column.unit}` : ""), help: column.help, left: column.align === "left",
      descending: column.descending, text, value: (row) => row[column.name], keys: column.fields, values,
      cell: (row) => (cells[column.name] ? cells[column.name](row, text(row)) : link(row, text(row))),
    };
  });
}

function drawRanking(result) {
  const { data, selection } = result, rows = [...result.ranking, ...result.aside];
  const link = (row, text) => rowsLink(text, row.solver);
  const columns = declaredColumns(result, data.tables.ranking, rows, link, {
    solver: (row) => [swatch(data.solvers[row.number]), " ", rowsLink(row.solver, row.solver), row.solver_class ? ` (${row.solver_class})` : ""],
    letters: (_, text) => text,
    low: (row, text) => [intervalBar(result, row), text],
    p_holm: (_, text) => hashLink({ section: "pairs" }, {}, text),
  });
  document.getElementById("ranking-table").replaceChildren(
    ...sortedTable({ name: "ranking", columns, rows, sort: sortOf("sort"), onsort: keepSort("sort") }),
    h("p", { class: "muted" }, [
      `${scopeWords(result)}.`,
      result.groups.length ? sentence("letters") : "",
      "Brackets: 95% intervals, for problems like these.",
      allTimed(rows) ? "Runs were timed alone." : "Seconds are shares of joint batches and support no claim about wall time.",
    ].filter((words) => words).join(" ")),
  );
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

function drawPairs(result) {
  const { data, pairs, blocks, selection } = result;
  const columns = declaredColumns(result, data.tables.pairs, pairs, (row, text) => rowsLink(text, [row.first, row.second]), {
    first: (_, text) => rowsLink(text, text), second: (_, text) => rowsLink(text, text),
  });
  document.getElementById("pairs").replaceChildren(h("h2", {}, "Pairs of solvers"), ...(pairs.length && blocks.length ? [
    ...sortedTable({ name: "pairs", columns, rows: pairs, sort: sortOf("pairs"), onsort: keepSort("pairs") }),
    h("p", { class: "muted" }, `Exact Wilcoxon signed-rank tests over ${plural(blocks.length, "problem")} (Pratt), `
      + `Holm-corrected over ${plural(pairs.length, "comparison")}; HL: Hodges–Lehmann estimate; A12: chance that a run of the `
      + "first beats one of the second; P: Bayesian signed-rank test with a region of practical equivalence of "
      + `${percent(data.settings.rope)} of the range. ${scopeWords(result)}.${selection.whole ? ` ${omnibusWords(data)}` : ""}`),
  ] : [h("p", {}, "Pairs need two solvers with runs on common problems.")]));
}

function omnibusWords(data) {
  const { method, f, df1, df2, p, note } = data.whole.omnibus;
  return isKnown(f) ? sentence("omnibus", { method, df1, df2, f: fixed(f, 2), p: pValue(p), note: note && ` (${note})` }) : note && sentence("no omnibus", { note });
}
