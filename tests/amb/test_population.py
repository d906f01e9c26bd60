"""Neurons that are recorded together: one presentation answers for all, runs of a study like any others."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import command
from typer.testing import CliRunner

import amb
from amb import FunctionProblem, Space
from amb.catalogue.given import Given, name_solvers
from amb.catalogue.noise import observed_with
from amb.catalogue.solvers import resolve
from amb.cli.app import app
from amb.cli.population import _print
from amb.comparison.population import WAYS, Population
from amb.contracts.problem import Problem
from amb.errors import CandidateError, SolverError, SpecError, StudyError
from amb.references.lookup import reference
from amb.run.plan import make_plan
from amb.run.population import record, recordings
from amb.run.recording import LiveRecording
from amb.stats.question import DEFAULT
from amb.stats.sharing import gains
from amb.study.journal import Journal, find_journals, read_journal
from amb.study.published import open_study, publish
from amb.study.runs import RunPlan, RunRecord, Trace
from amb.study.study import Study
from amb.text import plural

SPACE = Space.uniform(20, 16)
SECONDS = ["solver_seconds", "generator_seconds", "target_seconds"]


class Neuron(FunctionProblem):
    """Neurons with neighbouring peaks, so that what drives one is worth knowing for the next."""

    group = "recording"  # type: ignore[assignment]


def neuron(unit: int, **options: object) -> Problem:
    def response(candidates: np.ndarray) -> np.ndarray:
        return np.exp(-np.abs(candidates - 7 - unit).mean(axis=1) / 3)

    return observed_with(Neuron(response, SPACE, id=f"p/q/r/{unit}"), options)  # type: ignore[arg-type]


def plans(
    neurons: list[Problem], solver: str | type[amb.Solver], budget: int, seed: int = 0, sharing: str = "learn"
) -> tuple[list[tuple[RunPlan, ...]], Given]:
    names, objects = name_solvers(solver)
    given = Given(objects, {one.id: one for one in neurons})
    plan = make_plan(names, [n.id for n in neurons], budget=budget, seeds=[seed], given=given)
    return recordings(plan, sharing), given  # type: ignore[arg-type]


def recorded(
    folder: Path,
    neurons: list[Problem],
    solver: str | type[amb.Solver],
    budget: int,
    seed: int = 0,
    sharing: str = "learn",
) -> list[tuple[RunRecord, Trace]]:
    """One recording; the budget is each search's."""
    wanted, given = plans(neurons, solver, budget, seed, sharing)
    study = Study(folder)
    record(wanted, study, lambda spec: given.problem(spec, device="cpu"), find_solver=given.solver)
    assert len(wanted) == 1
    found = [study.load(run) for run in wanted[0]]
    assert all(found)
    return found  # type: ignore[return-value]


def test_every_presentation_is_answered_by_every_neuron(tmp_path: Path) -> None:
    """Each neuron has a run, with the same candidates and its own responses."""
    neurons = [neuron(unit) for unit in range(3)]
    runs = recorded(tmp_path, neurons, "one-plus-lambda", 30)
    for one, (ended, trace) in zip(neurons, runs, strict=True):
        assert ended.status == "ok"
        assert ended.queries == len(trace) == 90
        np.testing.assert_array_equal(trace.candidates, runs[0][1].candidates)
        np.testing.assert_array_equal(trace.clean, one.evaluate(trace.candidates))
        assert ended.final == trace.clean.max()
    assert not list((tmp_path / "journal").iterdir())


