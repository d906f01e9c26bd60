"""The whole comparison in one call."""

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from amb.errors import AmbError
from amb.sight import CLASSES, Sight
from amb.stats.bayes import add_posteriors
from amb.stats.classes import across, across_words, leading, sights
from amb.stats.effects import add_effects, score_intervals
from amb.stats.equal import check_budgets, equal_seeds
from amb.stats.exploratory import problem_tests
from amb.stats.gap import ranges
from amb.stats.metrics import Traces
from amb.stats.omnibus import omnibus
from amb.stats.pairs import compare_pairs
from amb.stats.panel import make_panel
from amb.stats.queries import THRESHOLD, queries_to
from amb.stats.question import DEFAULT, Question
from amb.stats.ranking import apart, ranking, unranked
from amb.stats.runtimes import add_costs
from amb.stats.scores import blocks, check_runs, median_scores, score_runs, timed
from amb.stats.sentences import sentence
from amb.stats.verdict import basis, verdict


@dataclass(frozen=True)
class Analysis:
    """The results of the pipeline.

    Attributes:
        question: what was asked.
        scored: the runs with their scores (`score_runs`).
        medians: one row per problem and solver (`median_scores`).
        omnibus: one row, Friedman's test.
        pairs: one row per pair: test, effect, interval, posterior.
        ranking: one row per solver, the best first.
        aside: one row per solver of another class than the ranking's, in its columns: image-seeing solvers, ranked
            among themselves, then white-box solvers, which are not ranked. No other table but `across` holds them.
        across: solvers of another ranked class, each against the first of the ranking, in the columns of `pairs`.
        across_words: the same in a sentence, which says what each class sees; "" without such solvers.
        verdict: the result in one sentence.
        basis: what the verdict rests on.
    """

    question: Question
    scored: pd.DataFrame
    medians: pd.DataFrame
    omnibus: pd.DataFrame
    pairs: pd.DataFrame
    ranking: pd.DataFrame
    aside: pd.DataFrame
    across: pd.DataFrame
    across_words: str
    verdict: str
    basis: str

    @cached_property
    def problem_tests(self) -> pd.DataFrame:
        """One row per problem and pair: exploratory tests between seeds, computed when first used."""
        return problem_tests(self.scored, control=self.question.control)

    def copy(self) -> "Analysis":
        """The same results in tables of their own."""
        tables = {
            f.name: table.copy() for f in fields(self) if isinstance(table := getattr(self, f.name), pd.DataFrame)
        }
        return replace(self, **tables)

    @property
    def table(self) -> pd.DataFrame:
        """The ranking and, below it, solvers of other classes."""
        if self.aside.empty:
            return self.ranking
        return pd.concat([self.ranking, self.aside], ignore_index=True)


@dataclass(frozen=True)
class _Ranked:
    """The solvers of one class, scored, tested and ranked: all runs scored, and the tables of `Analysis`."""

    everything: pd.DataFrame
    scored: pd.DataFrame
    medians: pd.DataFrame
    ordered: pd.DataFrame
    pairs: pd.DataFrame
    ranking: pd.DataFrame


def analyse(
    runs: pd.DataFrame,
    traces: Traces,
    question: Question = DEFAULT,
    *,
    resamples: int = 10_000,
    seed: int = 0,
    **changes: Any,
) -> Analysis:
    """Score, test and rank the solvers of a runs table, and estimate how large the differences are.

    The comparison is about the solvers that see values only or, if there are none, about those that see images. Runs of
    other classes do not affect its results, not even what counts as the best known value.

    Only equal things are compared: problems on which every solver has runs, and as many seeds of each solver there.

    Args:
        runs: one row per run, with the columns `amb.stats.scores.COLUMNS`; `sees` is what the solver sees besides
            values (`amb.sight`), "values" if there is no such column.
        traces: the values of each run in query order, by (problem, solver, seed).
        question: the metric, the error rate, what counts as equal, the control, and the level of the tests.
        resamples: number of draws of the Bayesian test's posterior; everything else is exact.
        seed: seed of these draws.
        changes: fields of the question by name, such as ``control="tt-b"``.

    Raises:
        AmbError: no runs, a run twice, missing columns, runs of a problem that had different budgets, an unknown
            control, or a comparison by seconds of runs that did not have the machine to themselves.
    """
    question = replace(question, **changes)
    runs = check_runs(runs)
    if question.metric == "seconds":
        _check_timed(runs)
    lead = leading(runs)
    if lead is None:
        raise AmbError(sentence("no class to rank", solvers=sorted(set(runs["solver"]))))
    others, runs = runs[sights(runs) != lead], runs[sights(runs) == lead]
    check_budgets(runs)
    known = ranges(runs, traces)
    rng = np.random.default_rng(seed)
    found = _rank(runs, traces, known, question, resamples, rng)
    common = found.everything["problem"].isin(found.ordered.index)
    words = verdict(found.ranking, found.pairs, question)
    surplus = len(found.everything) - len(found.scored)
    facts = basis(found.ranking, found.pairs, found.everything[~common], question, surplus=surplus)
    below, crossed, crossed_words = _other_classes(others, found, traces, known, lead, question, resamples, rng)
    tables = found.scored, found.medians, omnibus(found.ordered), found.pairs, found.ranking
    return Analysis(question, *tables, below, crossed, crossed_words, words, facts)


