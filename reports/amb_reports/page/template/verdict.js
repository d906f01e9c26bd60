"use strict";
// Which sentences a comparison calls for: the same choices, from the same tables, as in amb.stats.verdict.
//
// All take { ranking, pairs, question, metric }: rows as in the tables of amb.stats, the solvers of pairs by name.

function verdictOf(result) {
  const silent = silentOf(result), { ranking, pairs, question, metric } = result;
  if (silent) return sentence(...silent);
  const parts = claimsOf(result).map((claim) => sentence(...claim));
  if (question.control) {
    const [{ first: solver }] = pairs;
    parts.push(sentence("challenger", { solver, effect: effectOf(pairs, solver, question.control, metric) }));
  }
  return `${[...parts, ...costsOf(ranking, pairs)].join("; ")}.`;
}

// The verdict in plain words: the same claims, without the numbers, and with solvers counted where they are more than two.
function headlineOf(result) {
  const silent = silentOf(result);
  if (silent) return sentence(templates[`${silent[0]}, in short`] ? `${silent[0]}, in short` : silent[0], silent[1]);
  const few = ([key, names]) => [key, Array.isArray(names) && names.length > 2 ? `${names.length} other solvers` : names];
  return claimsOf(result).map(([name, words]) => sentence(`${name}, in short`, Object.fromEntries(Object.entries(words).map(few)))).join(" ");
}

// Why nothing can be compared, if so. A claim is [name of a sentence, the values that fill it].
function silentOf({ ranking, metric: { label, logarithmic } }) {
  if (!ranking.length) return ["nothing selected", {}];
  if (ranking[0].problems === 0) return ["no common problem", {}];
  if (ranking.every((row) => row.failures === row.runs)) return ["all failed", {}];
  if (ranking.length > 1) return null;
  const [{ solver, low, high, score: value }] = ranking;
  return ["alone", { solver, metric: label, score: withInterval(score(value, logarithmic), scoreInterval(low, high, logarithmic)) }];
}

const claimsOf = ({ ranking, pairs, question, metric }) => (question.control ? againstControl(ranking, pairs, question) : [bestOf(ranking, pairs, question, metric)]);

const LEAST_SEEDS = 3;

// elsewhere: { runs, failed, problems } that are left out because not every solver has a run on those problems; surplus: runs of surplus seeds.
function basisOf({ ranking, pairs, elsewhere, surplus, question, metric }) {
  const [{ problems }] = ranking, comparisons = pairs.length;
  const leftOut = { runs: elsewhere.runs, failed: elsewhere.failed ? thousands(elsewhere.failed) : "none" };
  if (problems === 0) return sentence("nothing compared", leftOut);
  const networks = comparisons ? pairs[0].networks : 0, total = (name) => ranking.reduce((sum, row) => sum + row[name], 0);
  const facts = [
    sentence(networks ? "problems and networks" : "problems", { problems, networks }),
    sentence("runs", { runs: total("runs"), failed: total("failures") ? thousands(total("failures")) : "none" }),
  ];
  if (comparisons) {
    facts.push(sentence("test", { level: question.level, comparisons }));
    if (pairs.some((pair) => isKnown(pair.low))) facts.push(sentence(question.level === "problems" ? "intervals" : "intervals, level", { networks, level: question.level }));
  }
  const parts = [sentence("based on", { facts: facts.join("; ") })];
  if (elsewhere.runs) parts.push(sentence("left out", { problems: elsewhere.problems, ...leftOut }));
  if (surplus) parts.push(sentence("surplus seeds", { runs: surplus }));
  if (question.looks > 1) {
    const { look, looks, alpha_now: alpha, alpha: total } = question;
    parts.push(sentence("look", { look, looks, alpha: pValue(alpha), total: compact(total) }));
  }
  const seeds = Math.min(...ranking.map((row) => row.seeds));
  if (seeds === 1) parts.push(sentence("one run per problem"));
  else if (seeds < LEAST_SEEDS) parts.push(sentence("few seeds"));
  if (networks) parts.push(generalityOf(ranking, pairs, metric));
  return parts.join(" ");
}

// What the difference between the first two says about other networks.
function generalityOf(ranking, pairs, { logarithmic }) {
  const pair = leadingPair(ranking, pairs), { first, second, agree, networks, generators, p_networks: p } = pair;
  if (networks === 1) return generators > 1 ? sentence("generators", { first, second, agree, generators }) : sentence("one network");
  if (!isKnown(p)) return sentence("few networks", { first, second, agree, networks });
  const interval = differenceInterval(pair.network_low, pair.network_high, logarithmic);
  return sentence(pair.differs && pair.differs_networks ? "networks shown" : "networks not shown", { first, second, agree, networks, p: pValue(p), interval });
}

// The pair that the verdict is about: the first two, or the best challenger and the control.
const leadingPair = ([first, second], pairs) => pairs.find((pair) => [pair.first, pair.second].includes(first.solver) && [pair.first, pair.second].includes(second.solver)) ?? pairs[0];

