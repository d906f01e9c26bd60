"""`amb problems`: what can be searched."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from amb.cli import options as o
from amb.cli.group import Group
from amb.errors import SpecError, unknown

if TYPE_CHECKING:
    from amb.contracts.problem import Problem
    from amb.contracts.reference import Reference

app = Group(help="List and show problems, suites, generators and targets.")

_COMPOSE = (
    "Any generator composes with any target of the same image size: <generator>/<target>/<layer>/<unit>. "
    "`amb problems show NAME` shows a suite, a generator, a target, a pair or a problem."
)


@app.command("list")
def list_problems(
    pattern: Annotated[
        str | None,
        typer.Argument(
            help="Suites, problem ids, globs or ranges to expand; by default, suites and networks are listed."
        ),
    ] = None,
    time: Annotated[
        bool, typer.Option("--time", help="First measure how long the suites take on this machine; some minutes, once.")
    ] = False,
    plugin: o.Plugins = None,
    json: o.Json = False,
) -> None:
    """List suites, generators and targets, or the problems that a pattern matches."""
    from amb.catalogue.overview import overview
    from amb.catalogue.problems import expand
    from amb.cli.show import print_facts, print_rows

    if pattern is not None:
        o.refuse_unused(
            f"with {pattern}: it measures all suites, and the list without a pattern shows it", time=(time, False)
        )
    o.load_plugins(plugin)
    if pattern is not None:
        named = "/" not in pattern and "," not in pattern and "[" not in pattern
        ids = [{"problem": problem_id} for problem_id in expand(pattern)]
        print_rows(ids, as_json=json, caption=dead_units(pattern) if named else "")
        return
    if time:
        _measure()
    tables = overview()
    if json:
        print_facts(tables, as_json=True)
        return
    for number, (kind, rows) in enumerate(tables.items(), start=1):
        caption = _COMPOSE if number == len(tables) else _times(rows) if kind == "suites" else ""
        print_rows(_table(kind, rows), as_json=False, caption=caption)
        print()


def _measure() -> None:
    """Time every pair of networks that a suite has."""
    from rich.console import Console
    from rich.markup import escape

    from amb.catalogue.suites import working_suites
    from amb.catalogue.times import measure_pairs

    with Console(stderr=True).status("Measuring ...") as status:
        measure_pairs(working_suites(), lambda line: status.update(escape(line)))


def _times(suites: Sequence[Mapping[str, object]]) -> str:
    """What the suites' times mean, or how to get them."""
    if all(row.get("seconds") is None for row in suites):
        return "How long suites take on this machine has not been measured: `amb problems list --time` does it once."
    return (
        "Times are those of the networks on this machine, for one solver and one seed, as `amb problems list --time` "
        "measured them; solvers add their own."
    )


def _in_words(suite: Mapping[str, object]) -> str:
    """What is searched, with how many queries and how long: "12 problems of 128 dimensions x 64 levels, ..."."""
    from amb.text import duration, plural

    sizes = cast("list[str]", suite["sizes"])
    size = " or ".join("{} dimensions x {} levels".format(*text.split("x")) for text in sizes)
    seconds = cast("float | None", suite["seconds"])
    return (
        f"{suite['description']} {plural(cast('int', suite['problems']), 'problem')}{f' of {size}' * bool(size)}, "
        f"{suite['budget']:,} queries each{'' if seconds is None else f', {duration(seconds)}'}."
    )


def _table(kind: str, rows: list[Mapping[str, object]]) -> list[dict[str, object]]:
    """Rows with the same columns, the first named after what they are; with the origin unless all come with amb."""
    if kind == "suites":
        rows = [
            row if "error" in row else {"name": row["name"], "problems": _in_words(row), "from": row["from"]}
            for row in rows
        ]
    columns = dict.fromkeys(key for row in rows for key in row if key not in ("name", "error", "from"))
    first = {"suites": "suite", "generators": "generator", "targets": "target", "families": "other family"}[kind]
    table = [{first: row["name"], **{column: row.get(column, "") for column in columns}} for row in rows]
    origins = [f"{row['from']}: {row['error']}" if "error" in row else row["from"] for row in rows]
    return (
        table
        if all(
            str(origin).split()[0] == "amb" and "error" not in row for origin, row in zip(origins, rows, strict=True)
        )
        else [{**row, "from": origin} for row, origin in zip(table, origins, strict=True)]
    )


