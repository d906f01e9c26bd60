"""`amb study`: the state of a study, what is wrong with its files, and a published study as a study again."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amb.cli import options as o
from amb.cli.group import Group
from amb.spec import user_path
from amb.study.untrusted import plain

if TYPE_CHECKING:
    from amb.study.health import StudyStatus, UnderWay

app = Group(help="The state of a study, what is wrong with its files, and published studies as studies again.")
Folder = Annotated[Path, typer.Argument(help="The study's folder.", parser=user_path)]


@app.command("status")
def status(study: Folder = o.DEFAULT_STUDY, json: o.Json = False) -> None:
    """Show what is finished, under way and failed, even from another terminal while the study runs."""
    from amb.cli.show import print_facts
    from amb.study.health import study_status
    from amb.text import duration, wrapped

    state = study_status(_open(study))
    if json:
        print_facts(_record(state), as_json=True)
        return
    alive = [run for run in state.under_way if run.alive]
    waiting = [run for run in state.under_way if not run.alive]
    facts: dict[str, object] = {
        "finished": state.finished,
        "under way": _runs(len(alive), sum(run.queries for run in alive), sum(run.budget for run in alive)),
        "interrupted": _runs(len(waiting), sum(run.queries for run in waiting), sum(run.budget for run in waiting)),
        "failed": len(state.failed),
    }
    if state.alive and state.rate:
        facts["rate"] = f"{state.rate:,.0f} queries/s"
        facts["time left"] = "unknown" if state.eta is None else duration(state.eta)
    if state.idle is not None:
        facts["last log entry"] = f"{duration(state.idle)} ago"
    print_facts(facts, as_json=False)
    for line in [f"{r.outcome}: {r.plan.name} {r.reason}" for r in state.failed] + [*state.warnings]:
        print(wrapped(plain(line)))


@app.command("doctor")
def doctor(
    study: Folder = o.DEFAULT_STUDY,
    repair: Annotated[
        bool, typer.Option("--repair", help="Move damaged files to damaged/ and delete leftovers.")
    ] = False,
    networks: Annotated[
        bool,
        typer.Option("--networks", help="Also compare the installed networks, and evaluate again what runs recommend."),
    ] = False,
    plugin: o.Plugins = None,
    json: o.Json = False,
) -> None:
    """Check every file of a study, explain the findings, and repair what can be repaired."""
    from amb.cli.show import print_rows
    from amb.errors import StudyError
    from amb.study.health import examine, examine_published
    from amb.study.health import repair as carry_out
    from amb.study.published import PublishedStudy, open_study

    o.load_plugins(plugin)
    opened = open_study(study)
    if isinstance(opened, PublishedStudy):
        if repair:
            raise StudyError(f"{study} is a published study, which cannot be repaired; get a new copy of a damaged one")
        findings = examine_published(opened)
    else:
        findings = examine(opened)
    if networks:
        from amb.catalogue.drift import examine_finals, examine_networks

        findings += examine_networks(opened)
        with suppress(StudyError):  # of a damaged run, which is among the findings
            findings += examine_finals(opened)
    rows = [
        {"file": str(f.path.relative_to(opened.folder)), "finding": plain(f.what), "repair": f.repair} for f in findings
    ]
    done = carry_out(opened, findings) if repair and not isinstance(opened, PublishedStudy) else 0
    if json or rows:
        print_rows(rows, as_json=json)
    if json:
        return
    can = sum(f.repair != "none" for f in findings)
    if done:
        print(f"Repaired {done}; the same `amb run` or `amb compare` runs what is missing.")
    elif can:
        print(f"`amb study doctor {study} --repair` moves away or deletes {can} of these.")
    elif not rows:
        print("All files are intact, and no run failed.")


@app.command("restore")
def restore(
    folder: Annotated[Path, typer.Argument(help="Folder of the published study.", parser=user_path)],
    study: Annotated[Path, typer.Argument(help="Folder of the study that receives the runs.", parser=user_path)],
    solvers: Annotated[
        str | None,
        typer.Option("--solvers", "-s", help="Restore runs of these solvers only; by default all.", metavar="SPECS"),
    ] = None,
    problems: Annotated[
        str | None,
        typer.Option("--problems", "-p", help="Restore runs of these problems only; by default all.", metavar="SPECS"),
    ] = None,
    plugin: o.Plugins = None,
    json: o.Json = False,
) -> None:
    """Make a published study a study again, so that `amb run` extends it: solvers replay, nothing is evaluated."""
    from amb.cli.running import announced, interruptible

    progress = announced(as_json=json)  # before imports that take seconds

    from dataclasses import asdict

    from amb.catalogue.problems import expand, problem
    from amb.catalogue.solvers import resolve
    from amb.cli.show import print_facts
    from amb.run.restore import restore as carry_out
    from amb.spec import split_specs
    from amb.study.published import PublishedStudy
    from amb.study.study import Study

    o.load_plugins(plugin)
    published = PublishedStudy(folder)
    published.plans()  # what is damaged or misspelt is refused before the study's folder is made
    only = None if solvers is None else [str(resolve(spec)) for spec in split_specs(solvers)]
    among = None if problems is None else expand(problems)
    with interruptible(study):
        done = carry_out(published, Study(study), problem, resolve, solvers=only, problems=among, progress=progress)
    print_facts(asdict(done) if json else {name: f"{value:,}" for name, value in asdict(done).items()}, as_json=json)


def _open(folder: Path):  # type: ignore[no-untyped-def]
    from amb.errors import StudyError
    from amb.study.published import open_study
    from amb.study.study import Study

    opened = open_study(folder)
    if not isinstance(opened, Study):
        raise StudyError(f"{folder} is a published study, in which nothing is under way; `amb report` reads it")
    return opened


def _record(state: "StudyStatus") -> dict[str, object]:
    """The state for `--json`: numbers as numbers, the same keys whether they are known or not."""

    def tally(runs: "list[UnderWay]") -> dict[str, int]:
        return {"runs": len(runs), "queries": sum(r.queries for r in runs), "budget": sum(r.budget for r in runs)}

    return {
        "finished": state.finished,
        "under_way": tally([run for run in state.under_way if run.alive]),
        "interrupted": tally([run for run in state.under_way if not run.alive]),
        "failed": len(state.failed),
        "queries_per_second": state.rate if state.alive else None,
        "seconds_left": state.eta,
        "seconds_since_log": state.idle,
        "failures": [{"run": r.plan.name, "status": r.status, "reason": r.reason} for r in state.failed],
        "warnings": list(state.warnings),
    }


def _runs(count: int, queries: int, budget: int) -> str:
    return f"{count}" + (f" ({queries:,} of {budget:,} queries)" if count else "")
