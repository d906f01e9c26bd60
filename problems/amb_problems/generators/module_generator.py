"""A user's own torch module as a generator: latents or codes in, images out."""

import hashlib
import math
from collections.abc import Callable, Mapping
from copy import copy, deepcopy
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from amb.contracts.generator import Generator, Grid, Latents
from amb.contracts.images import Shape, check_images
from amb.contracts.problem import UInt8Array
from amb.contracts.space import Space
from amb.errors import AmbError, CandidateError, SpecError, no_module
from amb.foreign import contained, in_a_line
from amb.imported_torch import imported_torch
from amb.interruption import from_user
from amb.spec import whole_number
from amb_problems.generators.padding import Padding
from amb_problems.generators.torch_generator import TorchGenerator
from amb_problems.torch_state import usual_torch

if TYPE_CHECKING:  # generators are listed without torch
    import torch
    from torch import Tensor, nn

    Source = nn.Module | Callable[[], nn.Module]
    Step = Callable[[nn.Module, Tensor], Tensor]


def module_generator(
    source: "Source",
    *,
    latent_dim: int,
    codes: int | None = None,
    decode: "Step | None" = None,
    encode: "Step | None" = None,
    black: float = -1.0,
    white: float = 1.0,
    name: str = "own",
    shape: Shape = (32, 32, 3),
    device: str = "cpu",
    version: str = "1",
) -> Generator:
    """A generator of a module: what `amb.generator(module, ...)` returns.

    The module is copied, put into evaluation mode, and its images are rounded to 256 grey levels, as a screen would
    show them; what is darker than black or brighter than white is clipped. Its fingerprint is a hash of weights,
    attributes and images of fixed latents.

    Args:
        source: the module, or a function that returns it, called when it is first needed.
        latent_dim: number of coordinates of a latent; with `codes`, the number of positions.
        codes: how many codes a position can have, for a module whose latents are numbers of codes, such as a VQ-VAE;
            None: latents are real, with a standard normal prior.
        decode: the images of latents, if the module itself is not to be called: a function of the module and latents
            float32[n, latent_dim], or codes int64[n, latent_dim], that returns images [n, c, h, w].
        encode: latents, or codes, of images: a function of the module and images float32[n, c, h, w], on the module's
            own scale. Optional.
        black, white: the module's values of black and white.
        name: its name in problem ids.
        shape: height, width and channels of its images.
        device: where it runs.
        version: part of the fingerprint; change it when the code of `decode` or `encode` changes but no image does.

    Raises:
        SpecError: the source is not a module or a function, or a number is wrong.
    """
    if not callable(source):
        raise no_module(source, "a torch module, or a function that returns one")
    if codes is not None:
        codes = whole_number(codes, "codes", 1)
    for what, value in (("black", black), ("white", white)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise SpecError(f"{what} must be a finite number, got {value!r:.80}")
    if black == white:
        raise SpecError(f"black and white must differ, got {black} for both")
    for step in (decode, encode):
        if step is not None and not callable(step):
            raise SpecError(f"decode and encode are functions of the module and a tensor, got {step!r}")
    kind = LatentGenerator if codes is None else CodeGenerator
    made = kind(source, latent_dim, codes or 0, decode, encode, (black, white), name, shape, version)
    return made if device == "cpu" else made.on(device)


class ModuleGenerator(TorchGenerator):
    """A module behind the generator's contract; see `module_generator`."""

    def __init__(
        self,
        source: "Source",
        latent_dim: int,
        codes: int,
        decode: "Step | None",
        encode: "Step | None",
        scale: tuple[float, float],
        name: str,
        shape: Shape,
        version: str,
    ) -> None:
        self.name, self.latent_dim, self.shape = name, latent_dim, shape
        self._codes, self._decode, self._encode, self._scale = codes, decode, encode, scale
        self._version = version
        self._module = source if not _is_module(source) else _private(source, name)

    @property
    def fingerprint(self) -> str:  # type: ignore[override]
        """A hash of weights, attributes and the images of fixed latents, made on the CPU."""
        if "_print" not in self.__dict__:
            with contained(), usual_torch():
                self.__dict__["_print"] = self.on("cpu")._hashed()
        return str(self.__dict__["_print"])

    def on(self, device: str) -> "ModuleGenerator":
        """The same generator on a device."""
        if device == self.device:
            return self
        other = super().on(device)
        assert isinstance(other, ModuleGenerator)
        return other

    def facts(self) -> Mapping[str, object]:
        """The module, and the scale of its images."""
        network = self.network
        return {
            "network": f"{type(network).__name__}, {sum(p.numel() for p in network.parameters())} parameters",
            "pixels": f"{self._scale[0]:g} is black, {self._scale[1]:g} is white",
        }

    @usual_torch()
    def encode(self, images: UInt8Array) -> Latents:
        """Latents, or codes, of images uint8 [n, h, w, c]: float32 [n, latent_dim].

        Raises:
            SpecError: no `encode` was given, or images of the wrong size or type.
        """
        if self._encode is None:
            raise SpecError(f"generator {self.name} has no encoder; give one with amb.generator(module, encode=...)")
        import torch

        from amb_problems.generators.inference import one_algorithm

        check_images(images, self.shape, f"the encoder of {self.name}")
        black, white = self._scale
        with one_algorithm():
            pixels = torch.from_numpy(images).to(self.device, torch.float32).permute(0, 3, 1, 2).contiguous() / 255
            shown = (pixels * (white - black) + black).to(self._dtype)
            flat = []
            for each in shown.split(1):
                part = self._asked("encode", self._encode, self.network, each)
                if not isinstance(part, torch.Tensor) or part.numel() != self.latent_dim or part.is_complex():
                    got = list(part.shape) if isinstance(part, torch.Tensor) else type(part).__name__
                    raise SpecError(f"encode of generator {self.name} needs {self.latent_dim} numbers, returned {got}")
                flat.append(part.reshape(1, -1).to(torch.float32, copy=True))  # it may use its tensor again
            found = torch.cat(flat) if flat else torch.zeros(0, self.latent_dim)
            return found.cpu().numpy()

    def _hashed(self) -> str:
        _ = self.network
        digest = hashlib.sha256(self.__dict__["_identity"].encode())
        grid = self.grid()
        digest.update(self.images(grid.latents(grid.space.sample_prior(4, np.random.default_rng(0)))).tobytes())
        return digest.hexdigest()

    def _load(self) -> "nn.Module":
        from amb_problems.targets.plain.fingerprint import refuse_another

        held, known = _is_module(self._module), self.__dict__.get("_identity")
        with contained():
            network: nn.Module = self._module if held else _private(self._module(), self.name)  # type: ignore[assignment]
            if known is None or not held:
                self.__dict__["_identity"] = found = self._identified(network)
                refuse_another(f"generator {self.name}", found, known)
        return network

    def _identified(self, network: "nn.Module") -> str:
        """A hash of a module that has made no image here: whether it has made any elsewhere does not matter.

        What a first image leaves in it counts; what every image does, does not.
        """
        from amb_problems.targets.plain.fingerprint import assigned, identity

        what = (self.latent_dim, self._codes, self._decode, self._encode, self._scale, tuple(self.shape))
        grid = self.grid()
        latents = grid.latents(grid.space.sample_prior(1, np.random.default_rng(0)))
        other = copy(self)
        other.device = "cpu"  # where it has been loaded
        used = other.__dict__["network"] = deepcopy(network)
        try:
            other._outputs(latents)
            volatile = assigned(used, lambda: other._outputs(latents))
        except Exception:  # of whatever it is, its first image will tell
            used, volatile = network, set()
        return identity(used, (*what, self._version), volatile)

    def _images(self, latents: "Tensor") -> "Tensor":
        """What the module makes of latents, on the scale of its own."""
        import torch

        if self._decode is None:
            made = self._asked("its module", self.network, latents)
        else:
            made = self._asked("decode", self._decode, self.network, latents)
        height, width, channels = self.shape
        expected = (len(latents), channels, height, width)
        if not isinstance(made, torch.Tensor) or tuple(made.shape) != expected:
            got = list(made.shape) if isinstance(made, torch.Tensor) else type(made).__name__
            raise SpecError(
                f"generator {self.name} needs images [n, c, h, w] = {list(expected)} of {len(latents)} latents, its "
                f"module returned {got}; state shape=(height, width, channels), or pass decode="
            )
        if made.is_complex():
            raise SpecError(f"generator {self.name} needs images of real numbers, its module returned {made.dtype}")
        if not made.is_floating_point():
            self._check_holds_scale(made.dtype)
        return made if made.dtype == torch.float64 else made.float()

    def _check_holds_scale(self, kind: "torch.dtype") -> None:
        """Refuse integers that cannot be black or white."""
        import torch

        low, high = (0, 1) if kind == torch.bool else (torch.iinfo(kind).min, torch.iinfo(kind).max)
        if min(self._scale) < low or max(self._scale) > high:
            black, white = self._scale
            raise SpecError(
                f"generator {self.name}: its module returns images of {kind}, {low} to {high}, which cannot be "
                f"black={black:g} and white={white:g}; state its values of black and white, such as black=0, "
                f"white={min(high, 255)}"
            )

    def _check_scale(self, made: "Tensor") -> None:
        """Refuse a scale that cuts the images of all latents to the same one.

        Args:
            made: images of several latents; black is -1, white 1.
        """
        shown = made.clamp(-1, 1)
        if (shown == shown[:1]).all() and made.abs().max() > 1.01:
            black, white = self._scale
            low, high = ((float(end) + 1) / 2 * (white - black) + black for end in (made.min(), made.max()))
            raise SpecError(
                f"generator {self.name} makes the same image of all latents tried, as its module's values, "
                f"{min(low, high):g} to {max(low, high):g}, are cut to black={black:g} and white={white:g}; state its "
                "values of black and white"
            )

    def _asked(self, what: str, function: "Callable[..., Any]", *arguments: "nn.Module | Tensor") -> Any:
        """What a function of the user's returns for its last argument."""
        try:
            return function(*arguments)
        except BaseException as error:  # a user's function may raise anything
            if from_user(error) or isinstance(error, AmbError):
                raise
            shape = list(getattr(arguments[-1], "shape", ()))
            raise SpecError(f"generator {self.name}: {what} fails on {shape}: {in_a_line(error)}") from error

    @property
    def _dtype(self) -> "torch.dtype":
        """That of the module's numbers."""
        from amb_problems.tensor_content import computes_in

        return computes_in(self.network)

    @cached_property
    def _padding(self) -> Padding:
        padding: Padding = super()._padding
        if found := padding.mixes():
            raise SpecError(
                f"generator {self.name} makes another image of the same latents {found}: its module mixes the rows of "
                "a batch, as batch norms without running statistics do, or adds something by row, as noise of a fixed "
                "seed; keep the rows apart"
            )
        self._check_scale(padding.whole)
        return padding

    def _make(self, latents: "Tensor") -> "Tensor":
        black, white = self._scale
        return (self._images(self._input(latents)) - black) * (2 / (white - black)) - 1

    def _input(self, latents: "Tensor") -> "Tensor":
        return latents.to(self._dtype, copy=True)  # the module may change it in place


class LatentGenerator(ModuleGenerator):
    """A module of real latents, through which gradients flow."""

    def pixels(self, latents: "Tensor") -> "Tensor":
        """Pixels float32 [n, h, w, c] in 0..255, rounded, with the gradient of the unrounded pixels."""
        smooth = (self._make(latents).permute(0, 2, 3, 1) + 1) * 127.5
        return smooth + (smooth.round().clamp(0, 255) - smooth).detach()


class CodeGenerator(ModuleGenerator):
    """A module whose latents are numbers of codes.

    Option of a problem's spec:
        codes: "unordered", a categorical grid; or "index", an ordinal one by the codes' numbers, which mean nothing,
            for methods that need an order (the paper's framework).
    """

    options = MappingProxyType({"codes": ("unordered", "index")})

    def _grid(self, *, codes: str) -> Grid:  # type: ignore[override]
        grids: dict[str, Grid] = self.__dict__.setdefault("_grids", {})
        if codes not in grids:
            number = self._codes
            if codes == "unordered":
                grids[codes] = Grid(Space.uniform(self.latent_dim, number, kind="categorical", prior="uniform"))
            else:
                space = Space.uniform(self.latent_dim, number, low=0.0, high=number - 1.0, prior="uniform")
                grids[codes] = Grid(space, np.arange(number))
        return grids[codes]

    def _check(self, latents: Latents) -> None:
        super()._check(latents)
        if ((latents != np.rint(latents)) | (latents < 0) | (latents >= self._codes)).any():
            raise CandidateError(f"generator {self.name} takes numbers of codes, integers in 0..{self._codes - 1}")

    def _input(self, latents: "Tensor") -> "Tensor":
        return latents.long()


def _is_module(source: object) -> bool:
    torch = imported_torch()
    return torch is not None and isinstance(source, torch.nn.Module)


def _private(module: object, name: str) -> "nn.Module":
    from torch import nn

    from amb_problems.checkpoint import unusable
    from amb_problems.targets.plain.private import private_copy

    if not isinstance(module, nn.Module):
        raise SpecError(f"generator {name} needs a torch module, but its function returned {type(module).__name__}")
    private = private_copy(module, f"generator {name}")
    for label, weights in private.named_parameters():
        if fault := unusable(weights):
            raise SpecError(f"generator {name}: its weights {label} hold {fault}; load or train others")
        if weights.is_leaf:  # those of a copied scripted module are not
            weights.requires_grad_(False)
    return private
