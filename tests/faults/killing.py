"""Kill a study with SIGKILL at random moments until it is complete; run as a script, in a process of its own.

Workers are forked from a parent that has everything imported and compiled, so that most kills hit a study at work
and not an interpreter that starts. Prints one JSON object: kills, runs that were under way when they were killed, by
solver, and whether every trace equals the undisturbed study's.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from amb import FunctionProblem, Space
from amb.catalogue.solvers import resolve
from amb.run.execute import execute
from amb.study.lock import is_claimed
from amb.study.runs import RunPlan
from amb.study.study import Study

SPACE = Space.uniform(10, 16)
SOLVERS = ("random", "protes", "tt-b", "cma", "one-plus-lambda", "snes", "sphere-cma", "portfolio", "tt-elite")


def plans_for(round_: int, budget: int) -> list[RunPlan]:
    return [RunPlan("p/q/r/0", "print", solver, resolve(solver).cls.version, round_, budget) for solver in SOLVERS]


def lab(counter: Path):  # type: ignore[no-untyped-def]
    """A problem that notes every query it is asked, beyond the death of its process."""
    descriptor = os.open(counter, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def respond(rows: np.ndarray) -> np.ndarray:
        os.write(descriptor, b"." * len(rows))
        return np.sin(rows * np.arange(1, SPACE.d + 1)).mean(axis=1)

    return lambda spec: FunctionProblem(respond, SPACE, id=spec)


def traces(folder: Path, plans: list[RunPlan]) -> dict[str, tuple]:
    found = {}
    for plan in plans:
        loaded = Study(folder).load(plan)
        assert loaded is not None, f"{folder} lacks {plan.name}"
        record, trace = loaded
        found[plan.solver] = (
            record.status,
            record.recommended,
            record.final,
            trace.candidates.tobytes(),
            trace.values.tobytes(),
            trace.batches.tolist(),
        )
    return found


def work(folder: Path, plans: list[RunPlan]) -> int:
    """Fork a worker that carries the plans out."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            execute(plans, Study(folder), lab(folder / "counter"))
            status = 0
        finally:
            os._exit(status)
    return child


def disturb(folder: Path, plans: list[RunPlan], rng: np.random.Generator, killed: Counter) -> tuple[int, int]:
    """Kill workers until one ends by itself; kills, and the most queries that may have been measured twice."""
    kills, twice, patience = 0, 0, 0.08
    while True:
        child = work(folder, plans)
        time.sleep(rng.uniform(0.0, patience))
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert status == 0, f"a worker failed with status {status}"
            return kills, twice
        under_way = [p for p in plans if is_claimed(folder / "journal" / f"{p.run_id}.lock")]
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            return kills, twice  # it was quicker
        kills += 1
        killed.update(p.solver for p in under_way)
        twice += sum(largest(p.solver) for p in under_way)
        patience *= 1.06  # replay takes longer as the runs do


def largest(solver: str) -> int:
    """No batch of these solvers is larger."""
    return 128


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--budget", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    killed: Counter = Counter()
    kills = round_ = 0
    same = True
    started = time.monotonic()
    asked.folder.mkdir(parents=True, exist_ok=True)
    while kills < asked.kills:
        plans = plans_for(round_, asked.budget)
        quiet, rough = asked.folder / f"quiet-{round_}", asked.folder / f"rough-{round_}"
        execute(plans, Study(quiet), lab(asked.folder / "counter"))
        Study(rough)
        more, twice = disturb(rough, plans, rng, killed)
        kills, round_ = kills + more, round_ + 1
        same &= traces(quiet, plans) == traces(rough, plans)
        assert not list((rough / "journal").glob("*.journal")), "a journal is left over"
        measured = (rough / "counter").stat().st_size
        assert asked.budget * len(plans) <= measured <= asked.budget * len(plans) + twice
    seconds = round(time.monotonic() - started, 1)
    found = {"kills": kills, "studies": round_, "runs_killed": dict(killed), "same": same, "seconds": seconds}
    print(json.dumps(found))
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
