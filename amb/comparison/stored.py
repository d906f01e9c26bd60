"""Solvers and problems of a study that are not here: objects of another session, plug-ins or versions not installed.

Table and verdict need nothing but stored runs, so these stand for them: they carry the identity under which the study
stored its runs, and can do nothing. A study makes its reader import no module that it names.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn, cast

from numpy.typing import ArrayLike

from amb.catalogue.given import Given
from amb.catalogue.plugins import Plugin, plugins
from amb.catalogue.problems import family, problem
from amb.catalogue.solvers import SolverSpec, names_module, resolve
from amb.contracts.problem import Evaluation, Problem, UInt8Array
from amb.contracts.solver import Solver
from amb.contracts.space import IntArray, Space
from amb.errors import AmbError, SpecError, StudyError
from amb.sight import CLASSES, Sight
from amb.spec import ProblemId, Spec
from amb.study.manifest import Manifest
from amb.study.published import AnyStudy
from amb.study.runs import RunPlan
from amb.text import listed


class StoredProblem(Problem):
    """A problem of which a study holds runs; its network is not here, so it evaluates nothing and has no images.

    Args:
        id: its name.
        fingerprint: that of the stored runs.
        changed: whether the name finds another network here.
    """

    def __init__(self, id: str, fingerprint: str, *, changed: bool) -> None:
        self.id = id
        self.fingerprint = fingerprint
        self.changed = changed

    @property
    def space(self) -> Space:  # type: ignore[override]
        self._refuse()

    @classmethod
    def evaluate_together(cls, problems: Sequence[Problem], batches: Sequence[IntArray]) -> Evaluation:
        cast(StoredProblem, problems[0])._refuse()

    def images(self, candidates: ArrayLike) -> UInt8Array:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise SpecError(f"{self.id} is known from stored runs only: neither its network nor its generator is here")


class _StoredSolver(Solver):
    """What a solver declared whose runs a study holds."""

    installed: str | None = None
    """The version that its name finds here, if it finds one."""
    ran: tuple[str, ...] = ()
    """The versions of its stored runs, if none is of the version that the manifest states."""

    def _ask(self, n: int) -> NoReturn:
        raise SpecError("this solver is known from stored runs only")

    def recommend(self) -> NoReturn:
        """Nobody knows what it would."""
        self._ask(1)


def with_stored(
    study: AnyStudy, solvers: Collection[str], problems: Collection[str], given: Given, *, device: str
) -> Given:
    """The objects that are given, and stand-ins for what the study was last asked for and is not here.

    Args:
        study: where the runs are.
        solvers, problems: names of those that are compared; others are passed over.
        given: the objects that are here.
        device: of the problems that are here.

    Raises:
        StudyError: the manifest does not say which version of one ran.
    """
    last = study.manifest.settings
    asked = [name for name in last.solvers if name in solvers and name not in given.solvers]
    posed = [name for name in last.problems if name in problems and name not in given.problems]
    plans = cache(lambda: [record.plan for record, _ in study.compact_records()])
    stored_solvers = {name: _stored_solver(study, name, plans) for name in asked}
    stored_problems = {name: _stored_problem(study, name, device) for name in posed}
    return Given(
        {**given.solvers, **{name: spec for name, spec in stored_solvers.items() if spec}},
        {**given.problems, **{name: problem for name, problem in stored_problems.items() if problem}},
    )


def stored_notes(given: Given) -> list[str]:
    """What a reader must know of the stand-ins, a line for each kind, without full stops."""
    solvers = {name: spec.cls for name, spec in given.solvers.items() if issubclass(spec.cls, _StoredSolver)}
    problems = [problem for problem in given.problems.values() if isinstance(problem, StoredProblem)]
    absent = [name for name, cls in solvers.items() if cls.installed is None]
    notes = []
    if absent:
        verb = "is" if len(absent) == 1 else "are"
        notes.append(
            f"{listed(absent)} {verb} known here from stored runs only, and these are compared; to run more, name "
            "the solver's file with --plugin, or give its class in Python"
        )
    for name, cls in solvers.items():
        if cls.ran:
            notes.append(
                f"{name} is of version {cls.version} by the study's manifest.json, but its stored runs are of version "
                f"{', '.join(cls.ran)}: they are left out; run the study again, or restore the file"
            )
    others = {name: cls for name, cls in solvers.items() if cls.installed and not cls.ran}
    for versions in dict.fromkeys((cls.version, cls.installed) for cls in others.values()):
        names = [name for name, cls in others.items() if (cls.version, cls.installed) == versions]
        notes.append(
            f"{listed(names)} ran in version {versions[0]}, and version {versions[1]} is installed here: the stored "
            "runs are compared; to compare the installed version, run the study again"
        )
    if lost := [problem.id for problem in problems if not problem.changed]:
        notes.append(
            f"the network of {listed(lost)} is not here: stored runs are compared, without images of these problems"
        )
    if changed := [problem.id for problem in problems if problem.changed]:
        notes.append(
            f"the network of {listed(changed)} is another one here: the stored runs are compared, without images of "
            "these problems"
        )
    return notes


def _stored_problem(study: AnyStudy, name: str, device: str) -> StoredProblem | None:
    """A stand-in for a problem that was an object, whose network changed, or is not installed."""
    manifest = study.manifest
    try:
        Spec.parse(name)
    except SpecError as cause:
        raise StudyError(f"{study.shown}/manifest.json names a problem that cannot be used: {cause}") from cause
    try:
        if name not in manifest.settings.given:
            family(ProblemId.parse(Spec.parse(name).name).pair)
            if manifest.problems.get(name) in (None, problem(name, device=device).fingerprint):
                return None
            return StoredProblem(name, manifest.problems[name], changed=True)
    except SpecError:
        pass
    except AmbError:  # installed, but damaged: creating it says why
        return None
    return StoredProblem(name, _version(study, name, manifest.problems), changed=False)


def stated_sight(manifest: Manifest, solver: str, folder: Path) -> Sight:
    """What a solver sees besides values, as the manifest of the study in a folder says; "values" if it says nothing.

    Raises:
        StudyError: it says something else.
    """
    sees = manifest.settings.sees.get(solver, "values")
    if sees not in CLASSES:
        raise StudyError(f"{folder}/manifest.json is damaged: {solver} sees {sees!r:.40}")
    return cast(Sight, sees)


def _stored_solver(study: AnyStudy, name: str, plans: Callable[[], Sequence[RunPlan]]) -> SolverSpec | None:
    """A stand-in for a solver that is not installed, that changed since, or that only its user may import.

    Args:
        plans: of all stored runs, which are read only if a solver needs them.
    """
    manifest = study.manifest
    installed = None
    try:
        spec = Spec.parse(name)
        if name not in manifest.settings.given and not names_module(spec) and spec.name in plugins("solvers"):
            installed = resolve(spec).cls.version
    except SpecError as cause:
        raise StudyError(f"{study.shown}/manifest.json names a solver that cannot be used: {cause}") from cause
    if installed is not None and manifest.solvers.get(name) in (None, installed):
        return None
    version = _version(study, name, manifest.solvers)
    own = [plan for plan in plans() if plan.solver == name]
    ran = tuple(sorted({plan.version for plan in own}))
    declared = {
        "version": version,
        # Whether a longer run contains the shorter ones, as this version's runs say.
        "anytime": next((plan.anytime for plan in own if plan.version == version), True),
        "ran": () if version in ran else ran,
        "sees": stated_sight(manifest, name, study.folder),
        "installed": installed,
    }
    cls = type("_StoredSolver", (_StoredSolver,), declared)
    return SolverSpec(spec, cls, Plugin("solvers", spec.name, "", f"the study {study.shown}"))


def _version(study: AnyStudy, name: str, versions: Mapping[str, str]) -> str:
    found = versions.get(name)
    if found is None:
        raise StudyError(f"{study.shown}/manifest.json does not say which version of {name!r} ran")
    return found
