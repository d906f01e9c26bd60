"""Run a training recipe and show its progress in the terminal."""

from inspect import signature
from math import inf
from pathlib import Path
from typing import cast

from amb.catalogue.plugins import find, load_function
from amb.cli.running import end_interrupted
from amb.contracts.device import check_device
from amb.contracts.recipe import Recipe, TrainingProgress
from amb.errors import SpecError
from amb.interruption import from_user
from amb.spec import user_path, whole_number


def run_recipe(
    name: str, *, data: Path, out: Path, seed: int, minutes: float | None, device: str, resume: bool, keep: int = 0
) -> None:
    """Find the recipe called `name`, run it, and show its progress."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    data, out = user_path(data), user_path(out)
    device = check_device(device)
    if minutes is not None and not 0 <= minutes < inf:
        raise SpecError(f"minutes must be a number, at least 0, got {minutes:g}")
    whole_number(seed, "the seed", 0, 2**63 - 1)
    recipe = load_function(find("recipes", name))
    if keep and "keep" not in signature(recipe).parameters:
        raise SpecError(f"the recipe of {name} stores no states in between; leave out --keep, which is for targets")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[metrics]}"),
    )
    with Progress(*columns, console=Console()) as bars:
        task = bars.add_task(name, total=None, metrics="")

        def show(progress: TrainingProgress) -> None:
            figures = "  ".join(f"{key} {value:.4g}" for key, value in progress.metrics.items())
            bars.update(task, completed=progress.step, total=progress.steps, metrics=figures)

        try:
            cast(Recipe, recipe)(
                name=name,
                data=data,
                out=out,
                seed=seed,
                device=device,
                minutes=minutes,
                resume=resume,
                progress=show,
                **({"keep": keep} if keep else {}),
            )
        except KeyboardInterrupt as error:
            if not from_user(error):
                raise
            bars.stop()
            end_interrupted(error, f"the same command resumes from the last state in {out}")
