"""`amb references`: measure a suite's reference points."""

from pathlib import Path
from typing import Annotated

import typer

from amb.cli import options as o


def references(
    suite: Annotated[str, typer.Argument(help="The suite, such as quick.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder with the data sets; what is missing is downloaded.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The JSON file to write; by default <suite>-<version>.json here.")
    ] = None,
    prior: Annotated[int, typer.Option("--prior", min=1000, help="Random latents, for chance.")] = 2000,
    steps: Annotated[int, typer.Option("--steps", min=0, help="Steps of the gradient ascent.")] = 40,
    seed: Annotated[int, typer.Option("--seed", help="Of latents, starts and mutations.")] = 0,
    device: o.Device = "cpu",
    plugin: o.Plugins = None,
    json: o.Json = False,
) -> None:
    """Measure chance, the best natural image and the best known value of a suite's problems; find dead units."""
    import sys

    from amb.cli.show import print_rows
    from amb.measuring import Effort, measure
    from amb.problems import suite as find_suite
    from amb.references import save

    o.load_plugins(plugin)
    found = find_suite(suite)
    file = out or Path(f"{found.name}-{found.version}.json")
    effort = Effort(prior=prior, steps=steps, seed=seed)
    measured = measure(
        found, data=data, device=device, effort=effort, progress=lambda words: print(words, file=sys.stderr)
    )
    save(measured, file)
    rows = [
        {
            "problem": name,
            "chance": f"{point.chance:.4f}",
            "99%": f"{point.chance_q99:.4f}",
            "natural": "" if point.natural is None else f"{point.natural:.4f}",
            "best known": f"{point.best:.4f}",
        }
        for name, point in measured.points.items()
    ]
    dead = ", ".join(measured.dead) or "none"
    print_rows(rows, as_json=json, caption=f"{file}. Dead units among {measured.searched}: {dead}.")
