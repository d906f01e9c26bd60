"""Solvers and problems of a study that no name finds here: objects of another session, plug-ins that are not installed.

Table and verdict need nothing but stored runs, so these stand for them: they carry the identity under which the study
stored its runs, and can do nothing. A study makes its reader import no module that it names.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NoReturn, cast

from numpy.typing import ArrayLike

from amb.catalogue.given import Given
from amb.catalogue.plugins import Plugin, plugins
from amb.catalogue.problems import family
from amb.catalogue.solvers import SolverSpec
from amb.contracts.problem import Evaluation, Problem, UInt8Array
from amb.contracts.solver import Solver
from amb.contracts.space import IntArray, Space
from amb.errors import AmbError, SpecError, StudyError
from amb.sight import CLASSES, Sight
from amb.spec import ProblemId, Spec
from amb.study.published import AnyStudy


class StoredProblem(Problem):
    """A problem of which a study holds runs; its network is not here, so it evaluates nothing and has no images."""

    def __init__(self, id: str, fingerprint: str) -> None:
        self.id = id
        self.fingerprint = fingerprint

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

    def _ask(self, n: int) -> NoReturn:
        raise SpecError("this solver is known from stored runs only")


def with_stored(study: AnyStudy, solvers: Collection[str], problems: Collection[str], given: Given) -> Given:
    """The objects that are given, and stand-ins for what the study was last asked for and no name finds.

    Args:
        study: where the runs are.
        solvers, problems: names of those that are compared.
        given: the objects that are here.

    Raises:
        StudyError: the manifest does not say which version of one ran.
    """
    manifest = study.manifest
    last = manifest.settings
    absent = [n for n in last.solvers if n in solvers and n not in given.solvers and _lost_solver(n, last.given)]
    lost = [n for n in last.problems if n in problems and n not in given.problems and _lost_problem(n, last.given)]
    return Given(
        {**given.solvers, **{name: _stored_solver(study, name) for name in absent}},
        {**given.problems, **{n: StoredProblem(n, _version(study, n, manifest.problems)) for n in lost}},
    )


def stored_notes(given: Given) -> list[str]:
    """What a reader must know of the stand-ins, one line for solvers and one for problems, without full stops."""
    solvers = [name for name, spec in given.solvers.items() if issubclass(spec.cls, _StoredSolver)]
    problems = [name for name, problem in given.problems.items() if isinstance(problem, StoredProblem)]
    notes = []
    if solvers:
        verb = "is" if len(solvers) == 1 else "are"
        notes.append(
            f"{_listed(solvers)} {verb} known here from stored runs only, and these are compared; to run more, name "
            "the solver's file with --plugin, or give its class in Python"
        )
    if problems:
        notes.append(
            f"the network of {_listed(problems)} is not here: stored runs are compared, without images of these "
            "problems"
        )
    return notes


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:2]) + (f" and {len(names) - 2:,} more" if len(names) > 2 else "")


def _lost_solver(name: str, objects: Collection[str]) -> bool:
    """Whether a solver was an object, is named by its module, which only its user may import, or is not installed."""
    plain = Spec.parse(name).name
    return name in objects or ":" in plain or plain not in plugins("solvers")


def _lost_problem(name: str, objects: Collection[str]) -> bool:
    """Whether a problem was an object, or its generator or target is not installed."""
    if name in objects:
        return True
    try:
        family(ProblemId.parse(Spec.parse(name).name).pair)
    except SpecError:
        return True
    except AmbError:  # installed, but damaged: creating it says why
        return False
    return False


def _stored_solver(study: AnyStudy, name: str) -> SolverSpec:
    manifest = study.manifest
    sees = manifest.settings.sees.get(name, "values")
    if sees not in CLASSES:
        raise StudyError(f"{study.folder}/manifest.json is damaged: {name} sees {sees!r:.40}")
    spec = Spec.parse(name)
    declared = {
        "version": _version(study, name, manifest.solvers),
        "anytime": _anytime(study, name),
        "sees": cast(Sight, sees),
    }
    cls = type("_StoredSolver", (_StoredSolver,), declared)
    return SolverSpec(spec, cls, Plugin("solvers", spec.name, "", f"the study {study.folder}"))


def _anytime(study: AnyStudy, name: str) -> bool:
    """Whether a longer run of the solver contains the shorter ones, as its newest version's runs say."""
    version = study.manifest.solvers.get(name)
    plans = (record.plan for record, _ in study.compact_records())
    return next((plan.anytime for plan in plans if (plan.solver, plan.version) == (name, version)), True)


def _version(study: AnyStudy, name: str, versions: Mapping[str, str]) -> str:
    found = versions.get(name)
    if found is None:
        raise StudyError(f"{study.folder}/manifest.json does not say which version of {name} ran")
    return found
