import io
import json
import sys
from collections.abc import Callable

import numpy as np
import pytest
from typer.testing import CliRunner

from amb import Solver, Space, solver
from amb.catalogue.solvers import options, resolve, spec_of
from amb.cli.app import app
from amb.contracts.solver import KINDS
from amb.errors import AmbError, BudgetExhausted, PluginError, SolverError, SpecError
from amb.run.isolation.messages import pack, unpack
from amb.run.isolation.solver import _plain
from amb.testing.cases import spaces_as_claimed
from amb.testing.subject import Subject
from amb_solvers.search.random_search import RandomSearch

SPACE = Space.uniform(5, 7)


def respond(candidates: np.ndarray) -> np.ndarray:
    return candidates.sum(axis=1) / 30


def drive(agent: Solver, limit: int | None = None) -> np.ndarray:
    asked = []
    while agent.remaining:
        candidates = agent.ask(limit)
        agent.tell(candidates, respond(candidates))
        asked.append(candidates)
    return np.concatenate(asked)


@pytest.mark.parametrize("limit", [None, 1, 7, 1000])
def test_exactly_the_budget_is_asked(limit: int | None) -> None:
    agent = solver("random", SPACE, budget=101, seed=3)
    assert len(drive(agent, limit)) == 101
    with pytest.raises(BudgetExhausted, match="101"):
        agent.ask()


@pytest.mark.parametrize("limit", [0, -3, 1.5, "2", float("nan"), True])
def test_a_limit_that_is_no_number_of_candidates_is_refused(limit: object) -> None:
    with pytest.raises(SolverError, match="limit must be an integer of at least 1, got"):
        solver("random", SPACE, budget=5).ask(limit)  # type: ignore[arg-type]


def test_the_best_value_is_recommended_and_nan_never() -> None:
    agent = solver("random[k=4]", SPACE, budget=8)
    first = agent.ask()
    agent.tell(first, [np.nan, 0.5, np.inf, 0.2])
    assert np.array_equal(agent.recommend(), first[1])


def test_the_callers_arrays_are_left_alone() -> None:
    agent = solver("random[k=3]", SPACE, budget=3)
    candidates, values = agent.ask(), np.array([np.inf, 1.0, 2.0])
    agent.tell(candidates, values)
    assert np.isinf(values[0])


def test_ask_and_tell_alternate_with_the_same_rows() -> None:
    agent = solver("random[k=3]", SPACE, budget=6)
    with pytest.raises(SolverError, match="ask"):
        agent.tell(np.zeros((1, 5), dtype=int), [0.0])
    rows = agent.ask()
    with pytest.raises(SolverError, match="tell"):
        agent.ask()
    with pytest.raises(SolverError, match="order"):
        agent.tell((rows + 1) % 7, [0.0] * 3)
    with pytest.raises(SolverError, match="3 values"):
        agent.tell(rows, [0.0] * 2)
    agent.tell(rows, [0.0] * 3)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda rows: rows.astype(float),
        lambda rows: rows[::-1],
        lambda rows: rows[:2],
        lambda rows: rows[0],
        lambda rows: rows + 100,
        lambda rows: rows.astype(bool),
        lambda rows: [["a"] * 5] * 3,
        lambda rows: [[0], [0, 1]],
    ],
    ids=["floats", "another order", "too few", "one row", "off the grid", "booleans", "text", "ragged"],
)
def test_tell_takes_nothing_but_the_rows_that_were_asked(wrong: Callable[[np.ndarray], object]) -> None:
    """What differs in order, shape, type or value is refused, and the right rows are still accepted."""
    agent = solver("random[k=3]", SPACE, budget=6)
    rows = agent.ask()
    with pytest.raises(SolverError, match="the rows that ask"):
        agent.tell(wrong(rows), [0.0] * 3)  # type: ignore[arg-type]
    agent.tell(rows.tolist(), [0.0, 1.0, 0.0])
    assert np.array_equal(agent.recommend(), rows[1])


