"""Small pieces of text that messages, tables and captions share."""

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from math import isfinite, isinf, isnan

UNKNOWN = "–"
ROUNDING = 5e-13
"""Activations are rounded to 12 decimals before they are compared: what is smaller is a rounding error."""
MANY = 1e6
"""Activations from here on are written with an exponent."""


def plural(count: int, noun: str, nouns: str = "") -> str:
    """The count, with thousands separators, and its noun: "1 run", "1,200 runs"; `nouns` is an irregular plural."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def listed(names: Sequence[str]) -> str:
    """The first two names, and how many more there are: "a, b and 3 more"."""
    return ", ".join(names[:2]) + (f" and {len(names) - 2:,} more" if len(names) > 2 else "")


def duration(seconds: float) -> str:
    """Seconds as people say them: "1 h 5 min", "3 min 40 s", "12 s"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def file_size(size: int) -> str:
    """A number of bytes as people say it: "4.1 MB", "12 kB", "300 bytes"."""
    if size < 1000:
        return plural(size, "byte")
    return f"{size / 1e3:,.0f} kB" if size < 999_500 else f"{size / 1e6:,.1f} MB"


def wrapped(text: str) -> str:
    """The text in lines that fit the terminal; no word is broken."""
    from shutil import get_terminal_size
    from textwrap import fill

    return fill(text, get_terminal_size().columns, break_long_words=False, break_on_hyphens=False)


def decimals(value: float, digits: int) -> str:
    """A number with a fixed count of decimals, rounded half to even; a dash for NaN, and no negative zero.

    With an exponent where it would have twelve digits and more before the point.
    """
    if isnan(value):
        return UNKNOWN
    if isinf(value):
        return "∞" if value > 0 else "-∞"
    if abs(value) >= 1e11:
        return _with_exponent(value)
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def activation(value: float, digits: int = 3, *, sign: bool = False) -> str:
    """An activation, or a difference of two, in whatever unit the responses have.

    A fixed count of decimals where they show the value within a sensible width; otherwise three significant digits and
    an exponent. What rounding of activations removes is 0.

    Args:
        value: the number; a dash for NaN.
        digits: decimals of ordinary values.
        sign: whether a number that is not negative has a plus sign.
    """
    if isnan(value):
        return UNKNOWN
    size = abs(value) if abs(value) >= ROUNDING else 0.0
    text = decimals(size, digits)
    if isfinite(size) and size and (size >= MANY or float(text) == 0):
        text = _with_exponent(size)
    minus = value < 0 and (sign or size > 0)
    return f"{'-' if minus else '+' if sign else ''}{text}"


def _with_exponent(value: float) -> str:
    """Three significant digits; of an exact tie the larger size, as in JavaScript."""
    with localcontext(rounding=ROUND_HALF_UP):
        mantissa, exponent = f"{Decimal(float(value)):.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def angled(thing: object, words: Callable[[], str]) -> str:
    """A short repr, `<words>`; Python's own for an object that cannot say them, such as one that is half made."""
    try:
        return f"<{words()}>"
    except Exception:  # a repr that fails would hide the error in which it is shown
        return object.__repr__(thing)
