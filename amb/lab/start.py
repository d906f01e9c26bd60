"""The start of an experiment, and what may not change after it."""

from collections.abc import Iterator

from msgspec import Struct, structs

from amb.contracts.generator import Generator, Grid
from amb.errors import LabError
from amb.lab.experiment import FILE, STIMULI, Experiment, Search
from amb.lab.history import fold
from amb.lab.journal import Start
from amb.lab.searches import one_line, planned_candidates, resolve_generator, resolve_solver
from amb.study.log import now

TABLE = ("trial", "block", "kind", "stimulus", "corrected", "misled")
"""Columns of the report's table of trials, beside one for each neuron."""


def start_of(experiment: Experiment, *, references: int) -> Start:
    """The first event of an experiment.

    Raises:
        AmbError: its generator or a solver does not exist, or a solver cannot search the generator's space.
    """
    refuse_taken_names(experiment)
    generator, grid = resolve_generator(experiment.generator)
    budget = planned_candidates(experiment, references)
    specs = {search.name: resolve_solver(search) for search in experiment.searches}
    for name, spec in specs.items():
        with one_line(name):
            spec.make(grid.space, budget=budget, seed=0)  # refuses the space
    versions = {name: spec.cls.version for name, spec in specs.items()}
    budgets = dict.fromkeys(specs, budget)
    return Start(experiment, generator.fingerprint, versions, budgets, now(), grid=grid.fingerprint)


def refuse_taken_names(experiment: Experiment) -> None:
    """Refuse neurons called like a column of the report's table of trials, and searches like others of their files.

    An experiment that has begun keeps its names: refusing them would end it.
    """
    taken = [name for name in experiment.neurons if name.lower() in TABLE]
    if taken:
        raise LabError(
            f"a neuron cannot be called {taken[0]!r}; these are columns of the report's trials.csv: {', '.join(TABLE)}"
        )
    files = {fold(name): name for name in STIMULI}
    for search in experiment.searches:
        if (other := files.setdefault(fold(search.name), search.name)) != search.name:
            raise LabError(
                f"search {search.name} would have the same pictures as {other} on Windows and macOS, where file names "
                "that differ in case only are one: choose another name for its neuron, or for the search (search.name)"
            )


def refuse_changes(start: Experiment, today: Experiment) -> None:
    """Refuse settings on which the recorded past depends."""
    today = structs.replace(today, response=structs.replace(today.response, end_row=start.response.end_row))
    for name in ("generator", "neurons", "seed", "share", "searches", "screen", "response"):
        for field, before, after in _differences(
            "search" if name == "searches" else name, getattr(start, name), getattr(today, name)
        ):
            raise LabError(
                f"{field} in {FILE} was changed after the first block: it was {_brief(before)} and is {_brief(after)}; "
                "put it back, or begin a new experiment (trials, block and response.end_row may be changed)"
            )


def _differences(name: str, before: object, after: object) -> Iterator[tuple[str, object, object]]:
    """Entries that differ, by name, inside records too."""
    if isinstance(before, Struct) and isinstance(after, Struct):
        for field in before.__struct_fields__:
            yield from _differences(f"{name}.{field}", getattr(before, field), getattr(after, field))
    elif before != after:
        yield name, before, after


def refuse_another_generator(start: Start, generator: Generator, grid: Grid) -> None:
    """Refuse a generator that would draw other pictures of the same candidates."""
    if generator.fingerprint != start.generator:
        what = "weights"
    elif start.grid and grid.fingerprint != start.grid:
        what = "latents on its grid"
    else:
        return
    raise LabError(
        f"generator {generator.name} has other {what} than at the start of the experiment, so it would draw other "
        "pictures; install the version of it that started the experiment"
    )


def _brief(value: object) -> str:
    searches = value if isinstance(value, tuple) and value and isinstance(value[0], Search) else ()
    text = ", ".join(f"{s.name} ({s.solver})" for s in searches) or repr(value)
    return text if len(text) <= 200 else text[:197] + "..."
