"""What a module offers: its layers, found by showing it a few images."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from amb_problems.targets.plain.axes import Sizes, batch_axis, channel_axis, convention
from amb_problems.targets.plain.copies import Copy, Pool
from amb_problems.targets.plain.outputs import Select, Unreadable
from amb_problems.targets.plain.steps import groups
from amb_problems.targets.plain.trace import INPUT, ROOT, Call, Record, Trace, run_traced, traced, watched_names


@dataclass(frozen=True)
class Choices:
    """What the user states about the outputs; None where it is to be found. A mapping states it layer by layer."""

    steps: int | None = None
    time_axis: "int | Mapping[str, int] | None" = None
    channel_axis: "int | Mapping[str, int] | None" = None
    select: "Select | Mapping[str, Select] | None" = None

    def selected(self, layer: str, module: str) -> Select | None:
        """What is read of a layer: as stated for it, or else for its submodule."""
        if not isinstance(self.select, Mapping):
            return self.select
        return self.select.get(layer, self.select.get(module))


@dataclass(frozen=True)
class Layer:
    """How a layer is read.

    Attributes:
        module: the submodule; "" is the module itself.
        calls: the calls in a pass, of which the mean is taken.
        select: which tensor of the output.
        shape: of that tensor for one image.
        batch, channel: axes of the images and of the units; channel is None if there is one unit.
        steps: numbers of steps for which a list of tensors is one over time.
        called: how often the submodule is called in a pass.
    """

    module: str
    calls: tuple[int, ...]
    select: Select | None
    shape: tuple[int, ...]
    batch: int
    channel: int | None
    steps: tuple[int, ...] = ()
    called: int = 1

    @property
    def units(self) -> int:
        """Number of units."""
        return 1 if self.channel is None else self.shape[self.channel]

    @property
    def map(self) -> tuple[int, ...]:
        """Units and the positions of each: the axes after that of the images, channels first."""
        rest = [size for axis, size in enumerate(self.shape) if axis > self.batch and axis != self.channel]
        return (self.units, *rest)

    @property
    def folded(self) -> bool:
        """Whether the axis of the images also holds time steps or windows."""
        return self.shape[self.batch] != 1

    @property
    def values(self) -> int:
        """How many values of one unit a pass averages."""
        count = len(self.calls)
        for axis, size in enumerate(self.shape):
            count *= 1 if axis == self.channel else size
        return count


@dataclass
class Survey:
    """The layers that can be measured, and why others cannot.

    Attributes:
        layers: by name, in the order of their first call.
        refused: reasons by the name of the submodule.
        values: number of values that all layers return for one image, a measure of the work.
        batches: whether the module takes several images at a time.
        calls: how often each submodule is called in a pass.
        used: the stated choices that say something about any layer, by their names in `Choices`.
    """

    layers: dict[str, Layer] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    values: int = 0
    batches: bool = True
    calls: Mapping[str, int] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)


Show = Callable[[str, int], Tensor]
"""The module's input for a number of images, of kind "grey" or "random"."""


def survey(pool: Pool, show: Show, choices: Choices) -> Survey:
    """Survey a module.

    Args:
        pool: its copies.
        show: what it is shown.
        choices: what the user states.

    Raises:
        Exception: whatever the module raises on one image.
    """
    with pool.borrowed() as copy:
        names = watched_names(copy.module)
        parts = dict(copy.module.named_modules())
        reader = _Reader(_traces(copy, show, names, {}, choices, parts), names, parts, choices)
        if isinstance(choices.select, Mapping) and any(name not in names for name in choices.select):
            # Layers that are later calls of a submodule are known by name once all have been traced.
            traces = _traces(copy, show, names, reader.labels_of_calls(), choices, parts)
            reader = _Reader(traces, names, parts, choices)
    return reader.read()


def _traces(
    copy: Copy,
    show: Show,
    names: list[str],
    labels: Mapping[Call, str],
    choices: Choices,
    parts: Mapping[str, nn.Module],
) -> list[Trace]:
    """Passes for a grey image, a random one and, where the module takes as many, three."""

    def select(call: Call) -> Select | None:
        return choices.selected(labels.get(call, ""), call.module or free_name(ROOT, 0, parts))

    found = []
    for kind, number in (("grey", 1), ("random", 1), ("random", 3)):
        with traced(copy.rest(), names, select) as trace:
            try:
                run_traced(copy.module, show(kind, number), trace)
            except Exception:
                if number == 1:
                    raise
                break
        found.append(trace)
    return found


