"""A solver has one colour, in every figure and on every page."""

from importlib.metadata import distribution
from itertools import combinations

from amb_reports.figures.colours import PAIRS, SHIPPED, slots


def test_every_shipped_solver_has_a_colour_of_its_own() -> None:
    """If this fails, append the new solver's name to SHIPPED in amb_reports/figures/colours.py."""
    shipped = {entry.name for entry in distribution("amb").entry_points if entry.group == "amb.solvers"}
    assert shipped <= set(SHIPPED)
    assert len(set(SHIPPED)) == len(SHIPPED) < len(PAIRS)
    assert len({light for light, _ in PAIRS}) == len({dark for _, dark in PAIRS}) == len(PAIRS)


def test_a_colour_does_not_depend_on_what_else_is_on_the_page() -> None:
    """That of a shipped solver never, that of another one unless two names hash to the same colour."""
    strangers = [f"solver-{i}" for i in range(12)]
    alone = {name: slots([name])[name] for name in (*SHIPPED, *strangers)}
    together = slots([*reversed(strangers), *SHIPPED])
    assert [together[name] for name in SHIPPED] == [alone[name] for name in SHIPPED] == list(range(len(SHIPPED)))
    assert together == slots([*SHIPPED, *strangers])
    assert len(set(together.values())) == len(together)
    for first, second in combinations(strangers, 2):
        if alone[first] != alone[second]:
            assert slots([first, second]) == {first: alone[first], second: alone[second]}


def test_more_solvers_than_colours_share_them() -> None:
    many = slots([f"solver-{i}" for i in range(200)])
    assert set(many.values()) == set(range(len(SHIPPED), len(PAIRS)))
