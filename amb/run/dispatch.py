"""Executing a plan in this process or on a cluster."""

from collections.abc import Sequence

from amb.run.dask import DaskCluster
from amb.run.execute import execute
from amb.run.limits import Limits
from amb.run.live import NO_LIMITS
from amb.run.plan import Plan
from amb.run.progress import Progress
from amb.study.runs import RunPlan
from amb.study.study import Study


def carry_out(
    plan: Plan,
    runs: Sequence[RunPlan],
    study: Study,
    cluster: DaskCluster | None = None,
    *,
    timing: bool = False,
    limits: Limits = NO_LIMITS,
    retry: bool = False,
    notes: Sequence[str] = (),
    progress: Progress | None = None,
) -> None:
    """Run those of a plan's `runs` that the study lacks: on the cluster, or here if it is None.

    The other arguments are those of `amb.run.execute.execute`; what the plan's solvers refuse is added to the notes.
    """
    notes = [*notes, *plan.refusals]
    if cluster is None:
        execute(runs, study, plan.problem, timing=timing, limits=limits, retry=retry, notes=notes, progress=progress)
    else:
        cluster.execute(
            runs,
            study,
            device=plan.device,
            timing=timing,
            limits=limits,
            retry=retry,
            notes=notes,
            progress=progress,
        )
