"""Comparisons with stored runs."""

from dataclasses import replace
from pathlib import Path

import pytest

import amb
from amb.comparison.compare import reopen
from amb.errors import StudyError
from amb.study.published import publish
from amb.study.study import Study


@pytest.fixture
def published(toy: Path, tmp_path: Path) -> Path:
    amb.compare("random,climber", "toy/bowl/near/0..1", budget=40, seeds=2, study=tmp_path / "study")
    publish(Study(tmp_path / "study"), tmp_path / "published")
    return tmp_path / "published"


@pytest.mark.usefixtures("toy")
def test_the_settings_of_a_reopened_comparison_are_those_of_the_first(published: Path, tmp_path: Path) -> None:
    first = amb.compare("climber[batch=2]", study=tmp_path / "mine", with_reference=published, timing=True)
    assert first.settings["with_reference"] == str(published)
    assert first.settings["timing"] is True
    assert first.baseline is not None
    assert reopen(tmp_path / "mine", reference=published).settings == first.settings
    with pytest.raises(StudyError, match=r"was compared with the study in .*published.*--reference"):
        reopen(tmp_path / "mine")  # it may be somebody else's, and name any folder of this machine


@pytest.mark.usefixtures("toy")
def test_a_run_of_which_study_and_reference_hold_contradicting_copies_is_refused(
    published: Path, tmp_path: Path
) -> None:
    """The study's own copy was compared in silence, whatever the reference said."""
    own = Study(tmp_path / "study")
    record, trace = next(run for run in own.records() if run[0].plan.solver == "climber")
    compared = amb.compare("climber[batch=2]", study=own.folder, with_reference=published, budget=40, seeds=2)
    assert len(compared.runs) == 12  # copies that agree are one run

    values = trace.values.copy()
    values[7] += 1e-6
    path = own.run_file(record.plan.run_id)
    path.unlink()
    own.save(record, replace(trace, values=values, clean=values))
    says = r"study and the reference in .*published hold different copies of the run .*climber.*query 8 has the value"
    with pytest.raises(StudyError, match=says):
        amb.compare("climber[batch=2]", study=own.folder, with_reference=published, budget=40, seeds=2)
