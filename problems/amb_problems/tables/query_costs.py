"""What a query costs, by problem and solver, on this machine: `python -m amb_problems.tables.query_costs`.

Prints a table of `docs/notes/performance.md`. Each row is a small study, run on one thread and without overlap; its
seconds are those that the runs store (`amb.study.runs.Seconds`). The bench's share is the rest of the thread's
processor time: journals, run files, checks. Of several studies the one with the least time counts, stage by stage,
since other processes can only slow one down.

The last row of a problem is what its stages would cost at the peak of one thread:

- generator and target: the operations of all layers up to the unit. The target goes below that where it need not
  compute frame by frame, and where event-driven layers do nothing for neurons that are silent;
- solver: drawing a candidate at random;
- bench: appending a query's bytes to a file.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from time import thread_time

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from amb.catalogue.generators import generator as generator_named
from amb.catalogue.problems import problem as problem_named
from amb.run.execute import execute
from amb.run.plan import make_plan
from amb.study.runs import Seconds
from amb.study.study import Study
from amb_problems.engine.evaluator import Evaluator
from amb_problems.generators.torch_generator import TorchGenerator
from amb_problems.problem import NetworkProblem
from amb_problems.tables.engine_speed import best_seconds, peaks, stimuli
from amb_problems.targets.spiking.target import SpikingTarget

SOLVERS = ("random", "tt-b", "cma-diagonal", "portfolio")
PROBLEMS = (
    "cifar10-sngan-int8/snn-cnn/sn1/29",
    "cifar10-sngan-int8/snn-cnn/sn2/8",
    "cifar10-sngan-int8/snn-cnn/out/5",
    "cifar10-sngan-int8/snn-resnet18/layer2.1.sn2/40",
    "cifar10-sngan-int8/snn-resnet18/layer4.1.sn2/112",
    "cifar10-sngan/snn-cnn/sn1/29",
    "cifar10-sngan/snn-cnn/sn2/8",
)
STAGES = ("generator", "target", "solver", "bench")


@dataclass(frozen=True)
class Cost:
    """Seconds a query."""

    generator: float
    target: float
    solver: float
    bench: float

    @property
    def total(self) -> float:
        """All four."""
        return self.generator + self.target + self.solver + self.bench

    def least(self, other: "Cost") -> "Cost":
        """The smaller one of each stage."""
        return Cost(*(min(getattr(self, stage), getattr(other, stage)) for stage in STAGES))


def cost(problem: str, solver: str, *, budget: int, seeds: int, repetitions: int) -> Cost:
    """What a query of a study of one problem and one solver costs, all seeds in lockstep."""
    plan = make_plan(solver, problem, budget=budget, seeds=seeds)
    for name in plan.problems:
        plan.problem(name).warm_up()
    found: Cost | None = None
    for repetition in range(repetitions + 1):
        with TemporaryDirectory() as folder:
            study = Study(Path(folder))
            start = thread_time()
            execute(plan.runs, study, plan.problem, find_solver=plan.solver, overlap=False)
            passed = thread_time() - start
            records = [record for record, _ in study.records()]
        seconds = sum((record.seconds for record in records), Seconds())
        queries = sum(record.queries for record in records)
        rest = max(0.0, passed - seconds.total)
        each = Cost(*(part / queries for part in (seconds.generator, seconds.target, seconds.solver, rest)))
        if repetition:  # the first one compiles
            found = each if found is None else found.least(each)
    assert found is not None
    return found


def at_peak(problem: NetworkProblem, peaks: Mapping[str, float]) -> Cost:
    """What a problem's stages cost at the peak of one thread, in seconds a query.

    Args:
        problem: of a shipped SN-GAN and a spiking target.
        peaks: GOP/s of one thread, by arithmetic.
    """
    integers = peaks.get("int8", peaks["float32"])
    generator = problem.pair.generator.name
    exact = generator.endswith("-int8")
    rng, levels = np.random.default_rng(0), problem.space.levels
    row = bytes(2 * problem.space.d + 16)
    with TemporaryFile(buffering=0) as file:
        return Cost(
            _generator_operations(generator.removesuffix("-int8")) / (integers if exact else peaks["float32"]) / 1e9,
            _target_operations(problem) / integers / 1e9,
            best_seconds(partial(rng.integers, levels, size=(64, len(levels))), seconds=0.1) / 64,
            best_seconds(partial(file.write, row), seconds=0.1),
        )


@cache
def _generator_operations(name: str) -> float:
    """Operations an image of a shipped generator, two for a multiplication and addition."""
    made = generator_named(name)
    assert isinstance(made, TorchGenerator)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        made.network(torch.zeros(1, made.latent_dim))
    return float(counter.get_total_flops())


def _target_operations(problem: NetworkProblem, images: int = 16) -> float:
    """Operations an image of all layers up to the unit, frame by frame, whether neurons fire or not."""
    target = problem.pair.target
    assert isinstance(target, SpikingTarget)
    dense = Evaluator(target.evaluator.network, backend="eager")
    with FlopCounterMode(display=False) as counter:
        dense.counts(stimuli(images), [(problem.layer, problem.units[0])] * images)
    return float(counter.get_total_flops()) / images


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="What a query costs, by problem and solver.")
    parser.add_argument("--problems", nargs="+", default=PROBLEMS)
    parser.add_argument("--solvers", nargs="+", default=SOLVERS)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--repetitions", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    top = peaks()
    known = [f"{name} {top[name]:,.0f} GOP/s" for name in ("int8", "float32") if name in top]
    print(f"Peaks of one thread: {', '.join(known)}")
    print(f"\n| problem | solver | µs a query | {' | '.join(STAGES)} |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for name in asked.problems:
        found = problem_named(name)
        assert isinstance(found, NetworkProblem)
        for solver in asked.solvers:
            spent = cost(name, solver, budget=asked.budget, seeds=asked.seeds, repetitions=asked.repetitions)
            print(_row(name, solver, spent), flush=True)
        print(_row(name, "*at the peak*", at_peak(found, top)), flush=True)


def _row(problem: str, solver: str, each: Cost) -> str:
    cells = [f"{1e6 * getattr(each, stage):,.0f}" for stage in STAGES]
    return f"| `{problem}` | {solver} | {1e6 * each.total:,.0f} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
