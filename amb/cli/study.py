"""`amb study`: how a study stands, and what is wrong with it."""

from pathlib import Path
from typing import Annotated

import typer

from amb.cli import options as o
from amb.study.untrusted import plain

app = typer.Typer(help="How a study stands, and what is wrong with it.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="The study's folder.")]


@app.command("status")
def status(study: Folder = o.DEFAULT_STUDY, json: o.Json = False) -> None:
    """Tell what is finished, under way and failed, also from another terminal while it runs."""
    from amb.cli.show import print_facts
    from amb.study.health import study_status

    found = study_status(_open(study))
    alive = [run for run in found.under_way if run.alive]
    waiting = [run for run in found.under_way if not run.alive]
    facts: dict[str, object] = {
        "finished": found.finished,
        "under way": _runs(len(alive), sum(run.queries for run in alive), sum(run.budget for run in alive)),
        "interrupted": _runs(len(waiting), sum(run.queries for run in waiting), sum(run.budget for run in waiting)),
        "failed": len(found.failed),
    }
    if found.alive and found.rate:
        facts["rate"] = f"{found.rate:,.0f} queries/s"
        facts["time left"] = "unknown" if found.eta is None else _duration(found.eta)
    if found.heard is not None:
        facts["last heard of"] = f"{_duration(found.heard)} ago"
    if json:
        facts |= {
            "failures": [{"run": r.plan.name, "status": r.status, "reason": r.reason} for r in found.failed],
            "warnings": list(found.warnings),
        }
    print_facts(facts, as_json=json)
    if not json:
        for line in [f"{r.outcome}: {r.plan.name} {r.reason}" for r in found.failed] + [*found.warnings]:
            print(plain(line))


@app.command("doctor")
def doctor(
    study: Folder = o.DEFAULT_STUDY,
    mend: Annotated[bool, typer.Option("--mend", help="Set damaged files aside and delete leftovers.")] = False,
    networks: Annotated[
        bool, typer.Option("--networks", help="Load the networks too, and compare them with those of the study.")
    ] = False,
    json: o.Json = False,
) -> None:
    """Check every file of a study, explain what is found, and mend what can be."""
    from amb.cli.show import print_rows
    from amb.study.health import examine
    from amb.study.health import mend as carry_out

    home = _open(study)
    findings = examine(home)
    if networks:
        from amb.catalogue.drift import examine_networks

        findings += examine_networks(home)
    rows = [{"file": str(f.path.relative_to(home.folder)), "finding": plain(f.what), "mend": f.mend} for f in findings]
    done = carry_out(home, findings) if mend else 0
    if json or rows:
        print_rows(rows, as_json=json)
    if json:
        return
    can = sum(f.mend != "none" for f in findings)
    if done:
        print(f"Mended {done}; the same `amb run` or `amb compare` makes what is missing.")
    elif can:
        print(f"`amb study doctor {study} --mend` sets aside or deletes {can} of these.")
    elif not rows:
        print("All files are whole, and all runs ended well.")


def _open(folder: Path):  # type: ignore[no-untyped-def]
    from amb.errors import StudyError
    from amb.study.published import open_study
    from amb.study.study import Study

    home = open_study(folder)
    if not isinstance(home, Study):
        raise StudyError(f"{folder} is a published study: nothing is under way in it, and `amb report` reads it")
    return home


def _runs(count: int, queries: int, budget: int) -> str:
    return f"{count}" + (f" ({queries:,} of {budget:,} queries)" if count else "")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
