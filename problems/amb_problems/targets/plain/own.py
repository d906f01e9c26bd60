"""A user's own torch module as a target, and the shipped ones by name."""

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from amb.contracts.family import Family
from amb.contracts.problem import UInt8Array
from amb.contracts.space import FloatArray
from amb.contracts.target import Target
from amb.errors import SpecError, unknown
from amb_problems import checkpoint
from amb_problems.cards import TargetCard
from amb_problems.families import layers_of
from amb_problems.targets.plain.module import ModuleTarget
from amb_problems.targets.plain.responses import Responses

if TYPE_CHECKING:
    from amb_problems.targets.spiking.activations import SpikingActivations

Moments = float | Sequence[float]
"""One number, or one for each channel."""


class OwnTarget(Target):
    """A torch module whose layers are probed by hooks.

    A unit is a channel of what a submodule answers (of a tuple, its first tensor); its activation is the mean over the
    channel's positions, and with frames over the frames, as it is: of a spiking layer spikes / (frames * positions).

    Args:
        source: the module, or a function that makes it, called when it is first needed.
        layer: name of a submodule.
        frames: None for a module without memory; else how often the image is shown, from rest.
        multistep: with frames, all of them in one call: for SpikingJelly's modules, whose neurons then step in a fused
            kernel where there is one for the device.
        device: where it runs.
        name: what problem ids call it.
        shape: of the images, `(height, width, channels)`.
        mean, std: the module's input is `(pixel / 255 - mean) / std`.
        size: side to which images are enlarged (bilinear), where the module wants larger ones than are made.
        version: change it when the module's code changes and its weights do not: it enters the runs' keys.
    """

    def __init__(
        self,
        source: nn.Module | Callable[[], nn.Module],
        *,
        layer: str | None = None,
        frames: int | None = None,
        multistep: bool = False,
        device: str = "cpu",
        name: str = "own",
        shape: tuple[int, int, int] = (32, 32, 3),
        mean: Moments = 0.0,
        std: Moments = 1.0,
        size: int | None = None,
        version: str = "1",
    ) -> None:
        if not callable(source):
            raise SpecError(f"expected a torch module, or a function that makes one, got {source!r}")
        if not name or set(name) & set("/,[]*"):
            raise SpecError(f"name {name!r} cannot stand in a problem's id; use letters, digits and dashes")
        self.name, self.layer, self.device = name, layer, device
        self._source, self._frames, self._multistep, self._shape = source, frames, multistep, shape
        self._mean, self._std, self._size, self._version = mean, std, size, version

    @cached_property
    def module(self) -> nn.Module:
        """The module; made when it is first asked for."""
        made = self._source if isinstance(self._source, nn.Module) else self._source()
        if not isinstance(made, nn.Module):
            raise SpecError(f"target {self.name} needs a torch module, its function gave {type(made).__name__}")
        return made

    @cached_property
    def measured(self) -> ModuleTarget:
        """The module with its hooks."""
        responses = Responses(
            self.module,
            prepare=self._prepare,
            shape=self._shape,
            frames=self._frames,
            multistep=self._multistep,
            device=self.device,
        )
        if self.layer is not None and self.layer not in responses.layers:
            raise unknown(f"layer of {self.name}", self.layer, responses.layers)
        return ModuleTarget(responses)

    @property
    def layers(self) -> Mapping[str, int]:
        return self.measured.layers

    @property
    def activation(self) -> str:
        """What activations are, in words."""
        frames = "" if self._frames is None else f" and over {self._frames} frames from rest"
        return f"mean of the channel over its map{frames}"

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the module's weights and structure, of what it is shown and for how long."""
        digest, module = hashlib.sha256(), self.measured.responses.module  # at rest
        settings = (self._frames, self._shape, self._mean, self._std, self._size, self._version)
        digest.update(f"{module!r} {settings!r}".encode())
        for name, tensor in module.state_dict().items():
            content = tensor.detach().cpu().contiguous()
            digest.update(f"{name} {content.dtype} {list(content.shape)}".encode())
            digest.update(content.flatten().view(torch.uint8).numpy().tobytes() if content.numel() else b"")
        return digest.hexdigest()

    def activations(self, images: UInt8Array, units: Sequence[tuple[str, int]]) -> FloatArray:
        return self.measured.activations(images, units)

    def device_activations(self, images: Tensor, units: Sequence[tuple[str, int]]) -> FloatArray:
        """The same of images that are on the device."""
        return self.measured.device_activations(images, units)

    def all_activations(self, images: UInt8Array, units: Sequence[tuple[str, int]]) -> FloatArray:
        """The activation of every unit for every image: float64 `[n, len(units)]`."""
        return self.measured.all_activations(images, units)

    def relaxed(self, pixels: Tensor, layer: str) -> Tensor:
        """Differentiable activations of a layer's units, float32 `[n, units]`, of pixels `[n, h, w, c]`."""
        return self.measured.relaxed(pixels, layer)

    def on(self, device: str) -> "OwnTarget":
        """The same target on a device; its module is copied."""
        if device == self.device:
            return self
        other = copy.copy(self)
        for name in ("module", "measured"):
            other.__dict__.pop(name, None)
        other.device, other._source = device, lambda: copy.deepcopy(self.module)
        return other

    def family(self, generator: object) -> Family:
        from amb_problems.own_family import OwnFamily

        return OwnFamily(generator, self)

    def _prepare(self, pixels: Tensor) -> Tensor:
        x = pixels.permute(0, 3, 1, 2).float().div_(255.0)
        if self._size is not None:
            x = nn.functional.interpolate(x, size=(self._size, self._size), mode="bilinear", align_corners=False)
        return (x - _channels(self._mean, x)) / _channels(self._std, x)


