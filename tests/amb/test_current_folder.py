"""Objects that outlive a call read and write where they did then, though the process works in another folder now."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import amb
from amb.catalogue.problems import problem_in
from amb.contracts import asking
from amb.contracts.family import layers_of
from amb.foreign import current_folder
from amb.kept_path import KeptPath
from amb.spec import Value
from amb.study.published import PublishedStudy, publish
from amb.study.study import Study

pytestmark = pytest.mark.usefixtures("one_thread")

CELL = ("toy/snn-cnn/sn1/0", "random", 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study `st`."""
    folder = tmp_path_factory.mktemp("made")
    amb.compare("random,one-plus-lambda", CELL[0], budget=20, seeds=2, study=folder / "st", progress=False)
    return folder


@pytest.fixture
def there(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a study `st`; beside it is `elsewhere`, with another study of that name."""
    shutil.copytree(made, tmp_path / "there")
    (tmp_path / "elsewhere").mkdir()
    amb.compare("random", "toy/snn-cnn/sn1/1", budget=5, seeds=1, study=tmp_path / "elsewhere" / "st", progress=False)
    monkeypatch.chdir(tmp_path / "there")
    return tmp_path / "there"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_result_reads_its_own_study(there: Path) -> None:
    """Reports are the same, byte for byte, and nothing is written into the study of the same name."""
    result = amb.open("st")
    shown = repr(result)
    result.save("before", ["html", "csv"])
    os.chdir("../elsewhere")
    other = contents(Path("st"))
    result.save("after", ["html", "csv"])
    assert contents(Path("after")) == contents(there / "before")
    assert result.load(CELL) is not None
    assert (repr(result), contents(Path("st"))) == (shown, other)


def test_a_study_is_read_and_written_where_it_was(there: Path) -> None:
    """Its runs and log; its messages name files where they are."""
    study = Study("st")
    assert (study.shown, study.folder) == (Path("st"), there / "st")
    (plan,) = [plan for plan in study.plans() if (plan.problem, plan.solver, plan.seed) == CELL]
    os.chdir("../elsewhere")
    other = contents(Path("st"))
    record, trace = study.load(plan) or pytest.fail("the run is not found")
    study.run_file(plan.run_id).unlink()
    study.save(record, trace)
    study.log.write("info", "written")
    assert len(list(study.compact_records())) == 4
    assert study.run_file(plan.run_id) == there / "st" / "runs" / f"{plan.run_id}.parquet"
    assert study.run_file(plan.run_id).is_file()
    assert '"written"' in (there / "st" / "log.jsonl").read_text()
    assert contents(Path("st")) == other


def test_a_thread_that_changes_the_folder_for_a_moment_moves_no_file(there: Path) -> None:
    """Between the making of a path and its use, as between a temporary file and its renaming."""
    study = Study("st")
    (plan,) = [plan for plan in study.plans() if (plan.problem, plan.solver, plan.seed) == CELL]
    file, report = study.run_file(plan.run_id), study.folder / "report"
    os.chdir("../elsewhere")
    assert file.is_file()
    assert report.parent == there / "st"
    os.chdir(there)
    assert study.shown == Path("st")


def test_a_published_study_is_read_where_it_was(there: Path) -> None:
    publish(Study("st"), Path("published"))
    study = PublishedStudy("published")
    os.chdir("../elsewhere")
    assert len(study.plans()) == 4
    assert set(study.manifest.solvers) == {"random", "one-plus-lambda"}


@pytest.mark.parametrize("gone", ["st", "st/runs", "st/manifest.json"])
def test_a_result_whose_study_is_gone_says_so(there: Path, gone: str) -> None:
    """Not a page without images and machine."""
    result = amb.open("st")
    Path(gone).rename("moved")
    with pytest.raises(amb.AmbError, match="moved, deleted or replaced meanwhile; put it back"):
        result.save("report", ["html"])


def test_a_path_is_shown_as_given_while_it_leads_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the folder where it was given, and again there; a folder that was deleted meanwhile is none."""
    (tmp_path / "deleted").mkdir()
    monkeypatch.chdir(tmp_path)
    kept = KeptPath("a/b")
    assert kept.shown == Path("a/b")
    os.chdir("deleted")
    assert (kept.shown, kept.given) == (tmp_path / "a" / "b", Path("a/b"))
    Path("../deleted").resolve().rmdir()
    if current_folder() is None:  # Windows and some others keep a folder in which a process works
        assert kept.shown == tmp_path / "a" / "b"
        assert KeptPath("a").shown == Path("a")
    os.chdir(tmp_path)
    assert kept.shown == Path("a/b")


class Wandering(nn.Module):
    """As loaders of research code are: it works in a folder of its own, for relative paths to its checkpoints."""

    def __init__(self) -> None:
        super().__init__()
        os.chdir("/")
        os.umask(0o777)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.filters = nn.Conv2d(3, 4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        os.chdir("/")
        os.umask(0o777)
        shown: torch.Tensor = self.filters(x)
        return shown


class Decoding(Wandering):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        super().forward(torch.zeros(1, 3, 5, 5))
        return (x[:, :1, None, None] * torch.ones(1, 3, 32, 32)).tanh()


class WanderingFamily(amb.Family):
    def layers(self) -> dict[str, int]:
        return dict(amb.target(Wandering, name="wandering").layers)

    def problem(self, layer: str, unit: int, *, device: str = "cpu", **options: Value) -> amb.Problem:
        os.chdir("/")
        os.umask(0o777)
        generator = amb.generator(Decoding, latent_dim=8, name="decoding")
        return amb.target(Wandering, name="wandering").problem(generator, unit, layer=layer, **options)


ASKED: dict[str, Callable[[], object]] = {
    "layers of a target": lambda: amb.target(Wandering, name="wandering").layers,
    "fingerprint of a generator": lambda: amb.generator(Decoding, latent_dim=8).fingerprint,
    "layers of a family": lambda: layers_of(WanderingFamily()),
    "a problem": lambda: problem_in(WanderingFamily(), "decoding/wandering/filters/0").fingerprint,
    "images": lambda: asking.images(problem_in(WanderingFamily(), "decoding/wandering/filters/0"), [[0] * 8]),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_a_network_that_changes_the_folder_takes_no_study_with_it(
    ask: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative `--study`, and the report, landed where the network works, and nobody could read them."""
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o022)
    try:
        ask()
        assert (Path.cwd(), os.umask(0o022)) == (tmp_path, 0o022)
    finally:
        os.umask(before)
