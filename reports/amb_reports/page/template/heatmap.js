"use strict";
// Median activations of every solver on every problem.

// A colour interpolated between others, and black or white, whichever reads better on it.
function shadeOf(colours, share) {
  const place = Math.min(Math.max(share, 0), 1) * (colours.length - 1), i = Math.min(Math.floor(place), colours.length - 2);
  const parts = colours[i].map((part, c) => part + (colours[i + 1][c] - part) * (place - i));
  const [r, g, b] = parts.map((part) => (part / 255) ** 2.2);
  return { fill: `rgb(${parts.map(Math.round).join()})`, ink: 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.19 ? "#000" : "#fff" };
}

const channels = (colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));

FIGURES.push({
  name: "heatmap",
  title: "Median activation by problem",
  wide: true,
  every: true,
  caption: "Each cell is a solver's median final activation on a problem; the deeper the colour, the more of the gap it closes.",
  how: (result) => `Median over seeds of the final noise-free activation, coloured by the share of the gap that it closes, up to 1 (strongest). ${gapWords(result, result.selection.problems)}`,
  problems: (result) => result.selection.problems,
  height: ({ selection }) => 96 + 20 * selection.problems.length,
  draw(result, width) {
    const { data, selection, ranking, all, view } = result;
    const { problems } = selection;
    if (!ranking.length || !problems.length) return { panels: [], why: "Nothing is selected." };
    const finalOf = (run) => (view.failed[run] ? data.problems[data.column.problem[run]].floor : view.final[run]);
    const values = problems.map((_, k) => ranking.map((row) => median(all[row.index][k].map(finalOf))));
    const shares = problems.map((p, k) => values[k].map((v) => gapClosed(data.problems[p], v)));
    const known = shares.flat().filter(isKnown);
    const least = Math.min(0.9, Math.max(0, Math.floor(10 * Math.min(...known)) / 10));  // a failed run lies far below chance
    const labels = problems.map((p) => data.problems[p].label), left = nameMargin(width, labels);
    // The last name, set at an angle, needs room on the right.
    const names = ranking.map((row) => fitted(row.solver, 110)), column = (width - left - 40) / ranking.length;
    const right = Math.max(12, 5.6 * names.at(-1).length - column / 2);
    const roomy = (width - left - right) / ranking.length >= 42;
    const colours = ["low", "middle", "high"].map((name) => channels(themeColour(name)));
    const pick = ({ toX, toY }, x, y) => {
      const i = Math.round((x - toX(0)) / (toX(1) - toX(0))), k = Math.round((y - toY(0)) / (toY(1) - toY(0)));
      if (!isKnown(values[k]?.[i])) return null;
      const { id } = data.problems[problems[k]];
      return {
        head: id,
        rows: [{ solver: data.solvers[ranking[i].number], text: `${activation(values[k][i])} (${fixed(100 * shares[k][i], 1)}% of the gap closed)` }],
        open: () => openRows(ranking[i].solver, id),
      };
    };
    return {
      unnamed: true,
      keepTop: true,
      margin: { left, right, top: 84, bottom: 12 },
      panels: [{
        x: { range: [-0.5, ranking.length - 0.5], ticks: names.map((name, i) => [i, name]), top: true, angle: -35, grid: false },
        y: { range: [problems.length - 0.5, -0.5], ticks: labels.map((label, i) => [i, fitted(label, left)]), grid: false },
        steps: [(width - left - right) / ranking.length, 20],
        marks: [{
          cells: true, shades: shares.map((row) => row.map((x) => (isKnown(x) ? shadeOf(colours, (x - least) / (1 - least)) : null))),
          texts: roomy ? values.map((row) => row.map((v) => activation(v))) : null,
        }],
        pick,
      }],
      says: `Solvers with the highest median: ${ordered(ranking.map((row, i) => [row.solver, shares.filter((own) => own[i] >= Math.max(...own.filter(isKnown)) - 1e-9).length]), (n) => `on ${plural(n, "problem")}`)}, ties counted for each.`,
    };
  },
});
