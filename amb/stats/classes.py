"""Classes of solvers: which runs are ranked first, which apart, and what a comparison across classes says."""

import pandas as pd

from amb.sight import CLASSES, Sight, leading_of
from amb.stats.effects import add_effects
from amb.stats.formats import UNKNOWN, difference, difference_interval, expected_queries, p_value
from amb.stats.metrics import Traces
from amb.stats.pairs import compare_pairs
from amb.stats.panel import make_panel
from amb.stats.queries import THRESHOLD, queries_to
from amb.stats.question import Question
from amb.stats.runtimes import add_costs
from amb.stats.scores import blocks, median_scores
from amb.stats.sentences import sentence


def sights(runs: pd.DataFrame) -> pd.Series:
    """What each run's solver sees besides values (`Solver.sees`); "values" if the table has no such column."""
    return runs["sees"] if "sees" in runs else pd.Series("values", index=runs.index)


def leading(runs: pd.DataFrame) -> Sight | None:
    """The class that the comparison is about: the first ranked one that has runs; None if no run is of a ranked one."""
    return leading_of(sights(runs))


def competing(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of the leading class, black boxes if there are any: what is ranked first, tested and drawn."""
    return runs[sights(runs) == leading(runs)]


def across(
    scored: pd.DataFrame, traces: Traces, bounds: pd.DataFrame, best: str, solvers: list[str], question: Question
) -> pd.DataFrame:
    """Solvers of another class, each against the best of the leading class, in the columns of the pairs.

    The best was chosen after its results were seen, which favours it. Only problems are compared on which all have
    runs.

    Args:
        scored: the runs of `best` and `solvers` with their scores, equal numbers of seeds.
        traces, bounds: as for `queries_to`.
        best: the first of the leading class's ranking.
        solvers: those of the other class.
        question: what was asked; its control plays no part.
    """
    medians = median_scores(scored)
    ordered, plain = blocks(medians, "ordered"), blocks(medians, "score")
    problems = medians.drop_duplicates("problem").set_index("problem")[["generator", "target", "layer"]]
    names = [best, *solvers]
    pairs = compare_pairs(ordered, plain, problems, alpha=question.alpha_now, control=best, level=question.level)
    pairs = add_effects(pairs, make_panel(scored, names), make_panel(scored, names, "ordered"), problems, question)
    hits = queries_to(scored, traces, fractions=[THRESHOLD], bounds=bounds)
    return add_costs(pairs, hits[hits["problem"].isin(ordered.index)])


def across_words(pairs: pd.DataFrame, sight: Sight, lead: Sight, question: Question) -> str:
    """What a comparison across classes says: the difference, what the other knew, and the queries of both.

    Args:
        pairs: the table of `across`; its first row is about the first of the other class.
        sight: what the other class sees.
        lead: what the leading class sees.
        question: what was asked.
    """
    if not len(pairs) or not int(pairs["problems"].iloc[0]):
        return ""
    row, logarithmic = pairs.iloc[0], question.scoring.logarithmic
    effect = difference(row["difference"], logarithmic=logarithmic)
    interval = difference_interval(*sorted((row["low"], row["high"])), logarithmic=logarithmic)
    first, second = str(row["first"]), str(row["second"])
    words = {
        "solver": first,
        "best": second,
        "knows": CLASSES[sight].knows,
        "less": CLASSES[lead].knows,
        "difference": effect if interval == UNKNOWN else f"{effect} {interval}",
        "quantity": question.scoring.noun,
        "p": p_value(row["p_holm"]),
    }
    text = sentence("across classes", **words)
    solvable = int(row["solvable"])
    if solvable:
        counts = {"own": int(row["solved_first"]), "other": int(row["solved_second"]), "problems": solvable}
        text += "; " + sentence("across classes, queries", solver=first, best=second, **counts)
        if int(row["solved_both"]):
            text += sentence(
                "cost where both do",
                queries=expected_queries(row["queries_first"]),
                others=expected_queries(row["queries_second"]),
                both=int(row["solved_both"]),
            )
    return f"{text}."
