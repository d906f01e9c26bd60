"""What the events of an experiment's journal say about each other.

A journal whose checksums are right may be somebody else's, or edited: later events are only understood if they fit what
came before.
"""

from collections.abc import Collection, Iterable, Iterator

from amb.lab.history import History
from amb.lab.journal import Ask, BlockPlanned, Closed, Corrected, Event, Responses, Start


def refuse_contradiction(event: Event, history: History) -> None:
    """Refuse an event that cannot follow those of a history.

    Raises:
        ValueError: the message says why.
    """
    for wrong in _contradictions(event, history):
        raise ValueError(wrong)


def _contradictions(event: Event, history: History) -> Iterator[str]:
    if isinstance(event, Start):
        if history.start is not None:
            yield "the experiment starts for the second time"
        for search in event.experiment.searches:
            if search.name not in event.solvers or search.name not in event.budgets:
                yield f"search {search.name} has no solver or no budget"
        return
    if history.start is None:
        yield "the experiment has not started"
    match event:
        case BlockPlanned():
            yield from _of_block(event, history)
        case Responses():
            yield from _of_responses(event, history)
        case Closed():
            yield from _of_number(event.block, history)
        case Corrected():
            yield from _of_correction(event, history)


def _of_number(block: int, history: History) -> Iterator[str]:
    if not 1 <= block <= len(history.blocks):
        yield f"there is no block {block}"


def _of_block(event: BlockPlanned, history: History) -> Iterator[str]:
    block, first = len(history.blocks) + 1, len(history.trials) + 1
    if (event.block, event.first) != (block, first):
        yield f"block {event.block} begins with trial {event.first}; expected block {block} and trial {first}"
    if not event.order:
        yield f"block {block} presents nothing"
    searches = [ask.search for ask in event.asks]
    yield from _of_names(searches, _searches(history), "search")
    if len(set(searches)) < len(searches):
        yield "a search has asked twice"
    d = next((len(levels) for levels in _levels(event, history)), 0)
    for ask in event.asks:
        yield from _of_ask(ask, d, history)
    places: dict[str, tuple[Collection[str], ...]] = {
        "candidate": (history.candidates, {name for ask in event.asks for name in history.names(ask)}),
        "best": (history.candidates,),
        "reference": (event.references,),
        "blank": (("blank",),),
    }
    for presentation in event.order:
        if not any(presentation.stimulus in names for names in places.get(presentation.kind, ())):
            yield f"there is no {presentation.kind} {presentation.stimulus!r}"
    for name, content in event.references.items():
        if history.references.get(name, content) != content:
            yield f"{name!r} is another image than before"
    yield from _of_names(event.leaders, _searches(history), "search")
    yield from _of_names(event.leaders.values(), history.candidates, "stimulus")


def _levels(event: BlockPlanned, history: History) -> Iterator[tuple[int, ...]]:
    """All candidates up to a block."""
    yield from (candidate.levels for candidate in history.candidates.values())
    yield from (levels for ask in event.asks for levels in ask.candidates)


def _of_ask(ask: Ask, d: int, history: History) -> Iterator[str]:
    awaited = len(history.generation.get(ask.search, ()))
    if len(ask.told) != awaited:
        yield f"the solver of search {ask.search} was told {len(ask.told)} values, and awaited {awaited}"
    if any(len(levels) != d or min(levels, default=0) < 0 for levels in ask.candidates):
        yield f"search {ask.search} has a candidate that is not of {d} levels"
    yield from _of_names((learned.stimulus for learned in ask.learned), history.candidates, "stimulus")


def _of_responses(event: Responses | Corrected, history: History) -> Iterator[str]:
    if not len(event.trials) == len(event.neurons) == len(event.values):
        yield f"{len(event.trials)} trials have {len(event.neurons)} neurons and {len(event.values)} values"
    for trial in event.trials:
        if not 1 <= trial <= len(history.trials):
            yield f"there is no trial {trial}"
    yield from _of_names(event.neurons, history.neurons, "neuron")


def _of_correction(event: Corrected, history: History) -> Iterator[str]:
    yield from _of_number(event.block, history)
    yield from _of_responses(event, history)
    if len(event.before) != len(event.trials):
        yield f"{len(event.trials)} trials had {len(event.before)} values before"
    yield from _of_names(event.restarted, _searches(history), "search")
    for block in event.restarted.values():
        yield from _of_number(block, history)
    if event.added is not None:
        yield from _of_responses(event.added, history)


def _of_names(names: Iterable[str], known: Collection[str], what: str) -> Iterator[str]:
    for name in names:
        if name not in known:
            yield f"there is no {what} {name!r}"


def _searches(history: History) -> set[str]:
    return {search.name for search in history.experiment.searches}
