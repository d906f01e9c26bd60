"use strict";
// Two solvers, problem by problem: the test of the pair, its differences as dots by layer, and as a table.

function drawCompare(result) {
  const { data, ranking, question } = result, place = document.getElementById("compare"), parts = Hash.read();
  const names = ranking.map((row) => row.solver), ordered = question.control ? [question.control, ...names.filter((name) => name !== question.control)] : names;
  const first = names.includes(parts.get("a")) ? parts.get("a") : ordered[0], others = ordered.filter((name) => name !== first);
  const second = others.includes(parts.get("b")) ? parts.get("b") : others[0];
  const title = h("h2", {}, "Compare two solvers");
  if (!second || !result.blocks.length) {
    place.replaceChildren(title, h("p", {}, "A comparison needs two solvers with runs on common problems."));
    return;
  }
  const choice = (key, words, chosen, change) => h("label", {}, h("span", {}, words), h("select", { "data-compare": key, onchange: ({ target }) => Hash.change(change(target.value)) },
    names.map((name) => h("option", { value: name, selected: name === chosen }, name))));
  const rows = pairedRows(result, first, second), plot = h("div", { class: "plot", tabindex: 0, role: "img" });
  const column = (key, header, more) => ({ key, header, value: (row) => row[key], text: (row) => score(row[key], data.metric.logarithmic), descending: true, ...more });
  const link = (row, text, of) => hashLink({ of, on: row.problem.id, rows: "1" }, { title: "The runs behind this number" }, text);
  const columns = [
    column("problem", "problem", { left: true, descending: false, text: (row) => row.problem.label, value: (row) => row.problem.id, cell: (row) => link(row, row.problem.label, [first, second]) }),
    ...[["first", first], ["second", second]].map(([key, name]) => column(key, name, { cell: (row) => link(row, score(row[key], data.metric.logarithmic), name) })),
    column("difference", "difference", { text: (row) => difference(row.difference, data.metric.logarithmic) }),
  ];
  place.replaceChildren(
    title,
    h("div", { class: "versus" }, choice("a", "Solver", first, (a) => ({ a, b: a === second ? first : second })),
      choice("b", "against", second, (b) => ({ a: b === first ? second : first, b }))),
    h("p", { id: "compared" }, ...comparedWords(result, first, second)),
    h("figure", { id: "figure-compare" }, plot, h("figcaption", {}, `Each dot is a problem, in the colour of the solver that wins it: ${first} minus ${second}, medians over seeds.`)),
    howTo("compare", `Click a dot to see its runs. Right of zero, ${first} is better. The line and the band are the Hodges–Lehmann estimate and its 95% interval, those of the test above. `
      + "They are of paired differences: on each problem both solvers see the same unit, so that easy and hard problems cancel out. The tests stay Holm-corrected over all pairs of the table below, whichever two are looked at."),
    disclosure("compared problems", `All ${plural(rows.length, "problem")} as a table`, {}, ...sortedTable({
      name: "compared", caption: `${first} against ${second} by problem`, columns, rows, sort: sortOf("problems"), onsort: keepSort("problems"),
    })),
  );
  const width = place.clientWidth || 600, drawing = comparison(result, rows, pairSeen(result, first, second), first, second, width);
  plot.append(chart(drawing, width));
  plot.setAttribute("aria-label", place.querySelector("#compared").textContent);
  watchPlot(plot);
}

// Median scores of two solvers on every compared problem, and their difference, from the largest to the smallest.
function pairedRows({ data, blocks, scores, selection }, first, second) {
  const [a, b] = [first, second].map((name) => selection.solvers.findIndex((s) => data.solvers[s].name === name));
  return blocks.map((p, k) => ({ problem: data.problems[p], first: scores[a][k], second: scores[b][k], difference: scores[a][k] - scores[b][k] }))
    .sort((x, y) => y.difference - x.difference);
}

