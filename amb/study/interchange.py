"""Tables as other programs read them: CSV and JSON, with all digits."""

from math import inf

import pandas as pd

from amb.study.untrusted import plain

_FORMULA = ("=", "+", "-", "@")
"""What a cell begins with that a spreadsheet computes."""


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV. Of texts, those that a spreadsheet would take for formulas begin with an apostrophe, and blanks
    replace characters that could end a line or steer a terminal."""
    texts = table.select_dtypes(exclude=["number", "bool"])
    return table.assign(**texts.map(_inert)).to_csv(index=False, lineterminator="\n")


def plain_rows(table: pd.DataFrame) -> list[dict[str, object]]:
    """The rows of a table for JSON: a missing number is null, an infinite one the text "inf" or "-inf"."""
    # Not pandas' own JSON, which rounds to 15 digits.
    plain = (
        table.astype(object).where(table.notna(), None).mask(table.isin([inf]), "inf").mask(table.isin([-inf]), "-inf")
    )
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]


def _inert(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    return f"'{text}" if (text := plain(cell)).lstrip().startswith(_FORMULA) else text
