"""Kill every command that writes with SIGKILL at random moments, until it was killed often enough; run as a script.

Each command works on its own copy of the same studies. After every kill, all files that have their final name must be
whole; in the end, the same command must succeed without any repair, and leave what an undisturbed one leaves. Workers
are forked from a parent that has everything imported, so that most kills hit a command at work. Prints one JSON object.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from amb.cli.app import app
from amb.study.journal import find_journals, read_journal
from amb.study.traces import read_run

TOY = Path(__file__).parents[1] / "plugins" / "toy.py"
PLUGIN = ["--plugin", str(TOY)]
RUNS = ["-s", "random,climber,crasher", "-p", "toy/bowl/near/0..2", "--seeds", "2", *PLUGIN]
STEPS = 400


@dataclass(frozen=True)
class Command:
    """A command line, in a folder with the studies `one`, `two` (which share runs), `damaged` and `published`.

    Attributes:
        words: what follows `amb`.
        writes: files and folders that it writes and that must be equal to the undisturbed ones in the end.
        work: what is called instead of `amb`, in the folder.
    """

    name: str
    words: Sequence[str] = ()
    writes: Sequence[str] = ()
    work: Callable[[], object] | None = None
    measured: Callable[[Path], object] = field(default=lambda folder: None)


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


def run_contents(folder: Path) -> dict[str, object]:
    """What the runs of a study hold, whatever they cost."""
    found: dict[str, object] = {}
    for path in sorted((folder / "runs").glob("*.parquet")):
        record, trace = read_run(path)
        rows = trace.candidates.tobytes(), trace.values.tobytes(), trace.batches.tolist()
        found[record.plan.name] = (record.status, record.reason, record.recommended, repr(record.final), *rows)
    return found


COMMANDS = [
    Command("run", ["run", *RUNS, "-b", "60", "--study", "new"], measured=lambda f: run_contents(f / "new")),
    Command("compare", ["compare", *RUNS, "-b", "50", "--study", "one"], ["one/report/runs.csv"],
            measured=lambda f: run_contents(f / "one")),
    Command("extend", ["run", *RUNS, "-b", "80", "--study", "one"], measured=lambda f: run_contents(f / "one")),
    Command("merge into a new one", ["merge", "both", "one", "two"], measured=lambda f: run_contents(f / "both")),
    Command("merge into an old one", ["merge", "two", "one"], measured=lambda f: run_contents(f / "two")),
    Command("publish", ["publish", "one", "fresh"], ["fresh/runs.parquet", "fresh/manifest.json"]),
    Command("publish again", ["publish", "two", "published"], ["published/runs.parquet", "published/manifest.json"]),
    Command("report", ["report", "one", *PLUGIN], ["one/report/ranking.csv", "one/report/report.md"]),
    Command("leaderboard", ["leaderboard", "one", "two", "--out", "pages/page.html"], ["pages/page.html"]),
    Command("doctor", ["study", "doctor", "damaged", "--repair"], measured=lambda f: run_contents(f / "damaged")),
    Command("references", ["references", "quick", "--study", "one", "--out", "points"], ["points"]),
    Command("train", writes=["trained/tiny.safetensors", "trained/tiny.card.json"], work=train),
]  # fmt: skip


def prepare(folder: Path) -> None:
    """The studies that commands work on."""
    folder.mkdir(parents=True)
    with contextlib.chdir(folder):
        base = ["-s", "random,climber", "--seeds", "2", *PLUGIN]
        assert amb(["run", *base, "-p", "toy/bowl/near/0..2", "-b", "40", "--study", "one"]) == 0
        assert amb(["run", *base, "-p", "toy/bowl/near/1..3", "-b", "60", "--study", "two"]) == 0
        assert amb(["publish", "one", "published"]) == 0
        shutil.copytree("one", "damaged")
        for path in sorted(Path("damaged/runs").iterdir())[::2]:
            path.write_bytes(path.read_bytes()[:-100])
        for number in range(20):
            (Path("damaged/runs") / f".{number}.parquet.999999.tmp").write_bytes(b"half")


def amb(words: Sequence[str]) -> int:
    """The exit status of a command in a process of its own."""
    return os.waitstatus_to_exitcode(os.waitpid(start(Command("", words), Path()), 0)[1])


def start(command: Command, folder: Path) -> int:
    """Fork a process that carries out a command in a folder."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.chdir(folder)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(os.open("stderr.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        if command.work is not None:
            command.work()
            status = 0
        else:
            try:
                app(command.words, standalone_mode=False)
                status = 0
            except SystemExit as end:
                status = int(end.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


def whole(folder: Path) -> list[str]:
    """Files under their final names that cannot be read to their end."""
    torn = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not path.is_file() or hidden or "damaged" in path.parts or path.suffix in (".tmp", ".new", ".lock"):
            continue
        try:
            content = path.read_bytes()
            if path.suffix == ".parquet":
                pq.read_table(path)
            elif path.suffix == ".json":
                json.loads(content)
            elif path.suffix in (".html", ".svg"):
                assert content.rstrip().endswith((b"</html>", b"</svg>"))
            elif path.suffix == ".png":
                assert content.endswith(b"IEND\xaeB`\x82")
            elif path.suffix == ".journal":
                read_journal(path)
            elif path.suffix == ".safetensors":
                from safetensors.numpy import load

                load(content)
        except Exception as cause:
            torn.append(f"{path.relative_to(folder)}: {type(cause).__name__}: {cause}")
    return torn


def outcome(command: Command, folder: Path) -> object:
    """What a command left: its measured content, and the bytes of what it writes."""
    files = {}
    for name in command.writes:
        place = folder / name
        for path in sorted(place.rglob("[!.]*")) if place.is_dir() else [place]:
            content = path.read_bytes() if path.is_file() else b""
            files[str(path.relative_to(folder))] = b"" if path.suffix in (".md", ".csv") and content else content
    return command.measured(folder), files


def torture(command: Command, base: Path, folder: Path, kills: int, rng: np.random.Generator) -> dict[str, object]:
    """Kill a command that many times, restarting from the base where it has finished; then let it finish."""
    quiet = folder / "quiet"
    shutil.copytree(base, quiet)
    started = time.monotonic()
    _, status = os.waitpid(start(command, quiet), 0)
    seconds = time.monotonic() - started
    assert status == 0, (command.name, (quiet / "stderr.txt").read_text())
    expected = outcome(command, quiet)
    done, rounds, torn, faults, leftovers = 0, 0, [], [], []
    while done < kills:
        rough = folder / f"rough-{rounds}"
        shutil.copytree(base, rough)
        rounds += 1
        for _ in range(8):  # kills in a row, before it may finish
            if done == kills:
                break
            child = start(command, rough)
            time.sleep(rng.uniform(0.0, 1.1 * seconds))
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            if not os.WIFSIGNALED(status):
                if status:
                    faults.append(f"{command.name}: {(rough / 'stderr.txt').read_text()[-500:]}")
                break
            done += 1
            torn += [f"{command.name}: {fault}" for fault in whole(rough)]
        _, status = os.waitpid(start(command, rough), 0)
        if status:
            faults.append(f"{command.name}: {(rough / 'stderr.txt').read_text()[-500:]}")
        elif outcome(command, rough) != expected:
            faults.append(f"{command.name}: the outcome differs in {rough}")
        left = [str(path.relative_to(rough)) for path in rough.rglob("*") if path.suffix in (".tmp", ".new")]
        leftovers += [path for path in left if not path.startswith("damaged/")]
        journals = [str(path) for name in ("new", "one", "both") for path in find_journals(rough / name / "journal")]
        if journals:
            faults.append(f"{command.name}: unfinished journals {journals}")
        if not faults:
            shutil.rmtree(rough)
    shutil.rmtree(quiet)
    return {"kills": done, "rounds": rounds, "torn": torn, "faults": faults, "left over at the end": len(leftovers)}


def preload() -> None:
    """Import what commands import, but start no thread."""
    import amb.comparison.compare
    import amb.reports.write
    import amb.study.merge
    from amb.catalogue.plugins import plugins

    for kind in ("reports", "solvers", "suites"):
        for name, plugin in plugins(kind).items():  # type: ignore[arg-type]
            if kind != "solvers" or name == "random":
                with contextlib.suppress(amb.errors.AmbError):
                    plugin.load()
    import matplotlib.backends.backend_agg
    import matplotlib.backends.backend_svg
    import matplotlib.font_manager  # noqa: F401


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=12, help="of all commands together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    preload()
    rng = np.random.default_rng(asked.seed)
    base = asked.folder.resolve() / "base"
    prepare(base)
    chosen = [command for command in COMMANDS if asked.only in command.name]
    report: dict[str, dict[str, object]] = {}
    started = time.monotonic()
    for number, command in enumerate(chosen):
        kills = asked.kills // len(chosen) + (number < asked.kills % len(chosen))
        folder = asked.folder.resolve() / str(number)
        folder.mkdir()
        report[command.name] = torture(command, base, folder, kills, rng)
        print(command.name, report[command.name], file=sys.stderr, flush=True)
    found = {
        "kills": sum(int(str(one["kills"])) for one in report.values()),
        "faults": [fault for one in report.values() for fault in [*one["torn"], *one["faults"]]],  # type: ignore[misc]
        "seconds": round(time.monotonic() - started, 1),
        "commands": report,
    }
    print(json.dumps(found))
    sys.exit(bool(found["faults"]))


if __name__ == "__main__":
    main()
