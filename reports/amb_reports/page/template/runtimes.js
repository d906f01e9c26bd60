"use strict";
// Expected runtimes: queries to a threshold if a run that misses it is followed by a new one.

let hitCache = null;

// Queries after which each run first reached each of the thresholds, 0 if it never did: [run × threshold].
function hitsOf(data) {
  if (hitCache === null) {
    const start = data.column["curve.start"], query = data.column["curve.query"], share = data.column["curve.share"];
    const step = data.scale / THRESHOLDS;
    hitCache = new Uint32Array(data.runs * THRESHOLDS);
    for (let run = 0; run < data.runs; run++) {
      let threshold = 0;
      for (let place = start[run]; place < start[run + 1]; place++) {
        while (threshold < THRESHOLDS && share[place] >= (threshold + 1) * step) hitCache[run * THRESHOLDS + threshold++] = query[place];
      }
    }
  }
  return hitCache;
}

// For every solver and threshold: queries of all runs until they reached it or their budget ended, over the runs that reached it.
function expectedRuntimes(result) {
  const { data, selection: { budget, whole } } = result;
  const hits = hitsOf(data), places = withThresholds(result);
  const intervals = new Map(whole ? data.whole.runtimes.map((row) => [`${row.solver}\n${Math.round(row.fraction * THRESHOLDS)}`, row]) : []);
  return solversOf(result).flatMap(({ cells, solver }) => {
    const spent = new Float64Array(THRESHOLDS), reached = new Float64Array(THRESHOLDS);
    let runs = 0;
    for (const k of places) {
      for (const run of cells[k]) {
        runs++;
        for (let t = 0; t < THRESHOLDS; t++) {
          const hit = hits[run * THRESHOLDS + t], inTime = hit > 0 && hit <= budget;
          spent[t] += inTime ? hit : budget;
          if (inTime) reached[t]++;
        }
      }
    }
    return runs === 0 ? [] : [{
      solver,
      thresholds: Array.from(spent, (queries, t) => ({
        solver: solver.name, fraction: (t + 1) / THRESHOLDS, ert: reached[t] ? queries / reached[t] : Infinity, reached: reached[t] / runs,
        low: NaN, high: NaN, ...pick(intervals.get(`${solver.name}\n${t + 1}`) ?? {}, ["low", "high"]),
      })),
    }];
  });
}

const intervalOf = ({ low, high }) => (isKnown(low) ? `[${[low, high].map((x) => (Number.isFinite(x) ? thousands(x) : "∞")).join(", ")}]` : UNKNOWN);

FIGURES.push({
  name: "ert",
  title: "Expected queries to a threshold",
  caption: "The lower a line, the fewer queries it takes to close that share of the gap.",
  how: (result) => `Expected queries: those of all runs over the runs that reached the threshold; × where no run got further. ${gapWords(result, result.blocks)} ${result.selection.whole ? "Bands: 95% intervals over problems." : "Bands are given for the whole study only."}`,
  draw(result) {
    const curved = expectedRuntimes(result).map(({ solver, thresholds }) => ({ solver, rows: thresholds.filter((row) => Number.isFinite(row.ert)) }))
      .filter(({ rows }) => rows.length);
    const all = curved.flatMap(({ rows }) => rows.flatMap((row) => [row.ert, isKnown(row.low) ? row.low : row.ert]));
    if (!all.length) return { panels: [], why: "No run reached any threshold." };
    const x = (rows) => rows.map((row) => row.fraction);
    return {
      margin: { left: 66 },
      panels: [{
        x: { range: [0, 1], text: (share) => fixed(share, 1), title: "threshold, share of the gap closed" },
        y: { log: true, range: [Math.max(0.8, 0.8 * Math.min(...all)), 2 * Math.max(...all)], text: thousands, title: "expected queries" },
        marks: [
          ...curved.filter(({ rows }) => isKnown(rows[0].low)).map(({ solver, rows }) => ({ band: true, solver, x: x(rows), low: rows.map((row) => row.low), high: rows.map((row) => row.high) })),
          ...curved.map(({ solver, rows }) => ({
            line: true, solver, x: x(rows), y: rows.map((row) => row.ert), head: (i) => `to close ${fixed(100 * rows[i].fraction, 0)}% of the gap`,
            say: (i) => `${expectedQueries(rows[i].ert)}${isKnown(rows[i].low) ? ` ${intervalOf(rows[i])}` : ""}, ${percent(rows[i].reached)} of runs get there`,
          })),
          ...curved.filter(({ rows }) => rows.length < THRESHOLDS).map(({ solver, rows }) => ({ dots: true, solver, x: [rows.at(-1).fraction], y: [rows.at(-1).ert], symbol: "times" })),
        ],
      }],
      says: `Expected queries to close three quarters of the gap: ${expectedRuntimes(result).map(({ solver, thresholds }) => [solver.name, thresholds[38].ert]).sort((a, b) => a[1] - b[1]).map(([name, ert]) => `${name} ${expectedQueries(ert)}`).join(", ")}.`,
    };
  },
});

// The thresholds of the table, of 52: a quarter, a half, three quarters and nine tenths of the gap.
const LISTED = [13, 26, 39, 47];

function drawRuntimes(result) {
  const rows = expectedRuntimes(result).map(({ solver, thresholds }) => ({ solver, thresholds: LISTED.map((t) => thresholds[t - 1]) }));
  const threshold = (i) => ({
    key: `ert_${LISTED[i]}`, header: `expected queries to ${Math.round(100 * LISTED[i] / THRESHOLDS)}%`, value: (row) => row.thresholds[i].ert,
    cell: (row) => rowsLink(threshold(i).text(row), row.solver.name),
    text: (row) => `${expectedQueries(row.thresholds[i].ert)}${isKnown(row.thresholds[i].low) ? ` ${intervalOf(row.thresholds[i])}` : ""}`,
    keys: ["ert", "low", "high", "reached"].map((name) => `${name}_${LISTED[i]}`), values: (row) => ["ert", "low", "high", "reached"].map((name) => row.thresholds[i][name]),
  });
  const columns = [
    {
      key: "solver", header: "solver", left: true, text: (row) => row.solver.name, value: (row) => row.solver.name,
      cell: (row) => [swatch(row.solver), " ", rowsLink(row.solver.name, row.solver.name)],
    },
    ...LISTED.flatMap((_, i) => [threshold(i), { key: `reached_${LISTED[i]}`, header: "runs that get there", text: (row) => percent(row.thresholds[i].reached), cell: (row) => rowsLink(percent(row.thresholds[i].reached), row.solver.name), value: (row) => row.thresholds[i].reached, descending: true, keys: [], values: () => [] }]),
  ];
  document.getElementById("runtimes").replaceChildren(h("h2", {}, "Expected runtimes"), ...(rows.length ? [
    ...sortedTable({ name: "runtimes", caption: "Expected queries to close a share of the gap", columns, rows, sort: sortOf("ert"), onsort: keepSort("ert") }),
    howTo("runtimes", "Expected queries to close a share of each problem's gap, if each run that misses is followed by a "
      + `new one: queries of all runs over the runs that get there (ERT). ${gapWords(result, result.blocks)} ${result.selection.whole ? "Brackets: 95% intervals over problems. " : "Intervals are given for the whole study only. "}${scopeWords(result)}.`),
  ] : [h("p", {}, "No selected run is on a problem with thresholds.")]));
}
