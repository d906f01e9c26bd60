"""The rules that every solver holds, each a function of a subject."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from amb.contracts.problem import FunctionProblem
from amb.contracts.solver import Solver
from amb.contracts.space import IntArray
from amb.errors import BudgetExhausted, SolverError
from amb.testing.grid import NEURONS, PLAIN, SPACES, Noisy, Slope, failing_now_and_then, near
from amb.testing.states import GlobalStates
from amb.testing.subject import NotApplicable, Subject, Violation, drive, first_difference, rows


@dataclass(frozen=True)
class Case:
    """One thing that is tried.

    Attributes:
        name: in reports.
        rule: what must hold, in one sentence.
        run: raises `Violation`, or whatever the solver raises, if it does not hold; `NotApplicable` where the case
            says nothing about the solver.
    """

    name: str
    rule: str
    run: Callable[[Subject], None]


CASES: list[Case] = []


def rule(name: str) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    """Register a function as the case of that name; its docstring says the rule."""

    def register(check: Callable[[Subject], None]) -> Callable[[Subject], None]:
        CASES.append(Case(name, " ".join((check.__doc__ or "").split()), check))
        return check

    return register


def demand(holds: bool, otherwise: str) -> None:
    """Raise `Violation` unless a condition holds."""
    if not holds:
        raise Violation(otherwise)


def demand_same(first: IntArray, second: IntArray, otherwise: str) -> None:
    """Raise `Violation` unless two runs asked the same, naming the first query in which they differ."""
    if (query := first_difference(first, second)) is not None:
        raise Violation(f"{otherwise}: query {query} differs")


@rule("describes itself")
def describes_itself(subject: Subject) -> None:
    """A solver has a docstring, and names the source of its method."""
    demand(bool((subject.cls.__doc__ or "").strip()), "the class has no docstring")
    demand(bool(subject.cls.source), "`source` is empty: name the paper, the package or yourself")


@rule("spaces as claimed")
def spaces_as_claimed(subject: Subject) -> None:
    """A plain grid of every kind in `kinds` is searched, one of any other kind refused."""
    kinds = subject.kinds
    demand(bool(kinds), "`kinds` is empty: it claims no space at all")
    for kind, space in PLAIN.items():
        try:
            solver = subject.make(space, budget=7)
        except NotApplicable as refusal:
            demand(kind not in kinds, f"`kinds` claims {kind}, but it {refusal}")
            continue
        demand(kind in kinds, f"`kinds` does not claim {kind}, yet such a space is accepted")
        demand(
            space.ordinal or not solver.continuous,
            "it works in the latent box (`continuous`), and still claims categorical spaces, which have none",
        )


@rule("candidates on the grid")
def candidates_on_the_grid(subject: Subject) -> None:
    """Candidates are grid points: int64[n, d], every level within its mode."""
    for candidates, _ in subject.begin():
        demand(
            candidates.dtype == np.int64 and candidates.ndim == 2 and candidates.shape[1] == subject.home.d,
            f"asked {candidates.dtype}{list(candidates.shape)} instead of int64[n, {subject.home.d}]",
        )
        subject.home.check(candidates)


@rule("limits")
def limits(subject: Subject) -> None:
    """However many candidates a caller takes at a time, it never gets more, and the budget is spent exactly."""
    at_most = (1, 7, 2, 3)
    log = drive(subject.make(), limits=at_most)
    for i, (candidates, _) in enumerate(log):
        demand(1 <= len(candidates) <= at_most[i % 4], f"asked {len(candidates)} candidates where {at_most[i % 4]} fit")
    demand(len(rows(log)) == subject.budget, f"asked {len(rows(log))} queries of a budget of {subject.budget}")


@rule("budget")
def budget(subject: Subject) -> None:
    """The budget is spent exactly and never exceeded, even by a single query; then asking fails clearly."""
    subject.run()
    for queries in (1, 2):
        solver = subject.make(budget=queries)
        asked = len(rows(drive(solver)))
        demand(asked == queries, f"asked {asked} queries of a budget of {queries}")
        try:
            solver.ask()
        except BudgetExhausted:
            continue
        raise Violation(f"a budget of {queries} was spent, and it can still be asked")


@rule("order of ask and tell")
def order_of_ask_and_tell(subject: Subject) -> None:
    """What was not asked is not heard: a tell first, twice, or of other rows is refused, and changes nothing."""
    solver = subject.make()
    some = subject.home.sample(2, np.random.default_rng(0))
    _refuses(lambda: solver.tell(some, [0.0, 0.0]), "a tell before any ask")
    asked = solver.ask(4)
    _refuses(solver.ask, "a second ask before the tell")
    other = (asked + 1) % subject.home.levels
    _refuses(lambda: solver.tell(other, near(other)), "rows that were not asked")
    _refuses(lambda: solver.tell(asked, np.zeros(len(asked) + 1)), "more values than candidates")
    solver.tell(asked, near(asked))
    _refuses(lambda: solver.tell(asked, near(asked)), "a second tell")
    honest = subject.make()
    honest.tell(honest.ask(4), near(asked))
    demand_same(rows(drive(solver)), rows(drive(honest)), "a tell that it refused changed what it asks")


def _refuses(call: Callable[[], object], what: str) -> None:
    try:
        call()
    except SolverError:
        return
    raise Violation(f"{what} is accepted")


@rule("same seed, same candidates")
def same_seed(subject: Subject) -> None:
    """Two solvers of one seed that are told the same ask the same."""
    demand_same(rows(drive(subject.make())), rows(subject.run()), "two runs of one seed")


@rule("other seed, other candidates")
def other_seed(subject: Subject) -> None:
    """Another seed asks other candidates."""
    same = first_difference(rows(subject.run()), rows(subject.run(seed=4))) is None
    demand(not same, "seeds 3 and 4 ask the same candidates: `self.rng` is not used")


@rule("seeds of a study")
def seeds_of_a_study(subject: Subject) -> None:
    """A run's seed has 64 bits: the largest does as well as any, and asks other candidates than its neighbour."""
    first, second = (drive(subject.make(seed=seed), stop=subject.budget) for seed in (2**64 - 1, 2**64 - 2))
    demand(first_difference(rows(first), rows(second)) is not None, "seeds 2**64 - 1 and 2**64 - 2 ask the same")


