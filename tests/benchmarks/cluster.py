"""What a cluster costs beyond its work: `python tests/benchmarks/cluster.py` prints what docs/guides/studies.md quotes.

The network is a stand-in that waits 50 ms a batch and leaves the processor alone, so that many workers can be measured
on few cores: what is measured is the bench's and Dask's share, not the network's.
"""

import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import distributed
import numpy as np

from amb.catalogue import problems as registry
from amb.catalogue.plugins import load_file
from amb.run.dask import DaskCluster
from amb.study.manifest import Settings
from amb.study.merge import merge
from amb.study.runs import RunPlan
from amb.study.study import Study

WAITING = Path(__file__).parents[1] / "plugins" / "waiting.py"
RUNS, BUDGET = 4, 200


def plans(runs: int) -> list[RunPlan]:
    name = "waiting/room/a/0"
    print_ = registry.problem(name).fingerprint
    return [RunPlan(name, print_, "random[k=5]", "1", seed, BUDGET) for seed in range(runs)]


def efficiency(workers: int, folder: Path) -> dict[str, float]:
    """Seconds of one worker alone over seconds times workers, the cluster's start left out."""
    seconds = {}
    for count in (1, workers):
        with distributed.LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None) as cluster:
            executor = DaskCluster(scheduler=cluster.scheduler_address, plugins=(WAITING,))
            warm = Study(folder / f"warm-{workers}-{count}")
            warm.describe(plans(4 * count), Settings())
            executor.execute([replace(p, budget=5) for p in plans(4 * count)], warm)
            study = Study(folder / f"study-{workers}-{count}")
            work = plans(RUNS * count)
            study.describe(work, Settings())
            start = time.perf_counter()
            executor.execute(work, study)
            seconds[count] = time.perf_counter() - start
    # Weak scaling: each worker has the same work as the one alone.
    return {"alone": seconds[1], "together": seconds[workers], "efficiency": seconds[1] / seconds[workers]}


def a_task(count: int = 2000) -> float:
    """Seconds that the scheduler and one worker take for a task that does nothing."""
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.gather(client.map(abs, range(10), pure=False))
        start = time.perf_counter()
        client.gather(client.map(abs, range(count), pure=False))
        return (time.perf_counter() - start) / count


def files(folder: Path, count: int = 200) -> dict[str, float]:
    """Seconds to save a run of 500 queries in 128 modes, to merge it from a study of its own, and its bytes."""
    from amb.study.runs import RunRecord, Trace

    rng = np.random.default_rng(0)
    trace = Trace(rng.integers(0, 64, (500, 128)), rng.random(500), rng.random(500), np.full(50, 10))
    made, start = [], time.perf_counter()
    for plan in plans(count):
        study = Study(folder / f"part-{plan.seed}")
        study.save(RunRecord(plan, "ok", 500, 500, (0,) * 128, 0.5, 1.0, 1.0, 1.0), trace)
        made.append(study)
    saved = (time.perf_counter() - start) / count
    for study in made:
        study.describe(plans(1), Settings(budget=500))
    start = time.perf_counter()
    merge(folder / "all", [study.folder for study in made])
    merged = (time.perf_counter() - start) / count
    size = study.run_file(plan.run_id).stat().st_size
    return {"save": saved, "merge": merged, "bytes": size}


def main() -> None:
    load_file(WAITING)
    with tempfile.TemporaryDirectory() as place:
        found: dict[str, object] = {"files": files(Path(place)), "task": a_task()}
        print(json.dumps(found), flush=True)
        found |= {f"{n} workers": efficiency(n, Path(place)) for n in (2,)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
