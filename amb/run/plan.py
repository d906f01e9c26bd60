"""From a user's request to a list of runs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast
from weakref import WeakKeyDictionary

import numpy as np

from amb.catalogue import problems as problem_registry
from amb.catalogue.given import Given
from amb.catalogue.own_code import codes_of
from amb.catalogue.solvers import SolverSpec
from amb.catalogue.suites import suite as suite_by_name
from amb.contracts.content import Content, accepting
from amb.contracts.device import check_device
from amb.contracts.problem import Problem
from amb.contracts.space import Space
from amb.contracts.suite import Suite
from amb.errors import AmbError, PluginError, SolverError, SpecError, suggestion
from amb.foreign import contained, text_of
from amb.interruption import Receiver, from_user, is_a
from amb.run.isolation.solver import Refusal, isolated
from amb.run.limits import NO_LIMITS, Limits, within
from amb.spec import ProblemId, Spec, split_specs, whole_number
from amb.study.manifest import Settings
from amb.study.runs import LARGEST_COUNT, RunPlan
from amb.text import listed, plural

DEFAULT_BUDGET = 500
DEFAULT_SEEDS = 2
MOST_SEEDS = 100_000
MOST_RUNS = 1_000_000
"""Runs of one plan. What a command does for each before the first begins takes minutes with more."""
NOTHING = Given()

TRIAL_SECONDS = 60.0
"""How much longer than a run the trial of a solver may take, in which its packages are imported and compiled."""


@dataclass(frozen=True)
class Plan:
    """The runs of a comparison and the problems they need.

    Attributes:
        runs: problem by problem, solver by solver, seed by seed.
        solvers: canonical specs in the order asked for.
        problems: ids in order.
        budget, seeds: for every run.
        device: where problems are evaluated.
        suite: the suite's name and version, if the problems are exactly one suite's.
        refusals: sentences that say which solvers refuse which problems and why; these runs are recorded as skipped.
        given: solvers and problems that were given as objects or classes.
        codes: hashes of the code of one's own solvers and problems; see `amb.catalogue.own_code`.
    """

    runs: tuple[RunPlan, ...]
    solvers: tuple[SolverSpec, ...]
    problems: tuple[str, ...]
    budget: int
    seeds: tuple[int, ...]
    device: str
    suite: str | None
    refusals: tuple[str, ...] = ()
    given: Given = NOTHING
    codes: Mapping[str, str] = field(default_factory=dict)

    def problem(self, spec: str) -> Problem:
        """A problem of the plan, on the plan's device; one that was given as an object, where that is."""
        return self.given.problem(spec, device=self.device)

    def solver(self, spec: str) -> SolverSpec:
        """A solver of the plan by its canonical spec."""
        return self.given.solver(spec)

    def notes(self) -> list[str]:
        """What a user must know before the runs: refusals, and what only this process finds by its name."""
        return [*self.refusals, *_resumed_by_objects(self.given.unnamed())]

    def made_of(self) -> list[Content]:
        """What solvers and problems were made of, as far as that may change."""
        found = [*(solver.made_of for solver in self.solvers), *(one.made_of for one in self.given.problems.values())]
        return [content for content in found if content is not None]

    def canonical_solver(self, spec: str) -> str:
        """The canonical form of one of the plan's solvers.

        Raises:
            SpecError: the plan has no such solver.
        """
        wanted, known = str(self.solver(spec)), [str(s) for s in self.solvers]
        if wanted not in known:
            raise SpecError(f"the control {wanted} is not one of the solvers compared; {suggestion(wanted, known)}")
        return wanted

    def settings(self, *, timing: bool = False, with_reference: str | None = None) -> Settings:
        """Everything needed to recreate the plan, for reports and the manifest.

        Args:
            timing: whether runs have the machine to themselves.
            with_reference: the reference study that the solvers are compared with.
        """
        return Settings(
            solvers=tuple(str(s) for s in self.solvers),
            problems=self.problems,
            suite=self.suite,
            budget=self.budget,
            seeds=self.seeds,
            device=self.device,
            timing=timing,
            with_reference=with_reference,
            given=tuple(sorted(self.given.unnamed())),
            sees={str(s): s.cls.sees for s in self.solvers if s.cls.sees != "values"},
            codes=self.codes,
        )


