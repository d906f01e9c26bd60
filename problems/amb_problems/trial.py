"""A short trial of generators and targets written elsewhere: see `amb.contracts.alone`."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from amb.contracts.alone import NOT_A_FUNCTION, difference
from amb.contracts.generator import Generator, Grid
from amb.contracts.target import Target
from amb.errors import PluginError, SpecError

_LEVELS = 1
"""Levels of a pixel by which rounding may change it."""
_OWN = "amb_problems."
"""The classes of this package are verified by its tests, and a user's modules when their layers are found."""


def verify_generator(generator: Generator, grid: Grid) -> None:
    """Show a generator two latents alone, together in a batch of more than one chunk, and in the other order.

    Args:
        generator: nothing is tried if it is one of this package.
        grid: its latents.

    Raises:
        PluginError: a latent's images differ.
    """
    if type(generator).__module__.startswith(_OWN):
        return
    candidates = grid.space.sample_prior(2, np.random.default_rng(0))

    def pixels(*rows: int) -> NDArray[np.float64]:
        return generator.images(grid.latents(candidates[list(rows)])).astype(np.float64)

    found = difference(pixels, repeats=generator.CHUNK, again=_LEVELS, together=_LEVELS)
    if found is not None:
        raise PluginError(
            f"generator {generator.name} gives a latent another image {found}; " + NOT_A_FUNCTION.format(what="latent")
        )


def verify_numbers(
    target: Target, layer: str, respond: Callable[[NDArray[np.uint8]], NDArray[np.float64]], grey: NDArray[np.uint8]
) -> None:
    """Show a target a grey image and, if it answers with no number, noise.

    Args:
        target: one written elsewhere may answer with no number, which says that a presentation failed.
        layer: whose units respond.
        respond: their responses to images.
        grey: the image, uint8[1, h, w, c].

    Raises:
        SpecError: a target of this package, which may hold a user's module, answers both with NaN or infinity.
    """
    if np.isfinite(respond(grey)).any() or not type(target).__module__.startswith(_OWN):
        return
    noise = np.random.default_rng(0).integers(0, 256, grey.shape, dtype=np.uint8)
    if not np.isfinite(respond(noise)).any():
        raise SpecError(
            f"layer {layer} of target {target.name} responds with NaN or infinity, to a grey image and to noise: its "
            "weights are too large for float32, or it divides by zero"
        )


def verify_target(target: Target, respond: Callable[[NDArray[np.uint8]], NDArray[np.float64]]) -> None:
    """Show a target two images alone, together and in the other order.

    Args:
        target: nothing is tried if it is one of this package.
        respond: its responses to images.

    Raises:
        PluginError: an image's responses differ.
    """
    if type(target).__module__.startswith(_OWN):
        return
    images = np.random.default_rng(0).integers(0, 256, (2, *target.shape), dtype=np.uint8)
    images[1] //= 2

    def responses(*rows: int) -> NDArray[np.float64]:
        return respond(images[list(rows)])

    found = difference(responses)
    if found is not None:
        raise PluginError(
            f"target {target.name} gives an image another response {found}; " + NOT_A_FUNCTION.format(what="image")
        )
