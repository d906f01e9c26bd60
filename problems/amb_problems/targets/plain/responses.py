"""Responses of any torch module's layers to images: the mean of every channel, recorded by hooks.

Images are shown one at a time, each on one thread: matrix kernels round differently for another number of rows or
threads, and even at a different position among the rows. So an image's responses are the same, bit for bit, alone and
in any batch. A module with memory (frames) is at rest before every image.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from amb.contracts.images import Shape, check_images
from amb.contracts.target import check_unit
from amb.errors import SpecError
from amb_problems.threads import one_thread_each

UInt8Array = npt.NDArray[np.uint8]
Images = UInt8Array | Tensor
"""uint8 `[n, h, w, c]`; a tensor may already be on the device."""
Float32Array = npt.NDArray[np.float32]

CHUNK = 1
"""Images at a time. Sixteen would be two to four times as fast, but a 1x1 convolution treats all rows of all images as
one matrix, and some processors sum its odd rows in a different order: the DenseNet's probabilities then differ in the
last bit."""


class _Enough(Exception):
    """All requested layers have responded; nothing deeper is computed."""


@dataclass(frozen=True)
class Call:
    """One call of a submodule in a forward pass: the `number`-th of `module`, from 0."""

    module: str
    number: int


class Responses:
    """The channels' mean responses in a module's layers.

    A layer is called as its submodule; where one is called several times in a pass, the later calls are
    `<name>_1`, `<name>_2`, …, as torchvision's feature extraction calls them.

    Args:
        module: takes float32 `[n, c, h, w]`; it is set to evaluation mode, on `device`.
        prepare: maps uint8 images `[n, h, w, c]`, on the device, to the module's input.
        shape: shape of the images, `(h, w, c)`.
        frames: None for a plain network; for a network with memory, how many times it is shown the image, from rest;
            its responses are averaged over the frames.
        multistep: all frames in one call, `[frames, n, ...]`, for SpikingJelly's modules: its neurons then step in one
            fused kernel where there is one for the device (CuPy's or Triton's on CUDA).
        device: the device that it runs on.
        name: name of the module in messages.

    Raises:
        SpecError: frames are not a positive number, the module cannot take several steps at a time, or it fails on a
            grey image.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        prepare: Callable[[Tensor], Tensor],
        shape: Shape = (32, 32, 3),
        frames: int | None = None,
        multistep: bool = False,
        device: str = "cpu",
        name: str = "module",
    ) -> None:
        if multistep:
            _take_many_steps(module, frames)
        if frames is not None and frames < 1:
            raise SpecError(f"frames must be at least 1, or None for a network without memory, got {frames}")
        self.prepare, self.shape, self.name = prepare, shape, name
        self.frames, self.multistep, self.device = frames, multistep, torch.device(device)
        module.eval().requires_grad_(False).to(self.device)
        rest(module)
        self.module = module
        self._idle: list[nn.Module] = []
        self._calls: Mapping[str, Call] = {}
        self.shapes: Mapping[str, tuple[int, ...]] = self._survey()
        self.layers: Mapping[str, int] = {layer: shape[0] for layer, shape in self.shapes.items()}

    def means(self, images: Images, layers: Iterable[str]) -> dict[str, Float32Array]:
        """Mean responses of all channels of some layers: float32 `[n, channels]` each.

        Raises:
            SpecError: no such layer, or images of the wrong shape or type.
        """
        requested = tuple(dict.fromkeys(layers))
        means = one_thread_each(lambda chunk: self._chunk(chunk, requested), self._chunks(images))
        return {layer: np.concatenate([each[layer] for each in means])[: len(images)] for layer in requested}

    def own(self, images: Images, units: Sequence[tuple[str, int]]) -> Float32Array:
        """The mean response of unit `units[i]`, a (layer, channel) pair, to image `i`: float32 `[n]`.

        Raises:
            SpecError: no such layer or unit, a number of units other than that of the images, or images of the wrong
                shape or type.
        """
        if len(units) != len(images):
            raise SpecError(f"expected one unit for each image, got {len(units)} for {len(images)}")
        for layer, unit in units:
            check_unit(self.layers, layer, unit)
        # Shallow layers together: threads that share the work then finish at about the same time.
        depth = {layer: number for number, layer in enumerate(self.layers)}
        order = sorted(range(len(units)), key=lambda i: depth[units[i][0]])
        chunks = self._chunks(images)

        def answer(i: int) -> np.float32:
            layer, unit = units[i]
            value: np.float32 = self._chunk(chunks[i], (layer,))[layer][0, unit]
            return value

        result = np.zeros(len(images), np.float32)
        result[order] = one_thread_each(answer, order)
        return result

    def differentiable(self, pixels: Tensor, layer: str) -> Tensor:
        """Mean responses of a layer's channels, float32 `[n, channels]`, through which gradients flow.

        Args:
            pixels: float32 `[n, h, w, c]` in 0..255, on the device.
            layer: one of the layers.
        """
        check_unit(self.layers, layer, 0)
        module = self._copy()  # an idle copy's buffers may be inference tensors, through which no gradient flows
        x = self.prepare(pixels.clone())  # it may change its argument in place
        return torch.stack([each[layer] for each in self._frames(module, x, (layer,))]).mean(0)

    def _chunks(self, images: Images) -> list[Tensor]:
        pixels = images if isinstance(images, Tensor) else torch.from_numpy(np.ascontiguousarray(images))
        check_images(pixels, self.shape, f"target {self.name}")
        # At least one, so that zero images still give arrays of the right shape.
        return list(pixels.split(CHUNK)) if len(pixels) else [torch.zeros((CHUNK, *self.shape), dtype=torch.uint8)]

    def _chunk(self, images: Tensor, layers: tuple[str, ...]) -> dict[str, Float32Array]:
        for layer in layers:
            check_unit(self.layers, layer, 0)
        with torch.inference_mode(), self._borrowed() as module:
            x = self.prepare(images.to(self.device))
            totals: dict[str, Tensor] = {}
            for frame in self._frames(module, x, layers):
                for layer, mean in frame.items():
                    totals[layer] = totals[layer] + mean if layer in totals else mean
            return {layer: (totals[layer] / (self.frames or 1)).cpu().numpy() for layer in layers}

    def _frames(self, module: nn.Module, x: Tensor, layers: tuple[str, ...]) -> Iterator[dict[str, Tensor]]:
        """The layers' means in each frame; a network without memory has one."""
        if self.multistep:
            means = self._pass(module, x.expand(self.frames or 1, *x.shape).contiguous(), layers)
            yield from ({layer: mean[t] for layer, mean in means.items()} for t in range(self.frames or 1))
        else:
            yield from (self._pass(module, x, layers) for _ in range(self.frames or 1))

    def _pass(self, module: nn.Module, x: Tensor, layers: tuple[str, ...]) -> dict[str, Tensor]:
        """One forward pass; without memory it ends at the deepest layer asked for."""
        wanted = {self._calls[layer]: layer for layer in layers}
        means: dict[str, Tensor] = {}

        def see(call: Call, output: object) -> None:
            if call in wanted:
                # Computed immediately, since a rectifier may overwrite its input in place.
                means[wanted[call]] = self._means_of(output)
            if self.frames is None and len(means) == len(wanted):
                raise _Enough

        with _watched(module, {call.module for call in wanted}, see), suppress(_Enough):
            module(x)
        return means

    def _means_of(self, output: object) -> Tensor:
        """Mean of every channel, `[n, channels]`, or `[frames, n, channels]` if all frames come in one call."""
        answer = _tensor(output)
        assert answer is not None
        return torch.stack([channel_means(frame) for frame in answer]) if self.multistep else channel_means(answer)

    @contextmanager
    def _borrowed(self) -> Iterator[nn.Module]:
        """A copy of the module for one thread, with shared parameters.

        Threads must not share a module's hooks or memory. A copy with memory is used once, so it is always at rest,
        no matter where its framework stores the state.
        """
        module = self._idle.pop() if self._idle else self._copy()
        yield module
        if self.frames is None:
            self._idle.append(module)

    def _copy(self) -> nn.Module:
        shared: dict[int, object] = {id(parameter): parameter for parameter in self.module.parameters()}
        return copy.deepcopy(self.module, shared)

    def _survey(self) -> dict[str, tuple[int, ...]]:
        """Channels and map of every call whose output has channels, in the order of the calls."""
        shapes: dict[str, tuple[int, ...]] = {}
        calls: dict[str, Call] = {}

        def see(call: Call, output: object) -> None:
            answer = _tensor(output)
            if self.multistep and answer is not None and answer.ndim >= 3:
                answer = answer[0]
            name = f"{call.module}_{call.number}" if call.number else call.module
            if answer is not None and answer.ndim >= 2 and len(answer) == 1 and name not in shapes:
                shapes[name], calls[name] = tuple(answer.shape[1:]), call

        grey = torch.full((1, *self.shape), 128, dtype=torch.uint8, device=self.device)
        memories = [name for name, module in self.module.named_modules() if _memory(module) and name]
        names = {
            name
            for name, _ in self.module.named_modules()
            # Parts of a neuron, such as its surrogate, are not layers.
            if name and not any(name.startswith(f"{memory}.") for memory in memories)
        }
        with torch.inference_mode(), self._borrowed() as module, _watched(module, names, see):
            try:
                x = self.prepare(grey)
                module(x[None] if self.multistep else x)
            except Exception as error:  # a user's module may raise anything
                raise SpecError(
                    f"the network fails on a grey image {list(self.shape)}: {type(error).__name__}: {error}"
                ) from error
        self._calls = calls
        return shapes


