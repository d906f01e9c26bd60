"""Comparisons with stored runs."""

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
