"""One forward pass, recorded: which submodules are called, how often, from where in the code, and what they return."""

import sys
import weakref
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.jit import ScriptModule

from amb_problems.targets.plain.neurons import is_neuron
from amb_problems.targets.plain.outputs import Select, Unreadable, chosen, takes

ROOT = "output"
"""The layer that is the module's own output, unless a submodule made it; with a number if a submodule has this name."""


@dataclass(frozen=True)
class Call:
    """One call of a submodule in a forward pass: the `number`-th of `module`, from 0."""

    module: str
    number: int


INPUT = Call("the input", 0)
"""Stands for the call that made the module's input."""


@dataclass(eq=False)
class Record:
    """What was seen of a call.

    Attributes:
        module, number: the call.
        site: the place in the code, from the module's forward down to the call; time steps share it.
        shape: of the tensor that is read; None if there is none.
        why: why there is none.
        source: the call that made the tensor, if this one only passes it on.
        input_source: the call whose output is the first argument.
        input_shape: of the first argument.
        same_input: whether the first argument equals that of the call before from the same site.
        takes_select: whether the output leaves a choice for `select`.
    """

    module: str
    number: int
    site: Hashable
    shape: tuple[int, ...] | None = None
    why: str = ""
    source: Call | None = None
    input_source: Call | None = None
    input_shape: tuple[int, ...] | None = None
    same_input: bool = False
    takes_select: bool = False

    @property
    def call(self) -> Call:
        """The call."""
        return Call(self.module, self.number)


@dataclass
class Trace:
    """All calls of a pass, in the order in which they returned, and the module's input."""

    records: list[Record] = field(default_factory=list)
    given: "weakref.ref[Tensor] | None" = None
    square: bool = False

    def of(self, module: str) -> list[Record]:
        """The calls of a submodule."""
        return [record for record in self.records if record.module == module]

    @property
    def modules(self) -> list[str]:
        """Submodules that are called, in the order of their first return."""
        return list(dict.fromkeys(record.module for record in self.records))

    @property
    def counts(self) -> Counter[str]:
        """How often each submodule is called."""
        return Counter(record.module for record in self.records)


def watched_names(module: nn.Module) -> list[str]:
    """Submodules that may be layers; "" is the module itself. Parts of a neuron, such as its surrogate, are not."""
    neurons = [f"{name}." for name, part in module.named_modules() if name and is_neuron(part)]
    names = [name for name, _ in module.named_modules()]
    scripted = [name for name, part in module.named_modules() if isinstance(part, ScriptModule)]  # call no hooks
    hidden = (*neurons, *scripted)
    return [name for name in names if not name.startswith(hidden) and "parametrizations" not in name.split(".")]


def submodule(module: nn.Module, name: str) -> nn.Module:
    """A submodule by its name; "" is the module itself."""
    return module.get_submodule(name) if name else module


@contextmanager
def traced(module: nn.Module, names: Iterable[str], select: "Callable[[Call], Select | None]") -> Iterator[Trace]:
    """Record the calls made inside.

    Args:
        module: its submodules are watched.
        names: which.
        select: what to read of a call's output.
    """
    tracer = _Tracer(select)
    handles = []
    for name in names:
        part = submodule(module, name)
        handles += [
            part.register_forward_pre_hook(tracer.enter(name), with_kwargs=True),
            part.register_forward_hook(tracer.leave(name), with_kwargs=True),
        ]
    try:
        yield tracer.trace
    finally:
        for handle in handles:
            handle.remove()


class _Tracer:
    def __init__(self, select: "Callable[[Call], Select | None]") -> None:
        self.trace, self._select = Trace(), select
        self._stack: list[tuple[nn.Module, Record, Counter[str]]] = []
        self._numbers: Counter[str] = Counter()
        self._made: dict[int, tuple[weakref.ref[Tensor], Call]] = {}
        self._inputs: dict[tuple[str, Hashable], Tensor] = {}

    def enter(self, name: str):  # type: ignore[no-untyped-def]
        def hook(module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
            record = Record(name, self._numbers[name], self._site(name))
            self._numbers[name] += 1
            first = next((a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)), None)
            if first is not None:
                record.input_shape, record.input_source = tuple(first.shape), self._maker(first)
                before = self._inputs.get((name, record.site))
                record.same_input = before is not None and before.shape == first.shape and torch.equal(before, first)
                self._inputs[name, record.site] = first
            self._stack.append((module, record, Counter()))

        return hook

    def leave(self, name: str):  # type: ignore[no-untyped-def]
        def hook(module: nn.Module, args: object, kwargs: object, output: object) -> None:
            _, record, inside = self._stack.pop()
            select = self._select(record.call)
            record.takes_select = select is not None and takes(output, module, select)
            try:
                tensor = chosen(output, module, select, set(inside.values()))
                record.shape, record.source = tuple(tensor.shape), self._maker(tensor)
                self._made[id(tensor)] = (weakref.ref(tensor), record.call)
            except Unreadable as error:
                record.why = str(error)
            self.trace.records.append(record)
            for _, _, above in self._stack:
                above[name] += 1

        return hook

    def _maker(self, tensor: Tensor) -> Call | None:
        if self.trace.given is not None and self.trace.given() is tensor:
            return INPUT
        known = self._made.get(id(tensor))
        return known[1] if known is not None and known[0]() is tensor else None

    def _site(self, name: str) -> Hashable:
        """The lines of code on the stack; in a Sequential, whose loop is not one over time, also the turn."""
        path: list[Hashable] = []
        frame = sys._getframe(2)
        while frame is not None and frame.f_code is not _RUN:
            path.append((frame.f_code, frame.f_lasti))
            frame = frame.f_back  # type: ignore[assignment]
        turn = 0
        if self._stack:
            parent, _, turns = self._stack[-1]
            if type(parent).forward is nn.Sequential.forward:
                turn = turns[f"turn {name}"]
                turns[f"turn {name}"] += 1
        return (*path, turn)


def run_traced(module: nn.Module, x: Tensor, trace: Trace) -> None:
    """Call the module; places in the code are told from here on."""
    trace.given, trace.square = weakref.ref(x), x.shape[-1] == x.shape[-2]
    module(x)


_RUN = run_traced.__code__
