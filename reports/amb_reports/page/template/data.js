"use strict";
// The page's data: plain facts from JSON, long columns from one compressed block.

const TYPES = {
  u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f4: Float32Array, f8: Float64Array,
};

const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

async function readData() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const stream = new Blob([bytesOf(data.block)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = await new Response(stream).arrayBuffer();
  const column = {};
  for (const [name, [type, offset, length]] of Object.entries(data.columns)) {
    column[name] = new TYPES[type](bytes, offset, length);
  }
  delete data.block;
  data.column = column;
  templates = data.sentences;
  data.runs = column.problem.length;
  for (const row of [...data.whole.runtimes, data.whole.omnibus]) {
    for (const name of ["ert", "low", "high", "f"]) if (row[name] === "inf") row[name] = Infinity;
  }
  return data;
}

const viewCache = new Map();

// Quantities of every run as it stood after one of the budgets, by name, as in the runs table of amb.stats: what the data hold,
// `skipped`, `reached` (1 if the run closed enough of the gap to the best known value, else 0; NaN if the problem has no thresholds)
// and `spent` (queries until then, or the budget).
function viewOf(data, budget) {
  if (!viewCache.has(budget)) {
    const place = data.budgets.indexOf(budget), prefix = `${place}.`;
    const view = Object.fromEntries(Object.entries(data.column).filter(([name]) => name.startsWith(prefix))
      .map(([name, values]) => [name.slice(prefix.length), values]));
    view.skipped = Uint8Array.from(view.status, (status) => data.statuses[status] === "skip");
    view.reached = new Float64Array(data.runs);
    view.spent = new Float64Array(data.runs);
    for (let run = 0; run < data.runs; run++) {
      const { start, best } = data.problems[data.column.problem[run]];
      const query = best > start ? firstHit(data, run, data.threshold, budget) : NaN;
      view.reached[run] = Number.isNaN(query) ? NaN : Number(query <= budget);
      view.spent[run] = Math.min(query, budget);
    }
    viewCache.set(budget, view);
  }
  return viewCache.get(budget);
}

function runIdOf(data, run) {
  const bytes = data.column.run_id.subarray(16 * run, 16 * run + 16);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
