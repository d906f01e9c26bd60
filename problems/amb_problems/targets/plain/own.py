"""A user's own torch module as a target."""

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from amb.contracts.images import Shape
from amb.errors import SpecError, unknown
from amb_problems.targets.plain.module import ModuleTarget

if TYPE_CHECKING:  # targets are listed without torch
    from torch import Tensor, nn

    from amb_problems.targets.plain.responses import Responses

Moments = float | Sequence[float]
"""One number, or one for each channel."""


class OwnTarget(ModuleTarget):
    """A torch module whose layers are probed by hooks.

    A unit is a channel of a submodule's output (of the first tensor, if the output is a tuple); its activation is the
    raw mean over the channel's positions, and with frames over the frames: of a spiking layer, spikes / (frames *
    positions). A module computes in floating point, spikes included: see `ModuleTarget`.

    Args:
        source: the module, or a function that returns it, called when it is first needed.
        layer: name of a submodule.
        frames: None for a module without memory; otherwise how many times the image is shown, from rest.
        multistep: with frames, all of them in one call: for SpikingJelly's modules, whose neurons then step in a fused
            kernel where there is one for the device.
        device: the device that it runs on.
        name: its name in problem ids.
        shape: shape of the images, `(height, width, channels)`.
        mean, std: the module's input is `(pixel / 255 - mean) / std`.
        size: side to which images are enlarged (bilinear), for modules that take larger images than generators make.
        version: part of the fingerprint; change it when the module's code changes but its weights do not.
    """

    def __init__(
        self,
        source: "nn.Module | Callable[[], nn.Module]",
        *,
        layer: str | None = None,
        frames: int | None = None,
        multistep: bool = False,
        device: str = "cpu",
        name: str = "own",
        shape: Shape = (32, 32, 3),
        mean: Moments = 0.0,
        std: Moments = 1.0,
        size: int | None = None,
        version: str = "1",
    ) -> None:
        if not callable(source):
            raise SpecError(f"expected a torch module, or a function that returns one, got {source!r}")
        if not name or set(name) & set("/,[]*"):
            raise SpecError(f"name {name!r} cannot be part of a problem's id; use letters, digits and dashes")
        self.name, self.layer, self.device, self.shape = name, layer, device, shape
        over = "" if frames is None else f" and over {frames} frames from rest"
        self.activation = f"mean of the channel over its map{over}"
        self._source, self._frames, self._multistep = source, frames, multistep
        self._mean, self._std, self._size, self._version = mean, std, size, version

    @cached_property
    def module(self) -> "nn.Module":
        """The module; created on first use."""
        from torch import nn

        module = self._source if isinstance(self._source, nn.Module) else self._source()
        if not isinstance(module, nn.Module):
            raise SpecError(
                f"target {self.name} needs a torch module, but its function returned {type(module).__name__}"
            )
        return module

    @cached_property
    def responses(self) -> "Responses":
        """The module with its hooks."""
        from amb_problems.targets.plain.responses import Responses

        responses = Responses(
            self.module,
            prepare=self._prepare,
            shape=self.shape,
            frames=self._frames,
            multistep=self._multistep,
            device=self.device,
            name=self.name,
        )
        if self.layer is not None and self.layer not in self._offered(responses):
            raise unknown(f"layer of {self.name}", self.layer, self._offered(responses))
        return responses

    @property
    def layers(self) -> Mapping[str, int]:
        return self._offered(self.responses)

    @cached_property
    def fingerprint(self) -> str:  # type: ignore[override]
        """A hash of the module's weights and structure, of its input's normalization and of the frames."""
        import torch

        digest, module = hashlib.sha256(), self.responses.module  # at rest
        settings = (self._frames, self.shape, self._mean, self._std, self._size, self._version)
        digest.update(f"{module!r} {settings!r}".encode())
        for name, tensor in module.state_dict().items():
            content = tensor.detach().cpu().contiguous()
            digest.update(f"{name} {content.dtype} {list(content.shape)}".encode())
            digest.update(content.flatten().view(torch.uint8).numpy().tobytes() if content.numel() else b"")
        return digest.hexdigest()

    def facts(self) -> Mapping[str, object]:
        """The module, and how images are converted to its input."""
        return {
            "network": f"{type(self.module).__name__}, {sum(p.numel() for p in self.module.parameters())} parameters",
            **self._input_facts(),
        }

    def on(self, device: str) -> "OwnTarget":
        """The same target on a device; its module is copied."""
        if device == self.device:
            return self
        other = copy.copy(self)
        for name in ("module", "responses"):
            other.__dict__.pop(name, None)
        other.device, other._source = device, lambda: copy.deepcopy(self.module)
        return other

    def _input_facts(self) -> Mapping[str, object]:
        enlarged = "" if self._size is None else f", enlarged to {self._size}x{self._size}"
        facts: dict[str, object] = {"normalization": f"(pixel / 255 - {self._mean}) / {self._std}{enlarged}"}
        if self._frames is not None:
            facts["frames"] = self._frames
        return {**facts, "arithmetic": self.arithmetic}

    def _offered(self, responses: "Responses") -> Mapping[str, int]:
        return responses.layers

    def _prepare(self, pixels: "Tensor") -> "Tensor":
        from torch.nn.functional import interpolate

        x = pixels.permute(0, 3, 1, 2).float().div_(255.0)
        if self._size is not None:
            x = interpolate(x, size=(self._size, self._size), mode="bilinear", align_corners=False)
        return (x - _channels(self._mean, x)) / _channels(self._std, x)


def _channels(moments: Moments, x: "Tensor") -> "Tensor":
    values = [moments] if isinstance(moments, int | float) else list(moments)
    return x.new_tensor(values).view(-1, 1, 1)
