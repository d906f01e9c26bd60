"""The whole comparison in one call."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from amb.errors import AmbError
from amb.stats.bayes import add_posteriors
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
from amb.stats.ranking import ranking, unranked
from amb.stats.runtimes import add_costs
from amb.stats.scores import blocks, check_runs, competing, median_scores, score_runs, timed, white_box_runs
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
        white_box: one row per solver that sees gradients, in the columns of `ranking`; no other table holds these
            solvers.
        verdict: the result in one sentence.
        basis: what the verdict rests on.
    """

    question: Question
    scored: pd.DataFrame
    medians: pd.DataFrame
    omnibus: pd.DataFrame
    pairs: pd.DataFrame
    ranking: pd.DataFrame
    white_box: pd.DataFrame
    verdict: str
    basis: str

    @cached_property
    def problem_tests(self) -> pd.DataFrame:
        """One row per problem and pair: exploratory tests between seeds, computed when first used."""
        return problem_tests(self.scored, control=self.question.control)

    @property
    def table(self) -> pd.DataFrame:
        """The ranking and, below it, the rows of white-box solvers, which are not ranked."""
        if self.white_box.empty:
            return self.ranking
        return pd.concat([self.ranking, self.white_box], ignore_index=True)


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

    White-box runs do not affect the results of other solvers, not even what counts as the best known value.

    Only equal things are compared: problems on which every solver has runs, and as many seeds of each solver there.

    Args:
        runs: one row per run, with the columns `amb.stats.scores.COLUMNS`; `white_box` is True where the solver sees
            gradients.
        traces: the values of each run in query order, by (problem, solver, seed).
        question: the metric, the error rate, what counts as equal, the control, and the level of the tests.
        resamples, seed: number and seed of the draws of the Bayesian test's posterior; everything else is exact.
        changes: fields of the question by name, such as ``control="tt-b"``.

    Raises:
        AmbError: no runs, a run twice, missing columns, runs of a problem that had different budgets, an unknown
            control, or a comparison by seconds of runs that did not have the machine to themselves.
    """
    question = replace(question, **changes)
    metric, control = question.metric, question.control
    runs = check_runs(runs)
    if metric == "seconds":
        _check_timed(runs)
    white_box, runs = runs[white_box_runs(runs)], competing(runs)
    if runs.empty and len(white_box):
        raise AmbError("white-box solvers alone cannot be ranked: add a solver that sees values only")
    check_budgets(runs)
    known = ranges(runs, traces)
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
    pairs = add_posteriors(pairs, plain, spans, rope=question.rope, draws=resamples, rng=np.random.default_rng(seed))
    pairs["metric"] = metric
    table = ranking(scored, ordered, pairs, score_intervals(scores), hits, known["anchored"], control=control)
    common = everything["problem"].isin(ordered.index)
    aside = _white_box_table(white_box, traces, known, ordered.index, metric)
    words = verdict(table, pairs, question)
    facts = basis(table, pairs, everything[~common], question, surplus=len(everything) - len(scored))
    return Analysis(question, scored, medians, omnibus(ordered), pairs, table, aside, words, facts)


def _check_timed(runs: pd.DataFrame) -> None:
    """Refuse to compare seconds that are shares of joint batches."""
    untimed = ~timed(runs) & ~runs["failed"].astype(bool)  # a failed run scores the worst cost, whatever time it took
    if untimed.any():
        raise AmbError(
            f"{untimed.sum():,} of {len(runs):,} runs were not timed alone on this machine, so their seconds are not "
            "comparable: rerun them with --timing, or choose another metric"
        )


def _white_box_table(
    runs: pd.DataFrame,
    traces: Traces,
    known: pd.DataFrame,
    compared: pd.Index,
    metric: str,
) -> pd.DataFrame:
    """The rows below the ranking, on the compared problems and with the thresholds of the solvers in it."""
    covered = runs[runs["problem"].isin(known.index)].groupby("solver")["problem"].nunique()
    runs, bounds = runs[runs["problem"].isin(compared)], known.loc[compared]
    if runs.empty:
        return pd.DataFrame()
    scored = score_runs(runs, traces, metric=metric, bounds=bounds)
    panels = [make_panel(scored, [str(solver)]) for solver in dict.fromkeys(scored["solver"])]
    intervals = pd.concat([score_intervals(panel) for panel in panels])
    hits = queries_to(runs, traces, fractions=[THRESHOLD], bounds=bounds)
    table = unranked(scored, intervals, hits)
    return table.assign(covered=table["solver"].map(covered), asked=len(known))
