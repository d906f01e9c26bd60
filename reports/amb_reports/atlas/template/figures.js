"use strict";
// Summaries by layer.

const colourOf = (number) => `var(--c${number % 7})`;

function quartiles(values, digits = 3) {
  const known = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
  if (!known.length) return null;
  const at = (share) => known[Math.min(known.length - 1, Math.round(share * (known.length - 1)))];
  const [low, middle, high] = [at(0.25), at(0.5), at(0.75)];
  return { low, middle, high, say: `median ${shown(middle, digits)}, middle half ${shown(low, digits)} to ${shown(high, digits)}, ${known.length} units` };
}

function drawFigures(data) {
  const { of } = data, place = document.getElementById("figures");
  const byLayer = (name, target = 0) => data.generators.map((generator, g) => {
    const rows = bestInputs(data, g, target);
    return { name: generator, colour: colourOf(g), values: data.layers.map((_, layer) => quartiles(rows.filter((i) => of.layer[i] === layer).map((i) => of[name][i]))) };
  });
  const apart = (name) => data.generators.map((generator, g) => ({
    name: generator, colour: colourOf(g),
    values: data.layers.map((layer) => {
      const row = data.summaries.find((one) => one.generator === generator && one.layer === layer);
      const random = data.yardsticks.find((one) => one.generator === generator)?.latent;
      if (!row || row[name] === null || row[name] === undefined || !random) return null;
      const value = row[name] / random;
      return { low: value, middle: value, high: value, say: shown(value, 2) };
    }),
  }));
  const figures = [
    ["Activation", "by the best input of each unit: median and middle half", layerChart(data.layers, byLayer("activation"), "Activation by layer", 0)],
    ["Percentile among natural images", "100: above every image of the data set", layerChart(data.layers, byLayer("percentile"), "Percentile by layer", 0, 100)],
    ["Class selectivity", "on natural images; 1: a single class drives the unit", layerChart(data.layers, byLayer("selectivity").slice(0, 1), "Selectivity by layer", 0, 1)],
    ["Entropy of the classes seen", "1: no class is more likely than another", layerChart(data.layers, byLayer("entropy"), "Entropy by layer", 0, 1)],
    ["Distance of a unit's inputs", "in latent space; 1: as far apart as random images", layerChart(data.layers, apart("latent"), "Distance by layer", 0)],
  ];
  if (data.steps.length) {
    figures.push(["In the course of the training: activation", "mean by layer, at steps of the training", historyChart(data, "activation")]);
    figures.push(["In the course of the training: selectivity", "mean by layer, on natural images", historyChart(data, "selectivity")]);
  }
  const drawn = figures.filter(([, , chart]) => chart !== null);
  const keys = data.generators.length > 1 ? key(data.generators.map((name, g) => [name, colourOf(g)])) : null;
  place.replaceChildren(h("div", { class: "figures" }, drawn.map(([title, words, chart]) => h("figure", {}, h("figcaption", {}, title, h("small", {}, words)), chart,
    title.startsWith("In the") ? key(data.layers.map((name, k) => [name, colourOf(k)])) : title === "Class selectivity" ? null : keys?.cloneNode(true) ?? null))));
}

function historyChart(data, name) {
  const { of } = data, mean = (values) => (values.length ? values.reduce((a, b) => a + b, 0) / values.length : NaN);
  const rows = data.steps.map((_, k) => bestInputs(data, 0, k + 1));
  const lines = data.layers.map((title, layer) => ({ name: title, colour: colourOf(layer), values: rows.map((all) => mean(all.filter((i) => of.layer[i] === layer).map((i) => of[name][i]).filter((value) => !Number.isNaN(value)))) }));
  return stepChart(data.steps, lines, `Mean ${name} by layer in the course of the training`);
}
