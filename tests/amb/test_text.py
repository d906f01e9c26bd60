"""How activations are written, in whatever unit a user's responses have; test_page_browser.py compares the page."""

import re

import numpy as np
import pytest

import amb
from amb.text import activation, decimals


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000"), (-0.0, "0.000"), (0.25, "0.250"), (0.0005, "0.001"), (-1.5, "-1.500"), (999.9994, "999.999"),
        (4e-4, "4.00e-4"), (-2.5e-5, "-2.50e-5"), (1e-8, "1.00e-8"), (1e6, "1.00e6"), (2.98e59, "2.98e59"),
        (-1e100, "-1.00e100"), (1e-13, "0.000"), (-1e-13, "0.000"), (np.nan, "–"), (np.inf, "∞"), (-np.inf, "-∞"),
    ],
)  # fmt: skip
def test_activations_of_any_unit_are_told_apart(value: float, text: str) -> None:
    """Ordinary values have three decimals; others three significant digits; rounding errors are 0."""
    assert activation(value) == text
    assert activation(value, sign=True) in (text, f"+{text}", f"-{text}")


def test_ordinary_activations_have_fixed_decimals() -> None:
    """Published tables of networks' activations keep their form."""
    rng = np.random.default_rng(0)
    for value in [*rng.uniform(0.001, 1000, 500), *(10 ** rng.uniform(-3, 3, 500))]:
        for digits in (3, 4):
            assert activation(value, digits) == f"{value:.{digits}f}"
            assert activation(-value, digits, sign=True) == f"-{value:.{digits}f}"
        assert decimals(value, 2) == f"{value:.2f}"


@pytest.mark.parametrize("unit", [1e-8, 1e-5, 1e60])
def test_results_in_another_unit_can_be_read(unit: float, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Responses in volts, or in a unit that is far too small: no text shows only zeros, none has sixty digits."""

    def response(x: np.ndarray) -> float:
        return unit * float(x.sum())

    problems = [amb.objective(response, [(0, 1)] * 3, name=f"f{i}", version="1") for i in range(6)]
    found = amb.compare("random,cma", problems, budget=20, seeds=3, study=tmp_path / "study")
    found.save(tmp_path / "out", ["markdown", "latex"])
    texts = [found.verdict, found._repr_html_(), *(f.read_text() for f in (tmp_path / "out").iterdir() if f.is_file())]
    exponent = f"e{int(np.floor(np.log10(unit)))}"
    for text in texts:
        assert "0.000 [" not in text
        assert not re.search(r"\d{25}", text)
    assert exponent in texts[1]
