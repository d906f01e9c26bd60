"""Whatever writes, for `killing.py`: every command that changes a folder, and longer work with checks of its own."""

import contextlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from killing import Work, perform

import amb
from amb import Family, FunctionProblem, Space, Suite
from amb.catalogue.given import Given
from amb.catalogue.plugins import load_file
from amb.catalogue.reference_points import save as save_references
from amb.catalogue.solvers import resolve
from amb.lab.experiment import template
from amb.lab.laboratory import Laboratory, create
from amb.lab.rehearsal import answer, subject_of
from amb.lab.response_files import read_responses
from amb.references.ascent import Effort
from amb.references.measure import measure
from amb.run.execute import execute
from amb.run.plan import make_plan
from amb.run.population import record, recordings
from amb.study.runs import RunPlan
from amb.study.study import Study
from amb.study.traces import read_run

TOY = Path(__file__).parents[1] / "plugins" / "toy.py"
PLUGIN = ["--plugin", str(TOY)]
RUNS = ["-s", "random,climber,crasher", "-p", "toy/bowl/near/0..2", "--seeds", "2", *PLUGIN]
NETWORK = "toy/snn-cnn/sn1"
STEPS = 40

SPACE = Space.uniform(10, 16)
SOLVERS = ("random", "protes", "tt-b", "cma", "one-plus-lambda", "snes", "sphere-cma", "portfolio", "tt-elite")
LARGEST_BATCH = 128
"""No batch of these solvers is larger."""
BUDGET = 60
RECORDED = 6
NEURONS = ("n1", "n2", "n3")


def run_contents(folder: Path) -> dict[str, object]:
    """What the runs of a study hold, whatever they cost."""
    found: dict[str, object] = {}
    for path in sorted((folder / "runs").glob("*.parquet")):
        record, trace = read_run(path)
        rows = trace.candidates.tobytes(), trace.values.tobytes(), trace.clean.tobytes(), trace.batches.tolist()
        found[record.plan.name] = (record.status, record.reason, record.recommended, repr(record.final), *rows)
    return found


def runs_in(*studies: str) -> Callable[[Path], object]:
    return lambda folder: [run_contents(folder / study) for study in studies]


def names_in(study: str) -> Callable[[Path], object]:
    """The names of the files in a study's report; figures differ by the seconds that they show."""
    return lambda folder: sorted(str(p.relative_to(folder)) for p in (folder / study / "report").rglob("*"))


def command(*words: str) -> Callable[[], object]:
    """Call `amb` in this process."""

    def call() -> None:
        from amb.cli.app import app

        app(words, standalone_mode=False)

    return call


def save() -> None:
    """`Result.save`, into a folder that holds files of the user's as well."""
    load_file(TOY)
    amb.open("one").save("saved", reports=["csv", "markdown", "latex", "parquet", "coco", "iohanalyzer", "html"])


def save_before() -> None:
    save()
    Path("saved/notes.txt").write_text("mine\n")


def train() -> None:
    """A tiny training, saved after every step and exported at every tenth."""
    import torch

    from amb_problems import checkpoint
    from amb_problems.cards import SNGANCard, SNGANShape
    from amb_problems.training import session

    class Tiny:
        steps, done, weight = STEPS, 0, torch.zeros(64)

        def advance(self) -> dict[str, float]:
            self.done += 1
            self.weight = torch.sin(self.weight + self.done)
            return {"loss": 1.0 / self.done}

        def tensors(self) -> dict[str, torch.Tensor]:
            return {"weight": self.weight}

        def position(self) -> dict[str, int]:
            return {"done": self.done}

        def restore(self, tensors, position) -> None:  # type: ignore[no-untyped-def]
            self.weight, self.done = tensors["weight"], int(position["done"])

    session._SAVE_SECONDS = 0.0
    tiny = Tiny()
    place = Path("trained")
    run = session.Session("tiny", place, place, 1, "cpu", None, True, lambda progress: None)
    export = lambda ends: checkpoint.save(place / "tiny", tiny.tensors(), SNGANCard(shape=SNGANShape()))  # noqa: E731
    run.run(tiny, export, milestones=range(0, STEPS, 10))


