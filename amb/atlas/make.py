"""Making an atlas: an ordinary study of the units, then what is measured for their inputs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from amb.atlas.request import BUDGET, SOLVERS, Request
from amb.catalogue.families import compose
from amb.catalogue.given import Given
from amb.catalogue.problems import problem as find_problem
from amb.catalogue.problems import problem_in
from amb.contracts.family import Family
from amb.contracts.problem import Problem
from amb.meis.found import found_in
from amb.meis.measure import PRESENTATIONS, Measures, measure_all
from amb.run.dask import DaskCluster
from amb.run.dispatch import carry_out
from amb.run.limits import NO_LIMITS, Limits
from amb.run.plan import Plan, make_plan
from amb.run.progress import NoProgress, Progress
from amb.spec import ProblemId
from amb.study.published import AnyStudy
from amb.study.runs import RunPlan
from amb.study.study import Study


@dataclass(frozen=True)
class Atlas:
    """A network's units and their most exciting inputs.

    Attributes:
        request: network, units and generators.
        study: where the runs are.
        measures: tables about the inputs, those of the states in the course of training included.
    """

    request: Request
    study: AnyStudy
    measures: Measures


def plan_of(
    request: Request, *, solvers: str = SOLVERS, budget: int = BUDGET, seeds: int | str = 1, device: str = "cpu"
) -> Plan:
    """The runs of an atlas.

    Raises:
        SpecError, SolverError: see `amb.run.plan.make_plan`.
    """
    given = Given({}, request.given)
    return make_plan(solvers, request.problems, budget=budget, seeds=seeds, device=device, given=given)


def run(
    plan: Plan,
    folder: Path,
    *,
    cluster: DaskCluster | None = None,
    limits: Limits = NO_LIMITS,
    retry: bool = False,
    progress: Progress | None = None,
) -> Study:
    """Run what the study lacks; it may be interrupted, extended, merged and run on a cluster as any other study."""
    study = Study(folder)
    notes = study.describe(plan.runs, plan.settings())
    progress = progress or NoProgress()
    carry_out(plan, plan.runs, study, cluster, limits=limits, retry=retry, notes=notes, progress=progress)
    return study


def atlas_of(
    request: Request,
    study: AnyStudy,
    *,
    runs: Sequence[RunPlan] | None = None,
    data: Path | None = None,
    noise: str | None = None,
    presentations: int = PRESENTATIONS,
    device: str = "cpu",
    progress: Callable[[str], None] = lambda line: None,
) -> Atlas:
    """Measure what a study holds about the requested network's units, also from earlier and larger requests.

    With `runs`, only these are measured, as they stood at these budgets.

    Raises:
        StudyError: it holds nothing about the network, or weights have changed.
        DataError: `data` was given and cannot be read.
    """
    states = {state.name: state for state in request.states}
    families: dict[str, Family] = {}  # of the states, which no name finds

    def problem(name: str) -> Problem:
        parts = ProblemId.parse(name)
        if parts.target not in states:
            return find_problem(name, device=device)
        if parts.pair not in families:
            families[parts.pair] = compose(parts.generator, states[parts.target])
        return problem_in(families[parts.pair], name, device=device)

    networks = {request.target.name, *states}
    found = found_in(study, problem, only=networks, single=True, runs=runs, generators=request.generators)
    measures = measure_all(
        found, data=data, noise=noise, presentations=presentations, families=families, progress=progress
    )
    return Atlas(request, study, measures)
