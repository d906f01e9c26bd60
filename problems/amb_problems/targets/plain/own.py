"""A user's own torch module as a target."""

import copy
import hashlib
import math
import threading
from collections.abc import Callable, Mapping, Sequence, Set
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from amb.contracts.images import Shape
from amb.contracts.problem import UInt8Array
from amb.contracts.real_numbers import as_numbers
from amb.contracts.space import FloatArray
from amb.contracts.target import check_unit
from amb.errors import AmbError, SpecError, no_module
from amb.foreign import contained, in_a_line
from amb.imported_torch import imported_torch
from amb.interruption import from_user
from amb.spec import whole_number
from amb_problems.targets.plain.module import ModuleTarget
from amb_problems.torch_state import usual_torch

if TYPE_CHECKING:  # targets are listed without torch
    from torch import Tensor, nn

    from amb_problems.targets.plain.responses import Responses

Moments = float | Sequence[float]
"""One number, or one for each channel."""


LARGEST_OPTION = 100_000
"""The most frames and steps of a presentation, and the largest side of images: more than anybody can wait for."""


class OwnTarget(ModuleTarget):
    """A torch module whose layers are probed by hooks.

    A unit is a channel of a submodule's output; its activation is the mean over everything else: positions, the steps
    of a pass, and the frames. Of a spiking layer that is spikes / (steps * positions). A module computes in floating
    point, spikes included: see `ModuleTarget`.

    The module is copied when the target is created (what a function returns, when it is first needed): what happens to
    it later changes no value, and nothing here changes the module. When its layers are first needed, it is shown a few
    images, to find its layers, steps and units, and to verify that a value is a function of the image alone.

    Args:
        source: the module, or a function that returns it, called when it is first needed.
        layer: name of a submodule; "output" is the module's own output, "output_1" if a submodule is called `output`.
        frames: how many times the image is shown, from rest: for a module that takes one step in a forward pass and
            keeps a memory. None: one pass is a presentation.
        multistep: with frames, all of them in one call: for SpikingJelly's modules, whose neurons then step in a fused
            kernel where there is one for the device.
        steps: how many time steps the module runs in one forward pass; None: found. 1: calls of a submodule are layers
            of their own.
        time_axis: the axis of time in outputs that hold all steps; None: found.
        channel_axis: the axis of the units in outputs, counted with that of the images, and that of time if there is
            one; None: found. Layers of torch's own classes, such as convolutions, keep theirs.
        select: which tensor is read of layers that return several: an index, a key, or "spikes" or "membrane" of the
            neurons of snnTorch and SpikingJelly; None: the first.
        reset: puts the module, its only argument, at rest; called before every presentation. None: the neurons of
            snnTorch and SpikingJelly are reset, and everything else is put back to what it was at creation.
        device: the device that it runs on.
        name: its name in problem ids.
        shape: shape of the images, `(height, width, channels)`.
        mean, std: the module's input is `(pixel / 255 - mean) / std`.
        size: side to which images are enlarged (bilinear), for modules that take larger images than generators make.
        version: part of the fingerprint; change it when the module's code changes but its answers do not.

        `time_axis`, `channel_axis` and `select` take one value for all layers, or a mapping from layers to values.
    """

    def __init__(
        self,
        source: "nn.Module | Callable[[], nn.Module]",
        *,
        layer: str | None = None,
        frames: int | None = None,
        multistep: bool = False,
        steps: int | None = None,
        time_axis: int | Mapping[str, int] | None = None,
        channel_axis: int | Mapping[str, int] | None = None,
        select: int | str | Mapping[str, int | str] | None = None,
        reset: "Callable[[nn.Module], object] | None" = None,
        device: str = "cpu",
        name: str = "own",
        shape: Shape = (32, 32, 3),
        mean: Moments = 0.0,
        std: Moments = 1.0,
        size: int | None = None,
        version: str = "1",
    ) -> None:
        if not callable(source):
            raise no_module(source, "a torch module, or a function that returns one")
        if not isinstance(name, str) or not name or set(name) & set("/,[]*"):
            raise SpecError(f"name {name!r} cannot be part of a problem's id; use letters, digits and dashes")
        self.name, self.layer, self.device, self.shape = name, layer, device, _checked_shape(shape)
        frames, steps, size = (
            None if count is None else whole_number(count, option, 1, LARGEST_OPTION)
            for option, count in (("frames", frames), ("steps", steps), ("size", size))
        )
        for option, axis in (("channel_axis", channel_axis), ("time_axis", time_axis)):
            for number in axis.values() if isinstance(axis, Mapping) else [axis]:
                if isinstance(number, bool) or not isinstance(number, int | None):
                    raise SpecError(f"{option} must be an integer, or a mapping from layers to integers, got {axis!r}")
        for choice in select.values() if isinstance(select, Mapping) else [select]:
            if isinstance(choice, bool) or not isinstance(choice, int | str | None):
                raise SpecError(f"select must be an index or a key, or a mapping from layers to these, got {select!r}")
        if reset is not None and not callable(reset):
            raise SpecError(f"reset must be a function of the module, got {reset!r}")
        _check_moments(mean, std, self.shape[2])
        over = "" if frames is None else f" and over {frames} frames from rest"
        self.activation = f"mean of the channel over its map{over}"
        self._frames, self._multistep, self._steps, self._reset = frames, multistep, steps, reset
        self._time_axis, self._channel_axis, self._select = time_axis, channel_axis, select
        self._mean, self._std, self._size, self._version = mean, std, size, version
        self._first, self._shared = device, _Shared()
        self._source: nn.Module | Callable[[], nn.Module] = source
        if not _is_function(source):
            self._source = self._privately(source)

    @property
    def module(self) -> "nn.Module":
        """The private copy of the module, which is never run."""
        return self._shared.once("module", self._load)

    @property
    def responses(self) -> "Responses":
        """The module with its hooks; it has been verified."""
        responses = self._shared.once(self.device, self._examine)
        if self.layer is not None:
            check_unit(self._offered(responses), self.layer, 0, self.name)
        return responses

    @property
    def layers(self) -> Mapping[str, int]:
        """Units of every layer that can be measured, in the order of the forward pass."""
        return self._offered(self.responses)

    @property
    def fingerprint(self) -> str:  # type: ignore[override]
        """A hash of what the module is and of what it answers, on the device that the target was created for."""
        return self._shared.once("fingerprint", self._hash)

    def facts(self) -> Mapping[str, object]:
        """The module, and how images are converted to its input."""
        return {
            "network": f"{type(self.module).__name__}, {sum(p.numel() for p in self.module.parameters())} parameters",
            **self._input_facts(),
        }

    @property
    def frames(self) -> int | None:
        """How many forward passes make a presentation; None: one, and steps are the module's own affair."""
        return self._frames

    @usual_torch()
    def frame_activations(
        self, n: int, frames: "Callable[[int], UInt8Array]", layer: str, units: tuple[int, ...]
    ) -> FloatArray:
        """The response of units to n stimuli that change: float64[n, len(units)].

        Args:
            n: number of stimuli.
            frames: stimulus i's frames, uint8[frames, h, w, c].
            layer: the layer of the units.
            units: the units.

        Raises:
            SpecError: no such layer, or frames of the wrong shape or number.
        """
        from amb_problems.threads import one_thread_each

        self._check([(layer, 0)])

        def respond(row: int) -> FloatArray:
            shown = frames(row)
            if self._frames is None or len(shown) != self._frames:
                raise SpecError(f"target {self.name} takes {self._frames} frames, got {len(shown)}")
            return np.asarray(self.responses.framed(shown, layer)[list(units)], np.float64)

        return np.reshape(one_thread_each(respond, range(n)), (n, len(units)))

    @property
    def spikes(self) -> Mapping[str, int]:
        """The largest possible number of spikes of a unit, by layer of neurons that answer with spikes."""
        spikes: Mapping[str, int] = self._shared.once("spikes", lambda: self.responses.spikes())
        return spikes

    def on(self, device: str) -> "OwnTarget":
        """The same target on a device; its module is copied."""
        if device == self.device:
            return self
        other = copy.copy(self)
        other.device = device
        return other

    def _load(self) -> "nn.Module":
        from torch import nn

        return self._source if isinstance(self._source, nn.Module) else self._privately(self._created())

    def _created(self) -> object:
        """What the user's function returns."""
        try:
            return self._source()
        except BaseException as error:  # a user's function may raise anything
            if from_user(error) or isinstance(error, AmbError):
                raise
            raise SpecError(f"target {self.name}: the function that creates it raised {in_a_line(error)}") from error

    def _examine(self) -> "Responses":
        from amb_problems.targets.plain.examine import Request, examined
        from amb_problems.targets.plain.survey import Choices

        request = Request(
            prepare=self._contiguous,
            shape=self.shape,
            frames=self._frames,
            multistep=self._multistep,
            device=self.device,
            name=self.name,
            choices=Choices(self._steps, self._time_axis, self._channel_axis, self._select),
            reset=self._reset,
        )
        responses = examined(self._instance(), request, self._settings)
        if _is_function(self._source):  # a module is copied with its weights
            self._shared.verify(self.device, responses.identity, f"target {self.name}")
        return responses

    def _hash(self) -> str:
        from amb_problems.targets.plain.fingerprint import behaviour

        if self.device != self._first:
            return self.on(self._first).fingerprint
        return hashlib.sha256(f"{self.responses.identity} {behaviour(self.responses)}".encode()).hexdigest()

    @property
    def _settings(self) -> tuple[object, ...]:
        """What enters the fingerprint besides the module."""
        measured = (self._frames, self._multistep, self._steps, self._time_axis, self._channel_axis, self._select)
        images = (self.shape, _numbers(self._mean), _numbers(self._std), self._size)
        return (*measured, self._reset, *images, self._version)

    def _input_facts(self) -> Mapping[str, object]:
        enlarged = "" if self._size is None else f", enlarged to {self._size}x{self._size}"
        facts: dict[str, object] = {"normalization": f"(pixel / 255 - {self._mean}) / {self._std}{enlarged}"}
        stated = {
            "frames": self._frames,
            "steps": self._steps,
            "time axis": self._time_axis,
            "channel axis": self._channel_axis,
            "selected": self._select,
        }
        return {**facts, **{k: v for k, v in stated.items() if v is not None}, "arithmetic": self.arithmetic}

    def _offered(self, responses: "Responses") -> Mapping[str, int]:
        return responses.layers

    def _check(self, units: Sequence[tuple[str, int]]) -> None:
        for layer in dict.fromkeys(layer for layer, _ in units):
            check_unit(self.layers, layer, 0, self.name)

    def _instance(self) -> "nn.Module":
        """A module for this device."""
        from amb_problems.targets.plain.private import Uncopyable, further_copy

        try:
            return further_copy(self.module, share=False)
        except Exception as error:  # anything may hang on a user's module
            if self.device != self._first:
                raise Uncopyable(f"target {self.name}", error) from error
            return self.module  # a function has created it for this target

    def _privately(self, module: object) -> "nn.Module":
        """A private copy of the user's module; what a function returns and cannot be copied is private already."""
        from torch import nn

        from amb_problems.targets.plain.private import Uncopyable, evaluate, private_copy

        if not isinstance(module, nn.Module):
            raise SpecError(
                f"target {self.name} needs a torch module, but its function returned {type(module).__name__}"
            )
        try:
            return private_copy(module, f"target {self.name}")
        except Uncopyable:
            if module is self._source:
                raise
            evaluate(module)
            return module

    def _contiguous(self, pixels: "Tensor") -> "Tensor":
        """The module's input as data loaders lay it out in memory: networks call `x.view` on it."""
        return self._prepare(pixels).contiguous()

    def _prepare(self, pixels: "Tensor") -> "Tensor":
        from torch.nn.functional import interpolate

        x = pixels.permute(0, 3, 1, 2).float().div_(255.0)
        if self._size is not None:
            x = interpolate(x, size=(self._size, self._size), mode="bilinear", align_corners=False)
        if any(_numbers(self._mean)):
            x = x - _channels(self._mean, x)
        return x if set(_numbers(self._std)) == {1.0} else x / _channels(self._std, x)


