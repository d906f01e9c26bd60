"""A study that was interrupted is reported: what is finished is compared, and how much is missing is said."""

from pathlib import Path

import pytest
from commands import command
from msgspec import structs
from typer.testing import CliRunner

import amb
from amb.cli.app import app
from amb.errors import SpecError, StudyError
from amb.reports.write import write_leaderboard
from amb.run.plan import MOST_RUNS, make_plan
from amb.study.published import publish
from amb.study.study import Study

ASK = {"problems": "toy/bowl/far/0..4", "budget": 20, "seeds": 3}


def run_here(*words: object) -> str:
    """What a command prints that ends well, in a line."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return " ".join(done.stdout.split())


def interrupted(folder: Path, *, keep) -> Path:  # type: ignore[no-untyped-def]
    """A study of two solvers on five problems with three seeds, of which only the runs that `keep` chooses finished."""
    amb.compare("random,climber", study=folder, progress=False, **ASK)  # type: ignore[arg-type]
    study = Study(folder)
    for record, _ in list(study.records()):
        if not keep(record.plan):
            study.run_file(record.plan.run_id).unlink()
    return folder


@pytest.mark.usefixtures("toy")
def test_what_is_finished_is_compared_on_equal_terms(tmp_path: Path) -> None:
    """Problems that one solver has not reached, and seeds that it has not run, count for neither."""
    folder = interrupted(
        tmp_path / "st", keep=lambda run: run.solver == "random" or (run.problem[-1] in "012" and run.seed < 2)
    )
    result = amb.open(folder)
    assert "9 of 30 runs are not finished and left out (climber 9)" in result.warnings[0]
    whole = amb.open(folder, problems="toy/bowl/far/0..2", seeds=2)
    columns = ["solver", "score", "mean_rank"]
    assert result.ranking[columns].equals(whole.ranking[columns])
    assert not whole.warnings


@pytest.mark.usefixtures("toy")
def test_the_commands_say_how_much_is_missing(tmp_path: Path, toy: Path) -> None:
    folder = interrupted(tmp_path / "st", keep=lambda run: run.problem[-1] != "4")
    done = command("report", folder, "--plugin", toy)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "6 of 30 runs are not finished and left out (random 3, climber 3); the command that started" in said
    assert "4 problems" in said
    assert "6 of 30 runs are not finished" in (folder / "report" / "report.md").read_text(encoding="utf-8")
    page = tmp_path / "page.html"
    write_leaderboard([folder], page)
    assert "6 of 30 runs are not finished" in page.read_text(encoding="utf-8")
    assert "not finished" not in command("compare", "-s", "random", "-p", "toy/bowl/far/0..4", "-b", 20,
                                         "--seeds", 3, "--study", folder, "--plugin", toy).stdout  # fmt: skip


@pytest.mark.usefixtures("toy")
def test_what_was_published_of_an_interrupted_study_is_compared_as_the_study_is(tmp_path: Path) -> None:
    """It was refused for the first run that it lacks, and nothing had said that runs were missing."""
    folder, published, page = (tmp_path / name for name in ("st", "published", "page.html"))
    interrupted(folder, keep=lambda run: run.solver == "random" or (run.problem[-1] in "012" and run.seed < 2))
    said = run_here("publish", folder, published)
    assert f"Note: {folder}: 9 of 30 runs are not finished (climber 9); the command that started" in said
    study, result = amb.open(folder), amb.open(published)
    assert result.ranking.equals(study.ranking)
    assert (result.verdict, result.basis) == (study.verdict, study.basis)
    assert "9 of 30 runs are not finished and left out (climber 9); finish them in the study" in result.warnings[0]
    write_leaderboard([published], page)
    assert "9 of 30 runs are not finished" in page.read_text(encoding="utf-8")
    assert "9 of 30 runs are not finished" in run_here("publish", published, folder, tmp_path / "grown")

    ask = {"solvers": "climber[batch=2]", "study": tmp_path / "mine", "with_reference": published, "progress": False}
    says = r"the run toy/bowl/far/0 climber #2 was not finished when the study was published; finish it in the study"
    with pytest.raises(StudyError, match=says):
        amb.compare(**ask)  # type: ignore[arg-type]
    with pytest.raises(StudyError, match=r"has random with a budget of 20 and the seeds 0, 1, 2, not with .* seed 3$"):
        amb.compare(**ask, problems="toy/bowl/far/0", seeds=[3])  # type: ignore[arg-type]
    fits = amb.compare(**ask, problems="toy/bowl/far/0..2", seeds=2)  # type: ignore[arg-type]
    assert len(fits.runs) == 18

    amb.compare("random,climber", study=folder, progress=False, **ASK)  # type: ignore[arg-type]
    assert "Note" not in run_here("publish", folder, published)
    assert not amb.open(published).warnings


@pytest.mark.usefixtures("toy")
def test_what_was_published_of_an_interrupted_extension_is_cut_as_the_study_is(tmp_path: Path) -> None:
    """The longer runs were refused for the shorter ones; as a reference, the shorter ones are still too short."""
    amb.compare("random,climber", "toy/bowl/far/0..1", budget=10, seeds=2, study=tmp_path / "st", progress=False)
    amb.compare("random", "toy/bowl/far/0..1", budget=20, seeds=2, study=tmp_path / "st", progress=False)
    Study(tmp_path / "st").rewrite_manifest(
        lambda old: structs.replace(old, settings=structs.replace(old.settings, solvers=("random", "climber")))
    )
    said = run_here("publish", tmp_path / "st", tmp_path / "published")
    assert "4 of 8 runs are not finished (climber 4)" in said
    study, result = amb.open(tmp_path / "st"), amb.open(tmp_path / "published")
    assert result.warnings == study.warnings
    assert "all are compared at 10 queries" in result.warnings[0]
    shown = ["solver", "score", "mean_rank", "runs"]
    assert result.ranking[shown].equals(study.ranking[shown])
    says = "climber #0 was not finished when the study was published: it had 10 of 20 queries; finish it in"
    with pytest.raises(StudyError, match=says):
        amb.compare("climber[batch=2]", study=tmp_path / "mine", with_reference=tmp_path / "published", progress=False)


@pytest.mark.usefixtures("toy")
def test_a_solver_without_a_finished_run_is_named_and_left_out(tmp_path: Path) -> None:
    result = amb.open(interrupted(tmp_path / "st", keep=lambda run: run.solver == "random"))
    assert list(result.ranking["solver"]) == ["random"]
    assert "(climber 15)" in result.warnings[0]


@pytest.mark.usefixtures("toy")
def test_a_study_without_a_finished_run_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = interrupted(tmp_path / "st", keep=lambda run: False)
    with pytest.raises(StudyError, match="holds no finished run; `amb study status`"):
        amb.open(folder)
    with pytest.raises(StudyError, match="holds no finished run; `amb study status`"):
        write_leaderboard([folder], tmp_path / "page.html")


@pytest.mark.usefixtures("toy")
def test_finished_runs_that_were_not_asked_for_last_are_mentioned(tmp_path: Path) -> None:
    folder = interrupted(tmp_path / "st", keep=lambda run: run.solver == "random")
    with pytest.raises(
        StudyError, match=r"no run that .* was last asked for is finished; of its 15 others, name those"
    ):
        amb.open(folder, solvers="climber")


@pytest.mark.usefixtures("toy")
def test_solvers_that_finished_different_problems_are_not_compared(tmp_path: Path) -> None:
    folder = interrupted(tmp_path / "st", keep=lambda run: (run.solver == "random") == (run.problem[-1] in "01"))
    result = amb.open(folder)
    assert result.verdict.startswith("No verdict: there is no problem on which every solver has a run")
    assert result.ranking["score"].isna().all()


@pytest.mark.usefixtures("toy")
def test_what_was_never_asked_for_is_still_missing(tmp_path: Path) -> None:
    """A misspelt request must not look like an interrupted study."""
    folder = interrupted(tmp_path / "st", keep=lambda run: True)
    with pytest.raises(StudyError, match=r"lacks .* with seed 3"):
        amb.open(folder, seeds=4)


@pytest.mark.usefixtures("toy")
def test_a_request_for_a_million_runs_is_reported_by_those_that_are_stored(tmp_path: Path) -> None:
    """As by a manifest that was edited by hand: each missing run was looked for, which took minutes."""
    folder = interrupted(tmp_path / "st", keep=lambda run: run.seed < 2 and run.problem[-1] != "4")
    many = tuple(range(110_000))
    Study(folder).rewrite_manifest(lambda old: structs.replace(old, settings=structs.replace(old.settings, seeds=many)))
    assert 10 * len(many) > MOST_RUNS  # no plan can list them
    says = "1,099,984 of 1,100,000 runs are not finished and left out (random 549,992, climber 549,992)"
    result = amb.open(folder)
    assert says in result.warnings[0]
    assert len(result.runs) == 16
    assert result.settings["seeds"] == many
    write_leaderboard([folder], tmp_path / "page.html")
    assert says in (tmp_path / "page.html").read_text(encoding="utf-8")
    with pytest.raises(StudyError, match="was last asked for is finished"):
        amb.open(folder, seeds=[7, 8])
    publish(Study(folder), tmp_path / "published")
    again = amb.open(tmp_path / "published")
    assert says in again.warnings[0]
    assert again.ranking.equals(result.ranking)


@pytest.mark.usefixtures("toy")
def test_a_plan_for_too_many_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SpecError, match=r"10 problems x 2 solvers x 100,000 seeds are more than 1,000,000 runs; ask for"
    ):
        make_plan("random,climber", "toy/bowl/far/0..9", seeds=100_000)
