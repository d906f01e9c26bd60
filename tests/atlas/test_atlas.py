"""`amb atlas`: which units, an ordinary study underneath, and the same traces as single runs."""

import errno
import gzip
import json
import os
import shutil
from base64 import b64decode
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import command
from typer.testing import CliRunner

import amb
from amb.atlas.make import atlas_of, plan_of, run
from amb.atlas.request import Request, drawn, fitting, make_request
from amb.cli.app import app
from amb.errors import PluginError, SpecError, StudyError
from amb.meis.found import found_in
from amb.study.published import open_study
from amb.study.study import Study
from amb_problems.targets.spiking.target import SpikingTarget
from amb_reports.atlas.payload import payload

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Request, Study]:
    request = make_request("mnist-snn", layers=["sn1", "out"], units=3)
    plan = plan_of(request, solvers="random,one-plus-lambda", budget=25, seeds=1)
    return request, run(plan, tmp_path_factory.mktemp("atlas") / "study")


def test_a_larger_number_of_units_contains_a_smaller_one() -> None:
    """So an atlas grows without losing a run; the rule knows no result."""
    target = amb.target("mnist-snn")
    few, more = drawn(target, "sn3", 5), drawn(target, "sn3", 20)
    assert set(few) < set(more)
    assert len(set(more)) == 20
    assert drawn(target, "sn3", None) == drawn(target, "sn3", 1000) == tuple(range(100))


def test_units_that_never_respond_are_drawn_last() -> None:
    target = amb.target("snn-resnet18")
    known = target.natural_responses()
    assert known is not None
    dead = {unit for (layer, unit), row in known.row.items() if layer == "layer4.1.sn2" and known.dead(row)}
    alive = target.layers["layer4.1.sn2"] - len(dead)
    assert not dead & set(drawn(target, "layer4.1.sn2", alive))


def test_generators_that_fit_are_found_and_others_refused() -> None:
    assert fitting(amb.target("mnist-snn")) == ["mnist-sngan", "mnist-sngan-int8"]
    assert make_request("snn-cnn", units=1).generators == ("cifar10-sngan",)
    with pytest.raises(SpecError, match="28x28"):
        make_request("mnist-snn", generators=["cifar10-sngan"])
    with pytest.raises(SpecError, match="layer"):
        make_request("mnist-snn", layers=["sn9"])
    with pytest.raises(SpecError, match="at least one unit"):
        make_request("mnist-snn", units=0)


def test_layers_are_chosen_by_globs_and_keep_the_order_of_the_network() -> None:
    request = make_request("mnist-snn", layers=["out", "sn?"], units=1)
    assert [*request.units] == ["sn1", "sn2", "sn3", "out"]
    assert len(request.problems) == 4


def test_traces_are_those_of_single_runs_bit_for_bit(small: tuple[Request, Study], tmp_path: Path) -> None:
    """Units that are searched together, in one pass, find what each finds alone."""
    _, study = small
    for record, trace in study.records():
        alone = amb.compare(
            record.plan.solver, record.plan.problem, budget=25, seeds=1, study=tmp_path / record.plan.run_id
        )
        stored = alone.load((record.plan.problem, record.plan.solver, record.plan.seed))
        assert stored is not None
        assert (stored[1].candidates == trace.candidates).all()
        assert (stored[1].values == trace.values).all()
        assert stored[0].plan.run_id == record.plan.run_id


def test_an_atlas_grows_within_its_study(small: tuple[Request, Study]) -> None:
    """More units and solvers join; what is stored is not run again."""
    _, study = small
    before = {path.name: path.stat().st_mtime_ns for path in (study.folder / "runs").glob("*.parquet")}
    larger = make_request("mnist-snn", layers=["sn1", "out"], units=4)
    run(plan_of(larger, solvers="random,one-plus-lambda", budget=25, seeds=1), study.folder)
    after = {path.name: path.stat().st_mtime_ns for path in (study.folder / "runs").glob("*.parquet")}
    assert len(after) == len(before) + 4
    assert before.items() <= after.items()
    measures = atlas_of(larger, open_study(study.folder)).measures
    assert measures.layers["units"].tolist() == [4, 4]
    assert np.isfinite(measures.meis["percentile"].astype(float)).all()


