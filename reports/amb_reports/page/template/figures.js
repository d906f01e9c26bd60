"use strict";
// What each figure shows: from a result to plotly's traces, a layout and a caption.

const TARGETS = 51;

function queryGrid(budget, points) {
  const grid = new Set();
  for (let i = 0; i < points; i++) grid.add(Math.round(budget ** (i / (points - 1))));
  return [...grid];
}

const curveCache = new Map();

// Best-so-far shares of all runs, in whole numbers of data.scale, at each query of the grid of a budget: [run × query].
function curvesAt(data, budget) {
  if (!curveCache.has(budget)) {
    const grid = queryGrid(budget, 64);
    const start = data.column["curve.start"], query = data.column["curve.query"], share = data.column["curve.share"];
    const curves = new Uint16Array(data.runs * grid.length);
    for (let run = 0; run < data.runs; run++) {
      let place = start[run], reached = 0;
      for (let g = 0; g < grid.length; g++) {
        while (place < start[run + 1] && query[place] <= grid[g]) reached = share[place++];
        curves[run * grid.length + g] = reached;
      }
    }
    curveCache.set(budget, { grid, curves });
  }
  return curveCache.get(budget);
}

FIGURES.push({
  name: "convergence",
  title: "How fast each solver gets there",
  draw(result) {
    const { data, selection } = result;
    const { grid, curves } = curvesAt(data, selection.budget);
    const traces = result.cells.flatMap((cells, s) => {
      const solver = data.solvers[selection.solvers[s]];
      const runs = cells.flat();
      if (!runs.length) return [];
      const column = new Uint16Array(runs.length);
      const [low, middle, high] = [[], [], []];
      grid.forEach((_, g) => {
        for (let i = 0; i < runs.length; i++) column[i] = curves[runs[i] * grid.length + g];
        column.sort();
        low.push(quantile(column, 0.25) / data.scale);
        middle.push(quantile(column, 0.5) / data.scale);
        high.push(quantile(column, 0.75) / data.scale);
      });
      return [bandOf(solver, grid, low, high), {
        x: grid, y: middle, type: "scatter", mode: "lines", name: plain(solver.name), line: { ...lineOf(solver), shape: "hv" },
        hovertemplate: "%{y:.3f} after %{x:,} queries",
      }];
    });
    return {
      traces,
      layout: { xaxis: logAxis(selection.budget, "queries"), yaxis: { range: [0, 1.02], title: { text: "share of best known" } } },
      caption: "Best activation so far, from each problem's floor (0) to the best value known on this page (1). Lines: median over runs; bands: their middle half.",
    };
  },
});

// A small generator of random numbers, so that a band looks the same whenever it is drawn.
function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

FIGURES.push({
  name: "runtime",
  title: "How many targets are reached",
  draw(result) {
    const { data, selection } = result;
    const { grid, curves } = curvesAt(data, selection.budget);
    const step = data.scale / TARGETS;
    const counted = selection.problems.map((p, k) => [k, data.problems[p]]).filter(([, f]) => f.best > f.floor).map(([k]) => k);
    const random = randomNumbers(1);
    const traces = result.cells.flatMap((cells, s) => {
      const solver = data.solvers[selection.solvers[s]];
      const byProblem = counted.filter((k) => cells[k].length).map((k) => {
        const sums = new Float64Array(grid.length);
        for (const run of cells[k]) {
          for (let g = 0; g < grid.length; g++) sums[g] += Math.floor(curves[run * grid.length + g] / step);
        }
        return sums.map((sum) => sum / TARGETS / cells[k].length);
      });
      if (!byProblem.length) return [];
      const mean = grid.map((_, g) => byProblem.reduce((sum, shares) => sum + shares[g], 0) / byProblem.length);
      const draws = Array.from({ length: 200 }, () => {
        const sums = new Float64Array(grid.length);
        for (let k = 0; k < byProblem.length; k++) {
          const shares = byProblem[Math.floor(random() * byProblem.length)];
          for (let g = 0; g < sums.length; g++) sums[g] += shares[g];
        }
        return sums;
      });
      const [low, high] = [[], []];
      grid.forEach((_, g) => {
        const column = Float64Array.from(draws, (sums) => sums[g] / byProblem.length).sort();
        low.push(quantile(column, 0.025));
        high.push(quantile(column, 0.975));
      });
      return [bandOf(solver, grid, low, high), {
        x: grid, y: mean, type: "scatter", mode: "lines", name: plain(solver.name), line: { ...lineOf(solver), shape: "hv" },
        hovertemplate: "%{y:.1%} within %{x:,} queries",
      }, {
        x: [selection.budget], y: [mean.at(-1)], type: "scatter", mode: "markers", showlegend: false, hoverinfo: "skip", cliponaxis: false,
        marker: { symbol: "x-thin", size: 9, line: { width: 2, color: colourOf(solver) } },
      }];
    });
    return {
      traces,
      layout: { xaxis: logAxis(selection.budget, "queries"), yaxis: { range: [0, 1.02], tickformat: ".0%", title: { text: "targets reached" } } },
      caption: `Empirical distribution of runtimes: share of ${TARGETS} targets a problem, between floor and best known. Bands: 95% bootstrap over problems; × marks the budget.`,
    };
  },
});

