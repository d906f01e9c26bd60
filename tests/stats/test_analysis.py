import numpy as np
import pandas as pd
import pytest

from amb.errors import AmbError
from amb.stats import METRICS, Question, analyse, common, pair_columns, ranking_columns, shown


def three(problems: int = 10, seeds: int = 3) -> np.ndarray:
    """c is far behind; a and b are alike, float[problems, 3, seeds]."""
    rng = np.random.default_rng(11)
    level = rng.uniform(0.3, 0.9, (problems, 1, 1))
    return level * [[[1.0], [1.0], [0.6]]] + rng.normal(0, 0.005, (problems, 3, seeds))


def test_the_verdict_claims_what_the_tests_show_and_no_more(study) -> None:  # type: ignore[no-untyped-def]
    """Two alike and one behind: the first beats c and is "not shown to be better" than the other."""
    found = analyse(*study(three(), targets=2), resamples=200)
    best, second = found.ranking["solver"][:2]
    assert {best, second} == {"a", "b"}
    assert f"{best} ranks first and beats c" in found.verdict
    assert f"not shown to be better than {second}" in found.verdict
    assert "10 problems of 2 target networks; 90 runs, none failed" in found.basis
    assert list(found.ranking["letters"]) == ["a", "a", "b"]


def test_few_problems_make_no_winner(study) -> None:  # type: ignore[no-untyped-def]
    """3 problems: underpowered, though c is behind on all."""
    found = analyse(*study(three(3)), resamples=100)
    assert found.verdict.startswith("Underpowered, so no winner can be named: with 3 problems and 3 comparisons")
    assert "nothing here speaks for other networks" in found.basis


def test_a_clear_winner_is_named(study) -> None:  # type: ignore[no-untyped-def]
    """Two solvers, one behind: "is best", with the effect, its interval and the p-value."""
    found = analyse(*study(three()[:, 1:]), resamples=100)
    assert found.verdict.startswith("On the 10 problems run, a is best: it beats b by +0.")
    assert "(Holm p 0.002)" in found.verdict


def test_all_tied_is_said(study) -> None:  # type: ignore[no-untyped-def]
    """Equal finals everywhere: the solvers cannot be distinguished."""
    assert analyse(*study(np.full((8, 3, 2), 0.5)), resamples=50).verdict.startswith("All solvers tie")


def test_one_problem_one_run_has_no_interval(study) -> None:  # type: ignore[no-untyped-def]
    """Nothing varies, so no spread is pretended."""
    found = analyse(*study(three(1, 1)), resamples=50)
    assert found.ranking[["low", "high"]].isna().all(axis=None)


def test_one_solver_is_described(study) -> None:  # type: ignore[no-untyped-def]
    """Nothing to compare with: a table of one row, and a sentence that says so."""
    found = analyse(*study(three()[:, :1]), resamples=50)
    assert "There is no other solver to compare it with." in found.verdict
    assert len(found.ranking) == 1


def test_no_common_problem_gives_no_verdict(study) -> None:  # type: ignore[no-untyped-def]
    """Solvers that never met are not compared."""
    runs, traces = study(three(2))
    apart = (runs["problem"] == "gan/net0/conv/0") == (runs["solver"] == "a")
    found = analyse(runs[apart], traces, resamples=50)
    assert found.verdict.startswith("No verdict")
    assert found.basis == "No problem is common to all solvers, so none of the 9 runs (none failed) is compared."
    assert (found.ranking["letters"] == "").all()
    assert (found.ranking["runs"] == 0).all()


