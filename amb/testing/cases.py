"""The rules that every solver must follow, each a function of a solver under test."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from amb.contracts.problem import FunctionProblem
from amb.contracts.solver import Solver
from amb.contracts.space import IntArray
from amb.errors import BudgetExhausted, SolverError
from amb.foreign import in_a_line
from amb.interruption import from_user
from amb.testing.grid import NEURONS, PLAIN, SPACES, Drawn, Noisy, Slope, near, sometimes_failing
from amb.testing.states import GlobalStates
from amb.testing.subject import NotApplicable, Subject, Violation, drive, first_difference, rows


@dataclass(frozen=True)
class Case:
    """One test of the kit.

    Attributes:
        name: its name in reports.
        rule: what must hold, in one sentence.
        run: raises `Violation`, or whatever the solver raises, if the rule is broken; `NotApplicable` if the rule
            does not apply to the solver.
    """

    name: str
    rule: str
    run: Callable[[Subject], None]


CASES: list[Case] = []


def rule(name: str) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    """Register a function as the case of that name; its docstring is the rule."""

    def register(check: Callable[[Subject], None]) -> Callable[[Subject], None]:
        CASES.append(Case(name, " ".join((check.__doc__ or "").split()), check))
        return check

    return register


def demand(holds: bool, otherwise: str) -> None:
    """Raise `Violation` unless a condition holds."""
    if not holds:
        raise Violation(otherwise)


def demand_same(first: IntArray, second: IntArray, otherwise: str) -> None:
    """Raise `Violation` with the first differing query unless two runs asked for the same candidates."""
    if (query := first_difference(first, second)) is not None:
        raise Violation(f"{otherwise}: query {query} differs")


@rule("describes itself")
def describes_itself(subject: Subject) -> None:
    """A solver has a docstring and names the source of its method."""
    demand(bool((subject.cls.__doc__ or "").strip()), "the class has no docstring")
    demand(bool(subject.cls.source), "`source` is empty: cite the paper or package, or name yourself")


@rule("spaces as claimed")
def spaces_as_claimed(subject: Subject) -> None:
    """The solver searches a plain grid of every kind in `kinds`, and refuses one of any other kind."""
    kinds = subject.kinds
    demand(bool(kinds), "`kinds` is empty: name the kinds of space that it searches")
    for kind, space in PLAIN.items():
        try:
            solver = subject.make(space, budget=7)
        except NotApplicable as refusal:
            demand(kind not in kinds, f"`kinds` contains {kind}, but the solver {refusal}")
            continue
        demand(kind in kinds, f"`kinds` does not contain {kind}, but such a space is accepted")
        demand(
            space.ordinal or not solver.continuous,
            "it works in the latent box (`continuous`), but `kinds` contains categorical, and such a space has no box",
        )


@rule("candidates on the grid")
def candidates_on_the_grid(subject: Subject) -> None:
    """Candidates are grid points: int64[n, d], every level within its dimension."""
    for candidates, _ in subject.begin():
        demand(
            candidates.dtype == np.int64 and candidates.ndim == 2 and candidates.shape[1] == subject.space.d,
            f"asked for {candidates.dtype}{list(candidates.shape)} instead of int64[n, {subject.space.d}]",
        )
        subject.space.check(candidates)


@rule("limits")
def limits(subject: Subject) -> None:
    """An ask never returns more candidates than its limit, and the budget is spent exactly whatever the limits."""
    at_most = (1, 7, 2, 3)
    log = drive(subject.make(), limits=at_most)
    for i, (candidates, _) in enumerate(log):
        demand(
            1 <= len(candidates) <= at_most[i % 4],
            f"asked for {len(candidates)} candidates at a limit of {at_most[i % 4]}",
        )
    demand(len(rows(log)) == subject.budget, f"asked for {len(rows(log))} queries of a budget of {subject.budget}")


@rule("budget")
def budget(subject: Subject) -> None:
    """The budget is spent exactly, even one of a single query; another ask then raises `BudgetExhausted`."""
    subject.run()
    for queries in (1, 2):
        solver = subject.make(budget=queries)
        asked = len(rows(drive(solver)))
        demand(asked == queries, f"asked for {asked} queries of a budget of {queries}")
        try:
            solver.ask()
        except BudgetExhausted:
            continue
        raise Violation(f"a budget of {queries} was spent, and another ask still succeeds")


@rule("order of ask and tell")
def order_of_ask_and_tell(subject: Subject) -> None:
    """A tell before any ask, a second tell, and a tell of other rows are refused and change nothing."""
    solver = subject.make()
    sample = subject.space.sample(2, np.random.default_rng(0))
    _refuses(lambda: solver.tell(sample, [0.0, 0.0]), "a tell before any ask")
    asked = solver.ask(4)
    _refuses(solver.ask, "a second ask before the tell")
    other = (asked + 1) % subject.space.levels
    _refuses(lambda: solver.tell(other, near(other)), "a tell of rows that were not asked")
    _refuses(lambda: solver.tell(asked, np.zeros(len(asked) + 1)), "a tell of more values than candidates")
    solver.tell(asked, near(asked))
    _refuses(lambda: solver.tell(asked, near(asked)), "a second tell")
    undisturbed = subject.make()
    undisturbed.tell(undisturbed.ask(4), near(asked))
    demand_same(rows(drive(solver)), rows(drive(undisturbed)), "after a refused tell and without one")


def _refuses(call: Callable[[], object], what: str) -> None:
    try:
        call()
    except SolverError:
        return
    raise Violation(f"{what} is accepted")


@rule("same seed, same candidates")
def same_seed(subject: Subject) -> None:
    """Two solvers with the same seed that receive the same values ask for the same candidates."""
    demand_same(rows(drive(subject.make())), rows(subject.run()), "two runs with the same seed")


@rule("different seed, different candidates")
def other_seed(subject: Subject) -> None:
    """A different seed leads to different candidates."""
    same = first_difference(rows(subject.run()), rows(subject.run(seed=4))) is None
    demand(not same, "seeds 3 and 4 ask for the same candidates: is `self.rng` used?")


@rule("seeds of a study")
def seeds_of_a_study(subject: Subject) -> None:
    """Seeds have 64 bits: the largest works like any other, and differs in its candidates from the second largest."""
    first, second = (drive(subject.make(seed=seed), stop=subject.budget) for seed in (2**64 - 1, 2**64 - 2))
    demand(
        first_difference(rows(first), rows(second)) is not None,
        "seeds 2**64 - 1 and 2**64 - 2 ask for the same candidates",
    )


@rule("alone or in lockstep")
def alone_or_in_a_crowd(subject: Subject) -> None:
    """Two runs that advance in lockstep ask for the same candidates as each does alone: instances share no state."""
    pair = [subject.make(seed=3), subject.make(seed=4)]
    asked: list[list[IntArray]] = [[], []]
    while any(solver.remaining for solver in pair):
        for solver, log in zip(pair, asked, strict=True):
            if solver.remaining:
                candidates = solver.ask()
                solver.tell(candidates, near(candidates))
                log.append(candidates)
    for seed, log in zip((3, 4), asked, strict=True):
        demand_same(
            np.concatenate(log), rows(subject.run(seed=seed)), f"seed {seed} alone and in lockstep with another run"
        )


@rule("global random states untouched")
def global_states_untouched(subject: Subject) -> None:
    """A run leaves the global random states of numpy, Python, torch and JAX unchanged."""
    subject.run()  # so that late imports have happened
    before = GlobalStates.read()
    drive(subject.make())
    after = GlobalStates.read()
    moved = before.differences(after) | subject.settings.differences(after)
    demand(not moved, f"a run changes the global state of {', '.join(sorted(moved))}: draw from `self.rng`")


@rule("global random states unread")
def global_states_unread(subject: Subject) -> None:
    """Candidates do not depend on the global random states."""
    asked = []
    for seed in (1, 2):
        with GlobalStates.seeded(seed):
            asked.append(rows(drive(subject.make())))
    demand_same(asked[0], asked[1], "two runs under different global states")


@rule("pickling")
def pickling(subject: Subject) -> None:
    """A solver can be pickled after a tell and between ask and tell; the copy continues like the original."""
    for stop in (1, subject.budget // 2):
        solver = subject.make()
        drive(solver, limits=(3,), stop=stop)
        copy = _copied(solver)
        asked = solver.ask(5)
        demand_same(copy.ask(5), asked, f"the original and a copy made after {stop} queries")
        copy = _copied(copy)
        for one in (solver, copy):
            one.tell(asked, near(asked))
        demand_same(rows(drive(copy)), rows(drive(solver)), "the original and a copy made between ask and tell")


def _copied(solver: Solver) -> Solver:
    try:
        copy = pickle.loads(pickle.dumps(solver))
    except BaseException as cause:
        if from_user(cause):
            raise
        raise Violation(f"it cannot be pickled: {in_a_line(cause)}") from cause
    assert isinstance(copy, Solver)
    return copy


@rule("replay after a cut")
def replay_after_a_cut(subject: Subject) -> None:
    """A fresh solver that receives the recorded values of a run again asks for the same candidates, up to any point."""
    for at_most in (None, 4):
        log = drive(subject.make(), limits=(at_most,))
        replayed = subject.make()
        for number, (candidates, values) in enumerate(log, start=1):
            # A run that was killed before this batch would start with this ask when it is resumed.
            demand_same(replayed.ask(at_most), candidates, f"replayed, in batch {number}")
            replayed.tell(candidates, values)
        demand(np.array_equal(replayed.recommend(), replayed.recommend()), "two recommendations in a row differ")


@rule("budgets as claimed")
def budgets_as_claimed(subject: Subject) -> None:
    """A solver that declares `anytime` asks for the same first candidates whatever its budget, except in a batch
    that the budget cuts short."""
    if not subject.cls.anytime:
        raise NotApplicable("it declares anytime = False: its candidates depend on the budget")
    short = rows(subject.run()[:-1]) if len(subject.run()) > 1 else rows(subject.run())
    longer = rows(subject.run(budget=2 * subject.budget))[: len(short)]
    demand_same(longer, short, "the same seed with twice the budget (if intended, declare `anytime = False`)")


@rule("recommendation")
def recommendation(subject: Subject) -> None:
    """From the first tell on, and not before, the solver recommends a grid point; recommending changes nothing."""
    solver = subject.make()
    _refuses(solver.recommend, "a recommendation before the first tell")
    asked = []
    while solver.remaining:
        candidates = solver.ask()
        solver.tell(candidates, near(candidates))
        asked.append(candidates)
        best = np.asarray(solver.recommend())
        demand(best.shape == (subject.space.d,), f"recommends an array of shape {list(best.shape)}")
        subject.space.check(best[None])
    demand_same(np.concatenate(asked), rows(subject.run()), "runs with and without recommendations between batches")


@rule("noise as claimed")
def noise_as_claimed(subject: Subject) -> None:
    """A solver that declares `noisy` measures what it recommends more than once, or recommends a candidate
    other than the luckiest."""
    if not subject.cls.noisy:
        raise NotApplicable("it declares noisy = False: it recommends the best single measurement")
    for seed in (3, 4, 5):
        solver = subject.make(budget=4 * subject.budget, seed=seed)
        log = drive(solver, Noisy(seed))
        asked, received = rows(log), np.concatenate([values for _, values in log])
        best = solver.recommend()
        if not np.array_equal(best, asked[received.argmax()]) or (asked == best).all(axis=1).sum() > 1:
            return
    raise Violation("it declares `noisy`, but recommends the luckiest candidate, measured once, with three seeds")


@rule("foreign candidates as claimed")
def foreign_candidates_as_claimed(subject: Subject) -> None:
    """Candidates that another search asked for cost no budget, may be recommended, and are refused while values are
    awaited; a solver searches by them, reproducibly, if and only if it declares `foreign`."""
    stranger = subject.space.sample(12, np.random.default_rng(5))
    stranger[0] = np.minimum(2, subject.space.levels - 1)  # the peak of `near`
    asked = [_with_foreign(subject.make(), stranger) for _ in range(2)]
    demand_same(asked[0], asked[1], "two runs that learned the same foreign candidates")
    demand(
        len(asked[0]) == subject.budget, f"asked for {len(asked[0])} queries of {subject.budget} besides foreign ones"
    )
    same = first_difference(asked[0], rows(subject.run())) is None
    if subject.cls.foreign:
        demand(not same, "it declares `foreign`, but the peak itself, told by a stranger, changes nothing")
    else:
        demand(same, "it does not declare `foreign`, but foreign candidates change what it asks for")


def _with_foreign(solver: Solver, stranger: IntArray) -> IntArray:
    """The candidates of a run that learns foreign ones after its first batch."""
    first = solver.ask()
    _refuses(lambda: solver.learn(stranger, near(stranger)), "a foreign candidate before the tell")
    solver.tell(first, near(first))
    before = solver.remaining
    solver.learn(stranger, near(stranger))
    demand(solver.remaining == before, "foreign candidates were charged to the budget")
    if type(solver).recommend is Solver.recommend:
        best = solver.recommend()
        demand(np.array_equal(best, stranger[0]), "the best candidate known, a foreign one, is not recommended")
    return np.concatenate([first, rows(drive(solver))]) if solver.remaining else first


@rule("gradients as claimed")
def gradients_as_claimed(subject: Subject) -> None:
    """A solver that sees gradients refuses a problem without them and survives a unit without slope; any other solver
    refuses to take a problem."""
    blind = FunctionProblem(near, subject.space, id="kit/blind")
    if subject.cls.sees != "gradients":
        problem = Slope(subject.space)
        _refuses(lambda: subject.make().attach(problem), "a problem, whose gradients it declares not to see,")
        return
    _refuses(lambda: subject.make().attach(blind), "a problem without gradients")
    for steepness in (0.0, np.nan):
        asked = rows(drive(subject.make(steepness=steepness)))
        demand(
            len(asked) == subject.budget,
            f"gradients of {steepness}: asked for {len(asked)} queries of a budget of {subject.budget}",
        )


@rule("images as claimed")
def images_as_claimed(subject: Subject) -> None:
    """A solver that sees images waits for its view, works with and without gradients of the generator, and survives a
    generator whose images are all alike; any other solver refuses a view."""
    view = Drawn(subject.space, differentiable=True)
    if subject.cls.sees != "images":
        _refuses(lambda: subject.make().look(view), "a view of the images, which it declares not to see,")
        return
    _refuses(lambda: subject.spec.make(subject.space, budget=subject.budget, seed=3).ask(), "an ask before its view")
    for what, seen in {
        "without gradients": Drawn(subject.space),
        "with images that are all alike": Drawn(subject.space, differentiable=True, blank=True),
    }.items():
        asked = []
        for _ in range(2):
            solver = subject.spec.make(subject.space, budget=subject.budget, seed=3)
            solver.look(seen)
            asked.append(rows(drive(solver)))
        demand(
            len(asked[0]) == subject.budget,
            f"{what}: asked for {len(asked[0])} queries of a budget of {subject.budget}",
        )
        demand_same(asked[0], asked[1], f"{what}: two runs with the same seed")


def _searches(name: str) -> Callable[[Subject], None]:
    def check(subject: Subject) -> None:
        asked = rows(drive(subject.make(SPACES[name])))
        demand(len(asked) == subject.budget, f"asked for {len(asked)} queries of a budget of {subject.budget}")
        demand_same(rows(drive(subject.make(SPACES[name]))), asked, "two runs with the same seed")

    return check


def _survives(name: str) -> Callable[[Subject], None]:
    def check(subject: Subject) -> None:
        solver = subject.make()
        with np.errstate(over="ignore"):
            asked = rows(drive(solver, NEURONS[name]))
            demand(len(asked) == subject.budget, f"asked for {len(asked)} queries of a budget of {subject.budget}")
            subject.space.check(np.asarray(solver.recommend())[None])
            if NEURONS[name] is sometimes_failing:
                demand_same(rows(drive(subject.make(), NEURONS[name])), asked, "two runs with the same seed")

    return check


for _name in SPACES:
    CASES.append(
        Case(
            f"space: {_name}",
            "The solver spends its budget on this space, reproducibly, or refuses the space.",
            _searches(_name),
        )
    )
for _name in NEURONS:
    CASES.append(
        Case(f"neuron: {_name}", "The solver spends its budget and recommends a grid point.", _survives(_name))
    )
