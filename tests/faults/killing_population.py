"""Kill recordings of several neurons with SIGKILL at random moments; run as a script, in a process of its own.

Workers are forked from a parent that has everything imported. Prints one JSON object: kills, how many of them left
journals of unequal length behind, and whether every trace equals the undisturbed study's.
"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from amb import FunctionProblem, Space
from amb.catalogue.given import Given
from amb.run.plan import make_plan
from amb.run.population import record, recordings
from amb.study.journal import find_journals, read_journal
from amb.study.runs import RunPlan
from amb.study.study import Study

SPACE = Space.uniform(10, 16)
SOLVERS = "random,cma,xdream-ga,one-plus-lambda,local-search"
NEURONS = 6


class Neuron(FunctionProblem):
    group = "recording"  # type: ignore[assignment]


def neuron(unit: int) -> Neuron:
    def respond(rows: np.ndarray) -> np.ndarray:
        return np.sin(rows * np.arange(1 + unit, 1 + unit + SPACE.d)).mean(axis=1)

    return Neuron(respond, SPACE, id=f"p/q/r/{unit}")


def wanted(budget: int) -> tuple[list[tuple[RunPlan, ...]], Given]:
    given = Given({}, {f"p/q/r/{unit}": neuron(unit) for unit in range(NEURONS)})
    plan = make_plan(SOLVERS, list(given.problems), budget=budget, seeds=2, given=given)
    return [*recordings(plan, "recommend"), *recordings(plan, "learn")], given


def work(folder: Path, budget: int) -> None:
    runs, given = wanted(budget)
    record(runs, Study(folder), lambda spec: given.problem(spec, device="cpu"))


def traces(folder: Path, budget: int) -> dict[str, tuple]:
    found = {}
    for run in [run for runs in wanted(budget)[0] for run in runs]:
        loaded = Study(folder).load(run)
        assert loaded is not None, f"{folder} lacks {run.name}"
        ended, trace = loaded
        rows = trace.candidates.tobytes(), trace.values.tobytes(), trace.batches.tolist()
        found[run.name] = (ended.status, ended.recommended, ended.final, *rows)
    return found


def unequal(folder: Path) -> bool:
    """Whether some neurons' journals hold a block that others lack."""
    contents = [read_journal(path) for path in find_journals(folder / "journal")]
    return len({0 if content is None else len(content.known.trace) for content in contents}) > 1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--budget", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    quiet, rough = asked.folder / "quiet", asked.folder / "rough"
    began = time.monotonic()
    work(quiet, asked.budget)
    mean = (time.monotonic() - began) / 15
    rng = np.random.default_rng(asked.seed)
    kills = torn = 0
    while True:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                work(rough, asked.budget)
                status = 0
            finally:
                os._exit(status)
        time.sleep(mean * (0.2 + rng.exponential(1.0)))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            assert status == 0, f"a worker failed with status {status}"
            break
        kills += 1
        torn += unequal(rough)
    same = traces(quiet, asked.budget) == traces(rough, asked.budget)
    left = len(find_journals(rough / "journal"))
    print(json.dumps({"kills": kills, "unequal": torn, "same": same, "journals": left}))
    sys.exit(0 if same and not left else 1)


if __name__ == "__main__":
    main()
