"""Presentations: a module is brought to rest, shown an image, and the responses of some layers are averaged."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from amb.errors import SpecError
from amb_problems.targets.plain.once import computed_once
from amb_problems.targets.plain.outputs import Unreadable, chosen
from amb_problems.targets.plain.survey import Layer
from amb_problems.targets.plain.trace import Call, submodule


class _Enough(BaseException):
    """All requested layers have responded; nothing deeper is computed. A module's `except Exception` lets it pass."""


@dataclass
class Plan:
    """How a module is run.

    Attributes:
        passes: forward passes of a presentation.
        multistep: number of steps of an input that holds all of them, `[steps, n, ...]`; None: one image at a time.
        exact: sum in float64 and divide once, so that equal numbers of spikes are equal activations; False: the mean
            in float32.
        dtype: of the module's input.
        gradients: "inference" or "off" in a forward pass, or "on" for modules that differentiate in theirs.
        sizes: sizes of batches with the same bits, ascending.
        best: the fastest of them.
        mixes: whether an image's values depend, ever so little, on the images beside it, so that it is shown alone.
        steps_first: layers whose axis of images also holds steps: whether it runs through the images of one step
            before the next step, or through the steps of one image before the next image.
        once: whether layers that see the image itself in several steps are computed once.
        finished: whether every pass is finished, since the module puts back then what it has changed.
        identity: set if the module draws random numbers, which are then seeded from the image and this text.
    """

    passes: int = 1
    multistep: int | None = None
    exact: bool = True
    dtype: torch.dtype = torch.float32
    gradients: str = "inference"
    sizes: tuple[int, ...] = (1,)
    best: int = 1
    mixes: bool = False
    steps_first: dict[str, bool] = field(default_factory=dict)
    once: bool = False
    finished: bool = False
    identity: str | None = None

    def mode(self) -> AbstractContextManager[None]:
        """The context in which the module runs."""
        return _mode(self.gradients)

    def input(self, x: Tensor) -> Tensor:
        """The module's input for prepared images `[n, c, h, w]`."""
        x = x.to(self.dtype)
        return x if self.multistep is None else x.expand(self.multistep, *x.shape).contiguous()


@contextmanager
def _mode(gradients: str) -> Iterator[None]:
    with torch.inference_mode(gradients == "inference"), torch.set_grad_enabled(gradients == "on"):
        yield


def means(
    module: nn.Module,
    inputs: Sequence[Tensor],
    layers: Mapping[str, Layer],
    wanted: Sequence[str],
    plan: Plan,
    *,
    whole: bool = False,
    sizes: bool = False,
) -> dict[str, Tensor]:
    """Mean responses of all units of some layers, `[n, units]` each.

    Args:
        module: at rest.
        inputs: what it is shown, one input for each pass.
        layers: how each layer is read.
        wanted: the layers asked for.
        plan: how the module is run.
        whole: whether to finish the last pass, too, when all layers have responded.
        sizes: whether to average sizes, without signs: responses may cancel out.

    Raises:
        SpecError: a layer does not respond as it did in the survey.
    """
    reader = _Reader(layers, wanted, plan, sizes=sizes)
    with computed_once(module, inputs[0]) if plan.once else nullcontext():
        reader.present(module, inputs, whole=whole)
    return {name: reader.mean(name) for name in wanted}


