"""Neurons that are recorded together: what a run of one of them depends on besides its own neuron."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Sharing = Literal["recommend", "learn"]
"""What a search does with its neuron's responses to the other searches' stimuli: it may recommend those stimuli at the
end, or it also learns from them."""
MOST_NEURONS = 4096
MOST_CHARACTERS = 1 << 20
"""Of all neurons' ids together, and of all fingerprints: 256 for each."""


@dataclass(frozen=True)
class Recording:
    """Neurons that see every presentation of a recording, while each has a search of its own.

    Attributes:
        problems: their specs, in the order in which their searches take turns.
        fingerprints: of these problems.
        sharing: what the searches do with responses to each other's stimuli.
    """

    problems: tuple[str, ...]
    fingerprints: tuple[str, ...]
    sharing: Sharing

    def holds(self, problem: str, fingerprint: str) -> bool:
        """Whether a problem with this fingerprint is one of the neurons."""
        return (problem, fingerprint) in zip(self.problems, self.fingerprints, strict=True)

    @classmethod
    def from_content(cls, content: object) -> "Recording":
        """The recording from what `dataclasses.asdict` returned.

        Raises:
            ValueError: something is missing, or of the wrong type.
        """
        if not isinstance(content, Mapping):
            raise ValueError("the recording is not a JSON object")
        problems, fingerprints = (_names(content.get(name), name) for name in ("problems", "fingerprints"))
        if len(problems) != len(fingerprints):
            raise ValueError(f"the recording has {len(problems)} problems and {len(fingerprints)} fingerprints")
        if len(set(problems)) < len(problems):
            raise ValueError("the recording has a neuron twice")
        sharing = content.get("sharing")
        if sharing not in get_args(Sharing):
            raise ValueError(f"sharing is not one of {', '.join(get_args(Sharing))}")
        return cls(problems, fingerprints, sharing)  # type: ignore[arg-type]


def _names(value: object, what: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MOST_NEURONS:
        raise ValueError(f"{what} of the recording is not a list of 1 to {MOST_NEURONS} texts")
    if not all(isinstance(name, str) for name in value):
        raise ValueError(f"{what} of the recording holds something that is not a text")
    if (characters := sum(map(len, value))) > MOST_CHARACTERS:
        raise ValueError(f"{what} of the recording have {characters:,} characters in all; at most {MOST_CHARACTERS:,}")
    try:
        "".join(value).encode()
    except UnicodeEncodeError as cause:
        raise ValueError(f"{what} of the recording contain half a character (a lone surrogate)") from cause
    return tuple(value)
