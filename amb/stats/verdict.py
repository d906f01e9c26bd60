"""What the comparison says, in words."""

import numpy as np
import pandas as pd

from amb.stats.columns import p_value, percent, seconds, show_interval
from amb.stats.question import DEFAULT, Question
from amb.stats.signed_rank import smallest_p


def verdict(ranking: pd.DataFrame, pairs: pd.DataFrame, question: Question = DEFAULT) -> str:
    """One sentence: who is best, by how much, how surely and at what cost; `basis` says what it rests on.

    It claims no more than the tests do: a solver "beats" another only where the Holm-corrected p-value is
    at most alpha; where no number of wins could have been enough, it says "underpowered".

    Args:
        ranking: of `ranking`.
        pairs: of `compare_pairs` with `add_effects` (and, if wanted, `add_posteriors`).
        question: what was asked.
    """
    solvers = list(ranking["solver"])
    problems = int(ranking["problems"].iloc[0])
    if problems == 0:
        return (
            "No verdict: there is no problem on which every solver has a run; "
            "let the study finish, or compare fewer solvers."
        )
    if len(solvers) == 1:
        row = ranking.iloc[0]
        show = question.scoring
        interval = show_interval(show, row["low"], row["high"])
        found = f"{show.label} {show.show(row['score'])} {interval}"
        return f"{solvers[0]} alone: {found}, with nothing to compare it with."
    lead = _against_control(ranking, pairs, question) if question.control else _best(ranking, pairs, question)
    return f"{lead}{_cost(ranking)}."


def basis(ranking: pd.DataFrame, pairs: pd.DataFrame, elsewhere: pd.DataFrame) -> str:
    """What a verdict rests on: problems, clusters, seeds, failures, tests and intervals.

    Args:
        ranking, pairs: as of `verdict`.
        elsewhere: scored runs that count nowhere, because not every solver has one on their problems.
    """
    problems = int(ranking["problems"].iloc[0])
    left_out = _runs(len(elsewhere), int(elsewhere["failed"].sum()))
    if problems == 0:
        return f"No problem is common to all solvers, so nothing of {left_out} is compared."
    facts = [_plural(problems, "problem")]
    if len(pairs):
        facts[0] += f" from {_plural(int(pairs['clusters'].iloc[0]), 'pair')} of generator and target"
    facts.append(_runs(int(ranking["runs"].sum()), int(ranking["failures"].sum())))
    if len(pairs):
        facts.append(f"{pairs['method'].iloc[0]} over {_plural(len(pairs), 'comparison')}")
        facts.append(f"in brackets the {pairs['level'].iloc[0]:.0%} nested-bootstrap interval")
    caution = ""
    if len(elsewhere):
        others = _plural(elsewhere["problem"].nunique(), "problem")
        caution += f" On {others} more not every solver has a run: these count nowhere ({left_out})."
    if int(ranking["runs"].max()) <= problems:
        caution += " With a single run a problem, chance in the runs themselves is not averaged out."
    if len(pairs) and int(pairs["clusters"].iloc[0]) == 1:
        caution += " With a single generator and target, nothing here speaks for other networks."
    return f"Based on {'; '.join(facts)}.{caution}"


def _best(ranking: pd.DataFrame, pairs: pd.DataFrame, question: Question) -> str:
    best, second, *_ = ranking["solver"]
    involved = pairs[(pairs["first"] == best) | (pairs["second"] == best)]
    ahead = np.where(involved["first"] == best, involved["balance"], -involved["balance"]) > 0
    rival = np.where(involved["first"] == best, involved["second"], involved["first"])
    beaten = [str(s) for s in rival[involved["differs"] & ahead]]
    equal = [str(s) for s in rival[~(involved["differs"] & ahead)]]
    effect = _effect(pairs, best, second, question)
    if len(ranking) == 2 and beaten:
        return f"{best} is best: it beats {second} by {effect}"
    if not equal:
        p = p_value(involved["p_holm"].max())
        return (
            f"{best} is best: it beats each of the {len(beaten)} other solvers (largest Holm p {p}), "
            f"the runner-up {second} by {effect}"
        )
    if beaten:
        p = p_value(involved.loc[involved["differs"] & ahead, "p_holm"].max())
        return (
            f"{best} ranks first and beats {_list(beaten)} (largest Holm p {p}), but is not shown to be "
            f"better than {_list(equal)}: its difference to {second} is {effect}"
        )
    if (pairs["note"] == "all tied").all():
        return "All solvers tie on every problem: these problems cannot tell them apart at this budget"
    if pairs["note"].isin(["underpowered", "all tied"]).all():
        problems, count = int(ranking["problems"].iloc[0]), len(pairs)
        least = min(1.0, count * smallest_p(problems))
        reason = (
            f"{_plural(problems, 'problem')} and {_plural(count, 'comparison')} cannot give a Holm p below {least:.2g}"
            if least > question.alpha
            else "too many problems are tied for any difference to become significant"
        )
        return (
            f"Underpowered, so no winner can be named: {reason}; {best} ranks first, and its difference to "
            f"{second} is {effect}"
        )
    elsewhere = int(pairs["differs"].sum())
    tail = f" ({_plural(elsewhere, 'difference')} among the others)" if elsewhere else ""
    return (
        f"No winner is shown{tail}: {best} ranks first, and its difference to {second} is "
        f"{effect}{_same(pairs, best, second)}"
    )


