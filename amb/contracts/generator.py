"""The generator contract: latents in, 8-bit images out; what the entry-point group `amb.generators` offers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from inspect import signature
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amb.contracts import returned
from amb.contracts.images import Shape, size
from amb.contracts.problem import UInt8Array
from amb.contracts.space import IntArray, Space
from amb.contracts.view import RenderedView, View
from amb.errors import CandidateError, PluginError, SpecError, unknown
from amb.spec import Value, explained
from amb.text import angled

Latents = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Grid:
    """A generator's latents as a grid to search.

    Attributes:
        space: what solvers see.
        numbering: for latents that are numbers of codes: the code of every level, int64[levels], the same in all
            dimensions; None: a level's coordinate is the latent's.

    Raises:
        SpecError: the space is none, or the numbering does not have every code once.
    """

    space: Space
    numbering: IntArray | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.space, Space):
            raise SpecError(f"a grid's space must be an amb.Space, got {self.space!r:.80}")
        if self.numbering is not None:
            codes, count = np.asarray(self.numbering), int(self.space.levels.max())
            if codes.dtype.kind not in "iu" or not np.array_equal(np.sort(codes, axis=None), np.arange(count)):
                raise SpecError(
                    f"a grid's numbering must have every code from 0 to {count - 1} once, one for each level of its "
                    f"space, got {self.numbering!r:.80}"
                )
            object.__setattr__(self, "numbering", codes.astype(np.int64).ravel())

    @property
    def fingerprint(self) -> str:
        """A hash of all that the latents of candidates depend on, 16 hexadecimal digits."""
        return sha256(" ".join(self.content()).encode()).hexdigest()[:16]

    def content(self) -> list[str]:
        """What the latents of candidates depend on, as words."""
        space = self.space
        words = [f"{space.kind} {space.grid} {space.prior} {space.low} {space.high} {space.levels.tolist()}"]
        return words if self.numbering is None else [*words, str(self.numbering.tolist())]

    def latents(self, candidates: ArrayLike) -> Latents:
        """Grid points int[n, d] -> latents float32[n, d].

        Raises:
            CandidateError: wrong shape, type or range.
        """
        return self.latents_checked(self.space.check(candidates))

    def latents_checked(self, candidates: IntArray) -> Latents:
        """`latents` without the check, for candidates that have passed `Space.check` already."""
        if self.numbering is None:
            return self.space.decode_checked(candidates).astype(np.float32)
        return self.numbering[candidates].astype(np.float32)

    def candidates(self, latents: ArrayLike) -> IntArray:
        """Latents float[n, d] -> the nearest grid points, int64[n, d].

        Raises:
            CandidateError: wrong shape, NaN, or a number that is not a code's.
        """
        if not self.space.ordinal or self.numbering is not None:
            codes = np.asarray(latents)
            if not np.isin(codes, np.arange(int(self.space.levels.max()))).all():
                raise CandidateError(f"codes are integers in 0..{int(self.space.levels.max()) - 1}, got others")
        if self.numbering is None:
            return self.space.nearest(latents)
        level = np.empty_like(self.numbering)
        level[self.numbering] = np.arange(level.size)
        return self.space.check(level[codes.astype(np.int64)])


Grid.__init__ = explained("amb.Grid")(Grid.__init__)  # type: ignore[method-assign]


class Generator(ABC):
    """Turns latents into images as a screen would show them.

    A generator written elsewhere sets `name`, `latent_dim`, `shape` and `fingerprint` and overrides `_render`. `images`
    cuts the latents into chunks of `CHUNK` rows, the last one padded, because matrix kernels round differently for
    different batch sizes: a latent's image is then the same, bit for bit, alone and in any batch. (The shipped ones
    pad to the smallest size that a trial finds to give the same bits.) Generators compute in
    floating point: another kind of processor may round a pixel differently.

    Override `_grid` where latents do not have a normal prior. `encode`, `on` and `facts` are optional. Creating a
    generator loads no network: its attributes come from a model card or are written down, and `on` or the first
    `images` loads.
    """

    plugin_kind: ClassVar[str] = "generators"
    CHUNK = 16

    name: str
    """Its name in problem ids."""
    latent_dim: int
    """Number of coordinates of a latent."""
    shape: Shape
    """Height, width and channels of its images."""
    fingerprint: str
    """Identifies what the images depend on besides the latent: the checkpoint's sha256, or a version."""
    options: Mapping[str, tuple[str, ...]] = MappingProxyType({"grid": ("even", "quantile")})
    """Options of a problem's spec that choose the grid, with their values, the default first."""
    threaded: bool = False
    """Whether it may render in another thread while solvers think; see `Problem.threaded`."""

    def __repr__(self) -> str:
        return angled(self, lambda: f"generator {self.name}: {self.latent_dim} latents to {size(self.shape)} images")

    def images(self, latents: ArrayLike) -> UInt8Array:
        """Images uint8 [n, h, w, c] of latents float32 [n, latent_dim].

        Raises:
            CandidateError: latents of the wrong shape, or not finite.
            PluginError: `_render` returned a number of images other than that of the latents, or images of another
                type or shape than the generator declares.
        """
        pieces = self._padded(latents)
        rendered = self._render_all(list(pieces))
        if len(rendered) != len(pieces):
            raise PluginError(f"generator {self.name} returned {len(rendered)} chunks of images for {len(pieces)}")
        for piece, pixels in zip(pieces, rendered, strict=True):
            returned.images(pixels, (len(piece), *self.shape), f"generator {self.name}", copy=False)
        return np.concatenate(rendered)[: len(np.asarray(latents))]

    def encode(self, images: UInt8Array) -> Latents:
        """Latents float32 [n, latent_dim] whose images are near the given ones, uint8 [n, h, w, c]. Optional.

        Raises:
            SpecError: this generator has no encoder, or images of the wrong size or type.
        """
        raise SpecError(f"generator {self.name} has no encoder: it cannot turn images into latents")

    def grid(self, **options: Value) -> Grid:
        """The grid that the options of a problem's spec choose; the same object for the same choice.

        Raises:
            SpecError: no such option or value.
            PluginError: `_grid` does not take the `options`, or returned something else than a grid of `latent_dim`
                dimensions.
        """
        for option, value in options.items():
            if option not in self.options:
                raise unknown("option of a problem", option, self.options)
            if value not in self.options[option]:
                known = " or ".join(map(repr, self.options[option]))
                raise SpecError(f"{option} must be {known}, got {value!r}")
        chosen = {option: str(options.get(option, values[0])) for option, values in self.options.items()}
        try:
            signature(self._grid).bind(**chosen)
        except TypeError as cause:
            raise PluginError(
                f"_grid of generator {self.name} must take what its options name ({', '.join(chosen)}) as keyword "
                f"arguments: {cause}"
            ) from cause
        grid = self._grid(**chosen)
        if not isinstance(grid, Grid) or grid.space.d != self.latent_dim:
            got = f"one of {grid.space.d} dimensions" if isinstance(grid, Grid) else returned.described(grid)
            raise PluginError(
                f"generator {self.name} needs a Grid of {self.latent_dim} dimensions; _grid returned {got}"
            )
        return grid

    def view(self, grid: Grid) -> View:
        """What an image-seeing solver may see: its images on a grid and, in a generator with slopes, these. Optional.

        Args:
            grid: one that `grid` returned.
        """
        return RenderedView(
            grid.space, lambda candidates: self.images(grid.latents(candidates)), source=f"generator {self.name}"
        )

    def on(self, device: str) -> "Generator":
        """The same generator on a device, loaded; by default itself."""
        return self

    def facts(self) -> Mapping[str, object]:
        """The model card's facts, names and values, for `amb problems show`; no network is loaded. Optional."""
        return {}

    def card(self) -> Mapping[str, object]:
        """The attributes of the generator, and its facts."""
        options = "; ".join(f"{option}: {', '.join(values)}" for option, values in self.options.items())
        return {
            "name": self.name,
            "images": size(self.shape),
            "latent": f"{self.latent_dim} dimensions",
            "options": options,
            **returned.facts(self, f"generator {self.name}"),
            "fingerprint": self.fingerprint,
        }

    def _grid(self, *, grid: str) -> Grid:
        """64 levels in [-4, 4] (the paper, section 3.2.2) of a standard normal latent."""
        return _normal_grid(self.latent_dim, grid)

    def _check(self, latents: Latents) -> None:
        """Refuse invalid latents."""
        if latents.ndim != 2 or latents.shape[1] != self.latent_dim:
            raise CandidateError(
                f"generator {self.name} takes latents [n, {self.latent_dim}], not {list(latents.shape)}"
            )
        if not np.isfinite(latents).all():
            raise CandidateError(f"generator {self.name} takes finite latents; these have NaN or infinity")

    def _padded(self, latents: ArrayLike) -> list[Latents]:
        """Chunks of `CHUNK` rows, the last one padded with zeros; at least one."""
        rows = np.asarray(latents, np.float32)
        self._check(rows)
        return chunks(rows, self.CHUNK)

    def _render_all(self, chunks: list[Latents]) -> list[UInt8Array]:
        """Images of several chunks; a generator that can render them at the same time overrides this.

        Every chunk has an array of its own, though `_render` may write all of them into one.
        """
        source = f"generator {self.name}"
        return [returned.images(self._render(chunk), (len(chunk), *self.shape), source) for chunk in chunks]

    @abstractmethod
    def _render(self, latents: Latents) -> UInt8Array:
        """Images of one whole chunk; row i depends on latent i alone, and not on i.

        They are copied before the next chunk: the array may be used again. The latents may be changed in place.
        """


REQUIRED = {
    "name": returned.Attribute("its name in problem ids: letters, digits and dashes", returned.is_name),
    "latent_dim": returned.Attribute("the number of coordinates of a latent", returned.is_count),
    "shape": returned.Attribute("(height, width, channels) of its images", returned.is_shape),
    "fingerprint": returned.Attribute("a text that changes when its images change", returned.is_text),
}
"""What every generator sets."""


def chunks(rows: np.ndarray, rows_each: int) -> list[np.ndarray]:
    """`rows` in pieces of exactly `rows_each`, the last one padded with zeros; at least one piece.

    At least one, so that a computation on zero rows still gives an array of the right shape.
    """
    count = max(1, -(-len(rows) // rows_each))
    padded = np.zeros((count * rows_each, *rows.shape[1:]), rows.dtype)
    padded[: len(rows)] = rows
    return list(padded.reshape(count, rows_each, *rows.shape[1:]))


@lru_cache(maxsize=64)
def _normal_grid(dimensions: int, grid: str) -> Grid:
    return Grid(Space.uniform(dimensions, 64, low=-4.0, high=4.0, prior="normal", grid=grid))
