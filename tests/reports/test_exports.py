"""Exports, read back by the programs for which they are made."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amb_reports.exports import coco
from amb_reports.exports.coco import PRECISION, Coco
from amb_reports.exports.iohanalyzer import IOHanalyzer
from amb_reports.exports.parquet import Parquet
from amb_reports.exports.series import file_name, series


@pytest.fixture(scope="module")
def comparison(make_comparison):  # type: ignore[no-untyped-def]
    return make_comparison(problems=3, seeds=3)


def runtimes(values: np.ndarray, thresholds: np.ndarray) -> list[float]:
    best = np.maximum.accumulate(values)
    return [float(np.argmax(best >= t) + 1) if best[-1] >= t else np.nan for t in thresholds]


@pytest.mark.parametrize("solver", ["random", "tt-b[k=50,lr=0.1]"])
def test_cocopp_reads_the_runs(comparison, tmp_path: Path, solver: str) -> None:  # type: ignore[no-untyped-def]
    """Problems, runs, evaluations and runtimes to thresholds are those of the traces."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import cocopp

        Coco().write(comparison, tmp_path)
        folder = tmp_path / "coco" / file_name(solver)
        sets = cocopp.load(str(folder))
    assert sorted((s.funcId, s.dim, s.nbRuns()) for s in sets) == [(1, 128, 3), (2, 128, 3), (3, 128, 3)]
    for one in sets:
        problem = f"gan/net/conv{(one.funcId - 1) % 2}/{one.funcId - 1}"
        traces = [comparison.traces[problem, solver, seed] for seed in range(3)]
        best = max(t.max() for key, t in comparison.traces.items() if key[0] == problem)
        assert one.maxevals.tolist() == [50, 50, 50]
        gaps = one.evals[:, 0]  # thresholds that cocopp chose
        expected = np.array([runtimes(t, best - gaps) for t in traces]).T
        assert len(gaps) >= 2
        np.testing.assert_array_equal(one.evals[:, 1:], expected)
    assert pytest.approx(sets[0].precision) == PRECISION


def test_iohinspector_reads_both(comparison, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """IOHprofiler's files give back the best activations; COCO's give as many runs."""
    from iohinspector import DataManager

    IOHanalyzer().write(comparison, tmp_path)
    manager = DataManager()
    manager.add_folder(str(tmp_path / "ioh"))
    overview = manager.overview
    assert len(overview) == len(comparison.runs)
    assert set(overview["algorithm_name"]) == set(comparison.runs["solver"])
    best = {(r["function_name"], r["algorithm_name"], r["instance"] - 1): r["best_y"] for r in overview.to_dicts()}
    assert best == {cell: pytest.approx(values.max()) for cell, values in comparison.traces.items()}
    data = manager.load(monotonic=True, include_meta_data=True)
    ends = data.group_by("data_id").max()
    assert len(ends) == len(comparison.runs)
    Coco().write(comparison, tmp_path)
    coco = DataManager()
    coco.add_folder(str(tmp_path / "coco"))
    assert len(coco.overview) == len(comparison.runs)


def test_parquet_keeps_every_value(comparison, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Runs and traces read back unchanged."""
    import pandas as pd

    runs, traces = Parquet().write(comparison, tmp_path)
    pd.testing.assert_frame_equal(pd.read_parquet(runs), comparison.runs, check_dtype=False)
    for row in pd.read_parquet(traces).itertuples():
        np.testing.assert_array_equal(np.array(row.values), comparison.traces[row.problem, row.solver, row.seed])


def test_solvers_whose_names_differ_little_have_folders_of_their_own(comparison, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """On disks that take upper and lower case for one, too, and where one is called as another one's folder."""
    renamed = {"random": "random+", "tt-b[k=50,lr=0.1]": "random"}
    traces = {(p, renamed.get(solver, solver), seed): t for (p, solver, seed), t in comparison.traces.items()}
    several = replace(comparison, traces=traces, runs=comparison.runs.replace({"solver": renamed}))
    Coco().write(several, tmp_path)
    IOHanalyzer().write(several, tmp_path)
    solvers = set(several.runs["solver"])
    written = {json.loads(file.read_text())["algorithm"]["name"] for file in (tmp_path / "ioh").rglob("*.json")}
    assert written == solvers
    found = (file.read_text() for file in (tmp_path / "coco").rglob("*.info"))
    assert {text.split("algId = '")[1].split("'")[0] for text in found} == solvers
    names = ["cma", "CMA", "Cma", "cma+", "cma_", "my_a:B", "my:a_B", "a" * 200, "a" * 201, ".", "..", "x[k=1]"]
    names += [file_name(name) for name in names if file_name(name) != name]
    assert len({file_name(name).casefold() for name in names}) == len(names)
    assert file_name("cma") == "cma"


def test_a_gap_that_is_formatted_once_reads_as_if_it_had_been_formatted_twice() -> None:
    random = np.random.default_rng(0)
    gaps = np.abs(random.standard_normal(500)) * 10.0 ** random.integers(-12, 12, 500)
    values = random.standard_normal(500) * 10.0 ** random.integers(-12, 12, 500)
    gaps[::7], values[::11], values[::13] = 0.0, 0.0, np.nan
    rows = np.arange(0, 500, 3)
    shown = [-(0.0 if np.isnan(value) else value) for value in values]
    expected = [f"{i + 1} 0 {gaps[i]:+.9e} {shown[i]:+.9e} {gaps[i]:+.9e}\n" for i in rows]
    assert coco._lines(gaps, values, rows) == "".join(expected)


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (1e-9, 0.0), (1e18, 0.0), (1.0, -5.0), (1e100, 0.0)])
def test_iohprofilers_files_hold_all_digits(comparison, tmp_path: Path, scale: float, offset: float) -> None:  # type: ignore[no-untyped-def]
    """Before the first success, they hold no value above one that is reached later."""
    traces = {
        cell: np.concatenate([[np.nan], scale * values[1:] + offset]) for cell, values in comparison.traces.items()
    }
    IOHanalyzer().write(replace(comparison, traces=traces), tmp_path)
    found = 0
    for file in (tmp_path / "ioh").rglob("*.json"):
        content = json.loads(file.read_text())
        (scenario,) = content["scenarios"]
        lines = (file.parent / scenario["path"]).read_text().replace("evaluations raw_y\n", "").splitlines()
        for run in scenario["runs"]:
            values = traces[content["function_name"], content["algorithm"]["name"], run["instance"] - 1]
            assert lines.pop(0) == f"1 {min(0.0, float(np.nanmin(values)))!r}"
            while lines and not lines[0].startswith("1 "):
                number, value = lines.pop(0).split()
                assert float(value) == np.nanmax(values[: int(number)])
            assert run["best"]["y"] == np.nanmax(values)
            found += 1
        assert not lines
    assert found == len(traces)


def test_the_best_known_value_is_one_that_was_reached_though_all_are_negative(comparison, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """As where a function is minimized; without any value it is 0."""
    traces = {cell: values - 9.0 for cell, values in comparison.traces.items()}
    silent = comparison.runs["problem"].iloc[0]
    traces |= {cell: np.full(5, np.nan) for cell in traces if cell[0] == silent}
    runs = comparison.runs.drop(columns=["best_known"], errors="ignore")
    for one in series(replace(comparison, runs=runs, traces=traces)):
        reached = [values.max() for cell, values in traces.items() if cell[0] == one.problem]
        assert one.best == (0.0 if one.problem == silent else max(reached))
