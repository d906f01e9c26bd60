"""What the comparison says, in sentences.

The page makes the same choices in `template/verdict.js`, from the same tables; a test compares the two.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from amb.stats.formats import (
    UNKNOWN,
    compact,
    difference,
    difference_interval,
    exact_percent,
    expected_queries,
    number,
    p_value,
    score,
    score_interval,
    seconds,
)
from amb.stats.metrics import find_metric
from amb.stats.question import DEFAULT, Question
from amb.stats.sentences import SENTENCES, Value, sentence
from amb.stats.signed_rank import smallest_p

LEAST_SEEDS = 3
"""With fewer runs per problem and solver no claim is made: a median of two is their mean, and one is itself."""


Claim = tuple[str, Mapping[str, Value]]
"""Name of a sentence, and the values that fill it."""


def verdict(ranking: pd.DataFrame, pairs: pd.DataFrame, question: Question = DEFAULT) -> str:
    """Which solver is best, by how much, with what confidence and at what cost; `basis` says what this rests on.

    It claims no more than the tests do: a solver "beats" another only if the Holm-corrected p-value is at most alpha.
    A solver is "best" only if it beats all others and no interval of these differences includes zero; with fewer than
    three seeds no claim is made. If no number of wins could have been enough, it says "underpowered".

    Args:
        ranking: the table of `ranking`.
        pairs: the table of `compare_pairs` with `add_effects` (and, if wanted, `add_posteriors`).
        question: what was asked.
    """
    silent = _silent(ranking, question)
    if silent:
        name, words = silent
        return sentence(name, **words)
    parts = [sentence(name, **words) for name, words in _claims(ranking, pairs, question)]
    if question.control:
        challenger = str(pairs["first"].iloc[0])
        effect = _effect(pairs, challenger, str(question.control), question)
        parts.append(sentence("challenger", solver=challenger, effect=effect))
    return f"{'; '.join([*parts, *_costs(ranking, pairs)])}."


def headline(ranking: pd.DataFrame, pairs: pd.DataFrame, question: Question = DEFAULT) -> str:
    """The verdict in plain words, without its numbers; the same claims from the same tables."""
    silent = _silent(ranking, question)
    if silent:
        name, words = silent
        return sentence(f"{name}, in short" if f"{name}, in short" in SENTENCES else name, **words)
    return " ".join(
        sentence(f"{name}, in short", **{**words, **{key: _few(words[key]) for key in LISTS if key in words}})
        for name, words in _claims(ranking, pairs, question)
    )


LISTS = ("beaten", "equal", "worse", "unsure", "solvers")
"""Values that name solvers; a headline counts them where they are more than two."""


def _few(names: Value) -> Value:
    return names if isinstance(names, str | int) or len(names) <= 2 else f"{len(names)} other solvers"


def _silent(ranking: pd.DataFrame, question: Question) -> Claim | None:
    """Why nothing can be compared, if so."""
    if int(ranking["problems"].iloc[0]) == 0:
        return "no common problem", {}
    if int(ranking["failures"].sum()) == int(ranking["runs"].sum()):
        return "all failed", {}
    if len(ranking) > 1:
        return None
    row = ranking.iloc[0]
    ratio = question.scoring.logarithmic
    text = _with_interval(
        score(row["score"], logarithmic=ratio), score_interval(row["low"], row["high"], logarithmic=ratio)
    )
    return "alone", {"solver": str(row["solver"]), "metric": question.scoring.label, "score": text}


def _claims(ranking: pd.DataFrame, pairs: pd.DataFrame, question: Question) -> list[Claim]:
    return _against_control(pairs, ranking, question) if question.control else [_best(ranking, pairs, question)]


def basis(
    ranking: pd.DataFrame,
    pairs: pd.DataFrame,
    elsewhere: pd.DataFrame,
    question: Question = DEFAULT,
    *,
    surplus: int = 0,
) -> str:
    """What a verdict rests on: problems, networks, runs, failures, tests and intervals, and its limits.

    Args:
        ranking, pairs: as for `verdict`.
        elsewhere: scored runs that are left out because some solver has no run on their problems.
        question: what was asked.
        surplus: number of runs that are left out because other solvers have fewer seeds.
    """
    problems, comparisons = int(ranking["problems"].iloc[0]), len(pairs)
    left_out: dict[str, Value] = {"runs": len(elsewhere), "failed": _failed(int(elsewhere["failed"].sum()))}
    if problems == 0:
        return sentence("nothing compared", **left_out)
    networks = int(pairs["networks"].iloc[0]) if comparisons else 0
    runs, failures = int(ranking["runs"].sum()), int(ranking["failures"].sum())
    facts = [
        sentence("problems and networks" if networks else "problems", problems=problems, networks=networks),
        sentence("runs", runs=runs, failed=_failed(failures)),
    ]
    if comparisons:
        facts.append(sentence("test", level=question.level, comparisons=comparisons))
        if pairs["low"].notna().any():
            words = "intervals" if question.level == "problems" else "intervals, level"
            facts.append(sentence(words, networks=networks, level=question.level))
    parts = [sentence("based on", facts="; ".join(facts))]
    if len(elsewhere):
        parts.append(sentence("left out", problems=int(elsewhere["problem"].nunique()), **left_out))
    if surplus:
        parts.append(sentence("surplus seeds", runs=surplus))
    if question.looks > 1:
        rates = {"alpha": p_value(question.alpha_now), "total": compact(question.alpha)}
        parts.append(sentence("look", look=question.look, looks=question.looks, **rates))
    seeds = int(ranking["seeds"].min())
    if seeds == 1:
        parts.append(sentence("one run per problem"))
    elif seeds < LEAST_SEEDS:
        parts.append(sentence("few seeds"))
    if networks:
        parts.append(_generality(ranking, pairs))
    return " ".join(parts)


def _generality(ranking: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """What the difference between the first two says about other networks."""
    row = _leading(ranking, pairs)
    networks, generators = int(row["networks"]), int(row["generators"])
    words: dict[str, Value] = {"first": str(row["first"]), "second": str(row["second"]), "agree": int(row["agree"])}
    if networks == 1:
        return sentence("generators", generators=generators, **words) if generators > 1 else sentence("one network")
    words["networks"] = networks
    if np.isnan(row["p_networks"]):
        return sentence("few networks", **words)
    ratio = find_metric(str(row["metric"])).logarithmic
    interval = difference_interval(row["network_low"], row["network_high"], logarithmic=ratio)
    shown = bool(row["differs"]) and bool(row["differs_networks"])
    return sentence(
        "networks shown" if shown else "networks not shown", p=p_value(row["p_networks"]), interval=interval, **words
    )


def _leading(ranking: pd.DataFrame, pairs: pd.DataFrame) -> pd.Series:
    """The pair that the verdict is about: the first two, or the best challenger and the control."""
    first, second = (str(solver) for solver in ranking["solver"].iloc[:2])
    both = pairs[pairs["first"].isin([first, second]) & pairs["second"].isin([first, second])]
    return pairs.iloc[0] if both.empty else both.iloc[0]


def _best(ranking: pd.DataFrame, pairs: pd.DataFrame, question: Question) -> Claim:
    best, second = (str(solver) for solver in ranking["solver"].iloc[:2])
    own = pairs[(pairs["first"] == best) | (pairs["second"] == best)]
    sign = np.where(own["first"] == best, 1, -1)
    ahead, behind = own["differs"] & (sign * own["balance"] > 0), own["differs"] & (sign * own["balance"] < 0)
    sure = np.round(np.where(sign > 0, own["low"], -own["high"]), 12) > 0  # False where the interval is unknown
    rivals = own["second"].where(own["first"] == best, own["first"])
    beaten, equal, worse = rivals[ahead].tolist(), rivals[~ahead].tolist(), rivals[behind].tolist()
    unsure = rivals[ahead & ~sure].tolist()
    problems = int(ranking["problems"].iloc[0])
    words: dict[str, Value] = {"best": best, "second": second, "effect": _effect(pairs, best, second, question)}
    if (pairs["note"] == "all tied").all():
        runs, failed = int(ranking["runs"].sum()), int(ranking["failures"].sum())
        return ("tied by failures", {"runs": runs, "failed": failed}) if 2 * failed > runs else ("all tied", {})
    seeds = int(ranking["seeds"].min())
    if seeds < LEAST_SEEDS:
        return "too few seeds", {"seeds": seeds, **words}
    if worse:
        effect = _effect(pairs, best, worse[0], question)
        rival: dict[str, Value] = {"worse": worse, "rival": worse[0], "effect": effect}
        return "first by rank only", {"problems": problems, "best": best, **rival}
    p = p_value(own.loc[ahead, "p_holm"].max())
    if not equal and unsure:
        return "beats, interval with zero", {"problems": problems, "beaten": beaten, "unsure": unsure, "p": p, **words}
    if not equal and len(beaten) == 1:
        return "best of two", {"problems": problems, **words}
    if not equal:
        return "best of all", {"problems": problems, "others": len(beaten), "p": p, **words}
    if beaten:
        return "beats some", {"problems": problems, "beaten": beaten, "equal": equal, "p": p, **words}
    if (pairs["note"] != "").all():
        units, comparisons = int(pairs["units"].iloc[0]), len(pairs)
        least = min(1.0, comparisons * smallest_p(units))
        few = sentence(
            "too few problems",
            problems=units,
            units=question.level.removesuffix("s") if units == 1 else question.level,
            comparisons=comparisons,
            least=compact(least),
        )
        reason = few if least > question.alpha_now else sentence("too many ties")
        return "underpowered", {"reason": reason, **words}
    differ = int(pairs["differs"].sum())
    others = sentence("others differ", count=differ) if differ else ""
    return "no winner", {"others": others, "practically": _equal(pairs, best, second), **words}


def _against_control(pairs: pd.DataFrame, ranking: pd.DataFrame, question: Question) -> list[Claim]:
    control = str(question.control)
    seeds = int(ranking["seeds"].min())
    if seeds < LEAST_SEEDS:
        return [("too few seeds, control", {"seeds": seeds})]
    better = pairs["differs"] & (pairs["balance"] > 0)
    worse = pairs["differs"] & (pairs["balance"] < 0)
    alike = ~(better | worse)
    underpowered = (pairs.loc[alike, "note"] == "underpowered").all()
    return [
        (name, {"solvers": pairs.loc[chosen, "first"].tolist(), "control": control})
        for name, chosen in (
            ("better than control", better),
            ("worse than control", worse),
            ("like control, underpowered" if underpowered else "like control", alike),
        )
        if chosen.any()
    ]


def _effect(pairs: pd.DataFrame, first: str, second: str, question: Question) -> str:
    row = _pair(pairs, first, second)
    sign = 1 if row["first"] == first else -1
    ratio = question.scoring.logarithmic
    low, high = sorted((sign * row["low"], sign * row["high"]))
    text = _with_interval(
        difference(sign * row["difference"], logarithmic=ratio), difference_interval(low, high, logarithmic=ratio)
    )
    words = {"difference": text, "quantity": question.scoring.noun}
    return sentence("effect", **words) if row["note"] else sentence("effect, tested", p=p_value(row["p_holm"]), **words)


def _equal(pairs: pd.DataFrame, first: str, second: str) -> str:
    """The probability that the two are practically equal, if that is the likeliest outcome."""
    row = _pair(pairs, first, second)
    if "equal" not in row or not row["equal"] >= 0.5:
        return ""
    return sentence("practically equal", rope=exact_percent(row["rope"]), probability=number(row["equal"], 2))


def _pair(pairs: pd.DataFrame, first: str, second: str) -> pd.Series:
    return pairs[pairs["first"].isin([first, second]) & pairs["second"].isin([first, second])].iloc[0]


def _costs(ranking: pd.DataFrame, pairs: pd.DataFrame) -> list[str]:
    """What the first two cost; seconds only if all of their runs had the machine to themselves."""
    first, second = ranking.iloc[0], ranking.iloc[1]
    names = {"first": str(first["solver"]), "second": str(second["solver"])}
    costs = []
    if first["timed"] and second["timed"]:
        own, other = seconds(first["solver_seconds"]), seconds(second["solver_seconds"])
        costs.append(sentence("cost in seconds", own=own, other=other, **names))
    row = _leading(ranking, pairs)
    swapped = row["first"] != first["solver"]
    if not int(row["solvable"]) or {row["first"], row["second"]} != set(names.values()):
        return costs
    solved, queries = (["solved_first", "solved_second"], ["queries_first", "queries_second"])
    own_count, other_count = (int(row[name]) for name in (reversed(solved) if swapped else solved))
    own_queries, other_queries = (float(row[name]) for name in (reversed(queries) if swapped else queries))
    text = sentence(
        "cost in queries",
        gap=_gap(first["anchored"]),
        own=own_count,
        other=other_count,
        problems=int(row["solvable"]),
        **names,
    )
    if int(row["solved_both"]):
        text += sentence(
            "cost where both do",
            queries=expected_queries(own_queries),
            others=expected_queries(other_queries),
            both=int(row["solved_both"]),
        )
    return [*costs, text]


def _gap(anchored: float) -> str:
    """The name of the gap in a sentence, given the share of the problems that have reference points."""
    if anchored == 1:
        return sentence("the gap, with points")
    return sentence("the gap, without points" if anchored == 0 else "the gap, mixed")


def _with_interval(value: str, interval: str) -> str:
    return value if interval == UNKNOWN else f"{value} {interval}"


def _failed(count: int) -> str:
    return f"{count:,}" if count else "none"