def test_many_neurons_share_what_they_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of every block for each of 512 neurons took 5.7 GB; so did their journals when they were resumed."""
    shown: list[list[np.ndarray]] = []

    class Noted(Neuron):
        @classmethod
        def observe_together(cls, problems, batches, queries):  # type: ignore[no-untyped-def]
            shown.append(list(batches))
            return super().observe_together(problems, batches, queries)

    monkeypatch.setitem(globals(), "Neuron", Noted)
    neurons = [neuron(unit) for unit in range(7)]
    whole = recorded(tmp_path / "whole", neurons, "one-plus-lambda", 6)
    assert {len(batches) for batches in shown} == {7}
    assert not any(np.shares_memory(*batches[:2]) for batches in shown), "problems of one's own may write into theirs"
    shown.clear()
    monkeypatch.setattr("amb.run.recording.MOST_COPIED", 3 * 7 * 6 * SPACE.d)
    parts = recorded(tmp_path / "parts", neurons, "one-plus-lambda", 6)
    assert 3 <= max(map(len, shown)) < 7
    for (_, one), (_, other) in zip(whole, parts, strict=True):
        assert np.array_equal(one.candidates, other.candidates)
        assert np.array_equal(one.values, other.values)
    shown.clear()
    monkeypatch.setattr(Noted, "__module__", "amb_problems.problem")
    recorded(tmp_path / "ours", neurons, "one-plus-lambda", 6)
    assert all(batch is batches[0] for batches in shown for batch in batches)


def test_a_resumed_recording_holds_what_was_presented_once(tmp_path: Path) -> None:
    neurons = [neuron(unit) for unit in range(3)]
    wanted, given = plans(neurons, "one-plus-lambda", 30)
    study = Study(tmp_path)
    live = LiveRecording(wanted[0], neurons, given.solver("one-plus-lambda"), study)
    live.advance()
    live.close()
    resumed = LiveRecording(wanted[0], neurons, given.solver("one-plus-lambda"), study)
    known = [search._known.candidates for search in resumed.searches]
    assert len(known[0])
    assert all(candidates is known[0] for candidates in known)
    resumed.close()


def test_without_learning_each_search_asks_for_what_it_asks_for_alone(tmp_path: Path) -> None:
    """So the three ways differ in nothing but what is shared."""
    neurons = [neuron(0), neuron(1)]
    amb.population("xdream-ga", neurons, budget=120, seeds=1, study=tmp_path, progress=False)
    wanted, _ = plans(neurons, "xdream-ga", 60, sharing="recommend")
    study = Study(tmp_path)
    for run in wanted[0]:
        together = study.load(run)
        alone = study.load(RunPlan(run.problem, run.fingerprint, run.solver, run.version, run.seed, 60))
        assert together is not None
        assert alone is not None
        shown = {row.tobytes() for row in together[1].candidates}
        assert {row.tobytes() for row in alone[1].candidates} <= shown
        assert together[0].final >= alone[0].final


def test_learning_from_neighbours_finds_better_stimuli(tmp_path: Path) -> None:
    """Averaged over seeds, with as many presentations."""
    neurons = [neuron(unit) for unit in range(4)]
    found = amb.population(
        "one-plus-lambda,xdream-ga,cma", neurons, budget=240, seeds=4, study=tmp_path, progress=False
    )
    means = found.runs.groupby(["solver", "searches"])["final"].mean()
    for solver in ("one-plus-lambda", "xdream-ga", "cma"):
        assert means[solver, "learn from all"] > means[solver, "recommend all"] > means[solver, "separate"], solver


def test_the_same_call_again_runs_nothing_and_finds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    neurons = [neuron(unit) for unit in range(3)]

    def once() -> Population:
        return amb.population("random,one-plus-lambda", neurons, budget=100, seeds=2, study=tmp_path, progress=False)

    first = once()
    assert first.budget == 99
    assert set(first.runs["searches"]) == {"separate", *(way for way, _ in WAYS)}
    assert len(first.runs) == 3 * 2 * (3 + 2)  # `random` does not learn, so it has no third way
    monkeypatch.setattr(Neuron, "evaluate_together", lambda *_: pytest.fail("evaluated again"))
    again = once()
    assert again.runs.equals(first.runs)
    assert again.savings.equals(first.savings)


def test_conditions_act_on_every_neuron_by_itself(tmp_path: Path) -> None:
    """Noise and lost trials are its own, and all presentations adapt it; the same seed gives the same recording."""
    options = {"noise": "poisson", "spikes": 20, "adaptation": 1.0, "strong": 1.0, "drift": 0.3, "lost": 0.1}
    one, other = (
        recorded(tmp_path / name, [neuron(0, **options), neuron(1, **options)], "cma", 40, seed=3) for name in "ab"
    )
    for (_, trace), (_, same) in zip(one, other, strict=True):
        np.testing.assert_array_equal(trace.candidates, same.candidates)
        np.testing.assert_array_equal(trace.values, same.values)
        assert np.isnan(trace.values).any()
        assert not np.isnan(trace.clean).any()
    assert (np.isnan(one[0][1].values) != np.isnan(one[1][1].values)).any()


class Wary(amb.Solver):
    """Looks at the disk whenever it receives values."""

    foreign = True
    folder: Path

    def _ask(self, limit: int) -> np.ndarray:
        return self.space.sample(1, self.rng)

    def _tell(self, candidates: np.ndarray, values: np.ndarray) -> None:
        contents = [read_journal(path) for path in find_journals(self.folder / "journal")]
        assert len(contents) == 2
        for content in contents:
            assert content is not None
            assert (content.known.trace.candidates == candidates[0]).all(axis=1).any()

    _learn_foreign = _tell


def test_responses_of_all_neurons_are_on_the_disk_before_a_solver_receives_one(tmp_path: Path) -> None:
    Wary.folder = tmp_path
    assert all(not ended.failed for ended, _ in recorded(tmp_path, [neuron(0), neuron(1)], Wary, 10))


def test_a_disk_that_fills_up_within_a_block_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some neurons' journals hold the block, others do not: those alone are measured again when it resumes."""
    neurons = [neuron(unit) for unit in range(3)]
    quiet = recorded(tmp_path / "quiet", neurons, "cma", 60)
    append, calls = Journal.append, iter(range(100))

    def failing(self: Journal, *block: object, **options: object) -> None:
        if next(calls) == 7:
            raise StudyError("the disk is full")
        append(self, *block, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Journal, "append", failing)
    with pytest.raises(StudyError, match="disk is full"):
        recorded(tmp_path / "rough", neurons, "cma", 60)
    monkeypatch.undo()
    kept = [read_journal(path) for path in find_journals(tmp_path / "rough" / "journal")]
    assert len({len(content.known.trace) for content in kept if content}) == 2
    rough = recorded(tmp_path / "rough", neurons, "cma", 60)
    for (ended, trace), (same, again) in zip(quiet, rough, strict=True):
        assert (ended.final, ended.recommended) == (same.final, same.recommended)
        np.testing.assert_array_equal(trace.candidates, again.candidates)
        np.testing.assert_array_equal(trace.values, again.values)