def free_name(name: str, number: int, taken: Collection[str]) -> str:
    """The name of a layer that is not named as a submodule: with the number, but for 0, or the next that is free."""
    label = f"{name}_{number}" if number else name
    return free_name(name, number + 1, taken) if label in taken else label


class _Reader:
    def __init__(self, traces: list[Trace], names: list[str], parts: Mapping[str, nn.Module], choices: Choices) -> None:
        self.grey, self.one, self.three = traces[0], traces[1], traces[2] if len(traces) > 2 else None
        self.names, self.parts, self.choices = names, parts, choices
        self.root = free_name(ROOT, 0, parts)
        self.result = Survey(
            batches=self.three is not None,
            calls=self.one.counts,
        )
        if any(record.takes_select for record in self.one.records):
            self.result.used.add("select")

    def labels_of_calls(self) -> Mapping[Call, str]:
        """The layer of every call of which one can be told."""
        return {record.call: label for label, group in self._layers().items() for record in group}

    def read(self) -> Survey:
        """The layers of all submodules that are called."""
        found = self._layers()
        steps = {len(group) for group in found.values() if len(group) > 1} | {self.choices.steps or 1} - {1}
        axes = _Axes(self.parts, self.choices, steps, square=self.one.square)
        batches: dict[str, int] = {}
        for label, group in found.items():
            try:
                batches[label] = self._batch(group)[0]
            except Unreadable as error:
                self._refuse(label, str(error))
        for label, batch in batches.items():
            axes.learn(found[label], batch)
        for label, batch in batches.items():
            self._layer(label, found[label], batch, axes, steps)
        for name in self.names:
            if name and name not in self.one.counts:
                self._refuse(name, "the forward pass does not call it")
        self.result.used |= axes.used
        if self._steps_fit([found[label] for label in batches]):
            self.result.used.add("steps")
        self.result.values = sum(layer.values * layer.units for layer in self.result.layers.values())
        return self.result

    def _layers(self) -> dict[str, list[Record]]:
        """The calls of each layer, by its name, in the order of their first return."""
        found: list[list[Record]] = []
        for name in self.one.modules:
            try:
                found += self._groups(name)
            except Unreadable as error:
                self._refuse(name, str(error))
        layers: dict[str, list[Record]] = {}
        index: Counter[str] = Counter()
        for group in sorted(found, key=lambda group: self._place(group[0])):
            name = group[0].module
            number = index[name]
            index[name] += 1
            label = name if name and not number else free_name(name or ROOT, number, {*self.parts, *layers})
            layers[label] = group
        return layers

    def _groups(self, name: str) -> list[list[Record]]:
        counts = {trace.counts[name] for trace in (self.grey, self.one, self.three) if trace is not None}
        if len(counts) > 1:
            raise Unreadable(
                f"how often it is called in a pass depends on the image: {' or '.join(map(str, sorted(counts)))} times"
            )
        found = [groups(trace, name, self.choices.steps, self.parts) for trace in (self.grey, self.one)]
        if isinstance(found[1], str) or isinstance(found[0], str):
            raise Unreadable(next(each for each in found if isinstance(each, str)))
        if [[r.number for r in g] for g in found[0]] != [[r.number for r in g] for g in found[1]]:
            raise Unreadable("how it is called depends on the image")
        return found[1]

    def _batch(self, group: list[Record]) -> tuple[int, int]:
        first = group[0]
        for record in group:
            if record.shape is None:
                raise Unreadable(record.why)
            if record.shape != first.shape:
                raise Unreadable("the shape of its output changes from step to step")
        assert first.shape is not None
        if 0 in first.shape:
            raise Unreadable("its output is empty")
        three = self.three.of(first.module)[first.number].shape if self.three is not None else None
        return batch_axis(first.shape, three)

    def _layer(self, label: str, group: list[Record], batch: int, axes: "_Axes", steps: Collection[int]) -> None:
        first = group[0]
        assert first.shape is not None
        if first.module == "" and first.source is not None:
            return
        try:
            channel = axes.channel(label, first, batch, single=len(group) == 1)
        except Unreadable as error:
            self._refuse(label, str(error))
            return
        select = self.choices.selected(label, first.module or self.root)
        calls = tuple(record.number for record in group)
        self.result.layers[label] = Layer(
            first.module,
            calls,
            select,
            first.shape,
            batch,
            channel,
            tuple(sorted(steps)),
            self.one.counts[first.module],
        )

    def _steps_fit(self, groups: list[list[Record]]) -> bool:
        """Whether the stated number of steps is that of any layer's calls, or the size of an axis."""
        steps = self.choices.steps
        if steps is None or steps == 1:
            return True
        if any("steps=" in why for why in self.result.refused.values()):  # which says more
            return True
        return any(len(group) > 1 or any(size % steps == 0 for size in group[0].shape or ()) for group in groups)

    def _place(self, record: Record) -> int:
        return self.one.records.index(record)

    def _refuse(self, name: str, why: str) -> None:
        self.result.refused.setdefault(name or self.root, why)


