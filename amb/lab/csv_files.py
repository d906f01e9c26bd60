"""CSV files of responses: every row on a line of its own, no cell lost to a quotation mark that nobody closed."""

import csv
from typing import Any

QUOTE = '"'


def read_csv(content: bytes) -> dict[str, list[Any]]:
    """Columns of text. Separators are commas, semicolons or tabs; with the latter two, a decimal comma is read.

    Raises:
        ValueError: the content is not such a table; the message names the line.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        form = "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "no UTF-8"
        raise ValueError(f"its text is {form} (byte {cause.start + 1}); save it as CSV in UTF-8") from cause
    lines = text.splitlines()
    separator = max(",;\t", key=next(filter(None, lines), "").count)
    rows = [(number, _cells(line, separator, number)) for number, line in enumerate(lines, 1) if line]
    if not rows:
        raise ValueError("it is empty; expected a header with the column trial")
    (_, header), *others = rows
    names = [name.strip() for name in header]
    if len(set(names)) < len(names):
        raise ValueError(f"it has two columns of one name: {', '.join(names)}")
    if len(names) == 1 and " " in names[0]:
        raise ValueError(f"its header is {names[0][:80]!r}; expected commas, semicolons or tabs between columns")
    for number, cells in others:
        if len(cells) != len(names):
            raise ValueError(f"line {number} has {len(cells)} cells, but the header has {len(names)}")
    decimal = separator != ","
    return {name: [c[i].replace(",", ".") if decimal else c[i] for _, c in others] for i, name in enumerate(names)}


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