class Fragile(amb.Solver):
    """Fails on the second neuron after some queries, unless it has been repaired."""

    broken = True

    def _ask(self, limit: int) -> np.ndarray:
        return self.space.sample(1, self.rng)

    def _tell(self, candidates: np.ndarray, values: np.ndarray) -> None:
        if self.broken and self.asked == 5 and values[0] < 1e-3:
            raise ExceptionGroup("the solver is broken", [RuntimeError("no lamp")])


def test_a_search_that_fails_ends_alone_and_is_resumed_with_retry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    neurons = [neuron(-60), neuron(0)]  # nothing drives the first

    def once(**options: bool) -> Population:
        return amb.population(Fragile, neurons, budget=20, seeds=1, study=tmp_path, progress=False, **options)

    first = once().runs.set_index(["searches", "problem"])["status"]
    assert first["recommend all", neurons[0].id] == "crash"
    reasons = {record.reason for record, _ in Study(tmp_path).records() if record.status == "crash"}
    assert reasons == {"ExceptionGroup: the solver is broken (1 sub-exception): RuntimeError: no lamp"}
    assert first["recommend all", neurons[1].id] == "ok"
    monkeypatch.setattr(Fragile, "broken", False)
    assert (once().runs["status"] == "crash").any()
    repaired = once(retry=True).runs
    assert (repaired["status"] == "ok").all()
    assert (repaired["queries"] == 20).all()


def test_recordings_are_not_ranked_among_separate_searches(tmp_path: Path) -> None:
    """A leaderboard has the separate searches only, and says so; published, the study keeps all runs."""
    from amb_reports.page.gather import board_of_studies

    neurons = [neuron(0), neuron(1)]
    found = amb.population("random,one-plus-lambda", neurons, budget=40, seeds=2, study=tmp_path / "s", progress=False)
    board = board_of_studies([Study(tmp_path / "s")], DEFAULT, command="")
    assert len(board.runs) == (found.runs["searches"] == "separate").sum() == 8
    assert any("several neurons at once, left out" in note for note in board.notes)
    publish(Study(tmp_path / "s"), tmp_path / "p")
    published = {record.plan.run_id: record for record, _ in open_study(tmp_path / "p").records()}
    assert set(published) == set(found.runs["run_id"])


