"""Images prepared for pictures."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from amb.contracts.problem import UInt8Array

if TYPE_CHECKING:
    from PIL.Image import Image


def as_rgb(image: ArrayLike) -> UInt8Array:
    """An image with three channels, uint8[h, w, 3].

    Args:
        image: uint8[h, w] or uint8[h, w, c]; one channel is shown as grey, two as red and green, and channels after the
            third are left out.
    """
    pixels = np.asarray(image, dtype=np.uint8)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.shape[2] == 2:
        return np.pad(pixels, ((0, 0), (0, 0), (0, 1)))
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels[..., :3]


def as_picture(image: ArrayLike) -> "Image":
    """An image as Pillow's, in RGB; `image` as in `as_rgb`."""
    from PIL import Image

    return Image.fromarray(as_rgb(image), "RGB")


def encoded(picture: "Image", file: Path, **options: object) -> bytes:
    """A picture in the format that a file's name says; options are those of Pillow's `save`.

    Raises:
        ValueError: the name says no format that Pillow writes.
    """
    buffer = io.BytesIO()
    picture.save(buffer, format=kind_of(file), **options)
    return buffer.getvalue()


def kind_of(file: Path) -> str:
    """Pillow's name of the format that a file's name says.

    Raises:
        ValueError: the name says no format that Pillow writes.
    """
    from PIL import Image

    kind = Image.registered_extensions().get(file.suffix.lower())
    if kind is None or kind not in Image.SAVE:
        raise ValueError(f"unknown file extension {file.suffix!r}")
    return kind
