"""Arguments of the Python API that are of the wrong kind are refused in a sentence, before anything runs."""

import json
from pathlib import Path

import numpy as np
import pytest

import amb
from amb.lab.laboratory import Laboratory
from amb.meis.measure import check_noise
from amb.reports.write import write_leaderboard, write_reports
from amb.run.limits import Limits
from amb.stats.question import Question
from amb.testing.check import check_solver


def problem() -> amb.FunctionProblem:
    return amb.objective(lambda x: float(np.sin(x).mean()), [(-1, 1)] * 3, name="mine")


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *((name, value) for name in ("progress", "timing", "retry", "limits", "cluster") for value in (5, "no")),
        *(
            (name, value)
            for name in ("metric", "level", "device", "study", "with_reference", "control")
            for value in [5]
        ),
        *(
            (name, value)
            for name in ("alpha", "rope", "look", "looks", "budget", "seeds")
            for value in ["x", 1.5, b"1"]
        ),
        ("study", None),
        ("study", b"st"),
    ],
)
def test_what_a_comparison_cannot_mean_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str, value: object
) -> None:
    monkeypatch.chdir(tmp_path)
    usual = {"solvers": "random", "problems": problem(), "budget": 8, "seeds": 1, "study": "st", "progress": False}
    with pytest.raises(amb.AmbError):
        amb.compare(**usual | {argument: value})  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
    if argument in ("progress", "retry", "budget", "seeds", "device", "study"):
        with pytest.raises(amb.AmbError):
            amb.population(**{"solvers": "random", "problems": "quick", argument: value})  # type: ignore[arg-type]


def test_progress_says_what_is_accepted() -> None:
    with pytest.raises(amb.AmbError, match=r"True, False, None or an amb\.run\.progress\.Progress, got 5"):
        amb.compare("random", problem(), progress=5)  # type: ignore[arg-type]


SPACE = amb.Space.uniform(3, 4)


