"""How numbers become text. The page's `formats.js` holds the same formats; a test compares the two on random values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isinf
from typing import Any, Literal

import pandas as pd

from amb.text import UNKNOWN, activation, decimals

Format = Literal[
    "text", "solver", "score", "difference", "score interval", "difference interval", "difference with interval",
    "number", "p-value", "percent", "seconds", "expected queries", "tally", "count",
]  # fmt: skip

NOT_RANKED = "white-box, not ranked"
"""The note on a solver that sees gradients."""


@dataclass(frozen=True)
class Style:
    """What a format needs besides the values.

    Attributes:
        digits: decimals of a plain number.
        logarithmic: scores are -log10 of a cost, so that differences are ratios.
    """

    digits: int = 0
    logarithmic: bool = False


def show(name: Format, values: Sequence[Any], style: Style | None = None) -> str:
    """The text of one cell.

    Args:
        name: name of the format.
        values: what the cell shows: one value for most formats, two for intervals, p-values (with their note) and
            counts (with their total), three for wins, ties and losses.
        style: decimals and scale; by default whole numbers on a linear scale.
    """
    return FORMATS[name](values, style or Style())


def number(value: float, digits: int) -> str:
    """A number with a fixed count of decimals, rounded half to even; a dash for NaN."""
    return UNKNOWN if pd.isna(value) else decimals(value, digits)


def compact(value: float) -> str:
    """A positive number to three significant digits without an exponent; whole from 100 on."""
    if pd.isna(value) or isinf(value):
        return number(value, 0)
    if value >= 100:
        return f"{value:,.0f}"
    digits = next((d for d, least in enumerate((10, 1, 0.1, 0.01, 0.001), start=1) if value >= least), 6)
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def percent(share: float) -> str:
    """A share of runs, queries or the like as a whole percentage, which is 0% for none and 100% for all alone."""
    if pd.isna(share):
        return UNKNOWN
    text = number(100 * share, 0)
    if share > 0 and text == "0":
        return "<1%"
    return ">99%" if share < 1 and text == "100" else f"{text}%"


def exact_percent(share: float) -> str:
    """A share that was chosen as a percentage, with all its digits."""
    return f"{100 * share:g}%"


def span(numbers: pd.Series) -> str:
    """The lowest and the highest of whole numbers: "2 to 6"; "3" if they are equal."""
    low, high = numbers.min(), numbers.max()
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def seeds_each(runs: pd.DataFrame) -> str:
    """How many seeds solvers have on a problem: "5 to 10 seeds" where solvers or problems differ."""
    seeds = runs.groupby(["problem", "solver"])["seed"].nunique()
    return f"{span(seeds)} {'seed' if seeds.max() == 1 else 'seeds'}"


def seconds(value: float) -> str:
    """Seconds to three significant digits, and no finer than a millisecond."""
    return number(value, 3) if pd.isna(value) or value < 0.1 else compact(value)


def expected_queries(value: float) -> str:
    """An expected runtime; infinite if no run reached the threshold."""
    return UNKNOWN if pd.isna(value) else "never" if value == float("inf") else f"{value:,.0f}"


def p_value(p: float, note: str = "") -> str:
    """A p-value to three decimals; the note instead if the test could not have succeeded."""
    if note in ("underpowered", "all tied"):
        return note
    if note == NOT_RANKED:
        return "not ranked"
    return "<0.001" if p < 0.001 else number(p, 3)


def score(value: float, *, logarithmic: bool = False) -> str:
    """A score in its metric's own unit."""
    if pd.isna(value):
        return UNKNOWN
    return compact(10**-value) if logarithmic else activation(value)


def difference(value: float, *, logarithmic: bool = False) -> str:
    """A difference of two scores in the metric's unit, or a ratio of costs."""
    if pd.isna(value):
        return UNKNOWN
    if logarithmic:
        return f"{number(10**value, 2)}×"
    return activation(value, sign=True)


def score_interval(low: float, high: float, *, logarithmic: bool = False) -> str:
    """An interval of scores, its smaller end first."""
    ends = (high, low) if logarithmic else (low, high)
    return _interval(*(score(end, logarithmic=logarithmic) for end in ends))


def difference_interval(low: float, high: float, *, logarithmic: bool = False) -> str:
    """An interval of differences, its smaller end first."""
    return _interval(*(difference(end, logarithmic=logarithmic) for end in (low, high)))


def difference_with_interval(value: float, low: float, high: float, *, logarithmic: bool = False) -> str:
    """A difference and, if it is known, its interval."""
    text, ends = difference(value, logarithmic=logarithmic), difference_interval(low, high, logarithmic=logarithmic)
    return text if ends == UNKNOWN else f"{text} {ends}"


def _interval(low: str, high: str) -> str:
    return UNKNOWN if UNKNOWN in (low, high) else f"[{low}, {high}]"


FORMATS: Mapping[Format, Callable[[Sequence[Any], Style], str]] = {
    "text": lambda v, _: str(v[0]),
    "solver": lambda v, _: f"{v[0]} ({v[1]})" if v[1] else str(v[0]),
    "score": lambda v, style: score(v[0], logarithmic=style.logarithmic),
    "difference": lambda v, style: difference(v[0], logarithmic=style.logarithmic),
    "score interval": lambda v, style: score_interval(v[0], v[1], logarithmic=style.logarithmic),
    "difference interval": lambda v, style: difference_interval(v[0], v[1], logarithmic=style.logarithmic),
    "difference with interval": lambda v, style: difference_with_interval(*v, logarithmic=style.logarithmic),
    "number": lambda v, style: number(v[0], style.digits),
    "p-value": lambda v, _: p_value(*v),
    "percent": lambda v, _: percent(v[0]),
    "seconds": lambda v, _: seconds(v[0]),
    "expected queries": lambda v, _: expected_queries(v[0]),
    "tally": lambda v, _: UNKNOWN if any(map(pd.isna, v)) else "/".join(number(n, 0) for n in v),
    "count": lambda v, _: UNKNOWN if any(map(pd.isna, v)) else f"{v[0]:,.0f}/{v[1]:,.0f}",
}
