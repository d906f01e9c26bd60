"""The commands whose power is cut; run as a script under strace: `power_cuts_work.py STAGE FOLDER MARKS [NUMBER]`.

A line in MARKS says what has been reported as done. With NUMBER, the command is killed in place of that flush.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import numpy as np

from amb import FunctionProblem, Space
from amb.catalogue.reference_points import References
from amb.catalogue.reference_points import save as save_references
from amb.contracts.reference import Reference
from amb.lab.experiment import template
from amb.lab.laboratory import Laboratory, create
from amb.lab.responses import Row
from amb.references.resume import Cache
from amb.reports.draft import draft_of
from amb.run.execute import execute
from amb.run.progress import NoProgress, UnderWay
from amb.study.durable import write_whole
from amb.study.manifest import Settings
from amb.study.merge import merge
from amb.study.published import publish
from amb.study.runs import RunPlan, RunRecord
from amb.study.study import Study

SPACE = Space.uniform(4, 16)
POINT = Reference("print", 0.1, 0.2, None, None, 0.5, (1, 2), "measured")


def plans(budget: int) -> list[RunPlan]:
    return [RunPlan("p/q/r/0", "print", "random[k=5]", "1", seed, budget) for seed in range(3)]


def problem(count: Callable[[int], object] = lambda queries: None) -> Callable[[str], FunctionProblem]:
    def respond(rows: np.ndarray) -> np.ndarray:
        count(len(rows))
        return np.sin(rows).mean(axis=1)

    return lambda spec: FunctionProblem(respond, SPACE, id=spec)


class Reporter(NoProgress):
    def __init__(self, plans: list[RunPlan], mark: Callable[[str], object]) -> None:
        self._plans, self._mark = plans, mark

    def begin(self, planned: int, waiting: Sequence[RunPlan]) -> None:
        for plan in self._plans:
            if plan not in waiting:
                self._mark(plan.run_id)

    def finished(self, run: UnderWay, record: RunRecord) -> None:
        self._mark(record.plan.run_id)


def run(folder: Path, budget: int, mark: Callable[[str], object] = lambda text: None) -> None:
    study = Study(folder)
    study.describe(plans(budget), Settings(budget=budget))
    execute(plans(budget), study, problem(), progress=Reporter(plans(budget), mark))


def files(folder: Path, mark: Callable[[str], object]) -> None:
    """Everything else that is written to stay."""
    publish(Study(folder / "study"), folder / "published" / "deep")
    mark("published/deep")
    save_references(References("quick-1", {"p/q/r/0": POINT}), folder / "new" / "references.json")
    mark("new/references.json")
    Cache(folder / "state" / "deep").point("p/q/r/0", "print", 1, lambda: POINT)
    mark("state/deep")


def report(folder: Path, text: str) -> None:
    """Replace a report of two files, in folders."""
    with draft_of(folder / "report") as draft:
        write_whole(draft / "table.csv", text)
        (draft / "figures").mkdir(exist_ok=True)
        (draft / "figures" / "ranks.svg").write_text(text)


NOTES = "what somebody wrote into the report's folder"


def experiment(folder: Path) -> None:
    """An experiment in a laboratory."""
    text = template(generator="toy", neurons=("n1",), solver="cma", together=False, trials=60, seed=0)
    for name in ("width", "height", "size"):
        text = text.replace(f"{name} = 256", f"{name} = 32")
    create(folder / "lab", text)


def block(folder: Path, mark: Callable[[str], object]) -> None:
    """Present a block and record it, unless that is done; then make the next one."""
    lab = Laboratory(folder / "lab")
    first = lab.next_block() if len(lab.history.blocks) < 2 else None
    mark("block 1")
    if first is not None and first.number == 1:
        lab.tell([Row(trial, "n1", trial / 8) for trial in first.trials], source="rig")
    mark("told")
    lab.next_block()
    mark("block 2")


def interrupt(folder: Path) -> None:
    """Leave the journals of unfinished runs."""
    seen = []

    def count(queries: int) -> None:
        seen.append(queries)
        if len(seen) == 2:  # each serves the three runs together
            os.kill(os.getpid(), signal.SIGINT)  # the batch under way is finished

    try:
        execute(plans(40), Study(folder), problem(count))
    except KeyboardInterrupt:
        return
    raise AssertionError("it was not interrupted")


def prepare(stage: str, folder: Path) -> None:
    """What is on the disk before the command begins."""
    if stage == "report":
        report(folder, "old")
        (folder / "report" / "notes.txt").write_text(NOTES)
    elif stage == "lab":
        experiment(folder)
    elif stage != "run":
        run(folder / "study", 20)
    if stage == "resume":
        interrupt(folder / "study")


def die_instead_of_flush(number: int) -> None:
    """Have this process killed when it has flushed this many files and folders and would flush the next."""
    plain, numbers = os.fsync, count()

    def flush(descriptor: int) -> None:
        if next(numbers) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        plain(descriptor)

    os.fsync = flush


def main() -> None:
    if sys.argv[1] == "prepare":
        prepare(sys.argv[2], Path(sys.argv[3]))
        return
    stage, folder = sys.argv[1], Path(sys.argv[2])
    if len(sys.argv) > 4:
        die_instead_of_flush(int(sys.argv[4]))
    descriptor = os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def mark(text: str) -> None:
        os.write(descriptor, text.encode() + b"\n")

    if stage in ("run", "extend", "resume"):
        run(folder / "study", 20 if stage == "run" else 40, mark)
    elif stage == "merge":
        merge(folder / "all", [folder / "study"])
        mark("merged")
    elif stage == "files":
        files(folder, mark)
    elif stage == "report":
        report(folder, "new")
        mark("reported")
    elif stage == "lab":
        block(folder, mark)


if __name__ == "__main__":
    main()
