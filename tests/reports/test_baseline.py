"""Comparisons with stored runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

import amb
from amb.catalogue.plugins import load_file, unload
from amb.comparison.compare import reopen
from amb.errors import AmbError, StudyError
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


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("ended", ["with a smaller budget", "by a crash"])
def test_of_two_copies_of_a_run_that_agree_the_one_with_more_queries_is_compared(
    published: Path, tmp_path: Path, ended: str
) -> None:
    """A first look of 5 queries, kept by the study, cut every run of the reference to 5, though it had all 40."""
    mine = Study(tmp_path / "mine")
    budget = 5 if ended == "with a smaller budget" else 40
    amb.compare("climber", "toy/bowl/near/0", budget=budget, seeds=1, study=mine.folder)
    if ended == "by a crash":
        [(record, trace)] = mine.records()
        mine.run_file(record.plan.run_id).unlink()
        crash = replace(
            record, status="crash", queries=8, distinct=None, recommended=(), final=np.nan, message="no lamp"
        )
        mine.save(crash, trace.first(8))

    result = amb.compare("climber[batch=2]", study=mine.folder, with_reference=published)
    assert set(result.runs["queries"]) == {40}
    assert not result.runs["failed"].any()
    assert not [warning for warning in result.warnings if "queries" in warning]
    found = result.load(("toy/bowl/near/0", "climber", 0))
    assert found is not None
    assert len(found[1]) == 40


@pytest.mark.usefixtures("toy")
def test_a_run_of_a_study_compared_with_that_is_shorter_than_asked_is_run_again_in_ones_own(tmp_path: Path) -> None:
    """Its few queries counted as the run, so that the whole comparison was cut to them, whatever was asked for."""
    theirs = tmp_path / "theirs"
    amb.compare("climber[batch=2]", "toy/bowl/near/0", budget=5, seeds=1, study=theirs)
    amb.compare("random", "toy/bowl/near/0", budget=40, seeds=1, study=theirs)
    result = amb.compare("climber[batch=2]", study=tmp_path / "mine", with_reference=theirs)
    assert result.runs["queries"].tolist() == [40, 40]
    assert len(Study(tmp_path / "mine").run_files()) == 1


@pytest.mark.usefixtures("toy")
def test_runs_of_a_published_study_that_are_cut_have_images_where_it_kept_the_candidate(tmp_path: Path) -> None:
    """A published study keeps the candidates of its best runs only; the others had a number and no candidate."""
    problem = "toy/bowl/near/0"
    amb.compare("random,climber", problem, budget=20, seeds=3, study=tmp_path / "study")
    publish(Study(tmp_path / "study"), tmp_path / "published")
    amb.compare("climber[batch=2]", problem, budget=3, seeds=3, study=tmp_path / "mine")
    own = Study(tmp_path / "mine")
    asked = own.manifest.settings
    settings = structs.replace(asked, solvers=("random", "climber", *asked.solvers), budget=20)
    own.rewrite_manifest(lambda old: structs.replace(old, settings=settings))

    result = reopen(own.folder, reference=tmp_path / "published")
    assert set(result.runs["budget"]) == {3}
    assert result.runs["final"].notna().all()
    meis = result.meis()
    assert set(meis["solver"]) == {"random", "climber", "climber[batch=2]"}
    final = result.runs.set_index(["solver", "seed"])["final"]
    assert all(final[row.solver, row.seed] == row.activation for row in meis.itertuples())


@pytest.mark.usefixtures("toy")
def test_a_reference_that_is_named_for_the_report_alone_is_compared_as_well(published: Path, tmp_path: Path) -> None:
    """The option had no effect, and the report called its one solver compared with the reference."""
    ask = {"budget": 40, "seeds": 2, "study": tmp_path / "mine"}
    amb.compare("climber[batch=2]", "toy/bowl/near/0..1", **ask)  # type: ignore[arg-type]
    compared = reopen(tmp_path / "mine", reference=published)
    assert len(reopen(tmp_path / "mine").ranking) == 1
    first = amb.compare("climber[batch=2]", "toy/bowl/near/0..1", with_reference=published, **ask)  # type: ignore[arg-type]
    assert compared.ranking.equals(first.ranking)
    assert compared.settings == first.settings
    amb.compare("climber", "toy/bowl/near/0", budget=40, seeds=2, study=tmp_path / "others")
    other = reopen(tmp_path / "mine", reference=tmp_path / "others", problems="toy/bowl/near/0")
    assert set(other.ranking["solver"]) == {"climber", "climber[batch=2]"}  # not those of the first reference
    with pytest.raises(
        StudyError, match=r"others does not fit this comparison: it has no run on toy/bowl/near/1; name"
    ):
        reopen(tmp_path / "mine", reference=tmp_path / "others")


@pytest.mark.usefixtures("toy")
def test_solvers_of_a_reference_that_are_not_installed_are_compared_from_its_runs(tmp_path: Path) -> None:
    """The study's manifest was said not to state their versions, which stand in that of the reference."""
    file = tmp_path / "strange.py"
    file.write_text("from amb_solvers.search.random_search import RandomSearch as R\nclass Strange(R): version = '7'\n")
    loaded = load_file(file)
    try:
        amb.compare("strange", "toy/bowl/near/0..1", budget=20, seeds=2, study=tmp_path / "theirs")
        publish(Study(tmp_path / "theirs"), tmp_path / "published")
        first = amb.compare("climber", study=tmp_path / "mine", with_reference=tmp_path / "published")
    finally:
        unload(loaded)
    with pytest.raises(StudyError, match=r"has runs of the solver strange, which is not installed here.*--plugin"):
        amb.compare("climber", study=tmp_path / "mine", with_reference=tmp_path / "published")
    again = reopen(tmp_path / "mine", reference=tmp_path / "published")
    assert again.ranking.equals(first.ranking)
    assert any(note.startswith("strange is known here from stored runs only") for note in again.warnings)


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"problems": "toy/bowl/near/0..2"}, "it has no run on toy/bowl/near/2"),
        ({"seeds": "2..3"}, "and the seeds 0, 1, not"),
        ({"metric": "seconds"}, "metric seconds needs runs that had the machine to themselves"),
        ({"metric": "seconds", "timing": True}, "metric seconds cannot use the stored runs of .*published"),
    ],
)
def test_a_comparison_that_is_refused_leaves_no_folder(
    published: Path, tmp_path: Path, asked: dict[str, object], says: str
) -> None:
    with pytest.raises(AmbError, match=says):
        amb.compare("climber[batch=2]", study=tmp_path / "mine", with_reference=published, **asked)  # type: ignore[arg-type]
    assert not (tmp_path / "mine").exists()
