"""`amb train`: make a shipped network again, from data."""

from pathlib import Path
from typing import Annotated

import typer

from amb.cli import options as o


def train(
    name: Annotated[str, typer.Argument(help="Generator or target, such as cifar10-sngan or snn-cnn.")],
    data: Annotated[Path, typer.Option("--data", help="Folder with the data sets; what is missing is downloaded.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for checkpoints, model card and sheets.")] = Path(
        "amb-train"
    ),
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same first steps.")] = 0,
    minutes: Annotated[
        float | None, typer.Option("--minutes", help="Stop after so long; the next call goes on from there.")
    ] = None,
    device: o.Device = "cpu",
    resume: Annotated[bool, typer.Option("--resume/--restart", help="Go on from the last checkpoint.")] = True,
) -> None:
    """Train a generator or target, with progress, checkpoints and a model card."""
    from amb.cli.training import run_recipe

    run_recipe(name, data=data, out=out, seed=seed, minutes=minutes, device=device, resume=resume)
