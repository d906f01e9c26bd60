"use strict";
// Every solver on every problem.

FIGURES.push({
  name: "heatmap",
  title: "Median activation by problem",
  wide: true,
  draw(result, width) {
    const { data, selection, ranking, cells, view } = result;
    const { problems } = selection;
    const activation = (run) => (view.failed[run] ? data.problems[data.column.problem[run]].floor : view.final[run]);
    const values = problems.map((_, k) => ranking.map((row) => median(cells[row.index][k].map(activation))));
    const shares = problems.map((p, k) => {
      const { floor, best } = data.problems[p];
      return values[k].map((v) => (best > floor ? (v - floor) / (best - floor) : 0));
    });
    const known = shares.flat().filter(isKnown);
    const least = Math.min(0.9, Math.floor(10 * Math.min(...known)) / 10);
    const labels = problems.map((p) => plain(data.problems[p].label));
    const left = Math.min(width * 0.4, 24 + 7.2 * Math.max(...labels.map((label) => label.length)));
    const roomy = (width - left - 90) / ranking.length >= 42;
    const trace = {
      z: shares.map((row) => row.map((x) => (isKnown(x) ? x : null))), type: "heatmap", zmin: least, zmax: 1, xgap: 1, ygap: 1,
      colorscale: [[0, themeColour("low")], [0.5, themeColour("middle")], [1, themeColour("high")]],
      text: values.map((row) => row.map((v) => fixed(v, 3))),
      hovertemplate: "%{y}<br>%{x}: %{text} (%{z:.1%} of best known)<extra></extra>",
      texttemplate: roomy ? "%{text}" : undefined, textfont: { size: 11 },
      colorbar: { title: { text: "share of best", side: "right" }, thickness: 10, outlinewidth: 0, tickformat: ".0%", len: Math.min(1, 260 / (18 * problems.length + 1)), y: 1, yanchor: "top" },
    };
    return {
      traces: [trace],
      unnamed: true,
      height: 140 + 18 * problems.length,
      layout: {
        margin: { l: left, r: 10, t: 110, b: 16 },
        xaxis: { side: "top", tickvals: ranking.map((_, i) => i), ticktext: ranking.map((row) => plain(row.solver)), tickangle: -35, showgrid: false, ticks: "" },
        yaxis: { range: [problems.length - 0.5, -0.5], tickvals: problems.map((_, i) => i), ticktext: labels, showgrid: false, ticks: "" },
      },
      onclick: ({ points: [{ pointIndex: [k, i] }] }) => {
        location.hash = Hash.with({ of: ranking[i].solver, on: data.problems[problems[k]].id, rows: "1" }).slice(1);
      },
      caption: "Median over seeds of the final noise-free activation, coloured by its share of the best known; a click shows the runs.",
    };
  },
});
