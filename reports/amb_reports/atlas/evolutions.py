"""The images at which the best run of each unit improved."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from amb.contracts import asking
from amb.contracts.problem import UInt8Array
from amb.meis.evolution import candidates_of, frames_of
from amb.meis.found import Found

MOST = 8


@dataclass(frozen=True)
class Evolutions:
    """Frames of the rows of a table, `MOST` for each.

    Attributes:
        images: uint8[rows * MOST, h, w, c]; a short evolution repeats its last image.
        queries: int64[rows, MOST], the query, from 1, of each frame.
        activations: float64[rows, MOST].
    """

    images: UInt8Array
    queries: np.ndarray
    activations: np.ndarray


def evolutions(found: Found, rows: pd.DataFrame) -> Evolutions:
    """The evolutions behind rows of one generator."""
    candidates, queries, activations = [], [], []
    for row in rows.itertuples():
        record, trace = found.load(str(row.run_id))
        improved = frames_of(trace, MOST - 1)
        asked = [*(improved + 1).tolist(), record.queries]
        values = [*trace.clean[improved].tolist(), record.final]
        frames = [*candidates_of(record, trace, improved)]
        missing = MOST - len(frames)
        candidates += frames + [frames[-1]] * missing
        queries.append(asked + [asked[-1]] * missing)
        activations.append(values + [values[-1]] * missing)
    images = asking.images(found.problem(str(rows["problem"].iloc[0])), np.stack(candidates))
    return Evolutions(images, np.array(queries), np.array(activations))


def chosen_frames(frames: int) -> list[int]:
    """Which of `MOST` frames are shown if only so many fit; the last one always is."""
    return [] if frames < 1 else sorted({round(i) for i in np.linspace(0, MOST - 1, frames)})
