"""All images of an atlas in few pictures: one sheet for each generator and layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from amb.contracts.problem import UInt8Array
from amb.reports.images import as_rgb

MOST_BYTES = 9_500_000
"""Size limit of all sheets together, so that a page with 2,000 units stays under 15 MB."""
LONGEST = 16_000
"""Largest side of a sheet in pixels: WebP allows 16,383."""


@dataclass(frozen=True)
class Fit:
    """How many images of an evolution are shown, and the quality of all images."""

    frames: int
    quality: int


FITS = (Fit(8, 88), Fit(6, 80), Fit(5, 70), Fit(4, 60), Fit(3, 50), Fit(2, 40), Fit(0, 40))
"""From the best to the worst acceptable; the first that is small enough is used. None at all means no evolutions."""


@dataclass(frozen=True)
class Sheet:
    """A picture of cells of one size, `across` in a row.

    Attributes:
        webp: the file.
        across, down: cells in a row, and rows.
    """

    webp: bytes
    across: int
    down: int


def sheet_of(images: UInt8Array | Sequence[UInt8Array], quality: int, *, across: int = 0) -> Sheet:
    """A sheet of images uint8[n, h, w, c], in rows; `across` fixes how many stand in a row."""
    side_y, side_x = np.asarray(images[0]).shape[:2]
    across = across or min(len(images), max(1, int(np.ceil(np.sqrt(len(images))))))
    across = min(across, LONGEST // side_x)
    down = -(-len(images) // across)
    canvas = np.zeros((down * side_y, across * side_x, 3), np.uint8)
    for i, image in enumerate(images):
        y, x = divmod(i, across)
        canvas[y * side_y : (y + 1) * side_y, x * side_x : (x + 1) * side_x] = as_rgb(image)
    buffer = BytesIO()
    Image.fromarray(canvas, "RGB").save(buffer, "WEBP", quality=quality, method=4)
    return Sheet(buffer.getvalue(), across, down)
