"""Tables and lists of facts that fit a terminal: no word and no number is broken, and no column vanishes.

A table that is too wide for its terminal shows its first columns, such as the problem, in a line of their own above the
rows that share them. What is wider than the terminal even so is left to the terminal, so that it can be copied whole.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap

from amb.study.untrusted import plain

GAP, INDENT = 2, 2
READABLE = 24
"""Columns that prose is given at least, so that it is not set in a column of single words."""

_NUMBER = re.compile(r"|-|–|never|[-+]?\d[\d,.]*(e[-+]?\d+)?%?( (s|h|min|ms)( \d+ (s|min))?)?")
_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


@dataclass(frozen=True)
class Line:
    """A line of text, and whether it is a header."""

    text: str
    header: bool = False


def table_lines(rows: Sequence[Mapping[str, object]], width: int) -> list[Line]:
    """The lines of a table whose header is the rows' keys, in at most `width` columns where words allow it."""
    if not rows:
        return []
    columns = [_Column(str(name), [plain(row[name]) for row in rows]) for name in rows[0]]
    apart = next((k for k in range(len(columns)) if _least(columns, k) <= width), max(0, len(columns) - 1))
    shown, indent = columns[apart:], " " * INDENT * bool(apart)
    widths = _widths(shown, width - len(indent))
    lines = [Line(", ".join(column.name for column in columns[:apart]), header=True)] if apart else []
    lines += [Line(indent + text, header=True) for text in _row([c.name for c in shown], shown, widths, bottom=True)]
    heading: tuple[str, ...] = ()
    for number in range(len(rows)):
        if (own := tuple(column.cells[number] for column in columns[:apart])) != heading:
            heading = own
            lines.append(Line(", ".join(own)))
        lines += [Line(indent + text) for text in _row([c.cells[number] for c in shown], shown, widths)]
    return lines


def fact_lines(facts: Mapping[str, object], width: int) -> Iterator[tuple[str, str]]:
    """The lines of named values, each as the name's part and the value's; digests are shortened to 12 digits.

    A value with a word that does not fit next to the names begins below its name.
    """
    names = max((len(plain(name)) for name in facts), default=0) + GAP
    for name, value in facts.items():
        text = _DIGEST.sub(r"\1", plain(value))
        below = _longest_word(text) > width - names
        room = max(1, width - INDENT if below else width - names)
        lines = [part for line in text.splitlines() or [""] for part in _wrapped(line, room)]
        if below:
            yield plain(name), ""
            yield from ((" " * INDENT, line) for line in lines)
        else:
            yield f"{plain(name):<{names}}", lines[0]
            yield from ((" " * names, line) for line in lines[1:])


class _Column:
    """A column: its cells, how they are aligned, and how wide it must and would like to be."""

    def __init__(self, name: str, cells: list[str]) -> None:
        self.name, self.cells = name, cells
        self.is_number = all(_NUMBER.fullmatch(cell) for cell in cells) and any(cells)
        longest = max(map(len, cells))
        self.wanted = max(longest, len(name))
        words = max([longest] if self.is_number else map(_longest_word, cells))
        self.least = max(words, _longest_word(name), min(longest, READABLE))


def _least(columns: Sequence[_Column], apart: int) -> int:
    """The width that a table needs whose first `apart` columns are set apart."""
    shown = columns[apart:]
    return sum(column.least for column in shown) + GAP * (len(shown) - 1) + INDENT * bool(apart)


def _widths(columns: Sequence[_Column], width: int) -> list[int]:
    """Widths of columns: what each needs, and what is left shared among those that would like more."""
    widths = [column.least for column in columns]
    spare = max(0, width - sum(widths) - GAP * (len(columns) - 1))
    order = sorted(range(len(columns)), key=lambda i: columns[i].wanted - widths[i])
    for done, i in enumerate(order):
        more = min(max(0, columns[i].wanted - widths[i]), spare // (len(order) - done))
        widths[i] += more
        spare -= more
    return widths


def _row(texts: Sequence[str], columns: Sequence[_Column], widths: Sequence[int], *, bottom: bool = False) -> list[str]:
    """The lines of one row, cells aligned at the top or the bottom."""
    cells = [_wrapped(text, width) for text, width in zip(texts, widths, strict=True)]
    height = max(map(len, cells))
    cells = [[""] * (height - len(c)) + c if bottom else c + [""] * (height - len(c)) for c in cells]
    return [
        (" " * GAP)
        .join(
            f"{part:>{width}}" if column.is_number else f"{part:<{width}}"
            for part, column, width in zip(line, columns, widths, strict=True)
        )
        .rstrip()
        for line in zip(*cells, strict=True)
    ]


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(text, max(1, width), break_long_words=False, break_on_hyphens=False) or [""]


def _longest_word(text: str) -> int:
    return max(map(len, text.split()), default=0)
