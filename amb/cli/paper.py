"""`amb paper`: the results of the paper, measured again and judged."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from amb.cli import options as o
from amb.spec import split_specs, user_path


def paper(
    effort: Annotated[
        str, typer.Option("--effort", help="quick, under half an hour on two cores, or full, about a day.")
    ] = "quick",
    study: Annotated[Path, typer.Option("--study", help="Folder for studies and report.", parser=user_path)] = Path(
        "amb-paper"
    ),
    units: Annotated[
        int | None, typer.Option("--units", min=1, help="Units of each layer, instead of the effort's.")
    ] = None,
    budget: Annotated[
        int | None, typer.Option("--budget", "-b", min=1, help="Queries per run, instead of the effort's.")
    ] = None,
    curve: Annotated[
        int | None, typer.Option("--curve-budget", min=1, help="Queries of figure 5, instead of the effort's.")
    ] = None,
    network: Annotated[str, typer.Option("--network", help="The network.")] = "snn-resnet18",
    generators: Annotated[
        str, typer.Option("--generators", "-g", help="Generators, the GAN first.")
    ] = "cifar10-sngan,cifar10-vqvae",
    device: o.Device = "cpu",
    plugin: o.Plugins = None,
    json: o.Json = False,
) -> None:
    """Run the studies behind the paper's results, judge its claims, and draw its figures from our data."""
    from rich.console import Console

    from amb.cli.running import interruptible
    from amb.cli.show import print_json, print_rows
    from amb.errors import unknown
    from amb.paper.claims import claim_table, judge
    from amb.paper.effort import EFFORTS
    from amb.paper.report import check_paper, write_paper
    from amb.paper.studies import STUDIES, run_studies
    from amb.paper.verdict import tally
    from amb.run.display import display
    from amb.study.interchange import plain_rows
    from amb.text import plural, wrapped

    o.load_plugins(plugin)
    if effort not in EFFORTS:
        raise unknown("effort", effort, EFFORTS)
    usual = EFFORTS[effort]
    chosen = replace(
        usual,
        units=usual.units if units is None else units,
        budget=usual.budget if budget is None else budget,
        curve_budget=usual.curve_budget if curve is None else curve,
    )
    check_paper(study)
    console = Console(stderr=True)
    with interruptible(*(study / name for name in STUDIES)):
        data = run_studies(
            study,
            chosen,
            network=network,
            generators=tuple(split_specs(generators)),
            device=device,
            progress=display(Console(stderr=json)),
            say=lambda line: console.print(line[:1].upper() + line[1:] + " ...", style="dim", highlight=False),
        )
    claims = judge(data)
    files = write_paper(data, claims, study)
    if json:
        print_json({"claims": plain_rows(claim_table(claims)), "files": [str(file) for file in files]})
        return
    print_rows(
        [
            {"section": c.section, "claim": c.claim, "measured": c.number, "claimed": c.range, "verdict": c.verdict}
            for c in claims
        ],
        as_json=False,
    )
    print()
    print(wrapped(f"Of {plural(len(claims), 'claim')}, {', '.join(f'{n} {words}' for _, n, words in tally(claims))}."))
    for file in files:
        print(file)
