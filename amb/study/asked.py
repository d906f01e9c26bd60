"""What a study was last asked for, and how much of it is not finished.

A manifest says what was asked for, not what is there: a study may have been interrupted, and published after that.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from amb.study.manifest import Manifest
from amb.study.published import AnyStudy
from amb.study.runs import RunRecord
from amb.study.study import Study
from amb.text import plural

Cell = tuple[str, str, int]
"""Problem, solver and seed of a run."""


@dataclass(frozen=True)
class Asked:
    """Every solver on every problem with every seed: a request, which may be for far more runs than can be listed."""

    problems: Collection[str]
    solvers: Collection[str]
    seeds: Collection[int]

    def __len__(self) -> int:
        return len(self.problems) * len(self.solvers) * len(self.seeds)

    def __contains__(self, cell: object) -> bool:
        problem, solver, seed = cast(Cell, cell)
        return problem in self._problems and solver in self.solvers and seed in self._seeds

    def missing(self, found: Iterable[Cell]) -> dict[str, int]:
        """How many of its runs are not among those that are found, by solver; solvers that lack none are left out."""
        stored = Counter(solver for problem, solver, seed in {*found} if (problem, solver, seed) in self)
        each = len(self.problems) * len(self.seeds)
        return {solver: each - stored[solver] for solver in self.solvers if stored[solver] < each}

    @cached_property
    def _problems(self) -> frozenset[str]:
        return frozenset(self.problems)

    @cached_property
    def _seeds(self) -> frozenset[int]:
        return frozenset(self.seeds)


NOTHING = Asked((), (), ())


def asked_of(manifest: Manifest) -> Asked:
    """What a study was last asked for."""
    asked = manifest.settings
    return Asked(asked.problems, asked.solvers, asked.seeds)


def finished_of(manifest: Manifest, records: Iterable[RunRecord]) -> set[Cell]:
    """The runs, among these, that are of a study's networks and versions and have spent the budget asked for."""
    budget = manifest.settings.budget or 0
    return {
        (plan.problem, plan.solver, plan.seed)
        for record in records
        if (plan := record.plan).recording is None
        and (plan.budget >= budget or record.broke_off)
        and manifest.problems.get(plan.problem) == plan.fingerprint
        and manifest.solvers.get(plan.solver) == plan.version
    }


def unfinished_clauses(
    studies: Sequence[tuple[AnyStudy, Manifest, Collection[Cell]]], *, left_out: bool = True
) -> list[str]:
    """What each study was last asked for and is not there, a clause for each that lacks some, without full stops.

    With reference solvers, a study does not hold all that it was asked for: nothing is said of it.

    Args:
        studies: each with its manifest and the runs that are there.
        left_out: whether their reader leaves them out; a shorter run that is published is not.
    """
    clauses = []
    for study, manifest, found in studies:
        asked = asked_of(manifest)
        if not manifest.settings.with_reference and (missing := asked.missing(found)):
            clauses.append(f"{study.shown}: {unfinished_note(study, missing, len(asked), left_out=left_out)}")
    return clauses


def unfinished_note(study: AnyStudy, missing: Mapping[str, int], planned: int, *, left_out: bool = True) -> str:
    """How much of an interrupted study is missing, and how to complete it; no full stop.

    Args:
        study: a study, or what was published of one.
        missing: number of runs that are not finished, by solver.
        planned: number of runs that were asked for.
        left_out: as for `unfinished_clauses`.
    """
    each = ", ".join(f"{solver} {count:,}" for solver, count in missing.items())
    count = f"{sum(missing.values()):,} of {plural(planned, 'run')}"
    words = "are not finished and left out" if left_out else "are not finished"
    return f"{count} {words} ({each}); {how_to_finish(study)}"


def how_to_finish(study: AnyStudy, what: str = "them") -> str:
    """How to finish what is missing, "them" or "it"; a clause without a full stop."""
    if isinstance(study, Study):
        return f"the command that started the study resumes {what}"
    return (
        f"finish {what} in the study that was published, or in one that `amb study restore` makes of this one, and "
        "publish again"
    )
