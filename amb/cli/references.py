"""`amb references`: measure suites' reference points."""

from pathlib import Path
from typing import Annotated

import typer

from amb.cli import options as o
from amb.spec import split_specs, user_path


def references(
    suites: Annotated[str, typer.Argument(help="Suites, separated by commas; each network runs once for all of them.")],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Folder with the data sets; what is missing is downloaded.",
            parser=user_path,
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="Folder for the JSON files, <suite>-<version>.json.",
            show_default="the current folder",
            parser=user_path,
        ),
    ] = Path(),
    prior: Annotated[int, typer.Option("--prior", min=1000, help="Random latents, for chance.")] = 2000,
    starts: Annotated[int, typer.Option("--starts", min=1, help="Starts of the gradient ascent.")] = 8,
    steps: Annotated[int, typer.Option("--steps", min=0, help="Steps of the gradient ascent.")] = 40,
    mutations: Annotated[int, typer.Option("--mutations", min=0, help="Rounds of mutation on the grid.")] = 20,
    seed: Annotated[int, typer.Option("--seed", help="Seed of latents, starts and mutations.")] = 0,
    state: Annotated[
        Path | None,
        typer.Option("--state", help="Store measurements in this folder, so that an interrupted call can continue."),
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option("--study", help="Measure nothing; raise stored best known values to those of this study."),
    ] = None,
    device: o.Device = "cpu",
    plugin: o.Plugins = None,
    json: o.Json = False,
) -> None:
    """Measure chance, the best natural image and the best known value of suites' problems; find dead units."""
    import sys

    from amb.catalogue.reference_points import check_files, of_suite, save
    from amb.catalogue.suites import suite as find_suite
    from amb.cli.show import print_rows
    from amb.contracts.device import check_device
    from amb.errors import SpecError
    from amb.references.ascent import Effort
    from amb.references.improve import improved
    from amb.references.measure import measure
    from amb.study.durable import make_folder
    from amb.study.published import open_study

    if study is not None:
        o.refuse_unused(
            "with --study, which measures nothing",
            data=(data, None),
            prior=(prior, 2000),
            starts=(starts, 8),
            steps=(steps, 40),
            mutations=(mutations, 20),
            seed=(seed, 0),
            state=(state, None),
            device=(device, "cpu"),
        )
    o.load_plugins(plugin)
    chosen = [find_suite(name) for name in split_specs(suites)]
    if not chosen:
        raise SpecError("no suite given; `amb problems list` shows the suites")
    device, opened = check_device(device), None if study is None else open_study(study)
    stored = [] if opened is None else [of_suite(suite.name) for suite in chosen]
    missing = [suite.name for suite, known in zip(chosen, stored, strict=False) if known is None]
    if missing:
        raise SpecError(f"no reference points are stored for {', '.join(missing)}; measure them without --study")
    check_files(out / f"{suite.name}-{suite.version}.json" for suite in chosen)  # before hours of work
    try:
        make_folder(out)
    except OSError as cause:
        raise SpecError(f"cannot write into {out}: {cause.strerror or cause}; choose another --out") from cause
    unknown: tuple[str, ...] = ()
    if opened is not None:
        raised = [improved(known, opened) for known in stored if known is not None]
        results = [one.references for one in raised]
        unknown = tuple(dict.fromkeys(name for one in raised for name in one.unknown))
    else:
        results = measure(
            chosen,
            data=data,
            device=device,
            effort=Effort(prior=prior, starts=starts, steps=steps, mutations=mutations, seed=seed),
            progress=lambda line: print(line, file=sys.stderr),
            state=state,
        )
    rows = {}
    for references in results:
        save(references, out / f"{references.suite}.json")
        for name, point in references.points.items():
            rows[name] = {
                "problem": name,
                "chance": point.chance,
                "99%": point.chance_q99,
                "natural": point.natural,
                "encoded": None if point.round_trip is None else point.round_trip.value,
                "best known": point.best,
            }
    dead = ", ".join(dict.fromkeys(unit for references in results for unit in references.dead)) or "none"
    files = ", ".join(str(out / f"{references.suite}.json") for references in results)
    shown = list(rows.values()) if json else [{k: _four_digits(v) for k, v in row.items()} for row in rows.values()]
    if unknown:
        print(
            f"{study} has higher values of {', '.join(unknown)}, but not their candidates, of which a published study "
            "keeps few; `amb study restore` brings them back",
            file=sys.stderr,
        )
    print_rows(shown, as_json=json, caption=f"{files}. Dead units: {dead}.")


def _four_digits(value: object) -> object:
    from amb.text import activation

    return "" if value is None else activation(value, 4) if isinstance(value, float) else value
