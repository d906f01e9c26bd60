"""All measures of most exciting inputs: the tables behind `amb analyse`, the atlas and the report on the paper."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from amb.catalogue.families import problem_of
from amb.catalogue.problems import family as find_family
from amb.contracts import asking
from amb.contracts.family import Family, layers_of
from amb.contracts.natural import NaturalResponses
from amb.contracts.problem import Problem
from amb.contracts.target import units_of
from amb.errors import AmbError, DataError, SpecError
from amb.meis.classes import agreement, class_table, empty
from amb.meis.columns import CLASSES, DISTANCES, MEIS, NATURAL, YARDSTICKS
from amb.meis.distances import MOST_PAIRS, all_pairs, distance_table, yardstick
from amb.meis.found import INPUT_OPTIONS, Found, conditions
from amb.meis.layers import layer_table, ratio_table
from amb.meis.natural import WITHOUT_DATA, measure, placed
from amb.spec import ProblemId, Spec, whole_number, without_noise
from amb.text import plural

PRESENTATIONS = 100
"""Noisy presentations over which class probabilities are averaged (section 4.3 of the paper)."""
MOST_PRESENTATIONS = 100_000
NOISES = ("bernoulli", "gaussian")


@dataclass(frozen=True, repr=False)
class Measures:
    """What is measured for most exciting inputs; `amb.meis.columns` says what the columns of each table hold.

    Attributes:
        found: the inputs themselves: images, latents, traces, evolutions.
        meis: one row for each input.
        distances: one row for each pair of inputs of a problem.
        yardsticks: one row for each generator: random pairs.
        layers: one row for each generator and layer.
        ratios: one row for each layer and two generators.
        natural: how each network responds to its data set, by the network's name; None where that is unknown.
        notes: what could not be measured and why, in sentences without a full stop.
    """

    found: Found
    meis: pd.DataFrame
    distances: pd.DataFrame
    yardsticks: pd.DataFrame
    layers: pd.DataFrame
    ratios: pd.DataFrame
    natural: Mapping[str, NaturalResponses | None]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<amb.Measures: {plural(len(self.found.table), 'input')}; tables {', '.join(self.tables)}>"

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """The tables by name."""
        return {
            "meis": self.meis,
            "distances": self.distances,
            "yardsticks": self.yardsticks,
            "layers": self.layers,
            "ratios": self.ratios,
        }


def measure_all(
    found: Found,
    *,
    data: Path | None = None,
    noise: str | None = None,
    presentations: int = PRESENTATIONS,
    families: Mapping[str, Family] = MappingProxyType({}),
    progress: Callable[[str], None] = lambda line: None,
) -> Measures:
    """Measure the inputs that a study found.

    Args:
        found: the inputs.
        data: folder of the data sets, for networks whose responses to their data set are not shipped.
        noise: the input noise under which the network classifies inputs, "bernoulli" or "gaussian"; None: that of each
            problem, which most have not.
        presentations: how often each input is shown under noise.
        families: families that no name finds, by ``<generator>/<target>``.
        progress: receives a line for each step.

    Raises:
        SpecError: no such noise, or too many presentations.
        DataError: `data` was given and cannot be read.
    """
    check_noise(noise, presentations)
    notes = [*found.notes]
    table = found.table
    networks = [str(name) for name in table["target"].unique()]
    natural = {name: _natural(found, name, data, families, notes, progress) for name in networks}
    known = {name: _family(table[table["target"] == name], families) is not None for name in networks}
    unknown = [name for name in networks if natural[name] is None and known[name]]
    if unknown and data is None and notes == [*found.notes]:
        others = f" and {plural(len(unknown) - 1, 'more network')}" if len(unknown) > 1 else ""
        notes.append(f"{unknown[0]}{others}: {WITHOUT_DATA}")
    seen, apart, random = [], [], []
    for generator, rows in table.groupby("generator", sort=False):
        progress(f"images of {len(rows):,} inputs of {generator}")
        images = found.images(rows)
        for _, group in rows.groupby(["target", rows["problem"].map(conditions)], sort=False):
            own = images[rows.index.get_indexer(group.index)]
            seen.append(_classes(found, group, own, noise, presentations, families, notes))
        stick = yardstick(found.problem(str(rows["problem"].iloc[0])))
        random.append({"generator": generator, **stick})
        apart.append(distance_table(rows, images, found.problem, stick))
    if drawn := _many_inputs(table):
        notes.append(drawn)
    if noise is None and presentations != PRESENTATIONS and not table["problem"].str.contains("input=").any():
        notes.append(f"{plural(presentations, 'presentation')} need noise: without, one tells the class probabilities")
    meis = pd.concat([table, placed(table, natural), pd.concat(seen).reindex(table.index)], axis=1)
    meis["agrees"] = agreement(meis["class"], meis["natural_class"])
    measured = [one for one in apart if len(one)]
    distances = pd.concat(measured, ignore_index=True) if measured else pd.DataFrame(columns=list(DISTANCES))
    return Measures(
        found,
        meis[["run_id", *MEIS, *NATURAL, *CLASSES]],
        distances,
        pd.DataFrame(random, columns=list(YARDSTICKS)),
        layer_table(meis, distances),
        ratio_table(meis),
        natural,
        tuple(dict.fromkeys(notes)),
    )


def _many_inputs(table: pd.DataFrame) -> str:
    """What a reader must know where not all pairs of a problem's inputs are compared; empty if all are."""
    inputs = table["problem"].value_counts(sort=False)
    many = inputs[inputs.map(all_pairs) > MOST_PAIRS]
    if many.empty:
        return ""
    others = f", and as many of {plural(len(many) - 1, 'more problem')}" if len(many) > 1 else ""
    return (
        f"{many.index[0]}: of {all_pairs(int(many.iloc[0])):,} pairs of its {many.iloc[0]:,} inputs, distances of "
        f"{MOST_PAIRS:,} are measured, drawn by a fixed rule{others}"
    )


