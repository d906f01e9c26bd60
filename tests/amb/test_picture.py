from pathlib import Path

import numpy as np
import pytest

from amb import FunctionProblem, Space
from amb.contracts.reference import Reference, RoundTrip
from amb.reports.problem_picture import draw_problem, save_picture


@pytest.mark.parametrize("known", [True, False])
def test_a_problems_picture_shows_samples_histogram_and_references(tmp_path: Path, known: bool) -> None:
    made = FunctionProblem(lambda c: c.mean(1) / 15, Space.uniform(4, 16), id="a/b/c/0")
    point = Reference(made.fingerprint, 0.5, 0.8, None, None, 1.0, (15,) * 4, "by hand") if known else None
    figure = draw_problem(made, point, samples=64)
    *images, histogram = figure.axes
    assert len(images) == 12 + known
    shown = [float(axes.get_xlabel()) for axes in images]
    assert shown == sorted(shown)
    assert np.sum([bar.get_height() for bar in histogram.patches]) == 64
    lines = [line.get_xdata()[0] for line in histogram.lines]
    assert lines == ([0.5, 1.0] if known else [])
    save_picture(figure, tmp_path / "new" / "problem.png")
    assert (tmp_path / "new" / "problem.png").stat().st_size > 5000


def test_a_picture_shows_what_the_encoder_leaves_of_the_best_natural_image() -> None:
    made = FunctionProblem(lambda c: c.mean(1) / 15, Space.uniform(4, 16), id="a/b/c/0")
    trip = RoundTrip(0.8, 3, (12,) * 4)
    point = Reference(made.fingerprint, 0.5, 0.8, 0.9, 3, 1.0, (15,) * 4, "by hand", trip)
    *images, histogram = draw_problem(made, point, samples=64).axes
    assert [float(axes.get_xlabel()) for axes in images][-2:] == [0.8, 1.0]
    assert [line.get_xdata()[0] for line in histogram.lines] == [0.5, 0.9, 0.8, 1.0]
