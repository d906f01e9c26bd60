"""Where runs are made: in this process, or on a cluster."""

from collections.abc import Sequence
from typing import Any

from amb.run.dask import DaskCluster
from amb.run.execute import execute
from amb.run.plan import Plan
from amb.study.runs import RunPlan
from amb.study.study import Study


def carry_out(
    plan: Plan, runs: Sequence[RunPlan], study: Study, cluster: DaskCluster | None = None, **how: Any
) -> None:
    """Make runs of a plan that the study lacks, here or on a cluster; `how` is what `amb.run.execute` takes."""
    how["notes"] = [*how.get("notes", ()), *plan.refusals]
    if cluster is None:
        execute(runs, study, plan.problem, **how)
    else:
        cluster.execute(runs, study, device=plan.device, **how)