def check_noise(noise: str | None, presentations: int) -> None:
    """Refuse what `measure_all` would refuse: before a search whose results it measures.

    Raises:
        SpecError: no such noise, or not from 1 to 100,000 presentations.
    """
    if not (noise is None or (isinstance(noise, str) and noise in NOISES)):
        raise SpecError(f"noise of the input must be {' or '.join(NOISES)}, got {noise!r:.80}")
    whole_number(presentations, "presentations", 1, MOST_PRESENTATIONS)


def _natural(
    found: Found,
    target: str,
    data: Path | None,
    families: Mapping[str, Family],
    notes: list[str],
    progress: Callable[[str], None],
) -> NaturalResponses | None:
    """The shipped responses of a network to its data set; with `data`, measured if they are not shipped."""
    rows = found.table[found.table["target"] == target]
    family = _family(rows, families)
    shipped = None if family is None else family.natural_responses()
    if shipped is not None or data is None or family is None:
        if data is not None:
            why = "the responses of {} to its data set are shipped" if family else "no data set is known for {}"
            notes.append(f"{why.format(target)}, so {data} is not read")
        return shipped
    names = [name for name in dict.fromkeys(map(without_noise, rows["problem"])) if "+" not in name]
    units = list({tuple(name.split("[")[0].split("/")[-2:]): name for name in names}.values())
    try:
        return measure([found.problem(name) for name in units], family, data, progress=progress)
    except DataError:
        raise
    except AmbError as cause:
        notes.append(str(cause))
        return None


def _family(rows: pd.DataFrame, families: Mapping[str, Family]) -> Family | None:
    """The family of the first row's problem; None for a network that was given as an object."""
    name = ProblemId.parse(str(rows["problem"].iloc[0])).pair
    try:
        return families[name] if name in families else find_family(name)
    except AmbError:
        return None


def _classes(
    found: Found,
    rows: pd.DataFrame,
    images: np.ndarray,
    noise: str | None,
    presentations: int,
    families: Mapping[str, Family],
    notes: list[str],
) -> pd.DataFrame:
    """What the network sees in the inputs of some rows, all of one generator and network, shown in one way."""
    problem = found.problem(str(rows["problem"].iloc[0]))
    try:
        if noise is not None and problem.classes:
            problem = _noisy(rows, noise, families)
        probabilities = asking.probabilities(problem, images, presentations=presentations)
    except SpecError as cause:
        notes.append(f"no class probabilities: {cause}")
        return empty(rows.index)
    return class_table(probabilities, problem.classes).set_index(rows.index)


def _noisy(rows: pd.DataFrame, noise: str, families: Mapping[str, Family]) -> Problem:
    """The problem of the first row, with frames drawn at random.

    Raises:
        SpecError: its network was given as an object, or shows no frames.
    """
    spec = Spec.parse(without_noise(str(rows["problem"].iloc[0])))
    parts, family = ProblemId.parse(spec.name), _family(rows, families)
    if family is None:
        raise SpecError(f"{parts.target} was given as an object, and no name finds it to show it noise")
    units = units_of(parts.unit, layers_of(family)[parts.layer], f"{parts.pair}/{parts.layer}")
    options = {name: value for name, value in spec.options if name not in INPUT_OPTIONS}
    return problem_of(family, parts.layer, units, device="cpu", options={**options, "input": noise})