FIGURES.push({
  name: "profile",
  title: "How close runs come to the best known",
  draw(result) {
    const { data, selection } = result;
    const fractions = Array.from({ length: 201 }, (_, i) => 1 - i / 200);
    const traces = result.cells.flatMap((cells, s) => {
      const solver = data.solvers[selection.solvers[s]];
      const filled = cells.filter((cell) => cell.length);
      if (!filled.length) return [];
      const share = new Float64Array(fractions.length);
      for (const cell of filled) {
        for (const run of cell) {
          const reached = result.view.failed[run] ? -1 : finalShare(result, run);
          fractions.forEach((f, i) => { if (reached >= f - 1e-12) share[i] += 1 / cell.length / filled.length; });
        }
      }
      return [{
        x: fractions, y: Array.from(share), type: "scatter", mode: "lines", name: plain(solver.name), line: { ...lineOf(solver), shape: "hv" },
        hovertemplate: "%{y:.0%} of runs reach %{x:.1%}",
      }];
    });
    const full = traces.map((trace) => fractions[trace.y.findIndex((y) => y >= trace.y.at(-1) - 1e-9)]);
    const lowest = Math.max(0, Math.min(0.9, ...full.map((f) => f - 0.03)));
    return {
      traces,
      layout: {
        xaxis: { range: [1, lowest], tickformat: ".0%", title: { text: "of the best known activation" } },
        yaxis: { range: [0, 1.02], tickformat: ".0%", title: { text: "runs that reach it" } },
      },
      caption: "Performance profile of final noise-free activations; every problem weighs the same.",
    };
  },
});

FIGURES.push({
  name: "ranks",
  title: "Mean rank over problems, 1 is best",
  draw(result, width) {
    const { data, ranking } = result;
    if (!result.blocks.length) return { traces: [], layout: {}, caption: "No problem is common to the selected solvers." };
    const place = new Map(ranking.map((row, i) => [row.index, i]));
    const dots = ranking.map((row, i) => ({
      x: [row.mean_rank], y: [i], type: "scatter", mode: "markers+text", name: plain(row.solver), text: [fixed(row.mean_rank, 2)],
      textposition: "top center", textfont: { size: 11 }, cliponaxis: false, marker: { size: 11, color: colourOf(data.solvers[row.number]) },
      hovertemplate: `${plain(row.solver)}: %{x:.2f}<extra></extra>`,
    }));
    const bars = result.groups.filter((group) => group.length > 1).map((group, k) => {
      const rows = group.map((index) => place.get(index));
      const x = ranking.length + 0.35 + 0.22 * k;
      return {
        x: [x, x], y: [Math.min(...rows) - 0.2, Math.max(...rows) + 0.2], type: "scatter", mode: "lines", showlegend: false, cliponaxis: false,
        line: { color: themeColour("muted"), width: 4 }, hoverinfo: "text", text: plain(listed(group.map((i) => ranking[place.get(i)].solver))),
      };
    });
    return {
      traces: [...dots, ...bars],
      unnamed: true,
      height: 90 + 30 * ranking.length,
      layout: {
        margin: { l: Math.min(width * 0.4, 160), r: 16, t: 12, b: 48 },
        xaxis: { range: [0.8, ranking.length + 0.5 + 0.22 * bars.length], dtick: Math.ceil(ranking.length / 10), title: { text: "mean rank" } },
        yaxis: { range: [ranking.length - 0.4, -0.7], tickvals: ranking.map((_, i) => i), ticktext: ranking.map((row) => plain(row.solver)), showgrid: true },
      },
      caption: "A bar to the right joins solvers that the Holm-corrected signed-rank tests do not tell apart.",
    };
  },
});