def test_the_command_writes_a_page_that_needs_no_network(tmp_path: Path) -> None:
    words = "atlas mnist-snn --layers sn1,out --units 2 --solvers random --budget 20 --study s --json"
    done = command(*words.split(), cwd=tmp_path, check=True)
    content = json.loads(done.stdout)
    page = (tmp_path / content["page"]).read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert "http://" not in page.replace("http://www.w3.org/", "")
    assert "https://" not in page
    assert [row["layer"] for row in content["layers"]] == ["sn1", "out"]


def test_where_there_is_no_room_the_old_tables_stay_and_the_study_is_named(
    small: tuple[Request, Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--out` of `amb atlas` is the page, so it is no advice; and tables of two measurements are never mixed."""
    shutil.copytree(small[1].folder, tmp_path / "study")
    (tmp_path / "study" / "analysis").mkdir()
    (tmp_path / "study" / "analysis" / "meis.csv").write_text("problem,solver,seed,activation\n")
    sound = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.name == ".meis.parquet.tmp":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return sound(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    words = "atlas mnist-snn --layers out --units 1 --solvers random --budget 25 --study"
    done = CliRunner().invoke(app, [*words.split(), str(tmp_path / "study")])
    assert isinstance(done.exception, StudyError)
    assert "analysis: No space left on device; make room there" in str(done.exception)
    assert "--out" not in str(done.exception)
    kept = {path.name: path.read_text() for path in (tmp_path / "study" / "analysis").iterdir()}
    assert kept == {"meis.csv": "problem,solver,seed,activation\n"}


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--noise", "salt"], "bernoulli or gaussian"), (["--presentations", "999999999999"], "must be at most 100,000")],
)
def test_what_cannot_be_measured_is_refused_before_the_search(tmp_path: Path, words: list[str], said: str) -> None:
    done = command("atlas", "mnist-snn", "--layers", "out", "--units", "1", "--study", "a", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert not (tmp_path / "a").exists()


def test_without_stored_states_a_history_is_refused_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="--keep"):
        make_request("mnist-snn", units=1, history=tmp_path)


def test_states_whose_names_tell_no_step_are_refused_before_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page shows steps: it ended in a traceback after all runs."""
    early = copy(amb.target("mnist-snn"))
    early.name = "mnist-snn-early"
    monkeypatch.setattr(SpikingTarget, "states", lambda self, folder=None: [early])
    with pytest.raises(
        PluginError, match="state 'mnist-snn-early'; expected a name that ends in a dash and the number"
    ):
        make_request("mnist-snn", units=1, history=True)


@pytest.mark.parametrize("name", ["mnist-snn", "snn-cnn"])
def test_the_states_of_a_training_come_with_their_responses(name: str) -> None:
    """Class units become selective in the course of the training, as their responses to natural images tell."""
    states = amb.target(name).states()
    if name == "snn-cnn" and "site-packages" in str(Path(amb.__file__)):
        pytest.skip("packages leave out the states of snn-cnn, for their size")
    assert len(states) == 8
    assert len({state.fingerprint for state in states}) == 8
    selectivity = []
    for state in states:
        responses = state.natural_responses()
        assert responses is not None
        selectivity.append(np.mean([responses.selectivity(responses.row["out", unit]) for unit in range(10)]))
    assert selectivity[0] < selectivity[4] < selectivity[7]


def test_units_are_followed_through_the_training(tmp_path: Path) -> None:
    """The shipped states are searched in the same study, and their responses to natural images are shipped, too."""
    words = "atlas mnist-snn --layers out --units 1 --solvers random --budget 10 --history --study s --json"
    done = command(*words.split(), cwd=tmp_path, check=True)
    layers = json.loads(done.stdout)["layers"]
    states = amb.target("mnist-snn").states()
    assert [row["target"] for row in layers] == ["mnist-snn", *(state.name for state in states)]
    steps = [int(state.name.rsplit("-", 1)[1]) for state in states]
    assert steps == sorted(steps)
    assert len(steps) == 8
    assert done.stderr.count("given as") == 1, "one line about all of them"
    selectivity = [row["selectivity"] for row in layers]
    assert all(value is not None for value in selectivity)
    assert selectivity[-1] > selectivity[1], "class units become selective in the course of the training"


def test_states_in_the_study_are_drawn_for_smaller_and_other_requests_too(tmp_path: Path) -> None:
    """As in parts of several machines that were merged; such units were unknown targets, and so was all to analyse."""
    larger = make_request("mnist-snn", layers=["out"], units=2, history=True)
    study = run(plan_of(larger, solvers="random", budget=4), tmp_path / "study")
    whole = atlas_of(larger, study).measures
    assert len(whole.meis) == 2 * (1 + 8)
    for layers in (["out"], ["sn1"]):
        smaller = atlas_of(make_request("mnist-snn", layers=layers, units=1, history=True), study)
        pd.testing.assert_frame_equal(smaller.measures.meis, whole.meis)
        assert smaller.measures.notes == whole.notes
        assert payload(smaller).data["count"] == 18
    measures = amb.analyse(study.folder)
    assert set(measures.meis["target"]) == {"mnist-snn"}
    said = "16 runs of problems that no name finds, such as mnist-sngan/mnist-snn-step-000001/out/4, are left out"
    assert said in measures.notes
    with pytest.raises(SpecError, match="unknown target 'mnist-snn-step-000001'"):  # nothing else is asked for
        found_in(study, only=[larger.states[0].name])


def test_groups_of_units_in_the_study_are_left_out(small: tuple[Request, Study], tmp_path: Path) -> None:
    """They are no units of the network; the page ended in a traceback."""
    request, study = small
    shutil.copytree(study.folder, folder := tmp_path / "study")
    amb.compare("random", "mnist-sngan/mnist-snn/out/1+2", budget=5, seeds=1, study=folder, progress=False)
    atlas = atlas_of(request, open_study(folder))
    assert not atlas.measures.meis["unit"].str.contains("+", regex=False).any()
    assert payload(atlas).data["count"] == len(atlas.measures.meis)
    assert "1 run of groups of units is left out" in atlas.measures.notes
    assert amb.analyse(folder).meis["unit"].str.contains("+", regex=False).any()


def test_the_page_says_what_units_were_searched_with(small: tuple[Request, Study], tmp_path: Path) -> None:
    """It said of all units that the solvers and the queries of the largest search were theirs."""
    request, study = small
    alike = payload(atlas_of(request, study)).data
    assert (alike["alike"], alike["queries"]) == (True, "25 queries")
    shutil.copytree(study.folder, folder := tmp_path / "study")
    more = make_request("mnist-snn", layers=["out"], units=1)
    other = payload(atlas_of(request, run(plan_of(more, solvers="random-prior", budget=40, seeds=1), folder))).data
    assert (other["alike"], other["queries"]) == (False, "25 to 40 queries")


class Renamed:
    """A network with other classes."""

    def __init__(self, target: amb.Target, classes: tuple[str, ...]) -> None:
        self._target, self.classes = target, classes

    def __getattr__(self, name: str) -> object:
        return getattr(self._target, name)


@pytest.mark.parametrize("number", [3, 255, 256, 300])
def test_the_page_knows_every_class_and_seed(small: tuple[Request, Study], number: int) -> None:
    """More than a byte tells apart, and more or fewer classes than the data set has."""
    request, study = small
    atlas = atlas_of(request, study)
    names = tuple(f"class {i}" for i in range(number))
    meis = atlas.measures.meis.copy()
    seen = [number - 1 - i % number for i in range(len(meis))]
    meis["class"] = [names[i] for i in seen]
    meis["probabilities"] = pd.Series([np.eye(number)[i] for i in seen], index=meis.index, dtype=object)
    meis["seed"] = [(1 << 33) + i for i in range(len(meis))]
    other = replace(
        atlas,
        request=replace(request, target=Renamed(request.target, names)),  # type: ignore[arg-type]
        measures=replace(atlas.measures, meis=meis),
    )
    data = payload(other).data
    block = gzip.decompress(b64decode(data["block"]))

    def column(name: str) -> np.ndarray:
        kind, offset, length = data["columns"][name]
        return np.frombuffer(block, kind, length, offset)

    assert [data["classes"][i] for i in column("class")] == meis["class"].tolist()
    assert [data["classes"][i] for i in column("natural_class")] == meis["natural_class"].tolist()
    likely = column("probabilities").reshape(len(meis), -1)
    assert likely.shape[1] == len(data["classes"])
    assert likely.argmax(axis=1).tolist() == seen
    for name in ("seed", "budget"):
        assert column(name).tolist() == meis[name].tolist()