@rule("alone or in a crowd")
def alone_or_in_a_crowd(subject: Subject) -> None:
    """Two runs that advance in lockstep ask what each asks alone: instances share no state."""
    pair = [subject.make(seed=3), subject.make(seed=4)]
    asked: list[list[IntArray]] = [[], []]
    while any(solver.remaining for solver in pair):
        for solver, log in zip(pair, asked, strict=True):
            if solver.remaining:
                candidates = solver.ask()
                solver.tell(candidates, near(candidates))
                log.append(candidates)
    for seed, log in zip((3, 4), asked, strict=True):
        demand_same(np.concatenate(log), rows(subject.run(seed=seed)), f"seed {seed} beside another run and alone")


@rule("global random states untouched")
def global_states_untouched(subject: Subject) -> None:
    """The random states of numpy, Python, torch and JAX are as they were after a run."""
    subject.run()  # whatever it imports late is there now
    before = GlobalStates.read()
    drive(subject.make())
    after = GlobalStates.read()
    moved = before.differences(after) | subject.settings.differences(after)
    demand(not moved, f"a run moves the global state of {', '.join(sorted(moved))}: draw from `self.rng`")


@rule("global random states unread")
def global_states_unread(subject: Subject) -> None:
    """Candidates do not depend on the global random states."""
    asked = []
    for seed in (1, 2):
        with GlobalStates.seeded(seed):
            asked.append(rows(drive(subject.make())))
    demand_same(asked[0], asked[1], "global states of other seeds")


