"use strict";
// Expected runtimes: what a target costs if a run that misses it is started anew, in queries.

let hitCache = null;

// Queries after which each run first reached each of the targets, 0 where never: [run × target].
function hitsOf(data) {
  if (hitCache === null) {
    const start = data.column["curve.start"], query = data.column["curve.query"], share = data.column["curve.share"];
    const step = data.scale / TARGETS;
    hitCache = new Uint32Array(data.runs * TARGETS);
    for (let run = 0; run < data.runs; run++) {
      let target = 0;
      for (let place = start[run]; place < start[run + 1]; place++) {
        while (target < TARGETS && share[place] >= (target + 1) * step) hitCache[run * TARGETS + target++] = query[place];
      }
    }
  }
  return hitCache;
}

// Of every solver and target, over all runs: queries spent until the target or the budget's end, over the runs that arrived.
function expectedRuntimes(result) {
  const { data, selection: { budget, whole } } = result;
  const hits = hitsOf(data), places = counted(result);
  const intervals = new Map(whole ? data.whole.runtimes.map((row) => [`${row.solver}\n${Math.round(row.fraction * TARGETS)}`, row]) : []);
  return solversOf(result).flatMap(({ cells, solver }) => {
    const spent = new Float64Array(TARGETS), reached = new Float64Array(TARGETS);
    let runs = 0;
    for (const k of places) {
      for (const run of cells[k]) {
        runs++;
        for (let t = 0; t < TARGETS; t++) {
          const hit = hits[run * TARGETS + t], arrived = hit > 0 && hit <= budget;
          spent[t] += arrived ? hit : budget;
          if (arrived) reached[t]++;
        }
      }
    }
    return runs === 0 ? [] : [{
      solver,
      targets: Array.from(spent, (queries, t) => ({
        solver: solver.name, fraction: (t + 1) / TARGETS, ert: reached[t] ? queries / reached[t] : Infinity, reached: reached[t] / runs,
        low: NaN, high: NaN, ...pick(intervals.get(`${solver.name}\n${t + 1}`) ?? {}, ["low", "high"]),
      })),
    }];
  });
}

const intervalOf = ({ low, high }) => (isKnown(low) ? `[${[low, high].map((x) => (Number.isFinite(x) ? thousands(x) : "∞")).join(", ")}]` : DASH);

FIGURES.push({
  name: "ert",
  title: "What a target costs",
  draw(result) {
    const curved = expectedRuntimes(result).map(({ solver, targets }) => ({ solver, rows: targets.filter((row) => Number.isFinite(row.ert)) }))
      .filter(({ rows }) => rows.length);
    const all = curved.flatMap(({ rows }) => rows.flatMap((row) => [row.ert, isKnown(row.low) ? row.low : row.ert]));
    if (!all.length) return { panels: [], caption: "No run reached any target." };
    const x = (rows) => rows.map((row) => row.fraction);
    return {
      margin: { left: 66 },
      panels: [{
        x: { range: [0, 1], text: wholePercent, title: "target, of the way to the best known" },
        y: { log: true, range: [Math.max(0.8, 0.8 * Math.min(...all)), 2 * Math.max(...all)], text: thousands, title: "expected queries" },
        marks: [
          ...curved.filter(({ rows }) => isKnown(rows[0].low)).map(({ solver, rows }) => ({ band: true, solver, x: x(rows), low: rows.map((row) => row.low), high: rows.map((row) => row.high) })),
          ...curved.map(({ solver, rows }) => ({
            line: true, solver, x: x(rows), y: rows.map((row) => row.ert), head: (i) => `to reach ${fixed(100 * rows[i].fraction, 0)}% of the way`,
            say: (i) => `${queriesOf(rows[i].ert)}${isKnown(rows[i].low) ? ` ${intervalOf(rows[i])}` : ""}, ${percent(rows[i].reached)} of runs arrive`,
          })),
          ...curved.filter(({ rows }) => rows.length < TARGETS).map(({ solver, rows }) => ({ dots: true, solver, x: [rows.at(-1).fraction], y: [rows.at(-1).ert], symbol: "times" })),
        ],
      }],
      caption: `Expected runtime: queries of all runs over runs that reached the target; × where no run got further. ${wayWords(result, result.blocks)} ${result.selection.whole ? "Bands: 95% nested bootstrap." : "Bands are given for the whole study only."}`,
    };
  },
});

// The targets of the table, of 51: about a quarter, a half, three quarters and nine tenths of the way.
const LISTED = [13, 26, 38, 46];

function drawRuntimes(result) {
  const rows = expectedRuntimes(result).map(({ solver, targets }) => ({ solver, targets: LISTED.map((t) => targets[t - 1]) }));
  const target = (i) => ({
    key: `ert_${LISTED[i]}`, header: `ERT to ${Math.round(100 * LISTED[i] / TARGETS)}%`, value: (row) => row.targets[i].ert,
    cell: (row) => rowsLink(target(i).text(row), row.solver.name),
    text: (row) => `${queriesOf(row.targets[i].ert)}${isKnown(row.targets[i].low) ? ` ${intervalOf(row.targets[i])}` : ""}`,
    keys: ["ert", "low", "high", "reached"].map((name) => `${name}_${LISTED[i]}`), values: (row) => ["ert", "low", "high", "reached"].map((name) => row.targets[i][name]),
  });
  const columns = [
    {
      key: "solver", header: "solver", left: true, text: (row) => row.solver.name, value: (row) => row.solver.name,
      cell: (row) => [swatch(row.solver), " ", rowsLink(row.solver.name, row.solver.name)],
    },
    ...LISTED.flatMap((_, i) => [target(i), { key: `reached_${LISTED[i]}`, header: "runs that arrive", text: (row) => percent(row.targets[i].reached), cell: (row) => rowsLink(percent(row.targets[i].reached), row.solver.name), value: (row) => row.targets[i].reached, first: -1, keys: [], values: () => [] }]),
  ];
  document.getElementById("runtimes").replaceChildren(h("h2", {}, "Expected runtimes"), ...(rows.length ? [
    ...sortedTable({ name: "runtimes", columns, rows, sort: sortOf("ert"), onsort: keepSort("ert") }),
    h("p", { class: "muted" }, "Queries until a run reaches a target, so much of the way to the best known, if one that misses is started anew: "
      + `queries of all runs over runs that arrived (ERT). ${wayWords(result, result.blocks)} ${result.selection.whole ? "Brackets: 95% nested bootstrap. " : "Intervals are given for the whole study only. "}${scopeWords(result)}.`),
  ] : [h("p", {}, "No run is selected on a problem with targets.")]));
}
