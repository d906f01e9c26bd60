"""Runs that agree with themselves, but not with their problem, are named with their files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import amb
from amb.catalogue.plugins import load_file
from amb.errors import StudyError
from amb.meis.found import found_in
from amb.reports.write import write_reports
from amb.study.fit import misfits
from amb.study.health import examine, examine_published
from amb.study.published import PublishedStudy, publish
from amb.study.study import Study

TOY = Path(__file__).parents[1] / "plugins" / "toy.py"


def a_study(folder: Path, level: int | None = None) -> tuple[Study, Path]:
    """A study of three runs, and the file of the best: its candidates have 3 dimensions, or this level in one."""
    load_file(TOY)
    amb.compare("random", "toy/bowl/near/0", budget=12, seeds=3, study=folder)
    study = Study(folder)
    record, trace = next(iter(study.records()))
    candidates = trace.candidates[:, :3].copy()
    if level is not None:
        candidates = trace.candidates.copy()
        candidates[:, 0] = level
        candidates[:, 1] = np.arange(len(trace)) % 2
    best = int(np.nanargmax(trace.clean))
    kept = replace(trace, candidates=candidates, values=trace.values + 1, clean=trace.clean + 1)
    recommended = tuple(candidates[best].tolist())
    final = float(kept.clean[np.flatnonzero((candidates == candidates[best]).all(axis=1))[0]])
    study.save(replace(record, recommended=recommended, final=final, distinct=1), kept)
    return Study(folder), study.run_file(record.plan.run_id)


def test_a_run_of_other_dimensions_is_named_by_its_file(tmp_path: Path) -> None:
    study, file = a_study(tmp_path / "st")
    said = "its candidates have 3 dimensions, those of the other runs of this problem "
    (finding,) = examine(study)
    assert finding.path == file
    assert said in finding.what
    publish(study, tmp_path / "pub")
    (finding,) = examine_published(PublishedStudy(tmp_path / "pub"))
    assert said in finding.what
    with pytest.raises(StudyError, match=f"{file.name}: {said}"):
        write_reports(amb.open(tmp_path / "st"), ["csv"])


@pytest.mark.parametrize("level", [None, 60_000])
def test_inputs_are_drawn_without_runs_that_do_not_fit(tmp_path: Path, level: int | None) -> None:
    study, file = a_study(tmp_path / "st", level)
    found = found_in(study)
    assert len(found.table) == 2
    assert len(found.images()) == 2
    (note,) = found.notes
    assert f"{file.name} is left out: its " in note
    assert "get a new copy" in note


def test_the_file_of_a_level_beyond_the_grid_is_named_where_it_would_be_drawn(tmp_path: Path) -> None:
    _, file = a_study(tmp_path / "st", 60_000)
    with pytest.raises(StudyError, match=f"{file.name}: its level 60000 in dimension 0 is outside of the grid, 0..15"):
        amb.open(tmp_path / "st").meis()


def test_without_a_majority_all_contradict_each_other() -> None:
    assert misfits({"a": 3, "b": 3}) == {}
    assert set(misfits({"a": 3, "b": 128, "c": 128})) == {"a"}
    assert set(misfits({"a": 3, "b": 128})) == {"a", "b"}