def _resumed_by_objects(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    were = f"{listed(names)} {'was given as an object' if len(names) == 1 else 'were given as objects'}"
    return [
        f"{were}, and no name finds {'it' if len(names) == 1 else 'them'}: the command or call that began the study "
        "resumes these runs; others need a name, by registering it, or by a file for --plugin"
    ]


def make_plan(
    solvers: str | Sequence[str],
    problems: str | Sequence[str],
    *,
    budget: int | None = None,
    seeds: int | str | Sequence[int] | None = None,
    device: str = "cpu",
    given: Given = NOTHING,
    suite: Suite | None = None,
    limits: Limits = NO_LIMITS,
    trial: bool = True,
) -> Plan:
    """The plan that the arguments of `amb.compare` mean.

    Args:
        solvers, problems, budget, seeds, device, limits: those arguments.
        given: which names mean objects.
        suite: the suite whose problems these are, if it was given as an object.
        trial: whether every solver is created and asked once; not needed where nothing will run.

    Raises:
        SpecError: an unknown name, a bad spec, a budget or a number of seeds below one, or more than a million runs.
        SolverError: a solver refuses every problem.
    """
    device = check_device(device)
    specs = _distinct([given.solver(text) for text in _texts(solvers, "solvers")])
    wanted = _texts(problems, "problems")
    parts = [[name] if name in given.problems else problem_registry.expand(name) for name in wanted]
    ids = list(dict.fromkeys(name for part in parts for name in part))
    called = None
    if suite is not None:
        called = f"{suite.name}-{suite.version}"
    elif len(wanted) == 1 and "/" not in wanted[0] and wanted[0] not in given.problems:
        named = Spec.parse(wanted[0])
        suite = suite_by_name(named.name)
        called = None if named.options else f"{suite.name}-{suite.version}"
    if suite is not None:
        budget = suite.budget if budget is None else budget
        seeds = suite.seeds if seeds is None else seeds
    budget = DEFAULT_BUDGET if budget is None else budget
    budget = whole_number(budget, "the budget", 1, LARGEST_COUNT)
    numbers = parse_seeds(DEFAULT_SEEDS if seeds is None else seeds)
    if len(ids) * len(specs) * len(numbers) > MOST_RUNS:
        sizes = f"{plural(len(ids), 'problem')} x {plural(len(specs), 'solver')} x {plural(len(numbers), 'seed')}"
        raise SpecError(f"{sizes} are more than {MOST_RUNS:,} runs; ask for fewer problems, solvers or seeds")
    # A process of its own cannot find these solvers; `carry_out` refuses them, and says why.
    lost = given.unnamed() if limits.isolate else ()
    tryable = [spec for spec in specs if str(spec) not in lost]
    if trial:
        _refuse_changed(specs, given)
    runs = []
    trials = _Trials(tryable, budget, limits)
    skipped: dict[tuple[str, str], list[str]] = {}
    made: dict[int, tuple[str, Problem]] = {}
    twins: dict[tuple[str, str], str] = {}
    for problem_id in ids:
        problem = given.problem(problem_id, device=device)
        if (twin := made.setdefault(id(problem), (problem_id, problem))[0]) != problem_id:
            raise PluginError(f"one object was returned for {twin} and {problem_id}; each problem needs its own")
        with contained():
            fingerprint = problem.fingerprint
        if trial and problem.tells_options:  # what a study holds already is read as it is
            same = twins.setdefault((Spec.parse(problem_id).name, fingerprint), problem_id)
            if same != problem_id:
                raise SpecError(
                    f"{same} and {problem_id} are one problem: an option is stated at its default; name one of them"
                )
        if trial:
            for refused, why in trials.refusals(problem).items():
                skipped.setdefault((refused, why), []).append(problem_id)
        for spec in specs:
            for seed in numbers:
                run = RunPlan(problem_id, fingerprint, str(spec), spec.cls.version, seed, budget, spec.cls.anytime)
                runs.append(run)
    refusals = _refusals(skipped, ids)
    codes = codes_of(specs, dict(made.values()), given)
    return Plan(tuple(runs), tuple(specs), tuple(ids), budget, numbers, device, called, refusals, given, codes)


def _refuse_changed(solvers: Sequence[SolverSpec], given: Given) -> None:
    """Refuse solvers and problems that are no longer what their names say.

    Raises:
        SpecError: one has changed since it was made.
    """
    for solver in solvers:
        if solver.made_of is not None:
            solver.made_of.verify(f"solver {solver}", "make its class again")
    for problem in given.problems.values():
        if problem.made_of is not None:
            problem.made_of.verify(f"the function of {problem.id}", "make the problem again with amb.objective")


def parse_seeds(seeds: int | str | Sequence[int]) -> tuple[int, ...]:
    """Seeds from a count, a text such as ``"3..7"`` or ``"0,2,5"``, or a list.

    Raises:
        SpecError: no seed, a negative one, more than 100,000 of them, or a text of a different form.
    """
    asked = seeds
    if isinstance(seeds, str):
        text = seeds.strip()
        if bounds := re.fullmatch(r"([0-9]+)\.\.([0-9]+)", text):
            seeds = range(_number(bounds[1]), _number(bounds[2]) + 1)
        elif re.fullmatch(r"[0-9]+", text):
            seeds = _number(text)
        elif re.fullmatch(r"[0-9]+( *, *[0-9]+)+", text):
            seeds = [_number(part) for part in text.split(",")]
        else:
            raise SpecError(f"bad seeds {seeds!r}: expected a number of seeds, a range 3..7, or a list 0,2,5")
    single = isinstance(seeds, bytes) or (not isinstance(seeds, Sequence) and np.ndim(seeds) == 0)
    requested = range(whole_number(seeds, "the number of seeds", 1)) if single else cast(Sequence[int], seeds)
    # The length of a range is known before it is unrolled.
    if (requested.stop - requested.start if isinstance(requested, range) else len(requested)) > MOST_SEEDS:
        raise SpecError(f"more than {MOST_SEEDS:,} seeds; ask for fewer, such as 3..7")
    numbers = tuple(dict.fromkeys(whole_number(seed, "a seed", 0, LARGEST_COUNT) for seed in requested))
    if not numbers:
        raise SpecError(f"expected at least one seed, got {asked!r}")
    return numbers


def _number(digits: str) -> int:
    if len(digits.strip()) > 15:
        raise SpecError(f"bad seed {digits.strip()[:20]}...: a seed has at most 15 digits")
    return int(digits)


class _Trials:
    """Which solvers refuse which problems; each is tried once for all problems that it cannot tell apart."""

    def __init__(self, solvers: Sequence[SolverSpec], budget: int, limits: Limits) -> None:
        self._solvers, self._budget, self._limits = solvers, budget, limits
        self._tried: WeakKeyDictionary[Space, dict[tuple[str, str], str | None]] = WeakKeyDictionary()

    def refusals(self, problem: Problem) -> dict[str, str]:
        """The reason, by solver, for those that refuse a problem."""
        # Others than those that see values only may refuse a generator's images, or a network.
        pair = ProblemId.parse(problem.id).pair
        keys = [(str(spec), "" if spec.cls.sees == "values" else pair) for spec in self._solvers]
        tried = self._tried.setdefault(problem.space, {})
        if untried := [spec for spec, key in zip(self._solvers, keys, strict=True) if key not in tried]:
            with accepting([spec.made_of for spec in untried if spec.made_of is not None]):
                refused = _try(untried, problem, self._budget, self._limits)
            tried.update((key, refused.get(key[0])) for key in keys if key not in tried)
        return {key[0]: why for key in keys if (why := tried[key]) is not None}


def _try(specs: list[SolverSpec], problem: Problem, budget: int, limits: Limits) -> dict[str, str]:
    """Create every solver and let it do one ask and one tell, before anything runs.

    This finds options that a solver refuses; and no run is charged for what the solver imports and compiles. If solvers
    are to be isolated, they are only created, each in its own process.

    Returns:
        The reason, by solver, for those that refuse the problem.
    """
    refused = {}
    with Receiver():  # which tells the user's Ctrl-C from a solver's
        for spec in specs:
            solver = None
            try:
                with contained(), within(None if limits.timeout is None else limits.timeout + TRIAL_SECONDS):
                    if limits.isolate and spec.cls.sees != "gradients":
                        _try_isolated(spec, problem, budget, limits)
                    else:
                        solver = spec.start(problem, budget=budget, seed=0)
                        candidates = solver.ask()
                        solver.tell(candidates, np.zeros(len(candidates)))
            except SolverError as refusal:
                # In its own process it may also fail for other reasons, such as a memory limit: those end its runs.
                alone = limits.isolate and spec.cls.sees != "gradients"
                if isinstance(refusal, Refusal) if alone else solver is None:
                    refused[str(spec)] = text_of(refusal)
            except BaseException as cause:
                if from_user(cause) or (solver is None and is_a(cause, AmbError)):
                    raise
                # It will be a crashed run, with its traceback.
    return refused


def _try_isolated(spec: SolverSpec, problem: Problem, budget: int, limits: Limits) -> None:
    plan = RunPlan(problem.id, problem.fingerprint, str(spec), spec.cls.version, 0, budget)
    solver = isolated(spec, problem, plan, memory=limits.memory)
    try:
        solver.patience = limits.timeout
        solver.start()
    finally:
        solver.close()


def _refusals(skipped: dict[tuple[str, str], list[str]], problems: Sequence[str]) -> tuple[str, ...]:
    """One sentence for each solver and reason.

    Raises:
        SolverError: a solver refuses every problem.
    """
    counts: dict[str, int] = {}
    for (solver, why), names in skipped.items():
        counts[solver] = counts.get(solver, 0) + len(names)
        if counts[solver] == len(problems):
            raise SolverError(f"{solver} on {names[0]}: {why}")
    return tuple(
        f"{solver} refuses {names[0]}{f' and {len(names) - 1} more problems' if len(names) > 1 else ''}; "
        f"its runs there are skipped and count as failed: {why}"
        for (solver, why), names in skipped.items()
    )


def _texts(specs: str | Sequence[str], what: str) -> list[str]:
    parts = split_specs(specs) if isinstance(specs, str) else [p for text in specs for p in split_specs(text)]
    if not parts:
        raise SpecError(f"no {what} given")
    return parts


def _distinct(specs: list[SolverSpec]) -> list[SolverSpec]:
    return list({str(spec): spec for spec in specs}.values())