def test_every_column_is_of_the_problems_that_all_have_run(study) -> None:  # type: ignore[no-untyped-def]
    """A solver that has also run elsewhere, badly or well, is judged by what all have run; what is left out is said."""
    finals = three(12)
    finals[10:, 0] = 0.01  # where a is alone, it is bad
    finals[11, 0, 0] = np.nan
    runs, traces = study(finals, targets=3)
    runs["normalized"] = runs["final"] / 2
    elsewhere = runs["unit"].isin(["10", "11"])
    part = runs[~elsewhere | (runs["solver"] == "a")]
    found, alone = analyse(part, traces, resamples=50), analyse(runs[~elsewhere], traces, resamples=50)
    assert list(shown(found.ranking)["problems"]) == ["10/12" if s != "a" else "12/12" for s in found.ranking["solver"]]
    assert "problems" not in shown(alone.ranking)
    coverage = ["covered", "asked"]
    pd.testing.assert_frame_equal(found.ranking.drop(columns=coverage), alone.ranking.drop(columns=coverage))
    assert found.verdict == alone.verdict
    assert "10 problems" in found.basis
    assert "90 runs, none failed" in found.basis
    assert "Another 2 problems, on which not every solver has a run, are left out (6 runs, 1 failed)." in found.basis
    assert common(part)["problem"].nunique() == 10


def test_seconds_are_claimed_only_where_runs_were_timed(study) -> None:  # type: ignore[no-untyped-def]
    """One run that shared the machine, or of which nothing is said, is enough for silence and for a refusal."""
    runs, traces = study(three(), targets=2)
    timed = analyse(runs, traces, resamples=50)
    assert "s of solver time" in timed.verdict
    assert timed.ranking["timed"].all()
    crowded = runs.assign(timing=[*[True] * (len(runs) - 1), False])
    assert "solver time" not in analyse(crowded[crowded["solver"] != "b"], traces, resamples=50).verdict
    with pytest.raises(AmbError, match=r"1 of 90 runs were not timed alone.*--timing"):
        analyse(crowded, traces, Question("seconds"), resamples=50)
    with pytest.raises(AmbError, match="90 of 90 runs were not timed"):
        analyse(runs.drop(columns="timing"), traces, Question("seconds"), resamples=50)


def test_a_failed_run_is_the_worst_even_without_seconds(study) -> None:  # type: ignore[no-untyped-def]
    """A skipped run was never timed; the others are ranked by seconds all the same."""
    finals = three()
    finals[0, 2] = np.nan
    runs, traces = study(finals)
    runs["timing"] = runs["final"].notna()
    assert list(analyse(runs, traces, Question("seconds"), resamples=50).ranking["solver"]) == ["a", "b", "c"]


def test_failures_are_in_sight(study) -> None:  # type: ignore[no-untyped-def]
    """A crash counts in the ranking, in the sentence, and against the solver."""
    finals = three()
    finals[:, 0] = np.nan
    found = analyse(*study(finals), resamples=50)
    last = found.ranking.iloc[-1]
    assert (last["solver"], last["failures"], last["runs"]) == ("a", 30, 30)
    assert "90 runs, 30 failed" in found.basis


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("control", [None, "b"])
def test_every_metric_and_a_control_can_be_shown(study, metric: str, control: str | None) -> None:  # type: ignore[no-untyped-def]
    """Tables of text without NaN or inf, and a verdict, whatever is compared."""
    question = Question(metric, control=control)
    found = analyse(*study(three()), question, resamples=50)
    for table in (shown(found.ranking, ranking_columns(question)), shown(found.pairs, pair_columns(question))):
        text = table.to_string()
        assert "nan" not in text
        assert "inf" not in text
    assert found.verdict
    if control:
        assert f"the control {control}" in found.verdict


