"""The baseline: a published study of strong solvers, whose stored runs a new solver is compared with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from amb.catalogue.plugins import find, load_function, plugins
from amb.catalogue.solvers import SolverSpec, names_module, resolve
from amb.errors import StudyError
from amb.spec import Spec, split_specs
from amb.study.asked import asked_of, how_to_finish
from amb.study.environment import environment
from amb.study.manifest import Environment, Settings
from amb.study.published import AnyStudy, PublishedStudy, open_study
from amb.study.runs import RunPlan
from amb.text import plural

NAME = "reference"
"""Name of the published study, in the plug-in group `amb.studies`, that `--with-reference` means."""

INSTALLED = "True"
"""What settings on disk say instead of a folder if the installed study was meant."""


@dataclass(frozen=True)
class Baseline:
    """A study that is compared with, and whose runs are never rerun.

    Attributes:
        study: where its runs are.
    """

    study: AnyStudy

    @property
    def settings(self) -> Settings:
        """The settings that its runs were asked for with.

        Raises:
            StudyError: its manifest does not state them.
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
        *,
        find: Callable[[str], SolverSpec] = resolve,
    ) -> tuple[list[str], list[str], int | None, int | str | Sequence[int] | None]:
        """The solvers given and the baseline's own, and its problems, budget and seeds unless others are given.

        `find` finds a solver by its spec.

        Raises:
            StudyError: one of its solvers is not installed, or named by its module, and is not among the solvers given.
        """
        requested = split_specs(solvers) if isinstance(solvers, str) else list(solvers)
        named = {str(find(spec)) for spec in requested}
        if foreign := [spec for spec in self.solvers if names_module(spec) and spec not in named]:
            raise StudyError(
                f"{self.study.shown} names the solver {foreign[0]} by its module, and reading a study imports no "
                "module that it names: name it yourself, as one of --solvers"
            )
        for spec in self.solvers:
            if spec not in named and (name := Spec.parse(spec).name) not in plugins("solvers"):
                raise StudyError(
                    f"{self.study.shown} has runs of the solver {name}, which is not installed here: name its file "
                    "with --plugin, or give its class as one of the solvers"
                )
        all_solvers = [*requested, *(spec for spec in self.solvers if spec not in named)]
        settings = self.settings
        return (
            all_solvers,
            list(settings.problems)
            if not problems
            else split_specs(problems)
            if isinstance(problems, str)
            else [*problems],
            settings.budget if budget is None else budget,
            settings.seeds if seeds is None else seeds,
        )

    def missing(self, runs: Sequence[RunPlan]) -> list[RunPlan]:
        """The runs still to be done: those of other solvers than its own that it lacks, or holds with a smaller budget.

        Raises:
            StudyError: a run of one of the baseline's own solvers is missing or shorter; the message says why.
        """
        own = set(self.solvers)
        missing = []
        for run in runs:
            stored = self.study.load(run)
            if stored is not None and stored[0].plan.budget >= run.budget:
                continue
            if run.solver in own:
                raise StudyError(f"the reference in {self.study.shown} does not fit this comparison: {self._why(run)}")
            missing.append(run)
        return missing

    def warnings(self, study: AnyStudy) -> list[str]:
        """How the baseline's environment differs from that of `study`, in sentences without a full stop."""
        recorded = study.manifest.environment
        current = recorded if recorded != Environment() else environment()
        reference = self.study.manifest.environment
        warnings = []
        if reference.machine != current.machine:
            warnings.append(
                f"the reference ran on {reference.processor} ({reference.cores} cores), this study on "
                f"{current.processor} ({current.cores} cores): seconds are not comparable"
            )
        packages = reference.packages
        # amb's own version does not matter: run ids contain the solvers' versions and the problems' fingerprints.
        shared = [name for name in packages if name in current.packages and name != "amb"]
        differing = [
            f"{name} {packages[name]} / {current.packages[name]}"
            for name in shared
            if packages[name] != current.packages[name]
        ]
        if differing:
            warnings.append(
                f"the reference ran with package versions other than those installed here ({', '.join(differing)}): "
                "exact targets give the same values, but a solver may ask for different candidates"
            )
        return warnings

    def _why(self, run: RunPlan) -> str:
        problems, versions = self.study.manifest.problems, self.study.manifest.solvers
        if run.problem not in problems:
            return f"it has no run on {run.problem}; name problems that it has with --problems"
        if problems[run.problem] != run.fingerprint:
            return f"{run.problem} was measured with different weights or another grid; use a reference of this version"
        if versions.get(run.solver) != run.version:
            version = versions.get(run.solver)
            return f"it has {run.solver} in version {version}, and version {run.version} is installed here"
        return self._unfinished(run) or self._held_otherwise(run)

    def _unfinished(self, run: RunPlan) -> str:
        """That the study was asked for a run which is not finished, and what to do; "" if it was not asked for it."""
        held = [plan.budget for plan in self._held(run) if plan.seed == run.seed]
        asked = (run.problem, run.solver, run.seed) in asked_of(self.study.manifest)
        if not asked or run.budget != self.settings.budget or max(held, default=0) > run.budget:
            return ""
        when = " when the study was published" if isinstance(self.study, PublishedStudy) else ""
        part = f": it had {max(held):,} of {plural(run.budget, 'query', 'queries')}" if held else ""
        return f"the run {run.name} was not finished{when}{part}; {how_to_finish(self.study, 'it')}"

    def _held_otherwise(self, run: RunPlan) -> str:
        """With which budgets and seeds the study holds runs of a solver on a problem, but not the run itself."""
        seeds: dict[int, set[int]] = {}
        for plan in self._held(run):
            seeds.setdefault(plan.budget, set()).add(plan.seed)
        if not seeds:
            return f"it has no finished run of {run.solver} on {run.problem}; leave this problem out of --problems"
        held = ", and with ".join(_with(budget, seeds[budget]) for budget in sorted(seeds))
        return f"it has {run.solver} with {held}, not with {_with(run.budget, {run.seed})}"

    def _held(self, run: RunPlan) -> list[RunPlan]:
        """The study's finished runs that differ from a run in budget or seed only."""
        key = run.problem, run.fingerprint, run.solver, run.version, run.recording
        return [p for p in self.study.plans() if (p.problem, p.fingerprint, p.solver, p.version, p.recording) == key]


def _with(budget: int, seeds: set[int]) -> str:
    numbers = ", ".join(map(str, sorted(seeds)))
    return f"a budget of {budget} and the {'seed' if len(seeds) == 1 else 'seeds'} {numbers}"


def find_baseline(where: bool | str | Path) -> Baseline:
    """The installed reference study (`True`), or the study in a folder, as a baseline.

    Raises:
        StudyError: there is none, or it is damaged.
    """
    if str(where) != INSTALLED:
        return Baseline(open_study(str(where)))
    if NAME not in plugins("studies"):
        raise StudyError("no reference study is installed; give the folder of one with --reference")
    folder = load_function(find("studies", NAME))
    return Baseline(open_study(Path(str(folder()))))
