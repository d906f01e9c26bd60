"""The published reference study: strong solvers' runs, stored, to set a newcomer beside."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from amb.catalogue.plugins import find, load_function, plugins
from amb.catalogue.solvers import resolve
from amb.errors import StudyError
from amb.run.plan import Plan
from amb.spec import split_specs
from amb.study.environment import environment
from amb.study.manifest import Environment, Settings
from amb.study.published import AnyStudy, open_study
from amb.study.runs import RunPlan

NAME = "reference"


@dataclass(frozen=True)
class ReferenceStudy:
    """A study whose runs are used and never made again.

    Attributes:
        study: where they are.
    """

    study: AnyStudy

    @property
    def settings(self) -> Settings:
        """What the study was asked for.

        Raises:
            StudyError: its manifest does not say.
        """
        return self.study.manifest.settings.complete(self.study.folder)

    @property
    def solvers(self) -> Sequence[str]:
        """Specs of its solvers."""
        return self.settings.solvers

    def complete(
        self,
        solvers: str | Sequence[str],
        problems: str | Sequence[str] | None,
        budget: int | None,
        seeds: int | str | Sequence[int] | None,
    ) -> tuple[list[str], str | Sequence[str], int | None, int | str | Sequence[int] | None]:
        """What to compare: the solvers given and the reference's, on its problems unless others are given."""
        given = split_specs(solvers) if isinstance(solvers, str) else list(solvers)
        named = {str(resolve(spec)) for spec in given}
        every = [*given, *(spec for spec in self.solvers if spec not in named)]
        asked = self.settings
        return (
            every,
            problems or asked.problems,
            asked.budget if budget is None else budget,
            asked.seeds if seeds is None else seeds,
        )

    def missing(self, runs: Sequence[RunPlan]) -> list[RunPlan]:
        """The runs that have to be made: those of solvers that the reference does not have.

        Raises:
            StudyError: the reference has the solver, but not this run of it, and the message says why.
        """
        mine = set(self.solvers)
        todo = []
        for run in runs:
            if self.study.load(run) is not None:
                continue
            if run.solver in mine:
                raise StudyError(f"the reference in {self.study.folder} cannot stand beside this: {self._why(run)}")
            todo.append(run)
        return todo

    def warnings(self, plan: Plan, study: AnyStudy) -> list[str]:
        """How the reference's environment differs from that of `study`, in sentences."""
        recorded = study.manifest.environment
        here = recorded if recorded != Environment() else environment()
        there = self.study.manifest.environment
        found = []
        if there.machine != here.machine:
            found.append(
                f"the reference ran on {there.processor} ({there.cores} cores), this study on "
                f"{here.processor} ({here.cores} cores): seconds do not compare"
            )
        theirs, ours = there.packages, here.packages
        differing = [f"{n} {theirs[n]} / {ours[n]}" for n in theirs if n in ours and theirs[n] != ours[n]]
        if differing:
            found.append(
                f"other versions in the reference than here ({', '.join(differing)}): exact targets give the same "
                "values, a solver may ask otherwise"
            )
        return found

    def _why(self, run: RunPlan) -> str:
        problems, versions = self.study.manifest.problems, self.study.manifest.solvers
        if run.problem not in problems:
            return f"it has no run on {run.problem}; leave --problems out to use its own"
        if problems[run.problem] != run.fingerprint:
            return (
                f"{run.problem} was measured with other weights or another grid; a reference of this version is needed"
            )
        if versions.get(run.solver) != run.version:
            return f"its {run.solver} is of version {versions.get(run.solver)}, this amb's of version {run.version}"
        asked = self.settings
        return (
            f"it has {run.solver} with a budget of {asked.budget} and the seeds "
            f"{', '.join(map(str, asked.seeds))}, not with {run.budget} and {run.seed}"
        )


def reference_study(where: bool | str | Path) -> ReferenceStudy:
    """The reference study that is installed (`True`), or the one in a folder.

    Raises:
        StudyError: there is none, or it is damaged.
    """
    if where is True or str(where) == "True":
        if NAME not in plugins("studies"):
            raise StudyError("no reference study is installed; give a folder that `amb publish` wrote")
        folder = load_function(find("studies", NAME))
        where = Path(str(folder()))
    return ReferenceStudy(open_study(cast(str | Path, where)))
