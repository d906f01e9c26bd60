"""How far an experiment is, in a few lines."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby

import numpy as np

from amb.lab.experiment import Search
from amb.lab.history import History
from amb.lab.laboratory import Laboratory
from amb.lab.searches import resolve_solver
from amb.text import plural


@dataclass(frozen=True)
class Standing:
    """How a search stands.

    Attributes:
        search: its name.
        best: the stimulus with the highest mean response; None before the first response.
        response: that mean; None like `best`.
        trials: over how many trials it is taken.
        references: mean response to the reference images, to compare with; None without one.
    """

    search: str
    best: str | None
    response: float | None
    trials: int
    references: float | None


def record(lab: Laboratory) -> dict[str, object]:
    """What `amb lab status --json` prints: the same keys at any time, numbers as numbers."""
    history = lab.history
    block = history.open_block
    return {
        "planned": len(history.trials),
        "trials": lab.experiment.trials,
        "blocks": len(history.blocks),
        "without_response": lost(history),
        "open_block": block,
        "missing": [] if block is None else list(history.missing(block)),
        "corrections": [
            {"block": one.block, "responses": len(one.trials), "reason": one.reason, "restarted": one.restarted}
            for one in history.corrections
        ],
        "searches": [asdict(standing(history, search)) for search in lab.experiment.searches],
    }


def why_finished(lab: Laboratory) -> str:
    """Why an experiment has no further block: a clause."""
    start = lab.history.start
    for search in lab.experiment.searches:
        planned = 0 if start is None else start.budgets[search.name]
        asked = sum(len(one.stimuli) for one in lab.history.asked[search.name])
        if asked >= planned and not resolve_solver(search).cls.anytime:
            return (
                f"{search.solver} of search {search.name} has asked for all {planned:,} candidates that it planned "
                f"with, and {len(lab.history.trials):,} of {lab.experiment.trials:,} trials were planned"
            )
    return "the rest of the budget is too small for another block"


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
    for number, one in enumerate(history.corrections, 1):
        words = [
            f"{plural(len(one.trials), 'response')} of block {one.block} ({one.reason})",
            *going_back(one.restarted),
        ]
        state[f"correction {number}"] = "; ".join(words)
    for search in experiment.searches:
        state[f"search {search.name}"] = _in_words(standing(history, search))
    return state


def standing(history: History, search: Search) -> Standing:
    """How a search stands."""
    best = history.leader(search)
    values = history.responses(best, search.neurons) if best else np.zeros(0)
    compared = [history.responses(name, search.neurons) for name in history.references]
    seen = np.concatenate(compared) if compared else np.zeros(0)
    return Standing(
        search.name,
        best or None,
        float(values.mean()) if best else None,
        len(values),
        float(seen.mean()) if len(seen) else None,
    )


def going_back(restarted: Mapping[str, int]) -> list[str]:
    """What a correction means for solvers that were told wrong responses."""
    return [
        f"search {search} goes on from before block {block}: its stimuli since then were proposed from wrong responses"
        for search, block in restarted.items()
    ]


def _in_words(stands: Standing) -> str:
    if stands.best is None:
        return "no response yet"
    references = "" if stands.references is None else f"; references {stands.references:.4g}"
    return f"{stands.best}, mean response {stands.response:.4g} in {plural(stands.trials, 'trial')}{references}"


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