def _against_control(ranking: pd.DataFrame, pairs: pd.DataFrame, question: Question) -> str:
    control = str(question.control)
    better = list(pairs.loc[pairs["differs"] & (pairs["balance"] > 0), "first"])
    worse = list(pairs.loc[pairs["differs"] & (pairs["balance"] < 0), "first"])
    alike = list(pairs.loc[~pairs["differs"], "first"])
    parts = []
    if better:
        parts.append(f"{_list(better)} {_verb(better, 'beats', 'beat')} the control {control}")
    if worse:
        parts.append(f"{_list(worse)} {_verb(worse, 'is', 'are')} worse than the control {control}")
    if alike:
        why = ""
        if pairs.loc[~pairs["differs"], "note"].eq("underpowered").all():
            why = " (underpowered: no outcome could have shown it)"
        parts.append(f"no difference from the control {control} is shown for {_list(alike)}{why}")
    top = str(pairs["first"].iloc[0])
    effect = _effect(pairs, top, control, question)
    return f"{'; '.join(parts)}; the best-ranked challenger, {top}, differs by {effect}"


def _effect(pairs: pd.DataFrame, first: str, second: str, question: Question) -> str:
    straight = pairs[(pairs["first"] == first) & (pairs["second"] == second)]
    row = (straight if len(straight) else pairs[(pairs["first"] == second) & (pairs["second"] == first)]).iloc[0]
    sign = 1 if len(straight) else -1
    difference, ends = sign * row["difference"], sorted((sign * row["low"], sign * row["high"]))
    measure = question.scoring
    interval = show_interval(measure, *ends, difference=True)
    shown = [measure.show_difference(difference), *([] if interval == "–" else [interval])]
    words = f"{' '.join(shown)} in {measure.noun}"
    return words if row["note"] else f"{words} (Holm p {p_value(row['p_holm'])})"


def _same(pairs: pd.DataFrame, first: str, second: str) -> str:
    if "equal" not in pairs:
        return ""
    row = pairs[pairs["first"].isin([first, second]) & pairs["second"].isin([first, second])].iloc[0]
    if row["equal"] < 0.5:
        return ""
    return f", practically equal (within {row['rope']:.0%} of the range) with probability {row['equal']:.2f}"


def _cost(ranking: pd.DataFrame) -> str:
    """Seconds only where every run had the machine for itself."""
    first, second = ranking.iloc[0], ranking.iloc[1]
    words = []
    if first["timed"] and second["timed"]:
        own, other = seconds(first["solver_seconds"]), seconds(second["solver_seconds"])
        words.append(f"a run of {first['solver']} takes {own} s of solver time, one of {second['solver']} {other} s")
    if np.isfinite(first["ert"]):
        words.append(
            f"{first['solver']} comes to 75% of the way to the best known in {first['ert']:,.0f} queries (expected, "
            f"all problems pooled; {percent(first['hit_share'])} of runs arrive)"
        )
    return "".join(f"; {part}" for part in words)


def _runs(count: int, failures: int) -> str:
    return f"{_plural(count, 'run')}, {f'{failures:,}' if failures else 'none'} failed"


def _plural(n: int, word: str) -> str:
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"


def _verb(names: list[str], one: str, many: str) -> str:
    return one if len(names) == 1 else many


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
