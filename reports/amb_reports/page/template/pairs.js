"use strict";
// All pairs of solvers.

function drawPairs(result) {
  const { data, pairs, blocks, selection } = result;
  const columns = declaredColumns(result, data.tables.pairs, pairs, (row, text) => rowsLink(text, [row.first, row.second]), {
    first: (_, text) => rowsLink(text, text), second: (_, text) => rowsLink(text, text),
  });
  document.getElementById("pairs").replaceChildren(h("h2", {}, "Pairs of solvers"), ...(pairs.length && blocks.length ? [
    ...sortedTable({ name: "pairs", caption: `Tests and differences of ${plural(pairs.length, "pair")} of solvers`, columns, rows: pairs, sort: sortOf("pairs"), onsort: keepSort("pairs") }),
    howTo("pairs", `Exact Wilcoxon signed-rank tests over ${plural(blocks.length, "problem")} (Pratt), `
      + `Holm-corrected over ${plural(pairs.length, "comparison")}; HL: Hodges–Lehmann estimate; A12: chance that a run of the `
      + "first beats one of the second; P: Bayesian signed-rank test with a region of practical equivalence of "
      + `${exactPercent(data.settings.rope)} of the range. ${scopeWords(result)}.${selection.whole ? ` ${omnibusWords(data)}` : ""}`),
  ] : [h("p", {}, "Pairs need two solvers with runs on common problems.")]));
}

function omnibusWords(data) {
  const { method, f, df1, df2, p, note } = data.whole.omnibus;
  return isKnown(f) ? sentence("omnibus", { method, df1, df2, f: fixed(f, 2), p: pValue(p), note: note && ` (${note})` }) : note && sentence("no omnibus", { note });
}
