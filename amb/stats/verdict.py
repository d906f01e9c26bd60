"""What the comparison says, in sentences.

The page makes the same choices in `template/verdict.js`, from the same tables; a test compares the two.
"""

import numpy as np
import pandas as pd

from amb.stats.formats import (
    UNKNOWN,
    compact,
    difference,
    difference_interval,
    expected_queries,
    number,
    p_value,
    percent,
    score,
    score_interval,
    seconds,
)
from amb.stats.question import DEFAULT, Question
from amb.stats.sentences import Value, sentence
from amb.stats.signed_rank import smallest_p


def verdict(ranking: pd.DataFrame, pairs: pd.DataFrame, question: Question = DEFAULT) -> str:
    """Which solver is best, by how much, with what confidence and at what cost; `basis` says what this rests on.

    It claims no more than the tests do: a solver "beats" another only if the Holm-corrected p-value is at most alpha.
    If no number of wins could have been enough, it says "underpowered".

    Args:
        ranking: the table of `ranking`.
        pairs: the table of `compare_pairs` with `add_effects` (and, if wanted, `add_posteriors`).
        question: what was asked.
    """
    if int(ranking["problems"].iloc[0]) == 0:
        return sentence("no common problem")
    if len(ranking) == 1:
        row = ranking.iloc[0]
        ratio = question.scoring.logarithmic
        text = _with_interval(
            score(row["score"], logarithmic=ratio), score_interval(row["low"], row["high"], logarithmic=ratio)
        )
        return sentence("alone", solver=str(row["solver"]), metric=question.scoring.label, score=text)
    lead = _against_control(pairs, question) if question.control else _best(ranking, pairs, question)
    return f"{'; '.join([lead, *_costs(ranking)])}."


def basis(ranking: pd.DataFrame, pairs: pd.DataFrame, elsewhere: pd.DataFrame) -> str:
    """What a verdict rests on: problems, networks, runs, failures, tests and intervals, and its limits.

    Args:
        ranking, pairs: as for `verdict`.
        elsewhere: scored runs that are left out because some solver has no run on their problems.
    """
    problems, comparisons = int(ranking["problems"].iloc[0]), len(pairs)
    left_out: dict[str, Value] = {"runs": len(elsewhere), "failed": _failed(int(elsewhere["failed"].sum()))}
    if problems == 0:
        return sentence("nothing compared", **left_out)
    networks = int(pairs["clusters"].iloc[0]) if comparisons else 0
    runs, failures = int(ranking["runs"].sum()), int(ranking["failures"].sum())
    facts = [
        sentence("problems and networks" if networks else "problems", problems=problems, networks=networks),
        sentence("runs", runs=runs, failed=_failed(failures)),
    ]
    if comparisons:
        facts.append(sentence("test", comparisons=comparisons))
        if pairs["low"].notna().any():
            facts.append(sentence("intervals"))
    parts = [sentence("based on", facts="; ".join(facts))]
    if len(elsewhere):
        parts.append(sentence("left out", problems=int(elsewhere["problem"].nunique()), **left_out))
    if int(ranking["runs"].max()) <= problems:
        parts.append(sentence("one run per problem"))
    if networks == 1:
        parts.append(sentence("one network"))
    return " ".join(parts)


def _best(ranking: pd.DataFrame, pairs: pd.DataFrame, question: Question) -> str:
    best, second = (str(solver) for solver in ranking["solver"].iloc[:2])
    own = pairs[(pairs["first"] == best) | (pairs["second"] == best)]
    ahead = own["differs"] & (np.where(own["first"] == best, own["balance"], -own["balance"]) > 0)
    rivals = own["second"].where(own["first"] == best, own["first"])
    beaten, equal = rivals[ahead].tolist(), rivals[~ahead].tolist()
    words = {"best": best, "second": second, "effect": _effect(pairs, best, second, question)}
    if not equal and len(beaten) == 1:
        return sentence("best of two", **words)
    p = p_value(own.loc[ahead, "p_holm"].max())
    if not equal:
        return sentence("best of all", others=len(beaten), p=p, **words)
    if beaten:
        return sentence("beats some", beaten=beaten, equal=equal, p=p, **words)
    if (pairs["note"] == "all tied").all():
        return sentence("all tied")
    if (pairs["note"] != "").all():
        problems, comparisons = int(ranking["problems"].iloc[0]), len(pairs)
        least = min(1.0, comparisons * smallest_p(problems))
        few = sentence("too few problems", problems=problems, comparisons=comparisons, least=compact(least))
        return sentence("underpowered", reason=few if least > question.alpha else sentence("too many ties"), **words)
    differ = int(pairs["differs"].sum())
    others = sentence("others differ", count=differ) if differ else ""
    return sentence("no winner", others=others, equal=_equal(pairs, best, second), **words)


def _against_control(pairs: pd.DataFrame, question: Question) -> str:
    control = str(question.control)
    better = pairs["differs"] & (pairs["balance"] > 0)
    worse = pairs["differs"] & (pairs["balance"] < 0)
    alike = ~(better | worse)
    underpowered = (pairs.loc[alike, "note"] == "underpowered").all()
    parts = [
        sentence(name, solvers=pairs.loc[chosen, "first"].tolist(), control=control)
        for name, chosen in (
            ("better than control", better),
            ("worse than control", worse),
            ("like control, underpowered" if underpowered else "like control", alike),
        )
        if chosen.any()
    ]
    challenger = str(pairs["first"].iloc[0])
    effect = _effect(pairs, challenger, control, question)
    return "; ".join([*parts, sentence("challenger", solver=challenger, effect=effect)])


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
    return sentence("practically equal", rope=percent(row["rope"]), probability=number(row["equal"], 2))


def _pair(pairs: pd.DataFrame, first: str, second: str) -> pd.Series:
    return pairs[pairs["first"].isin([first, second]) & pairs["second"].isin([first, second])].iloc[0]


def _costs(ranking: pd.DataFrame) -> list[str]:
    """What the best solver costs; seconds only if every run of the first two had the machine to itself."""
    first, second = ranking.iloc[0], ranking.iloc[1]
    costs = []
    if first["timed"] and second["timed"]:
        own, other = seconds(first["solver_seconds"]), seconds(second["solver_seconds"])
        names = {"first": str(first["solver"]), "second": str(second["solver"])}
        costs.append(sentence("cost in seconds", own=own, other=other, **names))
    if np.isfinite(first["ert"]):
        queries, share = expected_queries(first["ert"]), percent(first["hit_share"])
        words = {"gap": _gap(first["anchored"]), "queries": queries, "share": share}
        costs.append(sentence("cost in queries", solver=str(first["solver"]), **words))
    return costs


def _gap(anchored: float) -> str:
    """The name of the gap in a sentence, given the share of the problems that have reference points."""
    if anchored == 1:
        return sentence("the gap, with points")
    return sentence("the gap, without points" if anchored == 0 else "the gap, mixed")


def _with_interval(value: str, interval: str) -> str:
    return value if interval == UNKNOWN else f"{value} {interval}"


def _failed(count: int) -> str:
    return f"{count:,}" if count else "none"
