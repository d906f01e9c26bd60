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
    found: list[list[Record]] = []
    sites: dict[Hashable, list[Record]] = {}
    for record in trace.of(name):
        sites.setdefault(record.site, []).append(record)
    for records in sites.values():
        period = _period(trace, records)
        length = len(records) // period
        if steps is not None:
            if steps == 1 or len(records) == 1:
                period = len(records)
            elif len(records) % steps == 0:
                period = len(records) // steps
            elif length > 1:
                return f"it is called {len(records)} times in a pass, which steps={steps} does not divide"
        elif length > 1 and not _in_time(trace, records, period, parts):
            return (
                f"it is called {length} times in a pass, in time or one after the other: state steps={length} to "
                "average over the calls, or steps=1 to make each a layer of its own"
            )
        found += [records[start::period] for start in range(period)]
    return sorted(found, key=lambda group: group[0].number)


def _period(trace: Trace, records: Sequence[Record]) -> int:
    """After how many calls from one place the loop starts again; all of them if it does not."""
    count = len(records)
    if count == 1:
        return 1
    events: list[Event] = [(record.module, record.site) for record in trace.records]
    totals = Counter(events)
    places = [index for index, record in enumerate(trace.records) if any(record is one for one in records)]
    between = [tuple(events[a + 1 : b]) for a, b in pairwise(places)]
    for period in (p for p in range(1, count) if count % p == 0):
        repeats = all(one == other for one, other in zip(between, between[period:], strict=False))
        # Every part of the loop runs in each of its turns, a submodule that runs once is not part of one.
        whole = all(totals[event] >= count // period for some in between for event in some)
        alike = all(a.shape == b.shape for a, b in zip(records, records[period:], strict=False))
        if repeats and whole and alike:
            return period
    return count


def _in_time(trace: Trace, records: Sequence[Record], period: int, parts: Mapping[str, nn.Module]) -> bool:
    """Whether the loop is one over time."""
    numbers = {id(record) for record in records}
    places = [index for index, record in enumerate(trace.records) if id(record) in numbers]
    loop = [*trace.records[places[0] + 1 : places[period]], *records[:period]]
    events = {(record.module, record.site) for record in loop}
    repeated: dict[Event, list[bool]] = {}
    for record in trace.records:
        if (record.module, record.site) in events:
            repeated.setdefault((record.module, record.site), []).append(record.same_input)
    constant = any(len(some) > 1 and all(some[1:]) for some in repeated.values())
    return constant or any(
        is_neuron(part) or has_memory(part) for module, _ in events for part in parts[module].modules()
    )