@pytest.mark.parametrize(
    "call",
    [
        lambda: amb.open(5),
        lambda: amb.analyse(5),
        lambda: amb.objective(np.sum, [(0, 1)], minimize="no"),
        lambda: amb.objective(np.sum, [(0, 1)], vectorized=1),
        lambda: amb.objective(np.sum, [(0, 1)], name=5),
        lambda: amb.objective(np.sum, [(0, 1)], version=5),
        lambda: amb.problem(5),
        lambda: amb.solver(5, SPACE, budget=5),
        lambda: amb.solver("random", 5, budget=5),
        lambda: amb.target("snn-cnn", layer=5),
        lambda: amb.histogram(5),
        lambda: amb.histogram("cifar10-sngan/snn-cnn/sn1/0", bins="x"),
        lambda: amb.histogram("cifar10-sngan/snn-cnn/sn1/0", bins=0),
        lambda: amb.layer_scan(5, [[0] * 128]),
        lambda: Limits(timeout="x"),
        lambda: Limits(isolate="no"),
        lambda: Limits(isolate=True, memory="1G"),
        lambda: amb.open("anywhere", "final"),
        lambda: amb.analyse("anywhere", presentations=2.5),
        lambda: amb.layer_scan("cifar10-sngan/snn-cnn", [[0] * 128], device=int),
        lambda: amb.layer_activations("cifar10-sngan/snn-cnn", "sn1", np.zeros((1, 32, 32, 3), np.uint8), device=5),
        lambda: amb.Space(np.array([3, 3]), kind=np.array(["ordinal", "ordinal"])),
        lambda: check_noise(np.array([1, 2]), 5),
        lambda: check_solver(5),
        lambda: check_solver(int),
        lambda: Laboratory(5),
        lambda: write_leaderboard("a-study", "page.html"),
        lambda: write_leaderboard(["a-study"], "page.html", "final"),
        lambda: write_leaderboard(["a-study"], "page.html", title=5),
        lambda: write_leaderboard(["a-study"], "page.html", report=5),
        lambda: Question(alpha="0.05"),
        lambda: Question(rope=True),
        lambda: Question(alpha=10**400),
        lambda: Question(look=1.0),
        lambda: Question(look=3, looks=2),
        lambda: Question(level=np.array([["problems", "layers"]])),
        lambda: amb.compare(np.array(3), "toy/small-max-a/sn1/0"),
        lambda: amb.compare("random", np.array(3)),
        lambda: amb.compare("random", "toy/small-max-a/sn1/0", with_reference=np.array([1, 2])),
        lambda: amb.objective(np.sum, [(0, 1)], name=np.array(["a", "b"])),
        lambda: amb.target("small-max-a").problem("toy", 0, layer="sn1", noise=np.array(["gaussian", "poisson"])),
        lambda: amb.problem("toy/small-max-a/sn1/0").classify(None),
        lambda: amb.problem("toy/small-max-a/sn1/0").classify(np.zeros((2, 3, 3, 1), np.uint8)),
    ],
)
def test_other_arguments_of_the_wrong_kind_are_refused(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(amb.AmbError):
        call()


def test_numbers_of_numpy_ask_the_same_question() -> None:
    """As plain numbers, which pages and files hold."""
    asked = Question(alpha=np.float32(0.25), rope=np.float64(0.5), look=np.int64(1), looks=np.uint8(2))
    assert asked == Question(alpha=0.25, rope=0.5, look=1, looks=2)
    assert json.loads(json.dumps(asked.to_settings()))["looks"] == 2


def test_a_message_quotes_no_more_than_can_be_read() -> None:
    class Endless:
        def __repr__(self) -> str:
            return "x" * 1_000_000

    with pytest.raises(amb.AmbError, match="the number of bins must be a whole number") as refused:
        amb.histogram("cifar10-sngan/snn-cnn/sn1/0", bins=Endless())  # type: ignore[arg-type]
    assert len(str(refused.value)) < 5000


def test_a_report_goes_into_a_folder_that_is_named_by_a_text(tmp_path: Path) -> None:
    result = amb.compare("random", problem(), budget=8, seeds=1, study=tmp_path / "st", progress=False)
    assert write_reports(result, ["csv"], folder=str(tmp_path / "out")).files
    for names in ("csv", 5, [5]):
        with pytest.raises(amb.AmbError, match="report"):
            write_reports(result, names)  # type: ignore[arg-type]


def test_a_result_refuses_figures_and_reports_without_a_name(tmp_path: Path) -> None:
    result = amb.compare("random", problem(), budget=8, seeds=1, study=tmp_path / "st", progress=False)
    with pytest.raises(amb.AmbError, match="unknown figure"):
        result.plot(5)  # type: ignore[arg-type]
    for wrong in (5, [5], np.array(3)):
        with pytest.raises(amb.AmbError, match="names of reports"):
            result.save(tmp_path / "out", reports=wrong)  # type: ignore[arg-type]
    assert result.save(tmp_path / "out", reports="csv")


def refused_before(work: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What a command says that refuses its arguments; it fails the test if `work`, a function's name, is called."""
    from typer.testing import CliRunner

    from amb.cli.app import app

    def never(*_: object, **__: object) -> None:
        raise AssertionError("the work has begun")

    monkeypatch.setattr(work, never)
    ended = CliRunner().invoke(app, words)
    assert isinstance(ended.exception, amb.AmbError), ended.output
    return str(ended.exception)


@pytest.mark.parametrize(
    ("words", "work"),
    [
        (["demo", "--out"], "amb.catalogue.problems.problem"),
        (["atlas", "mnist-snn", "--study", "units", "--out"], "amb.atlas.request.make_request"),
        (["problems", "show", "cifar10-sngan/snn-cnn/sn1/0", "--out"], "amb.catalogue.problems.problem"),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else "",
)
@pytest.mark.parametrize("out", [".", "/", "file/page.html"])
def test_a_place_that_cannot_be_a_file_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], work: str, out: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    refused_before(work, [*words, out], monkeypatch)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_links_in_a_loop_are_refused_wherever_a_path_is_looked_up(tmp_path: Path) -> None:
    from amb.errors import StudyError
    from amb.spec import real_path

    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(StudyError, match="leads back to itself"):
        real_path(tmp_path / "a" / "x", StudyError)
    root = Path(__file__).parents[2]
    bare = [
        str(file.relative_to(root))
        for package in ("amb", "problems", "solvers", "reports")
        for file in (root / package).rglob("*.py")
        if ".resolve()" in file.read_text(encoding="utf-8")
    ]
    assert bare == ["amb/spec.py"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: amb.Suite(5), r"amb\.Suite: missing .*'version'.*; it takes name, version, problems, budget, seeds"),
        (lambda: amb.Suite("mine", 1, "a/b/c/0", 5, 1, ""), "problems must be ids"),
        (lambda: amb.Suite("mine", 1, ("a/b/c/0",), 0, 1, ""), "budget must be a whole number"),
        (lambda: amb.Suite("mine", 1, ("a/b/c/0",), 5, 1, None), "description must be a text"),
        (lambda: amb.Space(), r"amb\.Space: missing .*'levels'; it takes levels, kind="),
        (lambda: amb.Space([3], level=2), "unexpected keyword argument 'level'"),
        (lambda: amb.Space([3], low="x"), "low must be a number"),
        (lambda: amb.Space([3], high=None), "high must be a number"),
        (lambda: amb.Space.uniform("x", 4), "number of dimensions must be a whole number"),
        (lambda: amb.Space.uniform(3, None), "number of levels must be a whole number"),
        (lambda: amb.Space.uniform(3), r"Space\.uniform: missing .*'n'"),
        (lambda: amb.FunctionProblem(np.sum), "missing .*'space'"),
        (lambda: amb.FunctionProblem(np.sum, None, id="a/b/c/1"), "space of a/b/c/1 must be an amb.Space, got None"),
        (lambda: amb.Grid(5), "must be an amb.Space"),
        (lambda: amb.Grid(amb.Space.uniform(4, 8), True), "every code from 0 to 7 once"),
        (lambda: amb.Grid(amb.Space.uniform(4, 8), np.arange(5)), "every code from 0 to 7 once"),
        (lambda: amb.Grid(amb.Space.uniform(4, 8), np.full(8, 3)), "every code from 0 to 7 once"),
        (lambda: amb.Grid(amb.Space.uniform(4, 8), np.arange(8.0)), "every code from 0 to 7 once"),
        (lambda: amb.Evaluation([]), "missing .*'clean'"),
        (lambda: amb.objective(np.sum), r"amb\.objective: missing .*'bounds'; it takes function, bounds, levels="),
        (lambda: amb.objective(np.sum, [(0, 1)], minimise=True), "'minimise'.*minimize="),
        (lambda: amb.compare(), r"amb\.compare: missing .*'solvers'"),
        (lambda: amb.compare("random", problem(), buget=5), "'buget'.*budget="),
        (lambda: amb.population("random"), "missing .*'problems'"),
        (lambda: amb.open(), r"amb\.open: missing .*'study'"),
        (lambda: amb.problem(), "missing .*'spec'"),
        (lambda: amb.solver("random"), "missing .*'space'"),
        (lambda: amb.generator(), "missing .*'source'"),
        (lambda: amb.target(), "missing .*'source'"),
        (lambda: amb.analyse(), "missing .*'study'"),
        (lambda: amb.histogram(), "missing .*'problem'"),
        (lambda: amb.histogram("mnist-sngan/mnist-snn/nowhere/0"), "no layer 'nowhere'"),
        (lambda: amb.histogram("mnist-sngan/mnist-snn/sn1/999999"), "no unit 999999"),
        (lambda: amb.layer_scan(["mnist-sngan/mnist-snn"], [[0]]), "must be a text"),
        (lambda: amb.layer_activations("mnist-sngan/mnist-snn", ["sn1"], np.zeros((1, 28, 28, 1), np.uint8)), "text"),
    ],
)  # fmt: skip
def test_missing_and_misspelt_arguments_are_refused_with_those_that_there_are(call, said: str) -> None:  # type: ignore[no-untyped-def]
    """One line that says what the call takes, not Python's name of an inner function."""
    with pytest.raises(amb.AmbError, match=said) as refused:
        call()
    assert "\n" not in str(refused.value)