def rest(module: nn.Module) -> None:
    """Reset every submodule with a memory to rest: SpikingJelly's `reset`, snnTorch's `reset_mem`."""
    for part in module.modules():
        if reset := _memory(part):
            reset()


def _take_many_steps(module: nn.Module, frames: int | None) -> None:
    """Switch SpikingJelly's modules to multistep mode: `[frames, n, ...]`."""
    if frames is None or not any(hasattr(part, "step_mode") for part in module.modules()):
        raise SpecError("multistep needs SpikingJelly's modules and frames; leave it out for other networks")
    from spikingjelly.activation_based.functional import set_step_mode

    set_step_mode(module, "m")


def _memory(module: nn.Module) -> Callable[[], object] | None:
    """The function that resets a module to rest, if it has a memory."""
    for name in ("reset", "reset_mem"):
        if callable(found := getattr(module, name, None)):
            return found
    return None


def channel_means(output: object) -> Tensor:
    """Mean over the positions of every channel, float32 `[n, channels]`; a tuple's first tensor (spikes) counts."""
    responses = _tensor(output)
    assert responses is not None
    return responses.float() if responses.ndim == 2 else responses.float().flatten(2).mean(2)


def _tensor(output: object) -> Tensor | None:
    if isinstance(output, tuple | list) and output:
        output = output[0]
    return output if isinstance(output, Tensor) else None


@contextmanager
def _watched(module: nn.Module, names: set[str], see: Callable[[Call, object], None]) -> Iterator[None]:
    """Call `see` after every call of some submodules."""
    numbers = dict.fromkeys(names, 0)

    def hook(name: str) -> Callable[[nn.Module, object, object], None]:
        def called(_: nn.Module, __: object, output: object) -> None:
            call = Call(name, numbers[name])
            numbers[name] += 1
            see(call, output)

        return called

    handles = [module.get_submodule(name).register_forward_hook(hook(name)) for name in names]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
