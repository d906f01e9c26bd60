"use strict";
// The sheet of one unit: its inputs, their evolution, where they lie among natural images, what the network sees.

const sheetState = { input: null, timer: null };

function openSheet(data, i, order) {
  const place = document.getElementById("sheet");
  clearInterval(sheetState.timer);
  sheetState.input = i;
  const at = order.indexOf(i);
  const go = (step) => () => { if (order[at + step] !== undefined) showUnit(order[at + step]); };
  place.replaceChildren(
    h("div", { class: "head" },
      h("h2", { id: "sheet-title" }, `${data.layers[data.of.layer[i]]} `, h("small", {}, "unit "), String(data.of.unit[i]), data.of.target[i] ? h("small", {}, ` at step ${data.steps[data.of.target[i] - 1].toLocaleString("en")} of the training`) : null),
      h("button", { type: "button", id: "previous", "aria-label": "Previous unit", disabled: at <= 0, onclick: go(-1) }, "←"),
      h("button", { type: "button", id: "next", "aria-label": "Next unit", disabled: at < 0 || at === order.length - 1, onclick: go(1) }, "→"),
      h("button", { type: "button", id: "close", "aria-label": "Close", onclick: () => place.close() }, "✕"),
    ),
    h("div", { class: "body" }, picturePart(data, i), h("div", {}, ...factsPart(data, i))),
  );
  if (!place.open) place.showModal();
  place.scrollTop = 0;
}

function picturePart(data, i) {
  const image = h("div", { class: "large image", role: "img", "aria-label": `Most exciting input of ${unitName(data, i)}` });
  const words = h("p", { class: "words", "aria-live": "polite" });
  showInput(image, data, i);
  words.textContent = describe(data, i);
  const part = h("div", {}, image), evolved = data.evolved.get(i);
  if (evolved !== undefined && data.frames.number > 1) {
    const { number } = data.frames, { sheet, row } = evolved;
    const slider = h("input", { type: "range", id: "frame", min: 0, max: number - 1, value: number - 1, "aria-label": "Evolution of the input" });
    const show = () => {
      const frame = Number(slider.value), cell = row * number + frame;
      if (frame === number - 1) showInput(image, data, i);
      else showCell(image, data.frames.sheets[sheet], cell);
      const query = data.frames.queries[sheet][cell], value = data.frames.activations[sheet][cell];
      words.textContent = frame === number - 1 ? describe(data, i) : `query ${query.toLocaleString("en")}: activation ${shown(value)}`;
    };
    const play = () => {
      clearInterval(sheetState.timer);
      slider.value = 0;
      show();
      sheetState.timer = setInterval(() => {
        slider.value = Number(slider.value) + 1;
        show();
        if (Number(slider.value) >= number - 1) clearInterval(sheetState.timer);
      }, 350);
    };
    slider.addEventListener("input", show);
    part.append(h("div", { class: "evolution" }, h("button", { type: "button", id: "play", onclick: play }, "▶ Play"), slider));
  }
  part.append(words);
  return part;
}

const choice = (data, i, current, ...lines) => {
  const image = h("span", { class: "image" });
  showInput(image, data, i);
  return h("button", { type: "button", class: "choice", "data-input": i, "aria-pressed": String(i === current), onclick: () => showUnit(i) }, image, ...lines);
};

