"""`amb.population`: what neurons save that are recorded together, as a study."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from amb.catalogue.given import ProblemLike, SolverLike, name_problems, name_solvers
from amb.comparison.table import run_row
from amb.contracts.alone import tried
from amb.errors import SpecError, StudyError
from amb.references.lookup import reference
from amb.run.dispatch import carry_out
from amb.run.display import receiver
from amb.run.plan import DEFAULT_BUDGET, Plan, make_plan
from amb.run.population import record, recordings
from amb.run.progress import Progress
from amb.spec import explained, flag, whole_number
from amb.stats.metrics import Traces
from amb.stats.sharing import SEPARATE, as_presentations, gains, savings
from amb.study.recording import Sharing
from amb.study.runs import LARGEST_COUNT, RunPlan, Trace
from amb.study.study import Study
from amb.text import plural

WAYS: tuple[tuple[str, Sharing], ...] = (("recommend all", "recommend"), ("learn from all", "learn"))
"""How searches of a recording share, in words, and what the runs are called."""


@dataclass(frozen=True, repr=False)
class Population:
    """What a recording of several neurons found, compared with a search for each.

    Attributes:
        neurons: problem ids, in the order in which the searches take turns.
        budget: presentations of a recording, and of the separate searches together.
        runs: one row per way of searching, neuron, solver and seed; `budget` and `queries` are in presentations.
        gains: see `amb.stats.sharing.gains`.
        savings: see `amb.stats.sharing.savings`.
        study: where the runs are.
    """

    neurons: tuple[str, ...]
    budget: int
    runs: pd.DataFrame
    gains: pd.DataFrame
    savings: pd.DataFrame
    study: Study

    def __repr__(self) -> str:
        size = f"{plural(len(self.neurons), 'neuron')}, {plural(self.budget, 'presentation')}"
        return f"<amb.Population: {size}, {plural(len(self.runs), 'run')} in {self.study.given}>"


@explained("amb.population")
def population(
    solvers: SolverLike | Sequence[SolverLike],
    problems: ProblemLike | Sequence[ProblemLike],
    *,
    budget: int = DEFAULT_BUDGET,
    seeds: int | str | Sequence[int] | None = None,
    study: str | Path = "amb-study",
    device: str = "cpu",
    retry: bool = False,
    progress: Progress | bool | None = None,
) -> Population:
    """Search for the best stimulus of each of several neurons that are recorded together, and for each alone.

    Every neuron has a search of its own, and the presentations are divided evenly between the searches. Three ways are
    run and stored: `separate` searches, of which each knows its own presentations only; `recommend all`, the same
    presentations, of which each neuron is recommended the best; and `learn from all`, in which searches also learn from
    their neuron's responses to each other's stimuli (`Solver.learn`; solvers that do not declare `foreign` cannot).

    Args:
        solvers: as in `amb.compare`.
        problems: at least two neurons of one generator and target, as in `amb.compare`.
        budget: presentations in total; rounded down to a multiple of the number of neurons.
        seeds: as in `amb.compare`.
        study: folder; what it holds is not repeated, and what was interrupted is resumed.
        device: where the network is evaluated.
        retry: resume runs that failed.
        progress: as in `amb.compare`.

    Raises:
        SpecError: an unknown name, fewer presentations than neurons, or neurons that cannot be recorded together.
        StudyError: the folder cannot be written or read.
    """
    retry = flag(retry, "retry")
    shown = receiver(progress)
    shown.prepare()
    plan = _separate(solvers, problems, budget, seeds, device)
    ways = {way: recordings(plan, sharing) for way, sharing in WAYS}
    folder = Study(study)
    together = [runs for found in ways.values() for runs in found]
    notes = folder.describe([*plan.runs, *(run for runs in together for run in runs)], plan.settings())
    carry_out(plan, plan.runs, folder, retry=retry, notes=notes, progress=shown)
    record(together, folder, tried(plan.problem), find_solver=plan.solver, retry=retry, progress=shown)
    return _read(plan, ways, folder)


def _separate(
    solvers: SolverLike | Sequence[SolverLike],
    problems: ProblemLike | Sequence[ProblemLike],
    budget: int,
    seeds: int | str | Sequence[int] | None,
    device: str,
) -> Plan:
    """The plan of separate searches, each with its share of the budget."""
    from amb.catalogue.given import Given, given_suite
    from amb.catalogue.problems import expand

    solver_names, solver_objects = name_solvers(solvers)
    problem_names, problem_objects = name_problems(problems)
    total = whole_number(budget, "the budget", 1, LARGEST_COUNT)
    number = len({one for name in problem_names for one in ([name] if name in problem_objects else expand(name))})
    if number > total:
        raise SpecError(f"{total} presentations are too few for {number} neurons: each needs at least one")
    given = Given(solver_objects, problem_objects)
    return make_plan(
        solver_names,
        problem_names,
        budget=total // max(number, 1),
        seeds=seeds,
        device=device,
        given=given,
        suite=given_suite(problems),
    )


def _read(plan: Plan, ways: dict[str, list[tuple[RunPlan, ...]]], study: Study) -> Population:
    """The runs of all ways, as tables."""
    neurons = len(plan.problems)
    points = {run.problem: reference(run.problem, fingerprint=run.fingerprint) for run in plan.runs}
    wanted: dict[str, list[RunPlan]] = {SEPARATE: list(plan.runs)}
    wanted |= {way: [run for runs in found for run in runs] for way, found in ways.items()}
    rows: list[dict[str, object]] = []
    traces: dict[str, Traces] = {}
    presented: dict[str, Trace] = {}
    for way, runs in wanted.items():
        known: dict[tuple[str, str, int], np.ndarray] = {}
        for run in runs:
            loaded = study.load(run)
            if loaded is None:
                raise StudyError(f"{study.shown} lacks {run.name}; the same command runs it")
            ended, trace = loaded
            if run.recording is not None:
                presented[run.run_id] = trace
            values = trace.observed
            row = run_row(ended, trace, run.budget, points[run.problem])
            if way == SEPARATE:
                values = as_presentations(values, neurons)
                row |= {"budget": run.budget * neurons, "queries": ended.queries * neurons}
            rows.append({"searches": way, **row})
            known[run.problem, run.solver, run.seed] = values
        traces[way] = known
    _refuse_different_presentations(ways, presented, study)
    table = pd.DataFrame(rows)
    return Population(plan.problems, plan.budget * neurons, table, gains(table), savings(table, traces), study)


def _refuse_different_presentations(
    ways: dict[str, list[tuple[RunPlan, ...]]], presented: dict[str, Trace], study: Study
) -> None:
    """Refuse a recording whose neurons did not see the same stimuli, as files do that come from two recordings.

    Raises:
        StudyError: the message names the files.
    """
    for first, *others in (runs for found in ways.values() for runs in found):
        for run in others:
            if not np.array_equal(presented[first.run_id].candidates, presented[run.run_id].candidates):
                files = " and ".join(str(study.run_file(plan.run_id)) for plan in (first, run))
                raise StudyError(
                    f"{files} are of one recording, but of different presentations: move the runs of "
                    f"{first.solver} #{first.seed} away, and the same command records them again"
                )
