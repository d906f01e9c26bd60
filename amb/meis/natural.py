"""Where the activation by an input lies among the responses to the data set."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from amb.contracts import asking
from amb.contracts.family import Family
from amb.contracts.natural import NaturalResponses
from amb.contracts.problem import Problem
from amb.errors import SpecError
from amb.foreign import contained
from amb.meis.columns import NATURAL
from amb.spec import without_noise

BLOCK = 500
"""Images at a time, so that responses of thousands of units fit in memory and progress is visible."""

WITHOUT_DATA = (
    "percentiles, preferred classes and selectivity need the network's responses to its data set, which are not "
    "shipped for it: name the folder of the data set with --data"
)


def measure(
    problems: Sequence[Problem],
    family: Family,
    data: Path | None,
    *,
    images: int | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> NaturalResponses:
    """Show a data set's test half to the units of problems that share generator and target, all in one pass.

    Args:
        problems: single units, without noise.
        family: their family, which knows the data set.
        data: folder of the data set.
        images: the first so many images only; None: all.
        progress: receives a line for every block of images.

    Raises:
        SpecError: the family has no data set.
        DataError: it can be neither read nor downloaded.
    """
    with contained():
        pixels, labels = family.natural_images(data), family.natural_labels(data)
    if pixels is None:
        raise SpecError(f"{problems[0].id}: no data set is known for its generator, so there are no natural images")
    pixels = pixels[:images]
    blocks = []
    for start in range(0, len(pixels), BLOCK):
        blocks.append(asking.responses(problems, pixels[start : start + BLOCK]))
        progress(f"natural images: {min(start + BLOCK, len(pixels)):,} of {len(pixels):,}")
    units = [unit_of(problem.id) for problem in problems]
    return NaturalResponses.measured(
        network_fingerprint(family),
        units,
        np.concatenate(blocks),
        None if labels is None else labels[:images],
        problems[0].classes,
    )


def network_fingerprint(family: Family) -> str:
    """The fingerprint of a family's network."""
    card = family.cards().get("target", {})
    return str(card.get("fingerprint", ""))


def unit_of(problem: str) -> tuple[str, int]:
    """Layer and number of a problem's unit; of a group of units, its first."""
    layer, unit = without_noise(problem).split("[")[0].split("/")[-2:]
    return layer, int(unit.split("+")[0])


def placed(table: pd.DataFrame, responses: Mapping[str, NaturalResponses | None]) -> pd.DataFrame:
    """The columns `NATURAL` for the rows of a table of inputs; missing where nothing is known.

    Args:
        table: see `amb.meis.columns.MEIS`.
        responses: of each network, by its name.
    """
    rows = []
    for row in table.itertuples():
        known = responses.get(str(row.target))
        at = None if known is None or "+" in str(row.unit) else known.row.get((str(row.layer), int(str(row.unit))))
        rows.append(dict.fromkeys(NATURAL) if known is None or at is None else _placed(known, at, row.activation))
    placed = pd.DataFrame(rows, index=table.index, columns=list(NATURAL))
    numbers = ["percentile", "natural_best", "natural_mean", "selectivity"]
    placed[numbers] = placed[numbers].astype(float)
    placed["natural_image"] = placed["natural_image"].astype("Int64")
    placed["dead"] = placed["dead"].astype("boolean")
    return placed


def _placed(known: NaturalResponses, row: int, activation: float) -> dict[str, object]:
    preferred = known.preferred(row)
    return {
        "percentile": known.percentile(row, activation),
        "natural_best": float(known.quantiles[row, -1]),
        "natural_image": int(known.best[row]),
        "natural_mean": known.mean(row),
        "natural_class": None if preferred is None else known.classes[preferred],
        "selectivity": known.selectivity(row),
        "dead": known.dead(row),
    }
