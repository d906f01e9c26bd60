"""Which stimuli a block presents, how often, and in which order."""

from collections.abc import Mapping

import numpy as np

from amb.lab.experiment import Experiment
from amb.lab.history import BLANK, History
from amb.lab.journal import Ask, BlockPlanned, Presentation
from amb.lab.searches import Searches, stream
from amb.study.log import now


def plan_block(
    experiment: Experiment, history: History, searches: Searches, references: Mapping[str, str]
) -> BlockPlanned | None:
    """The next block; None if the rest of the budget is too small for one, or the solvers have spent theirs.

    A search whose last candidates have all been answered, or lost too often, tells its solver and asks for new ones. A
    search that awaits lost candidates presents those again.

    Args:
        experiment: today's settings.
        history: the state, without an open block.
        searches: the solvers, in the same state; they go on by this call.
        references: hash of every reference image, by stimulus name.
    """
    settings, left = experiment.block, experiment.trials - len(history.trials)
    again = {s.name: history.unanswered(s, retries=settings.retries) for s in experiment.searches}
    leaders = {s.name: best for s in experiment.searches if settings.best and (best := history.leader(s))}
    fixed = [
        *[Presentation(name, "reference") for name in references for _ in range(settings.references)],
        *[Presentation(name, "best") for name in leaders.values() for _ in range(settings.best)],
        *[BLANK] * settings.blanks,
    ]
    repeated = sum(map(len, again.values()))
    asking = [s for s in experiment.searches if not again[s.name]]
    room = left - len(fixed) - repeated * settings.repeats
    limit = min(settings.candidates, room // (len(asking) * settings.repeats) if asking else settings.candidates)
    if room < 0 or (asking and limit < 1):
        return None
    asks: list[Ask] = []
    stimuli = [name for names in again.values() for name in names]
    for search in asking:
        told = history.told(search) if search.name in history.generation else ()
        learned = history.to_learn(search, share=experiment.share)
        ask = searches.ask(search.name, told, limit, learned)
        asks.append(ask)
        stimuli += history.names(ask)
    if not stimuli:
        return None
    block = len(history.blocks) + 1
    shown = [Presentation(name, "candidate") for name in stimuli for _ in range(settings.repeats)] + fixed
    order = spread(shown, np.random.default_rng(stream(experiment.seed, f"order of block {block}")))
    used = {p.stimulus: references[p.stimulus] for p in order if p.kind == "reference"}
    return BlockPlanned(block, len(history.trials) + 1, tuple(asks), tuple(order), used, now(), leaders)


def spread(presentations: list[Presentation], rng: np.random.Generator) -> list[Presentation]:
    """A random order in which the presentations of one stimulus are spread over the block.

    Of r presentations, one falls at random into each r-th part of the block, so that slow drift within the block does
    not favour a stimulus.
    """
    totals: dict[Presentation, int] = {}
    for presentation in presentations:
        totals[presentation] = totals.get(presentation, 0) + 1
    seen = dict.fromkeys(totals, 0)
    times = []
    for presentation in presentations:
        times.append((seen[presentation] + rng.random()) / totals[presentation])
        seen[presentation] += 1
    return [presentations[i] for i in np.argsort(times, kind="stable")]
