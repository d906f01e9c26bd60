"""Groups of solvers that the tests do not tell apart."""

from collections.abc import Sequence
from string import ascii_lowercase, ascii_uppercase

import pandas as pd


def letters(order: Sequence[str], pairs: pd.DataFrame) -> dict[str, str]:
    """The compact letter display: two solvers differ if and only if they share no letter.

    The insert-and-absorb algorithm (Piepho 2004, section 3). The group of the best solver gets the letter "a".

    Args:
        order: solvers, the best first.
        pairs: the table of `compare_pairs`, for all pairs.
    """
    columns = groups(order, pairs)
    return {s: "".join(letter(i) for i, column in enumerate(columns) if s in column) for s in order}


def groups(order: Sequence[str], pairs: pd.DataFrame) -> list[list[str]]:
    """The groups of the display, the best solver's first; each in the given order."""
    columns: list[frozenset[str]] = [frozenset(order)]
    apart = pairs.loc[pairs["differs"], ["first", "second"]]
    for first, second in apart.itertuples(index=False):
        split: list[frozenset[str]] = []
        for column in columns:
            split += [column - {first}, column - {second}] if {first, second} <= column else [column]
        columns = [c for c in dict.fromkeys(split) if not any(c < other for other in split)]
    position = {solver: i for i, solver in enumerate(order)}
    columns.sort(key=lambda column: sorted(position[s] for s in column))
    return [sorted(column, key=position.__getitem__) for column in columns]


def cliques(order: Sequence[str], pairs: pd.DataFrame) -> list[list[str]]:
    """The groups of two or more solvers, each in the given order: the bars of a mean-rank diagram."""
    return [group for group in groups(order, pairs) if len(group) > 1]


def letter(i: int) -> str:
    """The name of the i-th group: a to z, A to Z, then numbers in parentheses."""
    return ascii_lowercase[i] if i < 26 else ascii_uppercase[i - 26] if i < 52 else f"({i + 1})"
