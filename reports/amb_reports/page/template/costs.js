"use strict";
// Activation against seconds.

FIGURES.push({
  name: "time",
  title: "Activation against time",
  caption: "Seconds per run: the solver's own on one side, those of generator and target on the other.",
  how: ({ ranking }) => `Mean seconds per run: the solver's own, and those of generator and target. ${allTimed(ranking) ? "Runs were timed alone." : "Evaluation seconds are shares of joint batches; only a study run with --timing supports claims about wall time."}`,
  height: (_, width) => (width < 700 ? 520 : 340),
  draw(result, width) {
    const { data, ranking } = result;
    const known = ranking.filter((row) => isKnown(row.score) && isKnown(row.solver_seconds));
    if (!known.length) return { panels: [], why: "No run was timed." };
    const scores = known.map((row) => row.score);
    const pad = 0.08 * (Math.max(...scores) - Math.min(...scores)) || 0.05;
    const label = data.metric.logarithmic ? `−log10 ${data.metric.label}` : data.metric.label;
    const stacked = width < 700;
    const panel = (key, title, place, y) => {
      const spent = known.map((row) => Math.max(row[key], 1e-5));
      return {
        place,
        x: { log: true, range: [Math.min(...spent) / 1.5, Math.max(...spent) * 1.5], title, text: (value) => String(value) },
        y: { range: [Math.min(...scores) - pad, Math.max(...scores) + pad], text: tick, ...y },
        marks: known.map((row, i) => ({
          dots: true, solver: data.solvers[row.number], x: [spent[i]], y: [row.score], size: 6, symbol: symbolOf(data.solvers[row.number]),
          say: () => `${score(row.score, data.metric.logarithmic)}, ${seconds(row[key])} s`,
        })),
      };
    };
    return {
      margin: { left: 64 },
      panels: [
        panel("solver_seconds", "solver seconds per run", stacked ? [0, 0, 1, 0.4] : [0, 0, 0.46, 1], { title: label }),
        panel("evaluation_seconds", "evaluation seconds per run", stacked ? [0, 0.6, 1, 1] : [0.56, 0, 1, 1], stacked ? { title: label } : {}),
      ],
      says: `Solver seconds per run: ${known.map((row) => `${row.solver} ${seconds(row.solver_seconds)}`).join(", ")}.`,
    };
  },
});