function bestOf(ranking, pairs, question, metric) {
  const [best, second] = ranking.map((row) => row.solver), [{ problems }] = ranking;
  const own = pairs.filter((pair) => pair.first === best || pair.second === best);
  const sign = (pair) => (pair.first === best ? 1 : -1), rival = (pair) => (pair.first === best ? pair.second : pair.first);
  const isAhead = (pair) => pair.differs && sign(pair) * pair.balance > 0, isBehind = (pair) => pair.differs && sign(pair) * pair.balance < 0;
  const isSure = (pair) => round12(sign(pair) > 0 ? pair.low : -pair.high) > 0;
  const ahead = own.filter(isAhead), beaten = ahead.map(rival), equal = own.filter((pair) => !isAhead(pair)).map(rival);
  const worse = own.filter(isBehind).map(rival), unsure = ahead.filter((pair) => !isSure(pair)).map(rival);
  const words = { best, second, effect: effectOf(pairs, best, second, metric) };
  if (pairs.every((pair) => pair.note === "all tied")) {
    const total = (name) => ranking.reduce((sum, row) => sum + row[name], 0), runs = total("runs"), failed = total("failures");
    return 2 * failed > runs ? ["tied by failures", { runs, failed }] : ["all tied", {}];
  }
  const seeds = Math.min(...ranking.map((row) => row.seeds));
  if (seeds < LEAST_SEEDS) return ["too few seeds", { seeds, ...words }];
  if (worse.length) return ["first by rank only", { problems, best, worse, rival: worse[0], effect: effectOf(pairs, best, worse[0], metric) }];
  const p = pValue(Math.max(...ahead.map((pair) => pair.p_holm)));
  if (!equal.length && unsure.length) return ["beats, interval with zero", { problems, beaten, unsure, p, ...words }];
  if (!equal.length && beaten.length === 1) return ["best of two", { problems, ...words }];
  if (!equal.length) return ["best of all", { problems, others: beaten.length, p, ...words }];
  if (beaten.length) return ["beats some", { problems, beaten, equal, p, ...words }];
  if (pairs.every((pair) => pair.note)) {
    const [{ units }] = pairs, { level } = question, comparisons = pairs.length;
    const least = Math.min(1, comparisons * smallestP(units));
    const few = sentence("too few problems", { problems: units, units: units === 1 ? level.replace(/s$/, "") : level, comparisons, least: compact(least) });
    return ["underpowered", { reason: least > question.alpha_now ? few : sentence("too many ties"), ...words }];
  }
  const count = pairs.filter((pair) => pair.differs).length;
  const others = count ? sentence("others differ", { count }) : "";
  return ["no winner", { others, practically: equalOf(pairs, best, second), ...words }];
}

function againstControl(ranking, pairs, { control }) {
  const seeds = Math.min(...ranking.map((row) => row.seeds));
  if (seeds < LEAST_SEEDS) return [["too few seeds, control", { seeds }]];
  const better = pairs.filter((pair) => pair.differs && pair.balance > 0), worse = pairs.filter((pair) => pair.differs && pair.balance < 0);
  const alike = pairs.filter((pair) => !better.includes(pair) && !worse.includes(pair));
  const underpowered = alike.every((pair) => pair.note === "underpowered");
  return [
    ["better than control", better], ["worse than control", worse], [underpowered ? "like control, underpowered" : "like control", alike],
  ].filter(([, chosen]) => chosen.length).map(([name, chosen]) => [name, { solvers: chosen.map((pair) => pair.first), control }]);
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
  return equal >= 0.5 ? sentence("practically equal", { rope: exactPercent(rope), probability: fixed(equal, 2) }) : "";
}

const pairOf = (pairs, first, second) => pairs.find((pair) => [first, second].includes(pair.first) && [first, second].includes(pair.second));

// What the first two cost; seconds only if all of their runs had the machine to themselves.
function costsOf(ranking, pairs) {
  const [first, second] = ranking, names = { first: first.solver, second: second.solver }, costs = [];
  if (first.timed && second.timed) costs.push(sentence("cost in seconds", { ...names, own: seconds(first.solver_seconds), other: seconds(second.solver_seconds) }));
  const pair = leadingPair(ranking, pairs);
  if (!pair.solvable || ![pair.first, pair.second].every((name) => Object.values(names).includes(name))) return costs;
  const swapped = pair.first !== first.solver, inOrder = (one, other) => (swapped ? [other, one] : [one, other]);
  const [own, other] = inOrder(pair.solved_first, pair.solved_second), [queries, others] = inOrder(pair.queries_first, pair.queries_second).map(expectedQueries);
  const text = sentence("cost in queries", { gap: gapOf(first.anchored), own, other, problems: pair.solvable, ...names });
  return [...costs, text + (pair.solved_both ? sentence("cost where both do", { queries, others, both: pair.solved_both }) : "")];
}

// What a share of the gap is a share of, given the share of the problems that have reference points.
function gapOf(anchored) {
  if (anchored === 1) return sentence("the gap, with points");
  return sentence(anchored === 0 ? "the gap, without points" : "the gap, mixed");
}

const withInterval = (value, ends) => (ends === UNKNOWN ? value : `${value} ${ends}`);