@rule("pickling")
def pickling(subject: Subject) -> None:
    """A solver can be pickled after a tell, and between ask and tell; the copy goes on as the original."""
    for stop in (1, subject.budget // 2):
        solver = subject.make()
        drive(solver, limits=(3,), stop=stop)
        copy = _copied(solver)
        asked = solver.ask(5)
        demand_same(copy.ask(5), asked, f"a copy made after {stop} queries")
        copy = _copied(copy)
        for one in (solver, copy):
            one.tell(asked, near(asked))
        demand_same(rows(drive(copy)), rows(drive(solver)), "a copy made between ask and tell")


def _copied(solver: Solver) -> Solver:
    try:
        copy = pickle.loads(pickle.dumps(solver))
    except Exception as cause:
        raise Violation(f"it cannot be pickled: {type(cause).__name__}: {cause}") from cause
    assert isinstance(copy, Solver)
    return copy


@rule("replay after a cut")
def replay_after_a_cut(subject: Subject) -> None:
    """Cut at any point and told its journal again, a fresh solver asks what the first one asked next."""
    for at_most in (None, 4):
        log = drive(subject.make(), limits=(at_most,))
        again = subject.make()
        for number, (candidates, values) in enumerate(log, start=1):
            # Every step is what a run cut before it would be asked first when it goes on.
            demand_same(again.ask(at_most), candidates, f"replayed, in batch {number}")
            again.tell(candidates, values)
        demand(np.array_equal(again.recommend(), again.recommend()), "two recommendations in a row differ")


@rule("budgets as claimed")
def budgets_as_claimed(subject: Subject) -> None:
    """A solver that calls itself `anytime` asks the same first candidates whatever its budget, but for the batch
    that a budget cuts short."""
    if not subject.cls.anytime:
        raise NotApplicable("not anytime: its candidates depend on the budget, as it says")
    short = rows(subject.run()[:-1]) if len(subject.run()) > 1 else rows(subject.run())
    longer = rows(subject.run(budget=2 * subject.budget))[: len(short)]
    demand_same(longer, short, "a budget twice as large (declare `anytime = False`)")


@rule("recommendation")
def recommendation(subject: Subject) -> None:
    """It recommends a grid point as soon as it was told a value, none before; recommending changes nothing."""
    solver = subject.make()
    _refuses(solver.recommend, "a recommendation before anything was told")
    asked = []
    while solver.remaining:
        candidates = solver.ask()
        solver.tell(candidates, near(candidates))
        asked.append(candidates)
        best = np.asarray(solver.recommend())
        demand(best.shape == (subject.home.d,), f"recommends an array of shape {list(best.shape)}")
        subject.home.check(best[None])
    demand_same(np.concatenate(asked), rows(subject.run()), "recommending between batches")


@rule("noise as claimed")
def noise_as_claimed(subject: Subject) -> None:
    """A solver that calls itself `noisy` measures again what it recommends, or recommends another candidate than
    the luckiest."""
    if not subject.cls.noisy:
        raise NotApplicable("not noisy: it stands by the best value told, as it says")
    for seed in (3, 4, 5):
        solver = subject.make(budget=4 * subject.budget, seed=seed)
        log = drive(solver, Noisy(seed))
        asked, told = rows(log), np.concatenate([values for _, values in log])
        best = solver.recommend()
        if not np.array_equal(best, asked[told.argmax()]) or (asked == best).all(axis=1).sum() > 1:
            return
    raise Violation("it claims `noisy`, and recommends the luckiest candidate, measured once, under three seeds")


@rule("gradients as claimed")
def gradients_as_claimed(subject: Subject) -> None:
    """A solver that does not call itself `white_box` takes no problem; one that does refuses a problem without
    gradients, and survives a unit that has no slope."""
    blind = FunctionProblem(near, subject.home, id="kit/blind")
    if not subject.cls.white_box:
        problem = Slope(subject.home)
        _refuses(lambda: subject.make().attach(problem), "a problem, whose gradients it claims not to see,")
        return
    _refuses(lambda: subject.make().attach(blind), "a problem without gradients")
    for steepness in (0.0, np.nan):
        asked = rows(drive(subject.make(steepness=steepness)))
        demand(len(asked) == subject.budget, f"gradients of {steepness}: asked {len(asked)} of {subject.budget}")


def _searches(name: str) -> Callable[[Subject], None]:
    def check(subject: Subject) -> None:
        asked = rows(drive(subject.make(SPACES[name])))
        demand(len(asked) == subject.budget, f"asked {len(asked)} queries of a budget of {subject.budget}")
        demand_same(rows(drive(subject.make(SPACES[name]))), asked, "two runs of one seed")

    return check


def _survives(name: str) -> Callable[[Subject], None]:
    def check(subject: Subject) -> None:
        solver = subject.make()
        with np.errstate(over="ignore"):
            asked = rows(drive(solver, NEURONS[name]))
            demand(len(asked) == subject.budget, f"asked {len(asked)} queries of a budget of {subject.budget}")
            subject.home.check(np.asarray(solver.recommend())[None])
            if NEURONS[name] is failing_now_and_then:
                demand_same(rows(drive(subject.make(), NEURONS[name])), asked, "two runs of one seed")

    return check


for _name in SPACES:
    CASES.append(Case(f"space: {_name}", "The budget is spent on it, repeatably, or it is refused.", _searches(_name)))
for _name in NEURONS:
    CASES.append(Case(f"neuron: {_name}", "The budget is spent, and something recommended.", _survives(_name)))