def _channels(moments: Moments, x: Tensor) -> Tensor:
    values = [moments] if isinstance(moments, int | float) else list(moments)
    return torch.tensor(values, dtype=x.dtype, device=x.device).view(-1, 1, 1)


class ShippedTarget(Target):
    """A target of the package, by the name of its checkpoint."""

    def __init__(self, name: str, *, layer: str | None = None, device: str = "cpu") -> None:
        self.name, self.layer, self.device = name, layer, device
        if layer is not None and layer not in self.layers:
            raise unknown(f"layer of {name}", layer, self.layers)

    @property
    def layers(self) -> Mapping[str, int]:
        return layers_of(self.name)

    @property
    def activation(self) -> str:
        """What activations are, in words."""
        return checkpoint.read_card(self.name, TargetCard).activation

    @property
    def fingerprint(self) -> str:
        """The sha256 of the checkpoint."""
        return checkpoint.fingerprint(self.name)

    @property
    def spikes(self) -> Mapping[str, int]:
        """By spiking layer, the spikes of a unit that fires in every frame at every position."""
        return getattr(self._loaded, "spikes", {})

    def activations(self, images: UInt8Array, units: Sequence[tuple[str, int]]) -> FloatArray:
        return self._loaded.activations(images, units)

    def device_activations(self, images: Tensor, units: Sequence[tuple[str, int]]) -> FloatArray:
        """The same of images that are on the device."""
        return self._loaded.device_activations(images, units)

    def all_activations(self, images: UInt8Array, units: Sequence[tuple[str, int]]) -> FloatArray:
        """The activation of every unit for every image: float64 `[n, len(units)]`."""
        return self._loaded.all_activations(images, units)

    def relaxed(self, pixels: Tensor, layer: str) -> Tensor:
        """Differentiable activations of a layer's units, float32 `[n, units]`, of pixels `[n, h, w, c]`."""
        return self._loaded.relaxed(pixels, layer)

    def on(self, device: str) -> "ShippedTarget":
        """The same target on a device."""
        return self if device == self.device else ShippedTarget(self.name, layer=self.layer, device=device)

    def family(self, generator: object) -> Family:
        from amb_problems.own_family import OwnFamily

        return OwnFamily(generator, self)

    @cached_property
    def _loaded(self) -> "SpikingActivations | ModuleTarget":
        from amb_problems import targets

        return targets.load(self.name, device=self.device)