class _Reader:
    def __init__(self, layers: Mapping[str, Layer], wanted: Sequence[str], plan: Plan, *, sizes: bool) -> None:
        self._layers = {name: layers[name] for name in wanted}
        self._sizes = sizes
        self._plan = plan
        self._calls = {Call(layer.module, n): name for name, layer in self._layers.items() for n in layer.calls}
        self._totals: dict[str, Tensor] = {}
        self._passes = 0
        self._missing: set[Call] = set()
        # A loop may take more steps for this image, of which only the rest of the pass tells.
        self._finished = plan.finished or any(len(layer.calls) > 1 for layer in self._layers.values())

    def present(self, module: nn.Module, inputs: Sequence[Tensor], *, whole: bool) -> None:
        """Show the module the inputs, one after the other."""
        self._passes = len(inputs)
        for number, x in enumerate(_unwritten(inputs)):
            self._missing = set(self._calls)
            last = number == len(inputs) - 1 and not whole and not self._finished
            count = x.shape[1 if self._plan.multistep is not None else 0]
            with self._watched(module, count, last), suppress(_Enough):
                module(x)
            if self._missing:
                self._refuse(next(iter(self._missing)), "it was not called as often as in the survey")

    def mean(self, name: str) -> Tensor:
        """The mean over steps, positions and passes."""
        total = self._totals[name]
        if not self._plan.exact:
            return total if self._passes == 1 else total / self._passes
        return total / (self._layers[name].values * self._passes)

    @contextmanager
    def _watched(self, module: nn.Module, count: int, last: bool) -> Iterator[None]:
        """Read the layers' calls in a forward pass, the last of which ends at the deepest of them."""
        most = {layer.module: layer.called for layer in self._layers.values() if len(layer.calls) > 1}

        def hook(name: str) -> Callable[[nn.Module, object, object], None]:
            number = 0

            def called(part: nn.Module, _: object, output: object) -> None:
                nonlocal number
                call, number = Call(name, number), number + 1
                if number > most.get(name, number):
                    self._refuse(call, "it was called more often than in the survey")
                if call in self._missing:
                    self._missing.discard(call)
                    # Read immediately, since a rectifier may overwrite its input in place.
                    self._read(self._calls[call], part, output, count)
                    if last and not self._missing:
                        raise _Enough

            return called

        handles = [
            submodule(module, name).register_forward_hook(hook(name)) for name in {c.module for c in self._calls}
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _read(self, name: str, part: nn.Module, output: object, count: int) -> None:
        layer = self._layers[name]
        try:
            tensor = chosen(output, part, layer.select, layer.steps)
        except Unreadable as error:
            raise SpecError(f"layer {name}: {error}") from error
        expected = tuple(size * (count if axis == layer.batch else 1) for axis, size in enumerate(layer.shape))
        if tuple(tensor.shape) != expected:
            self._refuse(Call(layer.module, 0), f"its output is {list(tensor.shape)}, in the survey {list(expected)}")
        tensor = tensor.double().abs() if self._sizes else tensor
        batch = layer.batch
        if layer.folded:
            first = self._plan.steps_first.get(name, True)
            tensor = tensor.unflatten(batch, (layer.shape[batch], count) if first else (count, layer.shape[batch]))
            batch += first
        units = layer.channel
        if units is not None and layer.folded and units > layer.batch:
            units += 1
        answer = _sum(tensor, batch, units) if self._plan.exact else _float_mean(tensor, batch, units)
        if name in self._totals:
            self._totals[name] = self._totals[name].add_(answer)
        else:
            # A copy, since it may be the output itself, which the next layer may overwrite in place.
            self._totals[name] = answer.to(torch.float64 if self._plan.exact else answer.dtype, copy=True)

    def _refuse(self, call: Call, why: str) -> None:
        raise SpecError(f"layer {call.module or 'output'} does not respond to this image as to others: {why}")


def _unwritten(inputs: Sequence[Tensor]) -> Iterator[Tensor]:
    """The inputs in turn; one that is shown again, as it was, whatever the module has written to it meanwhile."""
    if all(x is not inputs[0] for x in inputs[1:]):
        yield from inputs
        return
    x, before = inputs[0], inputs[0].clone()
    for _ in inputs:
        if x.is_inference():  # it does not count what is written to it
            yield before.clone()
            continue
        version = x._version
        yield x
        x = x if x._version == version else before.clone()


def _sum(tensor: Tensor, batch: int, units: int | None) -> Tensor:
    """Sum of every unit, `[n, units]`; exact for whole numbers, such as spikes."""
    rows = tensor.movedim(batch, 0)[:, None] if units is None else tensor.movedim((batch, units), (0, 1))
    # In memory one after the other, since the order of a sum over other axes depends on the number of images.
    rows = rows.flatten(2).contiguous() if rows.ndim > 2 else rows
    if rows.dtype != torch.float32 or (rows.ndim > 2 and rows.shape[2] >= _WHOLE):
        rows = rows.double()
    if rows.ndim == 2:
        return rows
    total = rows.sum(2)
    if not total.isfinite().all():  # finite numbers can exceed float32 in sum; only these sums change
        total = torch.where(total.isfinite(), total.double(), rows.double().sum(2))
    return total


_WHOLE = 2**24
"""Float32 holds every whole number below, so a sum of fewer spikes is exact."""


def _float_mean(tensor: Tensor, batch: int, units: int | None) -> Tensor:
    """Mean of every unit over its positions, float32 `[n, units]`."""
    assert (batch, units) == (0, 1), "shipped networks have images first and channels second"
    return tensor.float() if tensor.ndim == 2 else tensor.float().flatten(2).mean(2)
