"""Reference points: the scale on which activations of a problem are measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amb.activation import LARGEST


@dataclass(frozen=True)
class RoundTrip:
    """The natural image with the highest activation after encoding and decoding by the generator.

    Attributes:
        value: the activation of the decoded image.
        index: the image's number in the data set's test half.
        candidate: its grid point.
    """

    value: float
    index: int
    candidate: tuple[int, ...]


@dataclass(frozen=True)
class Reference:
    """Reference points of one problem, all noise-free activations.

    Attributes:
        fingerprint: the problem's fingerprint when they were measured; with different weights or a different grid they
            are stale.
        chance, chance_q99: median and 99% quantile over random latents of the generator's prior, on the grid.
        natural, natural_index: the best image of the data set's test half and its number; None: no data set, or all
            images are failed queries.
        best: the best known value, of a grid point, measured as solvers are.
        candidate: that grid point.
        provenance: how it was found.
        round_trip: the best natural image that the generator can show; None: no data set, no encoder, or all are
            failed queries.
    """

    fingerprint: str
    chance: float
    chance_q99: float
    natural: float | None
    natural_index: int | None
    best: float
    candidate: tuple[int, ...]
    provenance: str
    round_trip: RoundTrip | None = None

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> "Reference":
        """The points from what `dataclasses.asdict` returned, read back from JSON.

        Raises:
            ValueError, KeyError, TypeError: an entry is missing, unknown, or not of its type.
        """
        trip = content.get("round_trip")
        if trip is not None:
            trip = RoundTrip(**{**trip, "candidate": _levels(trip["candidate"])})
            _numbers(trip.value)
        point = cls(**{**content, "candidate": _levels(content["candidate"]), "round_trip": trip})
        _numbers(point.chance, point.chance_q99, point.best, *([] if point.natural is None else [point.natural]))
        if not isinstance(point.fingerprint, str) or not isinstance(point.provenance, str):
            raise TypeError("fingerprint and provenance must be texts")
        return point


def _levels(content: object) -> tuple[int, ...]:
    if not isinstance(content, list | tuple) or not all(type(level) is int and level >= 0 for level in content):
        raise TypeError("a candidate must be a list of levels")
    return tuple(content)


def _numbers(*values: object) -> None:
    if not all(type(value) in (int, float) and abs(value) <= LARGEST for value in values):  # type: ignore[arg-type]
        raise TypeError(f"activations must be numbers of size {LARGEST:g} at most")
