"""What the tests of reports report on: a made-up comparison, and made-up studies."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from amb import FunctionProblem, Space
from amb.reports.contract import ReportData
from amb.stats import analyse
from amb.study.compact import compact
from amb.study.manifest import Environment, Manifest, Settings
from amb.study.runs import RunPlan, RunRecord, Trace

SOLVERS = ("random", "tt-b[k=50,lr=0.1]", "a_b|c")


@pytest.fixture(scope="session")
def make_comparison() -> Callable[..., ReportData]:
    return _make_comparison


def _make_comparison(
    problems: int = 8, solvers: tuple[str, ...] = SOLVERS, seeds: int = 2, crash: bool = True
) -> ReportData:
    """The second solver is the best, the last one crashes once."""
    rng = np.random.default_rng(0)
    rows, traces = [], {}
    for p in range(problems):
        for k, solver in enumerate(solvers):
            for seed in range(seeds):
                cell = (f"gan/net/conv{p % 2}/{p}", solver, seed)
                failed = crash and p == 0 and k == len(solvers) - 1
                values = np.sort(rng.uniform(0, [0.5, 0.9, 0.7][k % 3], 50 if not failed else 10))
                traces[cell] = values
                rows.append(
                    {
                        **dict(zip(("problem", "solver", "seed"), cell, strict=True)),
                        "generator": "gan",
                        "target": "net",
                        "layer": f"conv{p % 2}",
                        "unit": str(p),
                        "budget": 50,
                        "queries": len(values),
                        "distinct": len(values),
                        "best": values.max(),
                        "status": "crash" if failed else "ok",
                        "failed": failed,
                        "final": np.nan if failed else values.max(),
                        "solver_seconds": 0.5,
                        "generator_seconds": 1.0,
                        "target_seconds": 2.0,
                        "timing": False,
                    }
                )
    runs = pd.DataFrame(rows)
    analysis = analyse(runs, traces, resamples=50)
    best = runs.dropna(subset="final").sort_values("final").groupby(["problem", "solver"], sort=False).last()
    meis = best.reset_index()[["problem", "solver", "seed", "final"]].rename(columns={"final": "activation"})
    meis["image"] = pd.Series([rng.integers(0, 256, (8, 8, 3), dtype=np.uint8) for _ in meis.index], dtype=object)
    settings = {
        "solvers": list(solvers),
        "problems": list(dict.fromkeys(runs["problem"])),
        "suite": None,
        "budget": 50,
        "seeds": list(range(seeds)),
        "device": "cpu",
        "timing": False,
        "control": None,
        "metric": "final",
        "alpha": 0.05,
        "rope": 0.01,
    }
    return ReportData(runs, traces, analysis, settings, lambda: meis, lambda problem: 128, lambda cell: None)


class MemoryStudy:
    """A study of made-up runs that reads as one on disk does."""

    def __init__(self, name: str, runs: list[tuple[RunRecord, Trace]], **settings: object) -> None:
        self.folder = self.shown = Path(name)
        self.runs = {record.plan.run_id: (record, trace) for record, trace in runs}
        plans = [record.plan for record, _ in runs]
        self.manifest = Manifest(
            environment=Environment("3.11", processor="made up", cores=2, packages={"numpy": "2.0.1"}),
            settings=Settings(solvers=tuple(dict.fromkeys(p.solver for p in plans)), **settings),  # type: ignore[arg-type]
            problems={p.problem: p.fingerprint for p in plans},
            solvers={p.solver: p.version for p in plans},
        )

    def records(self) -> Iterator[tuple[RunRecord, Trace]]:
        yield from (self.runs[key] for key in sorted(self.runs))

    def compact_records(self) -> Iterator[tuple[RunRecord, Trace]]:
        yield from ((record, compact(trace)) for record, trace in self.records())

    def load(self, plan: RunPlan) -> tuple[RunRecord, Trace] | None:
        return self.runs.get(plan.run_id)


@pytest.fixture(scope="session")
def make_study() -> Callable[..., MemoryStudy]:
    return _make_study


def _make_study(
    name: str = "made-up",
    *,
    problems: Sequence[str] = tuple(f"toy/bowl/{layer}/{unit}" for layer in ("near", "far") for unit in range(4)),
    solvers: Sequence[str] = ("random", "tt-b[k=50,lr=0.1]", "a_b|c"),
    seeds: int = 3,
    budget: int = 200,
    dimensions: int = 6,
    crash: bool = True,
    fingerprint: Callable[[str], str] = lambda name: FunctionProblem(len, Space.uniform(6, 16), id=name).fingerprint,
    message: str = "RuntimeError: the lamp is broken",
) -> MemoryStudy:
    """Runs that climb as optimizers do, each solver to its own height; the last solver crashes once.

    Values are whole numbers of spikes, some problems saturate, and the candidates of every trace are random.
    """
    rng = np.random.default_rng(0)
    heights = rng.uniform(0.55, 1.05, len(problems))
    speeds = np.linspace(0.8, 0.35, len(solvers))
    runs = []
    levels = 16
    pool = rng.integers(0, levels, (budget, dimensions))
    for p, problem in enumerate(problems):
        for k, solver in enumerate(solvers):
            for seed in range(seeds):
                plan = RunPlan(problem, fingerprint(problem), solver, "1", seed, budget)
                failed = crash and p == 0 and k == len(solvers) - 1 and seed == 0
                n = budget // 5 if failed else budget
                climb = 1 - (1 + np.arange(n)) ** (-speeds[k] * rng.uniform(0.8, 1.2))
                values = np.clip(heights[p] * climb + rng.normal(0, 0.05, n), 0, 1)
                values = np.floor(values * 6400) / 6400
                best = int(values.argmax())
                final = np.nan if failed else float(values[best])
                record = RunRecord(
                    plan, "crash" if failed else "ok", n, n, () if failed else tuple(pool[best].tolist()), final,
                    0.1 * (k + 1), 1.0, 2.0, message=message if failed else "",
                )  # fmt: skip
                runs.append((record, Trace(pool[:n], values, values, np.array([n]))))
    return MemoryStudy(name, runs, problems=list(problems), budget=budget, seeds=list(range(seeds)), suite=None)