function factsPart(data, i) {
  const { of } = data, layer = of.layer[i], unit = of.unit[i], key = unitKey(data, i), parts = [];
  const fact = (name, value) => [h("div", {}, h("dt", {}, name), h("dd", {}, value))];
  parts.push(h("section", {}, h("dl", {},
    fact("activation", shown(of.activation[i])), fact("above natural images", percent(of.percentile[i])),
    fact("best natural image", shown(of.natural_best[i])), fact("selectivity", shown(of.selectivity[i], 2)),
    fact("prefers", className(data, of.natural_class[i])),
    fact("seen as", of.class[i] === NONE ? "–" : `${className(data, of.class[i])} ${inPercent(of.probability[i])}`),
    fact("entropy of classes", shown(of.entropy[i], 2)),
  )));
  const own = inputsOf(data, layer, unit, of.target[i]);
  parts.push(h("section", {}, h("h3", {}, own.length > 1 ? "Its inputs by generator, solver and seed" : "Its input"), h("div", { class: "row", id: "inputs" },
    own.map((j) => choice(data, j, i, h("b", {}, shown(of.activation[j])), h("br"), data.generators.length > 1 ? [data.generators[of.generator[j]], h("br")] : [], `${data.solvers[of.solver[j]]}, seed ${of.seed[j]}`, data.varied ? [h("br"), `${of.budget[j].toLocaleString("en")} queries`] : [])))));
  if (data.steps.length) parts.push(...historyPart(data, i));
  const spread = histogram(data, key, 48);
  if (spread !== null) parts.push(h("section", {}, h("h3", {}, `Activations by ${data.images.toLocaleString("en")} natural images`), histogramChart(spread, of.activation[i], data.images), h("p", { class: "words" }, "Heights are square roots of the shares.")));
  if (of.class[i] !== NONE) {
    const n = data.classes.length, likely = Array.from(of.probabilities.subarray(i * n, (i + 1) * n), (value) => value / 255);
    likely[of.class[i]] = of.probability[i]; // not rounded to 8 bits, so that chart and words agree
    parts.push(h("section", {}, h("h3", {}, "What the network sees in it"), classChart(data.classes, likely, of.natural_class[i] === NONE ? -1 : of.natural_class[i])));
  }
  const near = Array.from(of.near.subarray(i * 8, i * 8 + 8)).map((j, k) => [j, of.alike[i * 8 + k]]).filter(([j]) => j < data.count);
  if (of.best[i] && near.length) parts.push(h("section", {}, h("h3", {}, "Inputs of other units that look most alike"), h("div", { class: "row", id: "neighbours" },
    near.map(([j, alike]) => choice(data, j, i, h("b", {}, unitName(data, j)), h("br"), `similarity ${shown(alike, 2)}`)))));
  return parts;
}

// The unit in the course of the training: its input of every state, and the activation by it.
function historyPart(data, i) {
  const { of } = data, states = data.steps.map((_, k) => {
    const found = inputsOf(data, of.layer[i], of.unit[i], k + 1).filter((j) => of.best[j] && of.generator[j] === of.generator[i]);
    return found.length ? found[0] : null;
  });
  if (states.every((j) => j === null)) return [];
  const strip = h("div", { class: "row strip", id: "history" }, states.map((j, k) => (j === null ? null : choice(data, j, i, h("b", {}, shown(of.activation[j])), h("br"), `step ${data.steps[k].toLocaleString("en")}`))));
  const of_ = (name) => states.map((j) => (j === null ? NaN : of[name][j]));
  const chart = stepChart(data.steps, [{ name: "activation", colour: "var(--c0)", values: of_("activation") }, { name: "selectivity", colour: "var(--c1)", values: of_("selectivity") }], "Activation and selectivity of the unit in the course of the training");
  const play = h("button", { type: "button", id: "play-history", onclick: () => playHistory(data, states.filter((j) => j !== null)) }, "▶ Play");
  return [h("section", {}, h("h3", {}, "In the course of the training ", play), strip, chart, key([["activation", "var(--c0)"], ["selectivity", "var(--c1)"]]))];
}

// Shows the inputs of the states one after the other in the large image.
function playHistory(data, inputs) {
  const image = document.querySelector("#sheet .large"), words = document.querySelector("#sheet .words");
  let at = 0;
  const show = () => {
    const i = inputs[at], step = data.steps[data.of.target[i] - 1];
    showInput(image, data, i);
    words.textContent = `step ${step.toLocaleString("en")} of the training: ${describe(data, i)}`;
    at += 1;
    if (at >= inputs.length) clearInterval(sheetState.timer);
  };
  clearInterval(sheetState.timer);
  sheetState.timer = setInterval(show, 500);
  show();
}

const key = (entries) => h("div", { class: "key" }, entries.map(([name, colour]) => h("span", {}, h("i", { style: `background:${colour}` }), name)));
