"""`amb plan` names a size that is large enough, says what it is based on, and refuses what cannot be planned."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import amb
from amb.cli.app import app
from amb.comparison.pilot import find_pilot, read_pilot
from amb.errors import AmbError, SpecError
from amb.references.lookup import reference
from amb.run.plan import make_plan
from amb.stats.planning import Components
from amb.stats.sizes import GENERAL, HERE, Goal, sizes
from amb.study import published
from amb.study.published import open_study, publish
from amb.study.tables import read_table

ROOT = Path(__file__).parents[2]
PARTS = Components(seed=0.003, problem=0.008, network=0.001)


def planned(*words: str) -> dict[str, object]:
    shown = CliRunner().invoke(app, ["plan", *words, "--json"])
    assert shown.exit_code == 0, shown.output
    return json.loads(shown.stdout)


def test_every_size_is_the_smallest_with_the_power_and_has_its_price() -> None:
    plan = planned("--difference", "0.05", "--solvers", "3", "--budget", "500")
    rows = plan["sizes"]
    assert [(row["claim"], row["seeds"]) for row in rows] == [(c, s) for c in (HERE, GENERAL) for s in (3, 5, 10)]
    for row in rows:
        assert row["enough"]
        assert row["power"] >= 0.8
        assert row["runs"] == 3 * row["problems"] * row["seeds"]
        assert row["queries"] == 500 * row["runs"]
        assert row["hours"] == pytest.approx(row["runs"] * 500 * plan["seconds_per_query"] / 3600)


def test_smaller_differences_more_solvers_and_more_power_need_more() -> None:
    def needed(*goal: float) -> list[int]:
        return [size.problems for size in sizes(Goal(*goal), PARTS, [5], None, 5)]

    usual = needed(0.1, 0.8, 3)
    for harder in (needed(0.07, 0.8, 3), needed(0.1, 0.8, 8), needed(0.1, 0.95, 3), needed(0.1, 0.8, 3, 0.01)):
        assert all(more > fewer for more, fewer in zip(harder, usual, strict=True))


def test_what_cannot_be_reached_is_said() -> None:
    plan = planned("--difference", "0.001", "--seeds", "3")
    assert not any(row["enough"] for row in plan["sizes"])
    assert "no size that was tried is enough" in str(plan["sentence"])


def test_more_problems_do_not_replace_networks() -> None:
    """Six networks that disagree: a claim about networks in general is out of reach however many problems they have."""
    parts = Components(seed=0.003, problem=0.008, network=0.01)
    found = {size.claim: size for size in sizes(Goal(0.05), parts, [5], 6, 5)}
    assert found[HERE].enough
    assert not found[GENERAL].enough


def test_one_network_says_nothing_about_others() -> None:
    found = sizes(Goal(0.05), Components(0.003, 0.008, np.nan), [3, 5], None, 5)
    assert {size.claim for size in found} == {HERE}


def test_fewer_than_six_networks_are_planned_for_a_claim_about_themselves() -> None:
    assert [size.claim for size in sizes(Goal(0.05), PARTS, [5], 2, 5)] == [HERE]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--difference", "0"], "above 0"),
        (["--difference", "nan"], "above 0"),
        (["--difference", "0.05", "--power", "1"], "power"),
        (["--difference", "0.05", "--alpha", "2"], "alpha"),
        (["--difference", "0.05", "--solvers", "1"], "at least 2 solvers"),
        (["--difference", "0.05", "--seeds", "2"], "fewer earn no claim"),
        (["--difference", "0.05", "--networks", "1000"], "at most"),
        (["--difference", "0.05", "--budget", "0"], "--budget must be at least 1"),
        (["--difference", "0.05", "--study", "referense"], "reference"),
    ],
)
def test_impossible_requests_are_refused_in_a_line(words: list[str], message: str) -> None:
    refused = CliRunner().invoke(app, ["plan", *words])
    assert isinstance(refused.exception, AmbError)
    assert message in str(refused.exception)
    assert "\n" not in str(refused.exception)


def test_the_plan_fits_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(app, ["plan", "--difference", "0.02", "--solvers", "20", "--budget", "5000"])
    assert shown.exit_code == 0
    assert max(map(len, shown.stdout.splitlines())) <= 80
    words = " ".join(shown.stdout.split())
    assert "ms per query for image and network (measured on this machine)" in words
    assert not re.search(r"\w+/\w+/\w+/\d", words), "no problem id in a footnote"


def test_a_folder_that_is_not_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AmbError):
        find_pilot(str(tmp_path))
    with pytest.raises(SpecError):
        find_pilot("no-such-study")


def ran(folder: Path, solvers: str, units: int, seeds: int) -> Path:
    """A study of the first units of a small network."""
    problems = [f"cifar10-sngan-int8/snn-cnn/sn1/{unit}" for unit in range(units)]
    amb.compare(solvers, problems, budget=4, seeds=seeds, study=folder, progress=False)
    return folder


def test_a_study_whose_solvers_ran_on_different_problems_is_planned_from_those_that_all_share(tmp_path: Path) -> None:
    both = ran(tmp_path / "both", "random,snes", 3, 3)
    more = ran(tmp_path / "more", "snes", 4, 5)
    publish([open_study(both), open_study(more)], tmp_path / "published")
    pilot, alone = read_pilot(tmp_path / "published"), read_pilot(both)
    assert (pilot.problems, pilot.seeds, pilot.parts.seed) == (3, 3, alone.parts.seed)
    assert pilot.notes == ("left out, since not all solvers ran there: 1 problem and 2 seeds",)


def test_a_plan_from_an_unfinished_study_says_so(tmp_path: Path) -> None:
    folder = ran(tmp_path / "study", "random,snes", 3, 3)
    next((folder / "runs").iterdir()).unlink()
    plan = planned("--difference", "0.1", "--study", str(folder))
    assert "Note: 1 of 18 runs are not finished and left out" in str(plan["basis"])


class Stopping(amb.Solver):
    """Stops with an error before its first query."""

    def _ask(self, limit: int) -> np.ndarray:
        raise RuntimeError("the lamp is broken")


def test_runs_that_stopped_early_do_not_say_what_a_query_costs(tmp_path: Path) -> None:
    """A whole time-out counted as the time of one query, which the hours multiply by whole budgets."""
    folder, problems = tmp_path / "study", [f"toy/small-max-a/sn1/{unit}" for unit in range(3)]
    amb.compare(["random", Stopping], problems, budget=4, seeds=2, study=folder, progress=False)
    runs = amb.open(folder).runs
    whole = runs[runs["solver"] == "random"]
    pilot = read_pilot(folder)
    assert pilot.solvers == 2
    assert pilot.solver_seconds == pytest.approx((whole["solver_seconds"] / 4).mean())
    evaluation = whole["generator_seconds"] + whole["target_seconds"]
    assert pilot.evaluation_seconds == pytest.approx((evaluation / 4).mean())


def test_a_study_in_which_no_run_spent_its_budget_is_refused(tmp_path: Path) -> None:
    stopped = [type(name, (Stopping,), {}) for name in ("One", "Other")]
    problems = [f"toy/small-max-a/sn1/{unit}" for unit in range(3)]
    amb.compare(stopped, problems, budget=4, seeds=2, study=tmp_path / "study", progress=False)
    with pytest.raises(AmbError, match=r"no run of .* spent its budget"):
        read_pilot(tmp_path / "study")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["reference", "reference-networks"])
def test_the_stored_components_are_those_of_the_published_study(name: str) -> None:
    stored, found = find_pilot(name), read_pilot(ROOT / "reports" / name)
    for part in ("seed", "problem", "network"):
        assert getattr(stored.parts, part) == pytest.approx(getattr(found.parts, part), abs=1e-9)
    assert (stored.typical, stored.problems, stored.networks) == (found.typical, found.problems, found.networks)


def test_a_suite_with_options_keeps_its_budget_and_seeds_but_is_not_that_suite() -> None:
    plan, usual = (make_plan("random", name) for name in ("quick[noise=poisson]", "quick"))
    assert (plan.budget, plan.seeds) == (usual.budget, usual.seeds)
    assert plan.problems == tuple(f"{name}[noise=poisson]" for name in usual.problems)
    assert plan.suite is None
    assert usual.suite == "quick-2"


def test_a_published_study_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(open_study(ran(tmp_path / "study", "random,snes", 3, 3)), tmp_path / "published")
    read: list[Path] = []
    monkeypatch.setattr(published, "read_table", lambda path, **more: read.append(path) or read_table(path, **more))
    read_pilot(tmp_path / "published")
    assert read == [tmp_path / "published" / "runs.parquet"]


UNIT = "toy/small-max-a/sn1/0"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (UNIT, f"{UNIT}[grid=even]"),
        (f"{UNIT}[noise=poisson]", f"{UNIT}[noise=poisson,trials=1]"),
        (f"{UNIT}[input=gaussian]", f"{UNIT}[deviation=32.0,input=gaussian]"),
    ],
)
def test_a_problem_is_compared_under_one_name(one: str, other: str) -> None:
    """With its defaults stated as well, it would count twice."""
    with pytest.raises(SpecError, match="are one problem: an option is stated at its default"):
        make_plan("random", f"{other},{one}", budget=5, seeds=1)
    stored = make_plan("random", f"{other},{one}", budget=5, seeds=1, trial=False)
    assert len(stored.problems) == 2  # a study that holds both can still be read
    for alone in (one, other):  # runs are stored by these names
        assert make_plan("random", alone, budget=5, seeds=1, trial=False).problems == (alone,)


def test_an_option_at_its_default_keeps_the_reference_points() -> None:
    """They are found by the fingerprint, which is that of the problem without the option."""
    unit = "cifar10-sngan-int8/snn-cnn/sn1/29"
    known = reference(unit, fingerprint=amb.problem(unit).fingerprint)
    assert known is not None
    for stated in ("[grid=even]", "[grid=even,noise=poisson]"):
        assert reference(unit + stated, fingerprint=amb.problem(unit + stated).fingerprint) == known
    assert reference(f"{unit}[grid=quantile]", fingerprint="another") is None
