"use strict";
// Final activations by layer.

// The layers of the compared problems; generators and targets are named if there are several.
function layersOf({ data, blocks }) {
  const parts = ["generator", "target"].filter((part) => new Set(blocks.map((p) => data.problems[p][part])).size > 1);
  const nameOf = (p) => [...parts, "layer"].map((part) => data.problems[p][part]).join(" · ");
  return { nameOf, layers: [...new Set(blocks.map(nameOf))] };
}

FIGURES.push({
  name: "layers",
  title: "Final activation by layer",
  wide: true,
  caption: "How much of the gap each solver closes, layer by layer.",
  how: (result) => `Share of the gap closed by the final activation: median over problems of the medians over seeds; bars: middle half of the problems. ${gapWords(result, result.blocks)}`,
  height: (result) => 64 + layersOf(result).layers.length * Math.max(44, 13 * solversOf(result).length),
  draw(result, width) {
    const { data, blocks } = result;
    const { layers, nameOf } = layersOf(result);
    const shown = solversOf(result), left = nameMargin(width, layers);
    const marks = shown.map(({ cells, solver }, s) => {
      const points = layers.map((layer, l) => {
        const sorted = Float64Array.from([...blocks.keys()].filter((k) => nameOf(blocks[k]) === layer)
          .map((k) => median(cells[k].map((run) => finalGapClosed(result, run))))).sort();
        return { y: l + 0.7 * ((s + 0.5) / shown.length - 0.5), n: sorted.length, middle: quantile(sorted, 0.5), low: quantile(sorted, 0.25), high: quantile(sorted, 0.75) };
      }).filter((point) => point.n);
      return {
        dots: true, solver, symbol: symbolOf(solver), x: points.map((p) => p.middle), y: points.map((p) => p.y), low: points.map((p) => p.low), high: points.map((p) => p.high),
        say: (i) => `${fixed(points[i].middle, 3)} (${plural(points[i].n, "problem")})`,
      };
    });
    const all = marks.flatMap((mark) => [...mark.low, ...mark.high]);
    const pad = 0.04 * (Math.max(...all) - Math.min(...all)) + 0.005;
    return {
      margin: { left, top: 52, bottom: 12 },
      panels: [{
        x: { range: [Math.min(...all) - pad, Math.max(...all) + pad], text: (share) => String(Number(share.toFixed(3))), title: "share of the gap closed", top: true },
        y: { range: [layers.length - 0.5, -0.5], ticks: layers.map((name, i) => [i, fitted(name, left)]), grid: false },
        marks: [
          ...layers.slice(1).map((_, i) => ({ line: true, x: [Math.min(...all) - pad, Math.max(...all) + pad], y: [i + 0.5, i + 0.5], style: { stroke: "var(--grid)", strokeWidth: 1 } })),
          ...marks,
        ],
      }],
      says: layers.map((name, l) => `${name}: ${ordered(marks.flatMap(({ solver, x, y }) => y.flatMap((at, i) => (Math.round(at) === l ? [[solver.name, x[i]]] : []))).slice(0, 99), (v) => fixed(v, 2)).split(", ")[0]}`).join("; ").replace(/^/, "The best solver of each layer, and the share of the gap that it closes: ").concat("."),
    };
  },
});