def _rank(
    runs: pd.DataFrame,
    traces: Traces,
    known: pd.DataFrame,
    question: Question,
    resamples: int,
    rng: np.random.Generator,
) -> _Ranked:
    """Score, test and rank the solvers of one class, on the scale of `known`."""
    metric, control = question.metric, question.control
    everything = score_runs(runs, traces, metric=metric, bounds=known)
    scored = equal_seeds(everything)
    medians = median_scores(scored)
    ordered, plain = blocks(medians, "ordered"), blocks(medians, "score")
    problems = medians.drop_duplicates("problem").set_index("problem")[["generator", "target", "layer"]]
    solvers = [str(solver) for solver in ordered.columns]
    scores = make_panel(scored, solvers, "score")
    hits = queries_to(scored, traces, fractions=[THRESHOLD], bounds=known)
    pairs = compare_pairs(ordered, plain, problems, alpha=question.alpha_now, control=control, level=question.level)
    pairs = add_effects(pairs, scores, make_panel(scored, solvers, "ordered"), problems, question)
    pairs = add_costs(pairs, hits[hits["problem"].isin(ordered.index)])
    spans = known["best"] - known["start"] if metric in ("final", "anytime") else pd.Series(1.0, known.index)
    pairs = add_posteriors(pairs, plain, spans, rope=question.rope, draws=resamples, rng=rng)
    pairs["metric"] = metric
    table = ranking(scored, ordered, pairs, score_intervals(scores), hits, known["anchored"], control=control)
    return _Ranked(everything, scored, medians, ordered, pairs, table)


def _other_classes(
    runs: pd.DataFrame,
    lead_found: _Ranked,
    traces: Traces,
    known: pd.DataFrame,
    lead: Sight,
    question: Question,
    resamples: int,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """The rows below the ranking, the pairs across classes and their sentence, on the compared problems."""
    compared, free = lead_found.ordered.index, replace(question, control=None)
    crossed, words, below = pd.DataFrame(), "", []
    for sight, kind in CLASSES.items():
        own = runs[(sights(runs) == sight) & runs["problem"].isin(known.index)]
        here = own[own["problem"].isin(compared)]
        if here.empty:
            continue
        if not kind.ranked:
            below.append(_unranked(here, own, traces, known.loc[compared], question.metric, asked=len(known)))
            continue
        found = _rank(own, traces, known, free, resamples, rng)
        below.append(apart(found.ranking, kind.name, len(known)))
        best, solvers = str(lead_found.ranking["solver"].iloc[0]), [str(s) for s in found.ranking["solver"]]
        rivals = lead_found.everything[lead_found.everything["solver"] == best]
        # Scored together, so that failures and ties of one class are worth the same as those of the other.
        both = score_runs(
            pd.concat([found.everything, rivals], ignore_index=True), traces, metric=question.metric, bounds=known
        )
        crossed = across(equal_seeds(both), traces, known, best, solvers, free)
        words = across_words(crossed, sight, lead, free)
    return (pd.concat(below, ignore_index=True) if below else pd.DataFrame()), crossed, words


def _check_timed(runs: pd.DataFrame) -> None:
    """Refuse to compare seconds that are shares of joint batches."""
    untimed = ~timed(runs) & ~runs["failed"].astype(bool)  # a failed run scores the worst cost, whatever time it took
    if untimed.any():
        raise AmbError(
            f"{untimed.sum():,} of {len(runs):,} runs were not timed alone on one machine, so their seconds are not "
            "comparable: rerun them with --timing, in a new study if this one has runs of several machines, or choose "
            "another metric"
        )


def _unranked(
    runs: pd.DataFrame, covered: pd.DataFrame, traces: Traces, bounds: pd.DataFrame, metric: str, *, asked: int
) -> pd.DataFrame:
    """Rows of solvers that are not ranked, with the thresholds of those that are."""
    counts = covered.groupby("solver")["problem"].nunique()
    scored = score_runs(runs, traces, metric=metric, bounds=bounds)
    panels = [make_panel(scored, [str(solver)]) for solver in scored["solver"].unique()]
    intervals = pd.concat([score_intervals(panel) for panel in panels])
    hits = queries_to(runs, traces, fractions=[THRESHOLD], bounds=bounds)
    table = unranked(scored, intervals, hits)
    return table.assign(covered=table["solver"].map(counts), asked=asked)