def test_what_cannot_be_recorded_together_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="too few for 3 neurons"):
        amb.population("random", [neuron(unit) for unit in range(3)], budget=2, study=tmp_path, progress=False)
    other = Neuron(lambda x: x.mean(axis=1), Space.uniform(4, 16), id="p/q/r/9")
    with pytest.raises(SpecError, match="cannot be recorded together"):
        amb.population("random", [neuron(0), other], study=tmp_path, progress=False)
    with pytest.raises(SpecError, match="at least two"):
        amb.population("random", [neuron(0)], study=tmp_path, progress=False)


def test_a_recording_that_could_not_be_stored_is_refused_before_its_first_presentation(tmp_path: Path) -> None:
    """The runs of a recording hold the presentations of all its searches, each of which could be stored alone."""
    space = Space.uniform(60_000, 4)
    neurons = [Neuron(lambda rows: pytest.fail("shown"), space, id=f"p/q/r/{unit}") for unit in range(2)]
    with pytest.raises(
        SpecError, match=r"of all its searches: 4,600 queries in 60,000 dimensions are too many to store"
    ):
        amb.population("random", neurons, budget=4600, study=tmp_path, progress=False)


def test_every_neuron_is_tried_before_a_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that depends on its company is found there, in whichever unit it is."""
    tried: list[str] = []
    monkeypatch.setattr(Neuron, "warm_up", lambda self: tried.append(self.id))
    recorded(tmp_path, [neuron(0), neuron(1)], "random", 10, sharing="recommend")
    assert tried == ["p/q/r/0", "p/q/r/1"]


def test_foreign_candidates_are_checked() -> None:
    solver = resolve("random").make(SPACE, budget=10, seed=0)
    with pytest.raises(SolverError, match="expected 2 values"):
        solver.learn(np.zeros((2, 20), int), [1.0])
    with pytest.raises(CandidateError, match="level 99"):
        solver.learn(np.full((1, 20), 99), [1.0])
    solver.ask(2)
    with pytest.raises(SolverError, match="before learn"):
        solver.learn(np.zeros((1, 20), int), [1.0])


def test_the_command_prints_what_sharing_saves(tmp_path: Path) -> None:
    """On a real network, as a table and as JSON; the second call runs nothing."""
    words = ["population", "-s", "one-plus-lambda", "-p", "quick", "-b", "48", "--seeds", "1", "--study", tmp_path]
    table = command(*words, check=True)
    assert "learn from all" in table.stdout
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()}
    assert len(files) == 36
    printed = json.loads(command(*words, "--json", check=True).stdout)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()} == files
    gain = {row["searches"]: row["gain"] for row in printed["gains"]}
    assert gain["recommend all"] > 0.05


def test_without_reference_points_the_command_shows_activations(tmp_path: Path) -> None:
    """Not a table of dashes, and below it the legend of a table that is not there."""
    words = ["population", "-s", "one-plus-lambda", "-p", "toy/snn-cnn/sn1/0..1", "-b", "12", "--seeds", "1"]
    done = CliRunner().invoke(app, [*words, "--study", str(tmp_path)], env={"COLUMNS": "80"}, catch_exceptions=False)
    said = " ".join(done.stdout.split())
    assert re.search(r"one-plus-lambda recommend all 0\.\d{3}", said)
    assert "have no stored reference points" in said
    assert "expected runtime" not in said


def test_a_failed_run_counts_in_the_activations_that_the_command_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was left out, so that a solver that crashed on half of the neurons seemed to reach twice as much."""
    shown = {"problem": ["a", "b"], "solver": "s", "searches": "separate", "seed": 0, "normalized": np.nan}
    ended = {
        "final": [0.8, np.nan],
        "best": [0.8, 0.1],
        "failed": [False, True],
        "chance": np.nan,
        "best_known": np.nan,
    }
    runs = pd.DataFrame({**shown, **ended})
    _print(Population(("a", "b"), 4, runs, gains(runs), pd.DataFrame(), Study(tmp_path)), as_json=False)
    said = capsys.readouterr().out
    assert "0.4" in said
    assert "0.8" not in said


