"""CSV files of responses: every row on a line of its own, no cell lost to a quotation mark that nobody closed.

A file ends with a line break. One that is still being written, or whose writer died, may end within a number, and the
part of a number that is there is a number too. It may end between two rows as well, which a last row `end` rules out.
"""

import csv
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from amb.study.untrusted import CELL_BYTES, MEBIBYTE

QUOTE = '"'
END = "end"
"""The only text of a row after which nothing follows."""

_NUMBER_WITH_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(e[+-]?[0-9]+)?", re.IGNORECASE)
_NUMBER_WITH_POINT = re.compile(r"[+-]?[0-9]*\.[0-9]+(e[+-]?[0-9]+)?", re.IGNORECASE)
_WITHIN_CELLS = bytes(set(range(33, 127)) - set(b",;") | set(range(128, 192)))
"""Bytes that end no number: what is left are separators, blanks, line ends and the beginnings of other characters."""
_THOUSAND = re.compile(r"[+-]?[1-9][0-9]{0,2}[,.][0-9]{3}")
_BELOW_THOUSAND = re.compile(r"[+-]?[0-9]{1,3}")
_ONE_SEPARATOR = (
    "; write all numbers with a decimal point, or all with a decimal comma, and none with separators of thousands"
)


def read_csv(content: bytes, *, numbers: Collection[str], decoded: int) -> tuple[dict[str, list[Any]], bool]:
    """Columns of text, and whether a row `end` follows them.

    Separators are commas, semicolons or tabs; with the latter two, a decimal comma is read, unless the numbers of the
    file have points too: then 1,234 or 1.234 may be a thousand. So they may where all others of the column are whole
    numbers below 1000; trimmed zeros would leave decimals of other lengths, and fixed places would be everywhere.

    Args:
        content: of the file.
        numbers: names of the columns of numbers.
        decoded: bytes that its cells may take in memory.

    Raises:
        ValueError: the content is not such a table; the message names the line. Or it has more cells than it may.
    """
    if (needed := bytes_as_objects(content)) > decoded:
        raise ValueError(
            f"its cells may take {needed / MEBIBYTE:,.0f} MiB in memory; the limit is {decoded / MEBIBYTE:,.0f}: write "
            "the responses alone, in several files"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        form = "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "no UTF-8"
        raise ValueError(f"its text is {form} (byte {cause.start + 1}); save it as CSV in UTF-8") from cause
    lines = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")
    separator = max(",;\t", key=next(filter(None, lines), "").count)
    filled = [(number, line) for number, line in enumerate(lines, 1) if line]
    ends = [number for number, line in filled[1:] if line.strip(f" {separator}{QUOTE}").lower() == END]
    if ends:
        if ends[0] != filled[-1][0]:
            raise ValueError(f"line {filled[-1][0]} follows the row {END!r} in line {ends[0]}, which must be the last")
        filled.pop()
    if not filled:
        raise ValueError("it is empty; expected a header with the column trial")
    names = [name.strip() for name in _cells(filled[0][1], separator, filled[0][0])]
    if len(set(names)) < len(names):
        raise ValueError(f"it has two columns of one name: {', '.join(names)}")
    if len(names) == 1 and " " in names[0]:
        raise ValueError(f"its header is {names[0][:80]!r}; expected commas, semicolons or tabs between columns")
    table: list[list[str]] = [[] for _ in names]
    for number, line in filled[1:]:
        cells = _cells(line, separator, number)
        if len(cells) != len(names):
            raise ValueError(f"line {number} has {len(cells)} cells, but the header has {len(names)}")
        for column, cell in zip(table, cells, strict=True):
            column.append(cell)
    if not text.endswith(("\n", "\r")):
        raise ValueError(
            f"its last line, {len(lines)}, has no end, so a part of it may be missing: {lines[-1][-80:]!r}; write the "
            "file again, or end the line if nothing is missing"
        )
    columns = dict(zip(names, table, strict=True))
    if separator != ",":
        columns |= _with_points({name: cells for name, cells in columns.items() if name in numbers})
    return columns, bool(ends)


def bytes_as_objects(content: bytes) -> int:
    """What the text takes with its lines, and each of its numbers and lines as an object; found without splitting it.

    A blank counts as well: between them are the spikes of a cell. A line counts twice, as it is split.
    """
    ends = content.count(b"\n") + content.count(b"\r") - content.count(b"\r\n")
    cells = len(content.translate(None, _WITHIN_CELLS)) - content.count(b"\r\n")
    return 2 * len(content) + CELL_BYTES * (cells + ends)


def _with_points(columns: dict[str, list[str]]) -> dict[str, list[str]]:
    """Columns of numbers whose decimal commas are points.

    Raises:
        ValueError: a comma or a point may separate thousands.
    """
    commas = _first(columns, _NUMBER_WITH_COMMA)
    points = _first(columns, _NUMBER_WITH_POINT)
    for name in (name for name in commas if name in points):
        raise ValueError(f"column {name} has {commas[name]!r} and {points[name]!r}{_ONE_SEPARATOR}")
    if commas and points:  # a program that writes one kind of number with commas writes the other with points, as 1.010
        (with_comma, comma), (with_point, point) = next(iter(commas.items())), next(iter(points.items()))
        raise ValueError(f"column {with_comma} has {comma!r} and column {with_point} {point!r}{_ONE_SEPARATOR}")
    if "trial" in commas:  # trials have no decimals, so one such number is enough
        thousand = next(filter(_THOUSAND.fullmatch, _numbers(columns["trial"])), None)
        if thousand:
            raise ValueError(f"column trial has {thousand!r}, which may be a thousand; write whole numbers as 1000")
    if "spikes" in commas and all(len(cell.replace(";", " ").split()) < 2 for cell in columns["spikes"]):
        raise ValueError(
            f"column spikes has {commas['spikes']!r}, which may be one time or two: write decimals with a point, and "
            "blanks between times"
        )
    for name, cells in columns.items():
        thousand, whole = _thousand(cells)
        if thousand and whole:
            raise ValueError(
                f"column {name} has {whole!r} and {thousand!r}, which may be a thousand; write whole numbers as 1000, "
                f"or, if it has decimals, all numbers with some, as {whole}{thousand[-4]}0"
            )
    return {name: [cell.replace(",", ".") for cell in cells] for name, cells in columns.items()}


def _first(columns: Mapping[str, Sequence[str]], form: re.Pattern[str]) -> dict[str, str]:
    """The first number of a form in each column that has one."""
    found = {name: next(filter(form.fullmatch, _numbers(cells)), "") for name, cells in columns.items()}
    return {name: number for name, number in found.items() if number}


def _numbers(cells: Sequence[str]) -> Iterator[str]:
    """The numbers of a column; a cell may hold several, as those of `spikes` do."""
    return (number for cell in cells for number in cell.replace(";", " ").split())


def _thousand(cells: Sequence[str]) -> tuple[str | None, str | None]:
    """A number that may have a separator of thousands, and a whole number below 1000, if a column has no others.

    Any other number shows that the separator is of decimals.
    """
    thousand = whole = None
    for number in _numbers(cells):
        if _THOUSAND.fullmatch(number):
            thousand = thousand or number
        elif _BELOW_THOUSAND.fullmatch(number):
            whole = whole or number
        elif any(digit in number for digit in "0123456789"):
            return None, None
    return thousand, whole


def _cells(line: str, separator: str, number: int) -> list[str]:
    """The cells of one line. A quoted cell ends on its line: one left open would swallow the rows that follow.

    Raises:
        ValueError: a quotation mark is not closed, or is followed by more text.
    """
    try:
        return next(csv.reader([line], delimiter=separator, strict=True))
    except csv.Error as cause:
        why = "a quotation mark is not closed" if line.count(QUOTE) % 2 else str(cause)
        raise ValueError(f"line {number} cannot be split into cells ({why}): {line[:80]!r}") from cause
