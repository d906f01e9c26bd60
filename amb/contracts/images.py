"""The shape of images, as text and as a check; images are uint8[n, height, width, channels] everywhere."""

from typing import Any

from amb.contracts.real_numbers import is_masked
from amb.errors import SpecError

Shape = tuple[int, int, int]
"""Height, width and channels of an image."""


def size(shape: Shape) -> str:
    """A shape as text: `32x32x3`."""
    return "x".join(map(str, shape))


def check_images(images: Any, shape: Shape, owner: str) -> None:
    """Refuse images of the wrong shape or type.

    Args:
        images: an array or a tensor.
        shape: the shape of one image.
        owner: what takes the images, for the message, such as "target snn-cnn".

    Raises:
        SpecError: anything but uint8[n, *shape], or masked images.
    """
    if is_masked(images):
        raise SpecError(f"{owner} takes whole images, not masked ones")
    dtype = str(getattr(images, "dtype", type(images).__name__)).removeprefix("torch.")
    actual = tuple(getattr(images, "shape", ()))
    if dtype != "uint8" or len(actual) != 4 or actual[1:] != tuple(shape):
        expected = ", ".join(map(str, shape))
        raise SpecError(f"{owner} takes images uint8 [n, {expected}], not {dtype} {list(actual)}")
