"use strict";
// Where the runs come from: studies, machines, versions, and the command that writes the page again.

function drawEnvironment(data) {
  const facts = (entries) => h("dl", {}, entries.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, wordsOf(value))]));
  const sources = data.sources.map(({ name, manifest }) => {
    const { settings = {}, environments = [] } = manifest;
    return [
      h("h3", {}, name || "Study"),
      ...environments.map(({ packages = {}, ...machine }) => facts([...Object.entries(machine), ...Object.entries(packages)])),
      h("details", {}, h("summary", {}, "Settings of the study"), facts(Object.entries(settings))),
    ];
  });
  const timed = viewOf(data, data.budgets[0]).timing.reduce((sum, one) => sum + one, 0);
  document.getElementById("environment").replaceChildren(
    h("h2", {}, "Environment"),
    data.settings.command ? commandBox("To write this page again:", data.settings.command) : null,
    facts([
      ["amb", data.amb], ["metric", data.settings.metric], ["alpha", data.settings.alpha], ["rope", data.settings.rope],
      ["runs", thousands(data.runs)], ["timed alone", `${thousands(timed)} of ${thousands(data.runs)} runs`],
    ]),
    ...sources.flat(),
    h("details", {}, h("summary", {}, "Versions of solvers"), facts(data.solvers.map((s) => [s.name, s.version]))),
  );
}

function wordsOf(value) {
  if (Array.isArray(value)) return value.length > 40 ? `${value.slice(0, 40).join(", ")}, … (${value.length})` : value.join(", ");
  return value !== null && typeof value === "object" ? JSON.stringify(value) : String(value);
}
