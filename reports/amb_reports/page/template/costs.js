"use strict";
// What quality costs in seconds.

FIGURES.push({
  name: "time",
  title: "What quality costs in time",
  draw(result, width) {
    const { data, ranking } = result;
    const known = ranking.filter((row) => isKnown(row.score) && isKnown(row.solver_seconds));
    if (!known.length) return { panels: [], caption: "No run was timed." };
    const scores = known.map((row) => row.score);
    const pad = 0.08 * (Math.max(...scores) - Math.min(...scores)) || 0.05;
    const title = data.metric.logarithmic ? `−log10 ${data.metric.label}` : data.metric.label;
    const stacked = width < 700;
    const panel = (key, words, place, y) => {
      const spent = known.map((row) => Math.max(row[key], 1e-5));
      return {
        place,
        x: { log: true, range: [Math.min(...spent) / 1.5, Math.max(...spent) * 1.5], title: words, text: (value) => String(value) },
        y: { range: [Math.min(...scores) - pad, Math.max(...scores) + pad], text: (value) => String(Number(value.toFixed(3))), ...y },
        marks: known.map((row, i) => ({
          dots: true, solver: data.solvers[row.number], x: [spent[i]], y: [row.score], size: 6, symbol: symbolOf(row.number),
          say: () => `${showScore(data.metric, row.score)}, ${seconds(row[key])} s`,
        })),
      };
    };
    return {
      height: stacked ? 520 : 340,
      margin: { left: 64 },
      panels: [
        panel("solver_seconds", "solver seconds a run", stacked ? [0, 0, 1, 0.4] : [0, 0, 0.46, 1], { title }),
        panel("evaluation_seconds", "evaluation seconds a run", stacked ? [0, 0.6, 1, 1] : [0.56, 0, 1, 1], stacked ? { title } : {}),
      ],
      caption: `Mean seconds a run: the solver's own, and those of generator and target. ${allTimed(known) ? "Runs were timed alone." : "Evaluation seconds are shares of joint batches; only a study made with --timing supports claims about wall time."}`,
    };
  },
});
