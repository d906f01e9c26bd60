"use strict";
// The page's data: plain facts from JSON, long columns from one compressed block.

const TYPES = {
  u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f4: Float32Array, f8: Float64Array,
};
const STATUSES = ["ok", "timeout", "crash", "skip"];

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
  data.runs = column.problem.length;
  for (const row of data.whole.runtimes) {
    for (const name of ["ert", "low", "high"]) if (row[name] === "inf") row[name] = Infinity;
  }
  return data;
}

// A run's columns at one of the budgets, by name.
function viewColumns(data, budget) {
  const place = data.budgets.indexOf(budget);
  const names = ["present", "final", "normalized", "best", "score", "ordered", "failed", "queries",
    "solver_seconds", "generator_seconds", "target_seconds"];
  return Object.fromEntries(names.map((name) => [name, data.column[`${place}.${name}`]]));
}

function runIdOf(data, run) {
  const bytes = data.column.run_id.subarray(16 * run, 16 * run + 16);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
