"""The shape of images, in words and as a check; images are uint8[n, height, width, channels] everywhere."""

from typing import Any

from amb.errors import SpecError

Shape = tuple[int, int, int]
"""Height, width and channels of an image."""


def size(shape: Shape) -> str:
    """A shape as people write it: `32x32x3`."""
    return "x".join(map(str, shape))


def check_images(images: Any, shape: Shape, owner: str) -> None:
    """Refuse images of another shape or type.

    Args:
        images: an array or a tensor.
        shape: of one image.
        owner: who takes the images, for the message, such as "target snn-cnn".

    Raises:
        SpecError: anything but uint8[n, *shape].
    """
    dtype = str(images.dtype).removeprefix("torch.")
    if dtype != "uint8" or tuple(images.shape[1:]) != shape:
        expected = ", ".join(map(str, shape))
        raise SpecError(f"{owner} takes images uint8 [n, {expected}], not {dtype} {list(images.shape)}")
