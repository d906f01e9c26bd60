"""Sheets of images for visual inspection."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from amb.errors import DataError
from amb.reports.images import encoded
from amb.study.durable import write_whole


def write_sheet(file: Path, images: npt.NDArray[np.uint8], *, columns: int = 16, scale: int = 2) -> None:
    """Write images uint8 [n, h, w, c] of one or three channels as one PNG, `columns` per row, enlarged `scale` times.

    Images of an incomplete last row are left out.
    """
    from PIL import Image

    framed = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)], constant_values=255)
    count, height, width, channels = framed.shape
    rows = count // columns
    grid = framed[: rows * columns].reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    pixels = grid.reshape(rows * height, columns * width, channels)
    picture = Image.fromarray(pixels if channels == 3 else pixels[..., 0])
    large = picture.resize((scale * picture.width, scale * picture.height), Image.Resampling.NEAREST)
    write_whole(file, encoded(large, file), error=DataError)