def test_the_table_says_over_which_neurons_it_is(tmp_path: Path) -> None:
    """Not all of the neurons have reference points, and those are too few for an interval, so none is printed."""
    units = "cifar10-sngan-int8/snn-cnn/sn1/0..3"
    words = ["population", "-s", "one-plus-lambda", "-p", units, "-b", "12", "--seeds", "1", "--study", str(tmp_path)]
    done = CliRunner().invoke(app, words, env={"COLUMNS": "80"}, catch_exceptions=False)
    said = " ".join(done.stdout.split())
    known = sum(reference(name) is not None for name in make_plan("random", units).problems)
    assert 0 < known < 4
    assert f"mean over the {plural(known, 'neuron')} with reference points" in said
    assert "too few for intervals" in said
    assert "nan" not in said


def test_runs_of_one_recording_with_different_presentations_are_refused(tmp_path: Path) -> None:
    """Each is a run like any other, so that only the two together show it."""
    neurons = [neuron(unit) for unit in range(3)]

    def once() -> Population:
        return amb.population("random", neurons, budget=60, seeds=1, study=tmp_path, progress=False)

    first, study = once(), Study(tmp_path)
    run = plans(neurons, "random", 20, sharing="recommend")[0][0][1]
    ended, trace = study.load(run)  # type: ignore[misc]
    back = slice(None, None, -1)
    study.save(ended, Trace(trace.candidates[back], trace.values[back], trace.clean[back], trace.batches))
    with pytest.raises(StudyError, match=r"are of one recording, but of different presentations: move the runs"):
        once()
    study.run_file(run.run_id).unlink()
    assert once().runs.drop(columns=SECONDS).equals(first.runs.drop(columns=SECONDS))


@pytest.mark.parametrize(
    ("problems", "fingerprints", "reason"),
    [
        (["p/q/r/1", "p/q/r/1"], ["f", "f"], "a neuron twice"),
        (["p/q/r/2", "p/q/r/3"], ["f", "f"], "does not have the run's own neuron"),
        (["p/q/r/1", "p/q/r/2"], ["g", "f"], "does not have the run's own neuron"),
        (["p/q/r/1", "\ud800"], ["f", "f"], "half a character"),
        (["p/q/r/1"], ["f", "f"], "1 problems and 2 fingerprints"),
        ([], [], "1 to"),
        (["p/q/r/1", 2], ["f", "f"], "not a text"),
    ],
)
def test_a_recording_that_contradicts_its_run_is_refused(
    problems: list[str], fingerprints: list[str], reason: str
) -> None:
    recording = {"problems": problems, "fingerprints": fingerprints, "sharing": "learn"}
    plan = {"problem": "p/q/r/1", "fingerprint": "f", "solver": "s", "version": "1", "seed": 0, "budget": 4}
    with pytest.raises(ValueError, match=re.escape(reason)):
        RunPlan.from_content({**plan, "recording": recording})


def test_inputs_of_neurons_that_were_recorded_together_are_not_compared_as_seeds(tmp_path: Path) -> None:
    """They have the solver and the seed of a search alone, and often its input: a distance of 0 between two seeds."""
    units = "mnist-sngan-int8/mnist-snn/out/1..2"
    amb.population("random", units, budget=20, seeds=2, study=tmp_path / "both", progress=False)
    amb.compare("random", units, budget=10, seeds=2, study=tmp_path / "alone", progress=False)
    both, alone = amb.analyse(tmp_path / "both"), amb.analyse(tmp_path / "alone")
    assert both.distances.equals(alone.distances)
    assert both.layers.equals(alone.layers)
    assert both.notes == ("4 runs of neurons that were recorded together are left out", *alone.notes)


def test_two_budgets_of_one_solver_and_seed_are_no_two_seeds(tmp_path: Path) -> None:
    for budget in (10, 12):
        amb.compare(
            "annealing", "mnist-sngan-int8/mnist-snn/out/1", budget=budget, seeds=2, study=tmp_path, progress=False
        )
    measures = amb.analyse(tmp_path)
    assert len(measures.meis) == 4
    assert (measures.distances["first"] != measures.distances["second"]).all()
    assert len(measures.distances) == 4