// The pair as the table of pairs has it, seen from the first of the two; undefined if it was not tested.
function pairSeen({ pairs }, first, second) {
  const pair = pairs.find((one) => [first, second].includes(one.first) && [first, second].includes(one.second));
  if (!pair || pair.first === first) return pair;
  return {
    ...pair, first, second, wins: pair.losses, losses: pair.wins, difference: -pair.difference, low: -pair.high, high: -pair.low, balance: -pair.balance, a12: 1 - pair.a12,
    first_better: isKnown(pair.first_better) ? 1 - pair.first_better - pair.equal : pair.first_better,
  };
}

function comparedWords(result, first, second) {
  const pair = pairSeen(result, first, second), { logarithmic, noun } = result.metric;
  if (!pair) return [`${first} and ${second} were not tested against each other: only comparisons with the control ${result.question.control} are.`];
  const claim = pair.differs ? (pair.balance > 0 ? `${first} beats ${second}` : `${second} beats ${first}`) : `${first} and ${second} are not shown to differ`;
  const facts = [
    `${first} wins on ${pair.wins} of ${plural(pair.problems, "problem")}, ties on ${pair.ties} and loses on ${pair.losses}`,
    `difference in ${noun} ${differenceWithInterval(pair.difference, pair.low, pair.high, logarithmic)}`,
    `Holm p ${pValue(pair.p_holm, pair.note)}`, `A12 ${fixed(pair.a12, 2)}`,
    isKnown(pair.first_better) ? `better with probability ${fixed(pair.first_better, 2)}, practically equal with ${fixed(pair.equal, 2)}` : null,
  ];
  return [h("strong", {}, `${claim}.`), ` ${facts.filter((fact) => fact).join("; ")}.`];
}

function comparison(result, rows, pair, first, second, width) {
  const { data } = result, { layers, nameOf } = layersOf(result), left = nameMargin(width, layers);
  const values = [...rows.map((row) => row.difference), 0, pair?.low, pair?.high].filter((x) => Number.isFinite(x));
  const low = Math.min(...values), high = Math.max(...values), pad = 0.06 * (high - low) || 0.01, y = [-0.5, layers.length - 0.5];
  const winner = (sign) => data.solvers.find(({ name }) => name === { 1: first, [-1]: second }[sign]);
  const at = rows.map((row) => layers.indexOf(nameOf(data.problems.indexOf(row.problem))));
  const level = { style: { stroke: "var(--ink)", strokeWidth: 1 } };
  return {
    height: 64 + Math.max(90, 22 * layers.length), margin: { left, top: 12, bottom: 48 },
    panels: [{
      x: { range: [low - pad, high + pad], text: (x) => difference(Number(x.toPrecision(9)), data.metric.logarithmic), title: `${first} minus ${second}` },
      y: { range: [y[1], y[0]], ticks: layers.map((name, i) => [i, fitted(name, left)]) },
      marks: [
        ...(pair && isKnown(pair.low) && Number.isFinite(pair.low) && Number.isFinite(pair.high) ? [{ box: true, x: [pair.low, pair.high], y }] : []),
        { line: true, x: [0, 0], y, ...level },
        ...(pair && isKnown(pair.difference) ? [{ line: true, x: [pair.difference, pair.difference], y, style: { stroke: "var(--focus)", strokeWidth: 2 } }] : []),
        ...[0, -1, 1].flatMap((sign) => {
          const own = [...rows.keys()].filter((i) => Math.sign(round12(rows[i].difference)) === sign);
          return own.length ? [{ dots: true, solver: winner(sign), x: own.map((i) => rows[i].difference), y: own.map((i) => at[i]), size: 4.5, faint: true }] : [];
        }),
      ],
      pick: ({ toX, toY }, x, y0) => {
        const far = (i) => Math.hypot(toX(rows[i].difference) - x, toY(at[i]) - y0), near = [...rows.keys()].reduce((i, j) => (far(j) < far(i) ? j : i), 0), row = rows[near];
        if (far(near) > NEAR) return null;
        return {
          head: row.problem.id, rows: [{ solver: null, text: `${score(row.first, data.metric.logarithmic)} against ${score(row.second, data.metric.logarithmic)}: ${difference(row.difference, data.metric.logarithmic)}` }],
          open: () => openRows([first, second], row.problem.id),
        };
      },
    }],
  };
}
