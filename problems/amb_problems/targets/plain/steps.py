"""Which calls of a submodule in one forward pass are time steps of one layer, and which are layers of their own."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise

from torch import nn

from amb_problems.targets.plain.neurons import has_memory, is_neuron
from amb_problems.targets.plain.trace import Record, Trace

Event = tuple[str, Hashable]
"""A submodule and the place in the code that calls it."""


def groups(trace: Trace, name: str, steps: int | None, parts: Mapping[str, nn.Module]) -> list[list[Record]] | str:
    """The calls of a submodule, one list for each layer; calls in one list are time steps.

    Calls from different places in the code are different layers. Calls from one place are steps if the same submodules
    run between any two of them, and if something in that loop is a neuron with memory or receives the same input each
    time. A loop over layers, which share this submodule, fails the first test. What passes only the first may be a loop
    over time or a block that is applied repeatedly.

    Args:
        trace: a forward pass.
        name: the submodule.
        steps: the number of time steps that the user states; None: to be found.
        parts: the submodules by name.

    Returns:
        The groups, or why they cannot be told.
    """
    records = trace.of(name)
    sites = list(dict.fromkeys(record.site for record in records))
    if len(sites) > 1 and len(records) == steps:
        return [records]
    merged = _one_memory(trace, records, len(sites), parts) if steps != 1 and len(sites) > 1 else None
    if merged is not None and (steps is None or all(len(group) == steps for group in merged)):
        return merged
    if steps is None and _begins_outside(trace, records, parts):
        return (
            f"it is called {len(records)} times in a pass, from several places, and so is a neuron: state "
            f"steps={len(records)} to average over the calls, or steps=1 to make each a layer of its own"
        )
    found: list[list[Record]] = []
    for site in sites:
        some = [record for record in records if record.site == site]
        period = _period(trace, some)
        if period == len(some) and steps != 1:  # a neuron's first step may be written elsewhere than the others
            named = _period(trace, some, named=True)
            if named < period and any(has_memory(part) for part in _loop(trace, some, named, parts)):
                period = named
        length = len(some) // period
        if steps is not None:
            if steps == 1 or len(some) == 1:
                period = len(some)
            elif len(some) % steps == 0:
                period = len(some) // steps
            elif length > 1:
                return f"it is called {len(some)} times in a pass, which steps={steps} does not divide"
        elif length > 1 and not _in_time(trace, some, period, parts):
            return (
                f"it is called {length} times in a pass, in time or one after the other: state steps={length} to "
                "average over the calls, or steps=1 to make each a layer of its own"
            )
        elif length == 1 and len(some) > 1 and _steps_a_neuron(trace, some, parts):
            return (
                f"it is called {len(some)} times in a pass, and so is a neuron, with different submodules in between: "
                f"state steps={len(some)} to average over the calls, or steps=1 to make each a layer of its own"
            )
        found += [some[start::period] for start in range(period)]
    return sorted(found, key=lambda group: group[0].number)


def _one_memory(
    trace: Trace, records: Sequence[Record], sites: int, parts: Mapping[str, nn.Module]
) -> list[list[Record]] | None:
    """The groups of calls from several places that repeat the same submodules and step the same neurons.

    A first step that stands before the loop over the others is a step like them.
    """
    period = _period(trace, records, named=True)
    if (
        period >= sites
        or len(records) == period
        or not any(has_memory(p) for p in _loop(trace, records, period, parts))
    ):
        return None
    return [list(records[start::period]) for start in range(period)]


def _begins_outside(trace: Trace, records: Sequence[Record], parts: Mapping[str, nn.Module]) -> bool:
    """Whether calls may be the steps of a loop whose first step is written before it.

    Then one place calls once, or a few times, another more often, and a neuron is called as often in all.
    """
    if len(set(Counter(record.site for record in records).values())) < 2:
        return False
    return any(count == len(records) and is_neuron(parts[module]) for module, count in trace.counts.items())


def _steps_a_neuron(trace: Trace, records: Sequence[Record], parts: Mapping[str, nn.Module]) -> bool:
    """Whether a neuron steps between the calls of a submodule, as often as those: with a norm for every step, say."""
    chosen = {id(record) for record in records}
    places = [index for index, record in enumerate(trace.records) if id(record) in chosen]
    called = Counter(record.module for record in trace.records[places[0] : places[-1] + 1])
    return any(count >= len(records) - 1 and is_neuron(parts[module]) for module, count in called.items() if count > 1)


def _period(trace: Trace, records: Sequence[Record], *, named: bool = False) -> int:
    """After how many calls the loop starts again; all of them if it does not.

    Args:
        trace: a forward pass.
        records: some calls of a submodule.
        named: go by the names of what runs between two calls, not by the places in the code that call it.
    """
    count = len(records)
    if count == 1:
        return 1
    events: list[Event] = [(record.module, None if named else record.site) for record in trace.records]
    counts, chosen = trace.counts, {id(record) for record in records}
    places = [index for index, record in enumerate(trace.records) if id(record) in chosen]
    between = [tuple(events[a + 1 : b]) for a, b in pairwise(places)]
    for period in (p for p in range(1, count) if count % p == 0):
        repeats = all(one == other for one, other in zip(between, between[period:], strict=False))
        # Every part of a loop runs in each of its turns: a submodule that runs once is not part of one.
        whole = all(counts[module] >= count // period for some in between for module, _ in some)
        alike = all(a.shape == b.shape for a, b in zip(records, records[period:], strict=False))
        if repeats and whole and alike:
            return period
    return count


def _in_time(trace: Trace, records: Sequence[Record], period: int, parts: Mapping[str, nn.Module]) -> bool:
    """Whether a loop is one over time."""
    if any(is_neuron(part) or has_memory(part) for part in _loop(trace, records, period, parts)):
        return True
    inside = {(record.module, record.site) for record in _turn(trace, records, period)}
    repeated: dict[Event, list[bool]] = {}
    for record in trace.records:
        if (record.module, record.site) in inside:
            repeated.setdefault((record.module, record.site), []).append(record.same_input)
    return any(len(some) > 1 and all(some[1:]) for some in repeated.values())


def _turn(trace: Trace, records: Sequence[Record], period: int) -> list[Record]:
    """The calls in the first turn of a loop."""
    first, last = (trace.records.index(record) for record in (records[0], records[period]))
    return [*trace.records[first + 1 : last], *records[:period]]


def _loop(trace: Trace, records: Sequence[Record], period: int, parts: Mapping[str, nn.Module]) -> list[nn.Module]:
    """All modules that run in a turn of a loop, with their parts."""
    names = {record.module for record in _turn(trace, records, period)}
    return [part for name in names for part in parts[name].modules()]