@app.command("show")
def show_problem(
    name: Annotated[
        str, typer.Argument(help="A suite, a generator, a target, a pair (generator/target) or a problem's id.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write a picture of the problem: samples, histogram, reference points."),
    ] = None,
    device: o.Device = "cpu",
    plugin: o.Plugins = None,
    json: o.Json = False,
) -> None:
    """Show a suite's problems, a card, a pair's layers and both cards, or a problem's facts."""
    o.load_plugins(plugin)
    if out is not None and name.split("[")[0].count("/") < 2:
        raise SpecError(f"--out draws one problem, and {name} is not one; give <generator>/<target>/<layer>/<unit>")
    if out is not None:
        out = o.picture_to_write(out)
        _check_picture(out)
    slashes = name.split("[")[0].count("/")
    if slashes < 2:
        o.refuse_unused(f"with {name}, of which nothing is evaluated", device=(device, "cpu"))
    if slashes == 0:
        _show_part(name, json)
    elif slashes == 1:
        _show_pair(name, json)
    else:
        _show_problem(name, out, device, json)


def _show_part(name: str, json: bool) -> None:
    """A suite, a generator or a target."""
    from amb.catalogue import generators, targets
    from amb.catalogue.suites import suite, suite_names
    from amb.cli.show import print_facts, print_rows

    if name in generators.generator_names():
        print_facts({**generators.described(name).card()}, as_json=json)
    elif name in targets.target_names():
        target = targets.described(name)
        _show_cards({"target": target.card()}, target.layers, json)
    elif name.rsplit("-", 1)[0] in suite_names() or name in suite_names():
        selected = suite(name)
        print_rows(
            [{"problem": problem_id} for problem_id in selected.problems],
            as_json=json,
            caption=f"{selected.name}-{selected.version}: {selected.description} "
            f"Budget {selected.budget}, {selected.seeds} seeds.",
        )
    else:
        known = [*suite_names(), *generators.generator_names(), *targets.target_names()]
        raise unknown("suite, generator or target", name, known)


def _show_pair(name: str, json: bool) -> None:
    from amb.catalogue.problems import family
    from amb.contracts.family import layers_of

    chosen = family(name)
    _show_cards(chosen.cards(), layers_of(chosen), json)


def _show_cards(cards: Mapping[str, Mapping[str, object]], layers: Mapping[str, int], json: bool) -> None:
    from amb.cli.show import print_facts, print_rows

    if json:
        print_facts({**cards, "layers": dict(layers)}, as_json=True)
        return
    facts = {
        part if name == "name" else f"{part} {name}": value
        for part, card in cards.items()
        for name, value in card.items()
    }
    if facts:
        print_facts(facts, as_json=False)
        print()
    print_rows([{"layer": layer, "units": units} for layer, units in layers.items()], as_json=False)


def _show_problem(name: str, out: Path | None, device: str, json: bool) -> None:
    from amb.catalogue.problems import problem
    from amb.cli.show import print_facts
    from amb.contracts import returned
    from amb.references.lookup import reference
    from amb.text import activation

    loaded = problem(name, device=device)
    facts = returned.facts(loaded, f"problem {loaded.id}")
    if loaded.noise is not None:
        facts["noise"] = str(loaded.noise)
    if loaded.conditions is not None:
        facts["conditions"] = str(loaded.conditions)
    if (point := reference(loaded.id)) is not None:
        facts["chance"] = f"{activation(point.chance, 4)} (99% quantile: {activation(point.chance_q99, 4)})"
        if point.natural is not None:
            facts["best natural image"] = f"{activation(point.natural, 4)}, test image {point.natural_index}"
        if (trip := point.round_trip) is not None:
            value = activation(trip.value, 4)
            facts["through the encoder"] = f"{value}, test image {trip.index} as the generator renders it"
        facts["best known"] = f"{activation(point.best, 4)}: {point.provenance}"
    if out is not None:
        _picture(loaded, point, out)
        facts["picture"] = str(out)
    print_facts(facts, as_json=json)


def _check_picture(out: Path) -> None:
    from amb.reports.problem_picture import check_picture

    try:
        check_picture(out)
    except ValueError as error:
        raise SpecError(f"--out {out} cannot be written ({error}); give a file such as problem.png") from error


def _picture(shown: "Problem", point: "Reference | None", out: Path) -> None:
    from amb.reports.problem_picture import draw_problem, save_picture

    figure = draw_problem(shown, point)
    try:
        save_picture(figure, out)
    except (OSError, ValueError) as error:
        raise SpecError(f"--out {out} cannot be written ({error}); give a file such as problem.png") from error


def dead_units(suite_name: str) -> str:
    """A sentence on the dead units that the measurement of the suite's reference points found."""
    from amb.catalogue.reference_points import of_suite

    stored = of_suite(suite_name)
    if stored is None:
        return "No reference points are stored with this suite, so its layers were not searched for dead units."
    named = ", ".join(stored.dead) or "none"
    return (
        f"Dead units, left out because they respond identically to every reference image, among the {stored.searched} "
        f"searched: {named}."
    )
