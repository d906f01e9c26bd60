"""A short trial of generators and targets written elsewhere: is a value a function of its own image alone?

Two stimuli are shown alone, again, together, and in the other order. Without the trial, a network that draws random
numbers or mixes the images of a batch would be searched for the maximum of its noise.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from amb.contracts.generator import Generator, Grid
from amb.contracts.target import Target
from amb.errors import PluginError

_AGAIN, _TOGETHER = 1e-4, 0.05
"""Shares of the largest response by which rounding may change it: in the same batch, and in another, where it also
moves a few spikes."""
_LEVELS = 1
"""Levels of a pixel by which rounding may change it."""
_OWN = "amb_problems."
"""The classes of this package are verified by its tests, and a user's modules when their layers are found."""

_NOT_A_FUNCTION = (
    "a value must depend on its own {what} alone: seed random numbers from it, and keep the rows of a batch apart "
    "(for noisy responses, use the problem's option noise)"
)


def verify_generator(generator: Generator, grid: Grid) -> None:
    """Show a generator two latents alone, together and in the other order.

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

    found = _difference(pixels, again=_LEVELS, together=_LEVELS)
    if found is not None:
        raise PluginError(
            f"generator {generator.name} gives a latent another image {found}; " + _NOT_A_FUNCTION.format(what="latent")
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

    both = responses(0, 1)
    largest = float(np.abs(both[np.isfinite(both)]).max(initial=0.0))
    found = _difference(responses, again=_AGAIN * largest, together=_TOGETHER * largest)
    if found is not None:
        raise PluginError(
            f"target {target.name} gives an image another response {found}; " + _NOT_A_FUNCTION.format(what="image")
        )


def _difference(answer: Callable[..., NDArray[np.float64]], *, again: float, together: float) -> str | None:
    """Where the answers to two rows, given by their numbers, differ by more than rounding; None: nowhere."""
    alone = np.concatenate([answer(0), answer(1)])
    if _differ(alone[:1], answer(0), again):
        return "when it is shown again"
    if _differ(alone, answer(0, 1), together):
        return "in a batch with others"
    if _differ(alone[::-1], answer(1, 0), together):
        return "at another place in a batch"
    return None


def _differ(one: NDArray[np.float64], other: NDArray[np.float64], rounding: float) -> bool:
    return not np.allclose(one, other, rtol=0.0, atol=rounding, equal_nan=True)
