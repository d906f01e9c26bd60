"""A study that was interrupted is reported: what is finished is compared, and how much is missing is said."""

from pathlib import Path

import pytest
from commands import command
from msgspec import structs

import amb
from amb.errors import SpecError, StudyError
from amb.reports.write import write_leaderboard
from amb.run.plan import MOST_RUNS, make_plan
from amb.study.published import publish
from amb.study.study import Study

ASK = {"problems": "toy/bowl/far/0..4", "budget": 20, "seeds": 3}


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
    with pytest.raises(SpecError, match="more than 100,000 seeds"):
        amb.open(tmp_path / "published")


@pytest.mark.usefixtures("toy")
def test_a_plan_for_too_many_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SpecError, match=r"10 problems x 2 solvers x 100,000 seeds are more than 1,000,000 runs; ask for"
    ):
        make_plan("random,climber", "toy/bowl/far/0..9", seeds=100_000)