@pytest.mark.parametrize("budget", [0, -3, 2.5, True])
def test_bad_budgets_are_refused(budget: float) -> None:
    with pytest.raises(SolverError, match="budget"):
        solver("random", SPACE, budget=budget)  # type: ignore[arg-type]


def test_nothing_to_recommend_before_the_first_value() -> None:
    with pytest.raises(SolverError, match="no value"):
        solver("random", SPACE, budget=2).recommend()


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("randm", "did you mean random"),
        ("random[kk=3]", "random has no option 'kk'; did you mean k\\? Options of random: draw=grid, k=32"),
        ("tt-b[zzz=3]", "tt-b has no option 'zzz'. Options of tt-b: .*k=25"),
        ("random[lr=3]", "random has no option 'lr'. Options of random: draw=grid, k=32"),
        ("random[k=many]", "must be an integer"),
        ("random[k=true]", "must be an integer"),
        ("random[draw=sobol]", "'grid' or 'prior'"),
    ],
)
def test_bad_specs_say_what_would_be_right(spec: str, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        solver(spec, SPACE, budget=2)


def test_options_at_their_defaults_are_not_part_of_the_canonical_spec() -> None:
    assert str(resolve("random[k=32,draw=prior]")) == "random[draw=prior]"


def test_options_are_inherited_only_when_passed_on() -> None:
    class Parent(Solver):
        def __init__(self, space: Space, *, budget: int, seed: int, a: int = 1) -> None:
            super().__init__(space, budget=budget, seed=seed)

        def _ask(self, limit: int) -> np.ndarray:
            return self.space.sample(limit, self.rng)

    class Passing(Parent):
        def __init__(self, space: Space, *, b: int = 2, **rest: int) -> None:
            super().__init__(space, **rest)

    class Closing(Parent):
        def __init__(self, space: Space, *, budget: int, seed: int, c: int = 3) -> None:
            super().__init__(space, budget=budget, seed=seed, a=c)

    assert options(Parent) == {"a": 1}
    assert options(Passing) == {"a": 1, "b": 2}
    assert options(Closing) == {"c": 3}


def test_a_space_of_the_wrong_kind_is_refused() -> None:
    class Ordered(Solver):
        kinds = frozenset({"ordinal"})

        def _ask(self, limit: int) -> np.ndarray:
            return self.space.sample(limit, self.rng)

    with pytest.raises(SolverError, match="no order"):
        Ordered(Space.uniform(2, 4, kind="categorical"), budget=1, seed=0)


@pytest.mark.parametrize("wrong", [[], [[0, 0, 0, 0, 7]], [[0.5] * 5], [[0] * 5] * 9])
def test_a_solver_that_asks_nonsense_is_named(wrong: list) -> None:
    class Wild(Solver):
        def _ask(self, limit: int) -> np.ndarray:
            return np.array(wrong).reshape(-1, 5) if wrong else np.empty((0, 5), int)

    with pytest.raises(AmbError):
        Wild(SPACE, budget=8, seed=0).ask()


@pytest.mark.parametrize(
    ("attribute", "value", "wanted"),
    [
        ("version", 2, "a text"),
        ("version", "", "1 to 100 printable"),
        ("version", "1\n", "1 to 100 printable"),
        ("anytime", "yes", "True or False"),
        ("continuous", "no", "True or False"),
        ("forked", "no", "True or False"),
        ("networks", "snn-cnn", "names of targets in a tuple"),
        ("networks", None, "names of targets in a tuple"),
        ("source", None, "a text"),
        ("version", np.str_("2"), "a text"),
        ("sees", "everything", "one of 'values'"),
        ("sees", ["values"], "one of 'values'"),
        ("kinds", "ordinal", "a set of kinds of space"),
        ("kinds", None, "a set of kinds of space"),
        ("kinds", {"continuous"}, "there are 'ordinal' and 'categorical'"),
    ],
)
def test_what_a_class_declares_is_checked_before_its_first_run(attribute: str, value: object, wanted: str) -> None:
    """A study that stored a version that is no text could not be read again, by any command."""

    class Careless(RandomSearch):
        pass

    setattr(Careless, attribute, value)
    with pytest.raises(PluginError, match=f"declares {attribute} = .*{wanted}"):
        spec_of(Careless)


HALF = np.float32(0.5)


def test_options_whose_defaults_no_spec_can_state_are_refused_when_set() -> None:
    class Careless(RandomSearch):
        def __init__(self, space, *, budget, seed, sizes=[1, 2], step=HALF) -> None:  # noqa: B006
            super().__init__(space, budget=budget, seed=seed)

    assert str(spec_of(Careless, {"step": 2})) == f"{spec_of(Careless)}[step=2.0]"
    with pytest.raises(SpecError, match=r"sizes of .* cannot be set: its default is \[1, 2\]"):
        spec_of(Careless, {"sizes": 3})


def test_a_solver_that_changes_its_space_changes_no_other_run() -> None:
    """All runs of a problem share the problem's space, which also checks what they ask."""

    class Narrowing(RandomSearch):
        def __init__(self, space: Space, *, budget: int, seed: int) -> None:
            super().__init__(space, budget=budget, seed=seed)
            object.__setattr__(self.space, "levels", np.full(self.space.d, 2))

    space = Space.uniform(4, 9)
    made = spec_of(Narrowing).make(space, budget=5, seed=0)
    assert (made.space.levels == 2).all()
    assert (space.levels == 9).all()


@pytest.mark.parametrize(
    "values", [["1_0", "2", "3"], [b"1", b"2", b"3"], [1j, 0, 0], ["a", "b", "c"], [[1], [1, 2], 3]]
)
def test_values_that_are_no_real_numbers_are_refused(values: list[object]) -> None:
    agent = RandomSearch(Space.uniform(5, 7), budget=10, seed=0)
    rows = agent.ask(3)
    with pytest.raises(SolverError, match="expected real numbers"):
        agent.tell(rows, values)


def test_kinds_that_an_option_narrows_to_a_text_are_refused() -> None:
    """ "ordinal" would be found in any text that contains it."""

    class Narrowed(RandomSearch):
        def __init__(self, space: Space, *, budget: int, seed: int) -> None:
            self.kinds = "ordinal"  # type: ignore[assignment]
            super().__init__(space, budget=budget, seed=seed)

    with pytest.raises(SolverError, match="Narrowed has kinds = 'ordinal', but it must be a set of kinds of space"):
        Narrowed(Space((3, 3)), budget=1, seed=0)


class Narrowed(Solver):
    """Its kinds of space depend on an option."""

    source = "nobody"

    def __init__(self, space: Space, *, budget: int, seed: int, codes: bool = True) -> None:
        self.codes = codes
        super().__init__(space, budget=budget, seed=seed)

    @property
    def kinds(self) -> frozenset[str]:  # type: ignore[override]
        """Both, or ordinal ones."""
        return frozenset(KINDS if self.codes else ("ordinal",))

    def _ask(self, limit: int) -> np.ndarray:
        return self.space.sample(1, self.rng)


def test_kinds_may_be_a_property(monkeypatch: pytest.MonkeyPatch) -> None:
    """They were taken for a set: `solvers show` ended in a traceback, and `amb check` could not try the solver."""
    monkeypatch.setitem(sys.modules, "narrowing", sys.modules[__name__])
    shown = CliRunner().invoke(app, ["solvers", "show", "narrowing:Narrowed"])
    assert "depend on its options" in shown.output
    assert (
        json.loads(CliRunner().invoke(app, ["solvers", "show", "narrowing:Narrowed", "--json"]).output)["spaces"] == []
    )
    spaces_as_claimed(Subject(Narrowed))


def test_a_space_with_ends_of_numpys_reaches_an_isolated_solver() -> None:
    """All its runs crashed, while they did well without --isolate."""
    space = Space(np.full(3, 16), low=np.float32(-0.1), high=np.int64(3))
    message = io.BytesIO(pack({"space": _plain(space)}))
    received = unpack(message.read, 0)[0]["space"]
    again = Space(**{**received, "levels": np.array(received["levels"])})  # type: ignore[arg-type, dict-item]
    np.testing.assert_array_equal(again.axis(0), space.axis(0))