def nine_solvers() -> None:
    """Nine solvers on a problem that notes every query it is asked, beyond the death of its process."""
    counter = os.open("counter", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def respond(rows: np.ndarray) -> np.ndarray:
        os.write(counter, b"." * len(rows))
        return np.sin(rows * np.arange(1, SPACE.d + 1)).mean(axis=1)

    plans = [RunPlan("p/q/r/0", "print", solver, resolve(solver).cls.version, 0, BUDGET) for solver in SOLVERS]
    execute(plans, Study("nine"), lambda spec: FunctionProblem(respond, SPACE, id=spec))


def little_is_measured_twice(folder: Path, kills: int) -> None:
    """A kill costs each run at most the batch under way."""
    measured = (folder / "counter").stat().st_size
    least = BUDGET * len(SOLVERS)
    assert least <= measured <= least + kills * len(SOLVERS) * LARGEST_BATCH, measured


class Neuron(FunctionProblem):
    group = "recording"  # type: ignore[assignment]


def neuron(unit: int) -> Neuron:
    weights = np.arange(1 + unit, 1 + unit + SPACE.d)
    return Neuron(lambda rows: np.sin(rows * weights).mean(axis=1), SPACE, id=f"p/q/r/{unit}")


def several_neurons() -> None:
    """Six neurons, five solvers, with and without learning from each other's stimuli."""
    given = Given({}, {f"p/q/r/{unit}": neuron(unit) for unit in range(RECORDED)})
    plan = make_plan("random,cma,xdream-ga,one-plus-lambda,local-search", list(given.problems), budget=30, seeds=1,
                     given=given)  # fmt: skip
    runs = [*recordings(plan, "recommend"), *recordings(plan, "learn")]
    record(runs, Study("recorded"), lambda spec: given.problem(spec, device="cpu"))


class Lamp(FunctionProblem):
    """Answers an image by the brightness of one pixel."""

    group = "lamps"  # type: ignore[assignment]

    @classmethod
    def respond_together(cls, problems, images):  # type: ignore[no-untyped-def]
        return np.stack([images.reshape(len(images), -1)[:, int(p.id[-1])] / 255 for p in problems], axis=1)


class Lamps(Family):
    name = "lamps/wall"

    def layers(self) -> Mapping[str, int]:
        return {"only": 3}

    def problem(self, layer: str, unit: int, *, device: str = "cpu", **options: object) -> Lamp:
        return Lamp(lambda rows: rows[:, unit] / 15, Space.uniform(4, 16), id=f"{self.name}/{layer}/{unit}")

    def natural_images(self, data: Path | None) -> np.ndarray:
        return np.arange(20, dtype=np.uint8).reshape(5, 2, 2, 1)


def measured_references() -> None:
    """`amb references --state`, for a family that needs no data set."""
    import amb.catalogue.problems

    family = Lamps()
    amb.catalogue.problems.family = lambda name: family  # type: ignore[assignment]
    suites = [Suite(name, 1, (f"lamps/wall/only/{name}",), 10, 1, "") for name in "012"]
    effort = Effort(prior=2000)
    for found in measure(suites, data=None, device="cpu", effort=effort, progress=print, state=Path("measured")):
        save_references(found, Path("points") / f"{found.suite}.json")


def experiment(folder: str, neurons: Sequence[str], trials: int) -> None:
    """A small experiment with a simulated subject."""
    text = template(generator="toy", neurons=neurons, solver="cma", together=False, trials=trials, seed=1)
    for old, new in {"width = 256": "width = 32", "height = 256": "height = 32", "size = 256": "size = 32",
                     "repeats = 2": "repeats = 1", "candidates = 20": "candidates = 4"}.items():  # fmt: skip
        text = text.replace(old, new)
    create(Path(folder), text)
    subject_of(Laboratory(Path(folder)), [f"{NETWORK}/{unit}" for unit in range(len(neurons))], lost=0.1)


def whole_experiment() -> None:
    """One block after another until the budget is spent, each told in two parts."""
    lab = Laboratory(Path("experiment"))
    subject = subject_of(lab)
    while (block := lab.next_block()) is not None:
        file = answer(lab, subject, block, spikes=block.number % 2 == 0)
        rows = read_responses(file, lab.experiment)
        for part in (rows[: len(rows) // 2], rows):
            lab.tell(part, source=file.name)


def recorded_in(name: str) -> Callable[[Path], object]:
    """Everything that an experiment chose, presented and recorded, without times of day."""

    def outcome(folder: Path) -> object:
        history = Laboratory(folder / name).history
        neurons = history.experiment.neurons
        return (
            history.trials,
            list(history.candidates.values()),
            [history.value(trial.number, neuron) for trial in history.trials for neuron in neurons],
            [block.asks for block in history.blocks],
            [
                {p.name: p.read_bytes() for p in sorted(f.glob("[!.]*"))}
                for f in sorted((folder / name / "blocks").iterdir())
            ],
        )

    return outcome


def corrected_in(name: str) -> Callable[[Path], object]:
    """The corrections of an experiment, without times of day, and what solvers were brought back by them."""

    def outcome(folder: Path) -> object:
        history = Laboratory(folder / name).history
        return [(one.trials, one.before, one.values, one.restarted) for one in history.corrections], history.misled

    return outcome


def lab_before() -> None:
    """Experiments at several stages.

    `new`, `open` with a block and the responses to it, `answered`, and `wrong`, whose next block was planned from other
    responses than those in its `right.csv`.
    """
    for name in ("new", "open", "answered", "wrong"):
        experiment(f"lab/{name}", NEURONS[:1], 40)
        if name != "new":
            lab = Laboratory(Path("lab") / name)
            block = lab.next_block()
            assert block is not None
            file = answer(lab, subject_of(lab), block)
            if name == "answered":
                lab.tell(read_responses(file, lab.experiment), source=file.name)
                command("lab", "report", "lab/answered")()
            if name == "wrong":
                rows = read_responses(file, lab.experiment)
                lab.tell(rows, source=file.name)
                lab.next_block()
                right = "".join(f"{row.trial},{row.trial}.5\n" for row in rows)
                Path("lab/wrong/right.csv").write_text(f"trial,{NEURONS[0]}\n{right}", encoding="utf-8")


ATLAS = ("atlas", "mnist-snn", "-l", "out", "-n", "2", "-s", "random", "-b", "20", "--study", "units")
PAGE = ("leaderboard", "one", "two", "--out", "pages/page.html")
PAPER = (
    "paper",
    "--network",
    "mnist-snn",
    "-g",
    "mnist-sngan",
    "--units",
    "1",
    "-b",
    "5",
    "--curve-budget",
    "5",
    "--study",
    "paper",
)
REPORTED = command("report", "one", *PLUGIN)
PICTURE = ("problems", "show", f"{NETWORK}/0", "--out", "pages/problem.png")

WORKS = [
    Work("run", ["run", *RUNS, "-b", "60", "--study", "new"], outcome=runs_in("new")),
    Work(
        "compare",
        ["compare", *RUNS, "-b", "50", "--study", "one"],
        before=REPORTED,
        outcome=lambda f: (runs_in("one")(f), names_in("one")(f)),
    ),
    Work("extend", ["run", *RUNS, "-b", "80", "--study", "one"], outcome=runs_in("one")),
    Work(
        "population",
        ["population", "-s", "random,cma", "-p", f"{NETWORK}/0..1", "-b", "40", "--seeds", "1", "--study", "shared"],
        outcome=runs_in("shared"),
    ),
    Work("merge into a new one", ["merge", "both", "one", "two"], outcome=runs_in("both")),
    Work("merge into an old one", ["merge", "two", "one"], outcome=runs_in("two")),
    Work("publish", ["publish", "one", "fresh"], writes=["fresh/runs.parquet", "fresh/manifest.json"]),
    Work(
        "publish again", ["publish", "two", "published"], writes=["published/runs.parquet", "published/manifest.json"]
    ),
    Work("restore", ["study", "restore", "published", "restored", *PLUGIN], outcome=runs_in("restored")),
    Work(
        "report",
        ["report", "one", *PLUGIN],
        before=REPORTED,
        writes=["one/report/pairs.csv", "one/report/report.md"],
        outcome=names_in("one"),
    ),
    Work("leaderboard", PAGE, before=command(*PAGE), writes=["pages/page.html"]),
    Work(
        "save",
        call=save,
        before=save_before,
        writes=["saved/notes.txt", "saved/pairs.csv"],
        outcome=lambda folder: sorted(str(p.relative_to(folder)) for p in (folder / "saved").rglob("*")),
    ),
    Work("picture", PICTURE, before=command(*PICTURE), writes=["pages/problem.png"]),
    Work(
        "analyse",
        ["analyse", "shared-analysed"],
        before=command(
            "run", "-s", "random", "-p", f"{NETWORK}/0..1", "-b", "20", "--seeds", "1", "--study", "shared-analysed"
        ),
        outcome=runs_in("shared-analysed"),
    ),
    Work(
        "atlas",
        ATLAS,
        before=command(*ATLAS[:-3], "10", *ATLAS[-2:]),
        writes=["units/analysis/meis.csv"],
        outcome=runs_in("units"),
    ),
    Work(
        "paper",
        PAPER,
        outcome=lambda f: (runs_in("paper/units", "paper/curves")(f), sorted(p.name for p in (f / "paper").iterdir())),
    ),
    Work(
        "demo",
        ["demo", "--out", "pages/demo.png"],
        before=command("demo", "--out", "pages/demo.png"),
        writes=["pages/demo.png"],
    ),
    Work("doctor", ["study", "doctor", "damaged", "--repair"], outcome=runs_in("damaged")),
    Work("references", ["references", "quick", "--study", "one", "--out", "points"], writes=["points"]),
    Work("references measured", call=measured_references, writes=["measured", "points"]),
    Work("train", call=train, writes=["trained/tiny.safetensors", "trained/tiny.card.json"]),
    Work("lab new", ["lab", "new", "another", "-g", "toy", "-t", "50"], writes=["another"]),
    Work("lab next", ["lab", "next", "lab/new"], before=lab_before, outcome=recorded_in("lab/new")),
    Work(
        "lab tell",
        ["lab", "tell", "lab/open", "lab/open/responses/block-001.csv"],
        before=lab_before,
        outcome=recorded_in("lab/open"),
    ),
    Work(
        "lab correct",
        ["lab", "correct", "lab/wrong", "lab/wrong/right.csv", "--block", "1", "--reason", "a mistake"],
        before=lab_before,
        outcome=lambda folder: (recorded_in("lab/wrong")(folder), corrected_in("lab/wrong")(folder)),
    ),
    Work("lab report", ["lab", "report", "lab/answered"], before=lab_before, writes=["lab/answered/report"]),
    Work(
        "lab simulate",
        ["lab", "simulate", "lab/open", "--all", "--format", "parquet"],
        before=lab_before,
        outcome=recorded_in("lab/open"),
    ),
    Work("nine solvers", call=nine_solvers, outcome=runs_in("nine"), check=little_is_measured_twice, row=8),
    Work("several neurons", call=several_neurons, outcome=runs_in("recorded"), row=8),
    Work(
        "whole experiment",
        call=whole_experiment,
        before=lambda: experiment("experiment", NEURONS, 60),
        outcome=recorded_in("experiment"),
        row=8,
    ),
]


def prepare(base: Path, works: Sequence[Work]) -> None:
    """The folder that all works begin with: studies `one` and `two`, which share runs, `damaged` and `published`."""
    base.mkdir(parents=True)
    calls = [studies, *dict.fromkeys(work.before for work in works if work.before is not None)]
    for call in calls:
        ended = perform(Work("preparation", call=call), base)
        assert ended.status == 0, ended.errors


def studies() -> None:
    runs = ["run", "-s", "random,climber", "--seeds", "2", *PLUGIN]
    command(*runs, "-p", "toy/bowl/near/0..2", "-b", "40", "--study", "one")()
    command(*runs, "-p", "toy/bowl/near/1..3", "-b", "60", "--study", "two")()
    command("publish", "one", "published")()
    shutil.copytree("one", "damaged")
    for path in sorted(Path("damaged/runs").iterdir())[::2]:
        path.write_bytes(path.read_bytes()[:-100])
    for number in range(20):
        (Path("damaged/runs") / f".{number}.parquet.999999.tmp").write_bytes(b"half")


def preload() -> None:
    """Import what the works import, but start no thread."""
    import torch

    import amb.atlas.make
    import amb.comparison.compare
    import amb.comparison.population
    import amb.reports.write
    import amb.study.merge
    from amb.catalogue.plugins import plugins

    torch.set_num_threads(1)  # a fork must not inherit threads
    for kind in ("reports", "lab_reports", "atlas_reports", "solvers", "suites", "generators", "targets"):
        for name, plugin in plugins(kind).items():  # type: ignore[arg-type]
            if kind != "solvers" or name in SOLVERS:
                with contextlib.suppress(amb.errors.AmbError):
                    plugin.load()