def test_an_error_within_a_function_of_ones_own_is_not_taken_for_a_wrong_call() -> None:
    """The user's own TypeError keeps its traceback."""
    from amb.spec import explained

    def inner() -> None:
        raise TypeError("inner() missing 1 required positional argument: 'x'")

    with pytest.raises(TypeError, match="missing") as raised:
        explained("outer")(lambda: inner())()
    assert not isinstance(raised.value, amb.AmbError)


@pytest.mark.parametrize(
    ("words", "work"),
    [
        (["demo", "--out"], "amb.catalogue.problems.problem"),
        (["problems", "show", "cifar10-sngan/snn-cnn/sn1/0", "--out"], "amb.catalogue.problems.problem"),
    ],
    ids=["demo", "problems"],
)
@pytest.mark.parametrize("out", ["image.xyz", "image", "image.png.txt"])
def test_an_unknown_kind_of_image_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], work: str, out: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "unknown file extension" in refused_before(work, [*words, out], monkeypatch)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file", ["evolution.png", "evolution", "folder.gif"])
def test_an_animation_that_cannot_be_written_is_refused_before_it_is_drawn(tmp_path: Path, file: str) -> None:
    from amb.meis.found import Found

    def never(*_: object) -> None:
        raise AssertionError("the work has begun")

    (tmp_path / "folder.gif").mkdir()
    found = Found(None, never, never)  # type: ignore[arg-type]
    with pytest.raises(amb.AmbError, match="cannot write"):
        found.evolution(0, tmp_path / file)