class _Axes:
    """The axis of the units, learned from the layers whose class is known and passed on to those that follow them."""

    def __init__(
        self, parts: Mapping[str, nn.Module], choices: Choices, steps: Collection[int], *, square: bool
    ) -> None:
        self.parts, self.choices, self.steps, self.square = parts, choices, steps, square
        self.first: dict[int, set[int]] = {}
        self.last: dict[int, set[int]] = {}
        self.known: dict[Call, str] = {INPUT: "first"}
        self.used: set[str] = set()

    def learn(self, group: list[Record], batch: int) -> None:
        """Note the convention of a layer, and its number of channels."""
        record = group[0]
        assert record.shape is not None
        kind = convention(self.parts[record.module])
        if kind in ("first", "last"):
            rest = record.shape[batch + 1 :]
            if rest:
                table = self.first if kind == "first" else self.last
                table.setdefault(len(rest), set()).add(rest[0] if kind == "first" else rest[-1])
        elif record.source is not None and record.source.module != record.module:
            kind = self.known.get(record.source)
        elif kind == "same" and record.input_source is not None and record.input_shape == record.shape:
            kind = self.known.get(record.input_source)
        else:
            kind = None
        if kind is not None:
            self.known |= {each.call: kind for each in group}

    def channel(self, label: str, record: Record, batch: int, *, single: bool) -> int | None:
        """The axis of the units of a layer."""
        assert record.shape is not None
        stated, time = self.choices.channel_axis, self.choices.time_axis
        exact = stated.get(label) if isinstance(stated, Mapping) else None
        known = self.known.get(record.call)
        if exact is None and isinstance(stated, int) and known is None and len(record.shape) > 2:
            exact = stated
        at = time.get(label) if isinstance(time, Mapping) else None
        if at is None and isinstance(time, int) and known is None and single and len(record.shape) > 2:
            fits = not self.steps or not _is_axis(record.shape, time)  # what is not an axis is refused below
            at = time if fits or record.shape[time] in self.steps else None
        found = channel_axis(
            record.shape,
            batch,
            known=known,
            sizes=Sizes(self.first, self.last, self.square),
            steps=self.steps if single else (),
            stated=exact,
            time=at,
        )
        if exact is not None or (isinstance(stated, int) and found in (stated, stated + len(record.shape))):
            self.used.add("channel_axis")
        if at is not None or (isinstance(time, int) and self._holds_steps(record.shape, time, batch, found)):
            self.used.add("time_axis")
        return found

    def _holds_steps(self, shape: tuple[int, ...], axis: int, batch: int, channel: int | None) -> bool:
        """Whether an axis is that of time in a layer whose other axes are known without it."""
        return _is_axis(shape, axis) and shape[axis] in self.steps and axis % len(shape) not in (batch, channel)


def _is_axis(shape: tuple[int, ...], axis: int) -> bool:
    return -len(shape) <= axis < len(shape)
