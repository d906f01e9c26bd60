"""Executing a plan in this process or on a cluster."""

from collections.abc import Sequence

from amb.contracts.alone import tried
from amb.contracts.content import accepting
from amb.errors import SpecError
from amb.run.dask import DaskCluster
from amb.run.execute import execute
from amb.run.forks import processors
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

    The other arguments are those of `amb.run.execute.execute`; the plan's own notes are added to the notes.

    Raises:
        SpecError: other processes are to run solvers or problems that they do not find by their names.
    """
    _refuse_unnamed(plan, cluster, limits)
    notes = [*notes, *plan.notes()]
    if cluster is None:
        with accepting(plan.made_of()):
            execute(
                runs,
                study,
                tried(plan.problem),
                find_solver=plan.solver,
                timing=timing,
                processes=1 if plan.device != "cpu" or plan.given.unnamed() else processors(),
                limits=limits,
                retry=retry,
                notes=notes,
                progress=progress,
            )
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


def _refuse_unnamed(plan: Plan, cluster: DaskCluster | None, limits: Limits) -> None:
    """Refuse to hand to other processes what was given as an object and has no name that finds it there."""
    unnamed = plan.given.unnamed()
    where = "a worker of a cluster" if cluster is not None else "a process of its own (isolate)"
    if cluster is None:
        unnamed = tuple(name for name in unnamed if name in plan.given.solvers) if limits.isolate else ()
    if unnamed:
        raise SpecError(
            f"{unnamed[0]} was given as an object, and {where} does not find it by that name: register it, or put it "
            "into a file that is loaded with --plugin or imported as a module"
        )