def test_the_same_seed_gives_the_same_tables(study) -> None:  # type: ignore[no-untyped-def]
    """The posterior depends on nothing but its seed, and nothing else is random."""
    first, again, other = (analyse(*study(three()), resamples=50, seed=s) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(first.pairs, again.pairs)
    pd.testing.assert_frame_equal(first.ranking, again.ranking)
    pd.testing.assert_frame_equal(first.ranking, other.ranking)
    assert not analyse(*study(three(12) ** 4), resamples=20, seed=1).pairs.equals(
        analyse(*study(three(12) ** 4), resamples=20, seed=2).pairs
    )


def test_the_order_of_rows_does_not_matter(study) -> None:  # type: ignore[no-untyped-def]
    """Runs are paired by problem, never by their place in the table."""
    runs, traces = study(three())
    straight, mixed = (
        analyse(runs, traces, resamples=50),
        analyse(runs.sample(frac=1, random_state=3), traces, resamples=50),
    )
    key = ["first", "second"]
    columns = [*key, "wins", "p_holm", "difference", "a12"]
    pd.testing.assert_frame_equal(
        straight.pairs[columns].sort_values(key, ignore_index=True),
        mixed.pairs[columns].sort_values(key, ignore_index=True),
    )


def test_expected_queries_are_those_of_all_runs_over_the_runs_that_reach_the_threshold(study) -> None:  # type: ignore[no-untyped-def]
    """Two runs of three reach it with their last of 20 queries; a run that misses has spent its 20 too."""
    finals = np.full((2, 2, 3), 0.9)
    finals[:, 1, 2] = 0.1
    found = analyse(*study(finals), resamples=20).ranking.set_index("solver")
    assert found.loc["b", "hit_share"] == pytest.approx(2 / 3)
    assert found.loc["b", "ert"] == pytest.approx(30)
    finals[:, 1] = 0.1
    lost = analyse(*study(finals), resamples=20).ranking
    assert np.isinf(lost.set_index("solver").loc["b", "ert"])
    assert list(shown(lost)["expected queries to 75%"]) == ["20", "never"]


@pytest.mark.parametrize(
    ("known", "gap"),
    [
        (10, "the gap between chance and the best known value"),
        (0, "the gap between the floor and the best value of these runs"),
        (4, "each problem's gap"),
    ],
)
def test_the_verdict_says_what_the_gap_is_of_the_compared_problems(study, known: int, gap: str) -> None:  # type: ignore[no-untyped-def]
    """Chance and the best known value only where all of them have reference points; left-out problems do not count."""
    runs, traces = study(three(12))
    unit = runs["unit"].astype(int)
    runs = runs.assign(chance=0.1, best_known=np.where(unit < known, 0.5, np.nan))
    runs.loc[unit == 10, "best_known"] = 0.5  # of the two problems that c lacks, one has reference points
    found = analyse(runs[(unit < 10) | (runs["solver"] != "c")], traces, resamples=20)
    assert f" closes 75% of {gap} on " in found.verdict
    assert (found.ranking["anchored"] == known / 10).all()
    for name in ("ert", "hit_share"):
        assert "75% of the problem's gap" in ranking_columns()[name].help


def test_normalized_scores_are_shown_next_to_the_raw_ones(study) -> None:  # type: ignore[no-untyped-def]
    """Median over seeds, then over the problems that have reference points; a failed run counts as chance."""
    finals = three(3)
    finals[0, 1] = np.nan
    runs, traces = study(finals)
    unknown = analyse(runs, traces, resamples=50).ranking
    assert unknown["normalized"].isna().all()
    assert "normalized" not in shown(unknown)
    values = {"a": [0.5, 0.7, 9.0], "b": [np.nan, 0.6, 9.0], "c": [0.1, 0.2, 9.0]}
    runs["normalized"] = [values[solver][int(unit)] for solver, unit in zip(runs["solver"], runs["unit"], strict=True)]
    runs[["chance", "best_known"]] = 0.0, 1.0
    runs.loc[runs["unit"] == "2", ["normalized", "chance", "best_known"]] = np.nan
    table = analyse(runs, traces, resamples=50).ranking
    assert table.set_index("solver")["normalized"].to_dict() == pytest.approx({"a": 0.6, "b": 0.3, "c": 0.15})
    assert "normalized" in shown(table)


def test_the_normalized_activation_of_a_solver_is_the_same_whoever_it_is_compared_with(study) -> None:  # type: ignore[no-untyped-def]
    """Problems on which no compared solver had a value were left out, with all their failures."""
    finals = np.tile(np.array([0.4, 0.5, 0.1])[None, :, None], (6, 1, 3))
    finals[:3, :2] = np.nan  # the third solver finishes everywhere
    runs, traces = study(finals)
    runs = runs.assign(chance=0.0, best_known=1.0, normalized=runs["final"])
    found, fewer = (
        analyse(table, traces, resamples=50).ranking.set_index("solver")["normalized"]
        for table in (runs, runs[runs["solver"] != "c"])
    )
    assert fewer.to_dict() == {"a": pytest.approx(0.2), "b": pytest.approx(0.25)}
    assert found[["a", "b"]].to_dict() == fewer.to_dict()
