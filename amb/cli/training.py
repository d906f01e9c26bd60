"""Run a training recipe and show its progress in the terminal."""

from collections.abc import Callable, Collection
from inspect import signature
from math import inf
from pathlib import Path

from amb.catalogue.plugins import Plugin, find, load_function
from amb.cli.running import end_interrupted
from amb.contracts.device import check_device
from amb.contracts.recipe import Recipe, TrainingProgress
from amb.errors import AmbError, PluginError, SpecError
from amb.foreign import contained, in_a_line
from amb.interruption import from_user
from amb.spec import user_path, whole_number


def run_recipe(
    name: str, *, data: Path, out: Path, seed: int, minutes: float | None, device: str, resume: bool, keep: int = 0
) -> None:
    """Find the recipe called `name`, run it, and show its progress.

    Raises:
        SpecError: an unknown recipe, or a value that no training takes.
        PluginError: the recipe cannot be loaded, is no function of these arguments, or failed, if it is not built in.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    data, out = user_path(data), user_path(out)
    device = check_device(device)
    if minutes is not None and not 0 <= minutes < inf:
        raise SpecError(f"minutes must be a number, at least 0, got {minutes:g}")
    whole_number(seed, "the seed", 0, 2**63 - 1)
    plugin = find("recipes", name)
    recipe = load_function(plugin)
    taken = _arguments(plugin, recipe)
    if keep and "keep" not in taken:
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
            with contained():
                recipe(
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
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and from_user(error):
                bars.stop()
                end_interrupted(error, f"the same command resumes from the last state in {out}")
            if plugin.built_in or isinstance(error, AmbError) or from_user(error):
                raise
            raise PluginError(f"{plugin} failed: {in_a_line(error)}") from error


def _arguments(plugin: Plugin, recipe: Callable[..., object]) -> Collection[str]:
    """The names of a recipe's arguments; none if its code does not say what it takes.

    Raises:
        PluginError: it does not take those of the contract.
    """
    try:
        taken = signature(recipe)
    except (TypeError, ValueError):
        return ()
    given = [name for name in signature(Recipe.__call__).parameters if name != "self"]
    try:
        taken.bind(**dict.fromkeys(given))
    except TypeError as error:
        raise PluginError(
            f"{plugin} cannot train ({error}); expected a function of {', '.join(given)}, by these names"
        ) from error
    return taken.parameters