FIGURES.push({
  name: "layers",
  title: "Scores by layer",
  draw(result, width) {
    const { data, selection } = result;
    const several = new Set(selection.problems.map((p) => data.problems[p].target)).size > 1;
    const nameOf = (p) => (several ? `${data.problems[p].target} · ${data.problems[p].layer}` : data.problems[p].layer);
    const layers = [...new Set(selection.problems.map(nameOf))];
    const count = selection.solvers.length;
    const traces = result.cells.map((cells, s) => {
      const solver = data.solvers[selection.solvers[s]];
      const points = layers.map((layer, l) => {
        const shares = selection.problems.map((p, k) => [p, cells[k]]).filter(([p, cell]) => nameOf(p) === layer && cell.length)
          .map(([, cell]) => median(cell.map((run) => finalShare(result, run))));
        const sorted = Float64Array.from(shares).sort();
        return { y: l + 0.7 * ((s + 0.5) / count - 0.5), n: sorted.length, middle: quantile(sorted, 0.5), low: quantile(sorted, 0.25), high: quantile(sorted, 0.75) };
      }).filter((point) => point.n);
      return {
        x: points.map((p) => p.middle), y: points.map((p) => p.y), type: "scatter", mode: "markers", name: plain(solver.name),
        marker: { size: 9, color: colourOf(solver) }, customdata: points.map((p) => p.n),
        error_x: { type: "data", symmetric: false, array: points.map((p) => p.high - p.middle), arrayminus: points.map((p) => p.middle - p.low), color: colourOf(solver), thickness: 1.2, width: 0 },
        hovertemplate: `${plain(solver.name)}: %{x:.3f} (%{customdata} problems)<extra></extra>`,
      };
    });
    return {
      traces,
      height: 80 + layers.length * Math.max(44, 13 * count),
      layout: {
        margin: { l: Math.min(width * 0.4, 160), r: 16, t: 12, b: 48 },
        xaxis: { title: { text: "share of best known" } },
        yaxis: { range: [layers.length - 0.5, -0.5], tickvals: layers.map((_, i) => i), ticktext: layers.map(plain), showgrid: false },
        shapes: layers.slice(1).map((_, i) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: i + 0.5, y1: i + 0.5, line: { color: themeColour("grid"), width: 1 } })),
      },
      caption: "Final activation as a share of the best known: median over problems of their medians over seeds; bars: the middle half of problems.",
    };
  },
});

FIGURES.push({
  name: "time",
  title: "What quality costs in time",
  draw(result, width) {
    const { data, ranking } = result;
    const stacked = width < 520;
    const known = ranking.filter((row) => isKnown(row.score) && isKnown(row.solver_seconds));
    const panel = (key, axis) => known.map((row) => ({
      x: [Math.max(row[key], 1e-5)], y: [row.score], type: "scatter", mode: "markers", name: plain(row.solver), showlegend: axis === "",
      xaxis: `x${axis}`, yaxis: `y${axis}`, marker: { size: 12, color: colourOf(data.solvers[row.number]), symbol: MARKERS[row.number % MARKERS.length] },
      hovertemplate: `${plain(row.solver)}: ${plain(showScore(data.metric, row.score))}, %{x:.3g} s<extra></extra>`,
    }));
    const log = { type: "log", exponentformat: "none", dtick: "D2" };
    const score = { title: { text: data.metric.logarithmic ? `−log10 ${data.metric.label}` : data.metric.label } };
    return {
      traces: [...panel("solver_seconds", ""), ...panel("evaluation_seconds", "2")],
      height: stacked ? 520 : 340,
      layout: stacked ? {
        xaxis: { ...log, title: { text: "solver seconds a run" }, anchor: "y" }, yaxis: { ...score, domain: [0.6, 1] },
        xaxis2: { ...log, title: { text: "evaluation seconds a run" }, anchor: "y2" }, yaxis2: { ...score, domain: [0, 0.4] },
      } : {
        xaxis: { ...log, title: { text: "solver seconds a run" }, domain: [0, 0.47] }, yaxis: score,
        xaxis2: { ...log, title: { text: "evaluation seconds a run" }, domain: [0.56, 1], anchor: "y2" }, yaxis2: { matches: "y", anchor: "x2" },
      },
      caption: `Mean seconds a run: the solver's own, and those of generator and target. ${known.every((row) => row.timed === row.runs) ? "Runs were timed alone." : "Evaluation seconds are shares of joint batches; only a study made with --timing supports claims about wall time."}`,
    };
  },
});

const MARKERS = ["circle", "square", "diamond", "triangle-up", "cross", "star", "triangle-down", "pentagon", "hexagon", "x"];
