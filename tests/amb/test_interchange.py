"""Every number in a CSV or JSON file is the one that was computed, to the last bit, and no text becomes a formula."""

import csv
import io
import json
import math

import numpy as np
import pandas as pd
import pytest

from amb.study.interchange import csv_text, plain_rows
from amb.study.untrusted import plain

NUMBERS = [0.1 + 0.2, 1 / 3, 5e-324, 2.2e-308, 1e-20, 1e100, 1e308, -0.0, 2.0**53 + 2, 123456789.12345679]


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_keep_all_digits(number: float) -> None:
    table = pd.DataFrame({"x": [number, np.nan]})
    read = pd.read_csv(io.StringIO(csv_text(table)), float_precision="round_trip")["x"][0]
    row = json.loads(json.dumps(plain_rows(table), allow_nan=False))[0]["x"]
    for found in (read, row):
        assert found == number
        assert math.copysign(1, found) == math.copysign(1, number)


def test_integers_beyond_doubles_are_kept() -> None:
    table = pd.DataFrame({"seed": [2**53 + 1, 2**62 + 1], "big": np.array([2**64 - 1, 1], dtype=np.uint64)})
    assert json.loads(json.dumps(plain_rows(table))) == table.to_dict("records")
    assert csv_text(table) == f"seed,big\n{2**53 + 1},{2**64 - 1}\n{2**62 + 1},1\n"


def test_missing_and_infinite_numbers_are_json() -> None:
    table = pd.DataFrame({"x": [np.nan, np.inf, -np.inf], "y": [None, "a", "b"], "z": [True, False, True]})
    rows = json.loads(json.dumps(plain_rows(table), allow_nan=False))
    assert [row["x"] for row in rows] == [None, "inf", "-inf"]
    assert rows[0]["y"] is None
    assert rows[0]["z"] is True


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", " =1"])
def test_no_text_becomes_a_formula(text: str) -> None:
    table = pd.DataFrame({"name": [text, "snes"], "categories": pd.Categorical([text, "snes"]), "x": [-1.0, 2.0]})
    read = pd.read_csv(io.StringIO(csv_text(table), newline=""))
    assert read["name"].tolist() == [f"'{plain(text)}", "snes"]
    assert read["categories"].tolist() == [f"'{plain(text)}", "snes"]
    assert read["x"].tolist() == [-1.0, 2.0]


@pytest.mark.parametrize("text", ["a\r=1", "a\n=1", "a\r\n=1", "a\x1b[31mred", "a\u202eb", 'a"b', "a,b", "a;=1"])
def test_no_text_ends_its_line(text: str) -> None:
    """Nor does it steer a terminal in which the file is shown."""
    lines = csv_text(pd.DataFrame({"name": [text], "x": [1.5]})).splitlines()
    assert next(csv.reader(lines[1:])) == [plain(text), "1.5"]
    assert len(lines) == 2
