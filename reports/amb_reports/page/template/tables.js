"use strict";
// Tables that sort on a click on a header and download as CSV and LaTeX.

// columns: the first names the row; [{ key, header, help, left, descending, text(row), value(row) -> what is sorted, cell(row) -> text or elements; by default
// the text, and keys and values(row) -> names and values in the CSV file; by default key and value }]
function sortedTable({ name, caption, columns, rows, sort, onsort, initial = null, most = Infinity, marked = () => false, tools = [] }) {
  const [key, direction] = sort ?? initial ?? [null, 1];
  const by = sort ? columns.find((column) => column.key === key) : null;
  const ordered = by ? [...rows].sort((a, b) => compareValues(by.value(a), by.value(b), direction)) : rows;
  const head = columns.map((column) => {
    const active = column.key === key;
    return h("th", { scope: "col", class: column.left ? "left" : null, "aria-sort": active ? (direction > 0 ? "ascending" : "descending") : null },
      h("div", { class: "title" }, h("button", {
        type: "button", class: "sort", "data-sort": column.key, title: "Sort",
        onclick: () => onsort([column.key, active ? -direction : column.descending ? -1 : 1]),
      }, column.header.replaceAll("/", "/\u200b")),
      column.help ? helpButton(column.header, column.help) : null));
  });
  const body = ordered.slice(0, most).map((row) => h("tr", { class: marked(row) ? "marked" : null }, columns.map((column, i) => h(
    i ? "td" : "th", { class: column.left ? "left" : null, scope: i ? null : "row" }, column.cell ? column.cell(row) : column.text(row),
  ))));
  const table = roving(h("table", {}, h("caption", { class: "unseen" }, `${caption}. The arrow keys move from cell to cell.`),
    h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)));
  return [scrolling(table), h("div", { class: "tools" }, tools,
    h("button", { type: "button", "data-download": `${name}.csv`, onclick: () => download(`${name}.csv`, toCsv(columns, ordered), "text/csv") }, "CSV"),
    h("button", { type: "button", "data-download": `${name}.tex`, onclick: () => download(`${name}.tex`, toLatex(columns, ordered), "application/x-tex") }, "LaTeX"),
    ordered.length > most ? h("span", { class: "muted" }, `${most} of ${thousands(ordered.length)} rows are shown; the files hold all of them.`) : null)];
}

// A table that scrolls sideways says so while some of its columns are out of sight.
const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const box = target.closest(".scroll");
    box.classList.toggle("cut", box.scrollWidth > box.clientWidth + 2);
  }
});

function scrolling(table, words = "More columns: scroll sideways →") {
  const box = h("div", { class: "scroll" }, table);
  widths.observe(table);
  return h("div", { class: "scrolling" }, box, h("p", { class: "cue" }, words));
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