class _Shared:
    """What a target and its copies create once; another process creates it again.

    Args:
        known: hashes of the network by device, where it has been created before.
    """

    def __init__(self, known: Mapping[str, str] = MappingProxyType({})) -> None:
        self._known = dict(known)
        self._made: dict[str, Any] = {}
        self._lock = threading.RLock()

    def __reduce__(self) -> tuple[type["_Shared"], tuple[dict[str, str]]]:
        return _Shared, (self._known,)

    def verify(self, device: str, identity: str, owner: str) -> None:
        """Refuse a network that is another one than that of this target before it was copied; see `refuse_another`."""
        from amb_problems.targets.plain.fingerprint import refuse_another

        refuse_another(owner, identity, self._known.setdefault(device, identity))

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        """What is kept under a key, made when it is first asked for."""
        with self._lock:
            if key not in self._made:
                with contained(), usual_torch():
                    self._made[key] = make()
            return self._made[key]


def _is_function(source: object) -> bool:
    """Whether a source is a function that returns a module, rather than a module; torch is not imported for it."""
    if type(source).__name__ == "ExportedProgram":
        raise SpecError("an exported program is not a module; pass program.module()")
    torch = imported_torch()
    return torch is None or not isinstance(source, torch.nn.Module)


def _checked_shape(shape: Sequence[int]) -> Shape:
    sizes = tuple(shape) if isinstance(shape, Sequence) else ()
    if len(sizes) != 3 or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in sizes):
        raise SpecError(f"shape must be (height, width, channels) of images, got {shape!r}")
    return sizes[0], sizes[1], sizes[2]


def _check_moments(mean: Moments, std: Moments, channels: int) -> None:
    for option, moments in (("mean", mean), ("std", std)):
        numbers = _numbers(moments)
        if not numbers or not all(map(math.isfinite, numbers)):
            raise SpecError(
                f"{option} must be a finite number, or one for each channel in their order, got {moments!r}"
            )
        if len(numbers) not in (1, channels):
            raise SpecError(f"{option} must be one number, or one for each of {channels} channels, got {moments!r}")
    if not all(number > 0 for number in _numbers(std)):
        raise SpecError(f"std must be above 0, got {std!r}")


def _numbers(moments: Moments) -> list[float]:
    """One number, or several; none if they are something else, such as a set, which has no order."""
    if isinstance(moments, Set | Mapping):
        return []
    try:
        found = np.asarray(moments)
        return [] if found.dtype.kind == "b" or found.ndim > 1 else as_numbers(found).reshape(-1).tolist()
    except ValueError:
        return []


def _channels(moments: Moments, x: "Tensor") -> "Tensor":
    return x.new_tensor(_numbers(moments)).view(-1, 1, 1)
