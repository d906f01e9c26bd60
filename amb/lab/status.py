"""How far an experiment is, in a few lines."""

from collections.abc import Iterable
from itertools import groupby

import numpy as np

from amb.lab.experiment import Search
from amb.lab.history import History
from amb.lab.laboratory import Laboratory
from amb.text import plural


def facts(lab: Laboratory) -> dict[str, object]:
    """Names and values for `amb lab status`."""
    history, experiment = lab.history, lab.experiment
    state: dict[str, object] = {
        "trials planned": f"{len(history.trials):,} of {experiment.trials:,}",
        "blocks": len(history.blocks),
        "without response": plural(lost(history), "trial"),
    }
    if (block := history.open_block) is not None:
        missing = history.missing(block)
        state["open block"] = f"{block}, which lacks {plural(len(missing), 'trial')}: {ranges(missing)}"
    for search in experiment.searches:
        best = history.leader(search)
        values = history.responses(best, search.neurons) if best else np.zeros(0)
        state[f"search {search.name}"] = (
            f"{best}, mean response {values.mean():.4g} in {plural(len(values), 'trial')}{_references(history, search)}"
            if best
            else "no response yet"
        )
    return state


def _references(history: History, search: Search) -> str:
    """The mean response to the references, to compare with."""
    values = [history.responses(name, search.neurons) for name in history.references]
    seen = np.concatenate(values) if values else np.zeros(0)
    return f"; references {seen.mean():.4g}" if len(seen) else ""


def lost(history: History) -> int:
    """Settled trials in which no neuron has a valid response."""
    if history.start is None:
        return 0
    missing = set(history.missing(history.open_block)) if history.open_block else set()
    neurons = history.experiment.neurons
    return sum(
        trial.number not in missing and all(history.value(trial.number, neuron) is None for neuron in neurons)
        for trial in history.trials
    )


def ranges(numbers: Iterable[int]) -> str:
    """Ascending numbers as text: ``3-7, 9``."""
    parts = []
    for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        first, *rest = [number for _, number in run]
        parts.append(f"{first}-{rest[-1]}" if rest else f"{first}")
    return ", ".join(parts)
