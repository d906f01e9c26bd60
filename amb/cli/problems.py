"""`amb problems`: what can be searched."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amb.cli import options as o
from amb.errors import SpecError

if TYPE_CHECKING:
    from amb.contracts.problem import Problem
    from amb.contracts.reference import Reference

app = typer.Typer(help="List and show problems and suites.", no_args_is_help=True)


@app.command("list")
def list_problems(
    pattern: Annotated[
        str | None, typer.Argument(help="Suites, ids, globs or ranges to expand; without it, all there is.")
    ] = None,
    plugin: o.Plugins = None,
    json: o.Json = False,
) -> None:
    """List suites and families, or the problems that a pattern means."""
    from amb.catalogue.plugins import plugins
    from amb.catalogue.problems import expand
    from amb.cli.show import print_rows

    o.load_plugins(plugin)
    if pattern is not None:
        rows, caption = [{"problem": problem_id} for problem_id in expand(pattern)], ""
        if "/" not in pattern and "," not in pattern and "[" not in pattern:
            caption = dead_units(pattern)
        print_rows(rows, as_json=json, caption=caption)
        return
    rows = [
        {"name": p.name, "kind": kind, "from": p.origin}
        for kind, group in (("suite", plugins("suites")), ("family", plugins("families")))
        for p in group.values()
    ]
    print_rows(rows, as_json=json, caption="`amb problems show NAME` tells more; listing imports nothing.")


@app.command("show")
def show_problem(
    name: Annotated[str, typer.Argument(help="A suite, a family (generator/target) or a problem's id.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Write a picture of the problem: samples, histogram, references.")
    ] = None,
    device: o.Device = "cpu",
    plugin: o.Plugins = None,
    json: o.Json = False,
) -> None:
    """Show a suite's problems, a family's layers, or a problem's facts."""
    from amb.catalogue.problems import family, problem
    from amb.catalogue.suites import suite
    from amb.cli.show import print_facts, print_rows

    o.load_plugins(plugin)
    slashes = name.split("[")[0].count("/")
    if slashes == 0:
        found = suite(name)
        print_rows(
            [{"problem": p} for p in found.problems],
            as_json=json,
            caption=f"{found.name}-{found.version}: {found.description} Budget {found.budget}, {found.seeds} seeds.",
        )
    elif slashes == 1:
        layers = family(name).layers()
        print_rows([{"layer": layer, "units": units} for layer, units in layers.items()], as_json=json)
    else:
        from amb.references.lookup import reference

        made = problem(name, device=device)
        facts = dict(made.facts())
        if made.noise is not None:
            facts["noise"] = str(made.noise)
        if (point := reference(made.id)) is not None:
            facts["chance"] = f"{point.chance:.4f} (99%: {point.chance_q99:.4f})"
            if point.natural is not None:
                facts["best natural image"] = f"{point.natural:.4f}, test image {point.natural_index}"
            if (trip := point.round_trip) is not None:
                facts["through the encoder"] = f"{trip.value:.4f}, test image {trip.index} as the generator shows it"
            facts["best known"] = f"{point.best:.4f}: {point.provenance}"
        if out is not None:
            _picture(made, point, out)
            facts["picture"] = str(out)
        print_facts(facts, as_json=json)


def _picture(made: "Problem", point: "Reference | None", out: Path) -> None:
    from amb.reports.problem_picture import draw_problem, save_picture

    try:
        save_picture(draw_problem(made, point), out)
    except (OSError, ValueError) as error:
        raise SpecError(f"--out {out} cannot be written ({error}); give a file such as problem.png") from error


def dead_units(suite_name: str) -> str:
    """Which units the suite's references found dead, in words."""
    from amb.catalogue.reference_points import of_suite

    stored = of_suite(suite_name)
    if stored is None:
        return "No reference points are stored with this suite, so no unit was tried for being dead."
    named = ", ".join(stored.dead) or "none"
    return f"Dead units, which answer alike to every reference and are left out, of {stored.searched} tried: {named}."
