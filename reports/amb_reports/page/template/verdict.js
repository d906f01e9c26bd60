"use strict";
// Which sentences a comparison calls for: the same choices, from the same tables, as in amb.stats.verdict.
//
// Both functions take { ranking, pairs, question, metric }: rows as in the tables of amb.stats, the solvers of pairs by name.

function verdictOf({ ranking, pairs, question, metric }) {
  if (!ranking.length) return sentence("nothing selected");
  if (ranking[0].problems === 0) return sentence("no common problem");
  if (ranking.length === 1) {
    const [{ solver, low, high, score: value }] = ranking, { label, logarithmic } = metric;
    return sentence("alone", { solver, metric: label, score: withInterval(score(value, logarithmic), scoreInterval(low, high, logarithmic)) });
  }
  const lead = question.control ? againstControl(pairs, question, metric) : bestOf(ranking, pairs, question, metric);
  return `${[lead, ...costsOf(ranking)].join("; ")}.`;
}

// elsewhere: { runs, failed, problems } that are left out because not every solver has a run on those problems.
function basisOf({ ranking, pairs, elsewhere }) {
  const [{ problems }] = ranking, comparisons = pairs.length;
  const leftOut = { runs: elsewhere.runs, failed: elsewhere.failed ? thousands(elsewhere.failed) : "none" };
  if (problems === 0) return sentence("nothing compared", leftOut);
  const networks = comparisons ? pairs[0].clusters : 0, total = (name) => ranking.reduce((sum, row) => sum + row[name], 0);
  const facts = [
    sentence(networks ? "problems and networks" : "problems", { problems, networks }),
    sentence("runs", { runs: total("runs"), failed: total("failures") ? thousands(total("failures")) : "none" }),
  ];
  if (comparisons) {
    facts.push(sentence("test", { comparisons }));
    if (pairs.some((pair) => isKnown(pair.low))) facts.push(sentence("intervals"));
  }
  const parts = [sentence("based on", { facts: facts.join("; ") })];
  if (elsewhere.runs) parts.push(sentence("left out", { problems: elsewhere.problems, ...leftOut }));
  if (Math.max(...ranking.map((row) => row.runs)) <= problems) parts.push(sentence("one run per problem"));
  if (networks === 1) parts.push(sentence("one network"));
  return parts.join(" ");
}

function bestOf(ranking, pairs, question, metric) {
  const [best, second] = ranking.map((row) => row.solver);
  const own = pairs.filter((pair) => pair.first === best || pair.second === best);
  const isAhead = (pair) => pair.differs && (pair.first === best ? pair.balance : -pair.balance) > 0;
  const rival = (pair) => (pair.first === best ? pair.second : pair.first);
  const ahead = own.filter(isAhead), beaten = ahead.map(rival), equal = own.filter((pair) => !isAhead(pair)).map(rival);
  const words = { best, second, effect: effectOf(pairs, best, second, metric) };
  if (!equal.length && beaten.length === 1) return sentence("best of two", words);
  const p = pValue(Math.max(...ahead.map((pair) => pair.p_holm)));
  if (!equal.length) return sentence("best of all", { others: beaten.length, p, ...words });
  if (beaten.length) return sentence("beats some", { beaten, equal, p, ...words });
  if (pairs.every((pair) => pair.note === "all tied")) return sentence("all tied");
  if (pairs.every((pair) => pair.note)) {
    const [{ problems }] = ranking, comparisons = pairs.length;
    const least = Math.min(1, comparisons * smallestP(problems));
    const few = sentence("too few problems", { problems, comparisons, least: compact(least) });
    return sentence("underpowered", { reason: least > question.alpha ? few : sentence("too many ties"), ...words });
  }
  const count = pairs.filter((pair) => pair.differs).length;
  const others = count ? sentence("others differ", { count }) : "";
  return sentence("no winner", { others, equal: equalOf(pairs, best, second), ...words });
}

function againstControl(pairs, { control }, metric) {
  const better = pairs.filter((pair) => pair.differs && pair.balance > 0), worse = pairs.filter((pair) => pair.differs && pair.balance < 0);
  const alike = pairs.filter((pair) => !better.includes(pair) && !worse.includes(pair));
  const underpowered = alike.every((pair) => pair.note === "underpowered");
  const parts = [
    ["better than control", better], ["worse than control", worse], [underpowered ? "like control, underpowered" : "like control", alike],
  ].filter(([, chosen]) => chosen.length).map(([name, chosen]) => sentence(name, { solvers: chosen.map((pair) => pair.first), control }));
  const [{ first: challenger }] = pairs;
  return [...parts, sentence("challenger", { solver: challenger, effect: effectOf(pairs, challenger, control, metric) })].join("; ");
}

function effectOf(pairs, first, second, { logarithmic, noun: quantity }) {
  const pair = pairOf(pairs, first, second), sign = pair.first === first ? 1 : -1;
  const [low, high] = sign > 0 ? [pair.low, pair.high] : [-pair.high, -pair.low];
  const text = withInterval(difference(sign * pair.difference, logarithmic), isKnown(pair.low) ? differenceInterval(low, high, logarithmic) : UNKNOWN);
  return pair.note ? sentence("effect", { difference: text, quantity }) : sentence("effect, tested", { difference: text, quantity, p: pValue(pair.p_holm) });
}

// How probable it is that the two are practically equal, if that is the likeliest outcome.
function equalOf(pairs, first, second) {
  const { equal, rope } = pairOf(pairs, first, second);
  return equal >= 0.5 ? sentence("practically equal", { rope: percent(rope), probability: fixed(equal, 2) }) : "";
}

const pairOf = (pairs, first, second) => pairs.find((pair) => [first, second].includes(pair.first) && [first, second].includes(pair.second));

// What the best solver costs; seconds only if every run of the first two had the machine to itself.
function costsOf([first, second]) {
  const costs = [];
  if (first.timed && second.timed) {
    costs.push(sentence("cost in seconds", { first: first.solver, second: second.solver, own: seconds(first.solver_seconds), other: seconds(second.solver_seconds) }));
  }
  if (isKnown(first.ert) && Number.isFinite(first.ert)) {
    const words = { gap: gapOf(first.anchored), queries: expectedQueries(first.ert), share: percent(first.hit_share) };
    costs.push(sentence("cost in queries", { solver: first.solver, ...words }));
  }
  return costs;
}

// What a share of the gap is a share of, given the share of the problems that have reference points.
function gapOf(anchored) {
  if (anchored === 1) return sentence("the gap, with points");
  return sentence(anchored === 0 ? "the gap, without points" : "the gap, mixed");
}

const withInterval = (value, ends) => (ends === UNKNOWN ? value : `${value} ${ends}`);
