"""`amb atlas`: the most exciting inputs of a network's units, and a page to look at them."""

from pathlib import Path
from typing import Annotated

import typer

from amb.cli import options as o
from amb.cli.analyse import Data, Noise, Presentations
from amb.spec import split_specs, user_path


def atlas(
    network: Annotated[str, typer.Argument(help="The network, such as mnist-snn.")],
    generators: Annotated[
        str | None,
        typer.Option(
            "--generators",
            "-g",
            help="Generators, separated by commas; by default the first that fits.",
            metavar="NAMES",
        ),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option("--layers", "-l", help="Layers or globs, separated by commas; by default all.", metavar="NAMES"),
    ] = None,
    units: Annotated[
        int | None,
        typer.Option("--units", "-n", help="Units of each layer, drawn by a fixed rule; by default all.", metavar="N"),
    ] = None,
    solvers: o.Solvers = "cma-diagonal,tt-b",
    budget: Annotated[int, typer.Option("--budget", "-b", help="Queries per run.", metavar="N", min=1)] = 500,
    seeds: Annotated[str, typer.Option("--seeds", help="Number of seeds, or which ones: 5, 3..7 or 0,2,5.")] = "1",
    study: Annotated[
        Path | None,
        typer.Option("--study", help="Folder for the runs; by default atlas-NETWORK.", parser=user_path),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The page; by default atlas.html in the study.", parser=user_path, metavar="FILE"),
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Follow the units through the states kept in the network's training.")
    ] = False,
    states: Annotated[
        Path | None,
        typer.Option("--states", help="Folder of these states, if not the shipped ones; implies --history."),
    ] = None,
    data: Data = None,
    noise: Noise = None,
    presentations: Presentations = 100,
    device: o.Device = "cpu",
    timeout: o.Timeout = None,
    retry: o.Retry = False,
    executor: o.Executor = None,
    scheduler: o.Scheduler = None,
    workers: o.Workers = None,
    plugin: o.Plugins = None,
    json: o.Json = False,
) -> None:
    """Search the most exciting inputs of a network's units, measure them, and write a page to look at them."""
    from rich.console import Console
    from rich.markup import escape

    from amb.cli.running import announced, interruptible

    progress = announced(as_json=json)  # before imports that take seconds

    from amb.atlas.make import atlas_of, plan_of, run
    from amb.atlas.report import write_page
    from amb.atlas.request import make_request
    from amb.cli.analyse import print_measures
    from amb.cli.show import print_json
    from amb.meis.measure import check_noise
    from amb.meis.write import check_tables, write_tables
    from amb.study.interchange import plain_rows
    from amb.study.own_files import PAGE, refuse_others
    from amb.study.untrusted import plain
    from amb.text import plural

    o.load_plugins(plugin)
    limits, cluster = o.limits(timeout, False, None), o.cluster(executor, scheduler, workers, plugin)
    folder = study or Path(f"atlas-{network}")
    page, analysis = folder / "atlas.html" if out is None else o.file_to_write(out), folder / "analysis"
    refuse_others({page: PAGE}, "move it away, or choose another file with --out")
    check_tables(analysis)
    check_noise(noise, presentations)
    console = Console(stderr=True)
    request = make_request(
        network,
        generators=split_specs(generators or ""),
        layers=split_specs(layers or ""),
        units=units,
        history=history if states is None else user_path(states),
    )
    plan = plan_of(request, solvers=solvers, budget=budget, seeds=seeds, device=device)
    with interruptible(folder):
        opened = run(plan, folder, cluster=cluster, limits=limits, retry=retry, progress=progress)
        with console.status("Measuring the inputs ...") as status:
            made = atlas_of(
                request,
                opened,
                data=data,
                noise=noise,
                presentations=presentations,
                device=device,
                progress=lambda line: status.update(escape(line[:1].upper() + line[1:])),
            )
            tables = write_tables(
                made.measures,
                analysis,
                advice="make room there and repeat the command, or choose another study with --study",
            )
            status.update("Writing the page ...")
            notes = [*made.measures.notes, *write_page(made, page)]
    if json:
        content = {"page": str(page), "tables": [str(file) for file in tables], "notes": notes}
        print_json({**content, "layers": plain_rows(made.measures.layers)})
        return
    print_measures(made.measures, request.target.name)
    if request.states:
        print(f"The page follows the units through {plural(len(request.states), 'state')} of the training.")
    for note in notes:
        print(plain(f"Note: {note}."))
    print(f"Tables: {analysis}")
    print(f"The atlas: {page}")
