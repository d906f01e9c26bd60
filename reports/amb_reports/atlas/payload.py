"""An atlas as the data that the page's scripts read."""

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from amb.atlas.make import Atlas
from amb.contracts.natural import SHARES, NaturalResponses
from amb.meis.found import UNIT
from amb.study.interchange import plain_rows
from amb.text import plural
from amb_reports.atlas.evolutions import Evolutions, chosen_frames, evolutions
from amb_reports.atlas.neighbours import nearest
from amb_reports.atlas.sprites import FITS, MOST_BYTES, Fit, sheet_of
from amb_reports.page.payload import Columns, whole_numbers

NUMBERS = ("activation", "percentile", "natural_best", "selectivity", "probability", "entropy")
"""Columns of the inputs that the page shows as numbers; NaN where unknown."""

NO_CLASS = (1 << 16) - 1
"""In place of a class's number: there is none, or it is not known."""


@dataclass
class Payload:
    """What the page gets, and what its reader must know.

    Attributes:
        data: plain facts, for JSON.
        notes: sentences without a full stop.
    """

    data: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def payload(atlas: Atlas) -> Payload:
    """All data of the page."""
    measures, target = atlas.measures, atlas.request.target
    meis = measures.meis.reset_index(drop=True)
    layers = [layer for layer in target.layers if layer in set(meis["layer"])]
    generators = list(dict.fromkeys(meis["generator"]))
    solvers = list(dict.fromkeys(meis["solver"]))
    networks = [target.name, *(state.name for state in atlas.request.states)]
    natural = measures.natural.get(target.name)
    # The network's first, whose probabilities follow each other; the data set may have others.
    others = natural.classes if natural is not None else ()
    classes = [*target.classes, *(name for name in others if name not in target.classes)]
    columns = Columns()
    indices = {"generator": generators, "layer": layers, "solver": solvers, "target": networks}
    for name, values in indices.items():
        columns.add(name, meis[name].map({value: i for i, value in enumerate(values)}).to_numpy(np.uint16))
    columns.add("unit", pd.to_numeric(meis["unit"].str.split("+").str[0]).to_numpy(np.uint32))
    for name in ("seed", "budget"):
        columns.add(name, whole_numbers(meis[name]))
    columns.add("best", meis["best"].to_numpy(np.uint8))
    for name in NUMBERS:
        columns.add(name, pd.to_numeric(meis[name], errors="coerce").to_numpy(np.float32))
    for name in ("class", "natural_class"):
        number = {value: i for i, value in enumerate(classes)}
        places = [number.get(value, NO_CLASS) for value in meis[name]]
        columns.add(name, np.array(places, dtype=np.uint16))
    likely = np.zeros((len(meis), len(classes)))
    for row, probabilities in zip(likely, meis["probabilities"], strict=True):
        if probabilities is not None:
            row[: len(probabilities)] = probabilities
    columns.add("probabilities", (255 * likely).round().astype(np.uint8).ravel())
    measured = _add_quantiles(columns, meis[meis["target"] == target.name], natural)
    sheets, frames, notes = _images(atlas, meis, columns)
    data = {
        "network": target.name,
        "facts": {key: str(value) for key, value in target.facts().items()},
        "generators": generators,
        "layers": layers,
        "sizes": [target.layers[layer] for layer in layers],
        "solvers": solvers,
        "networks": networks,
        "steps": atlas.request.steps,
        "classes": classes,
        "images": natural.images if natural is not None else 0,
        "shares": SHARES.tolist(),
        "measured": measured,
        **_effort(meis, len(solvers)),
        "yardsticks": plain_rows(measures.yardsticks),
        "summaries": plain_rows(measures.layers[measures.layers["target"] == target.name]),
        "ratios": plain_rows(measures.ratios[measures.ratios["target"] == target.name]),
        "count": len(meis),
        "sheets": sheets,
        "frames": frames,
        "columns": columns.places,
        "block": columns.packed(),
    }
    return Payload(data, notes)


def _effort(meis: pd.DataFrame, solvers: int) -> dict[str, Any]:
    """In how many queries units were searched, whether all by each solver, and whether budgets of inputs vary."""
    searched = meis.groupby([*UNIT, "solver"])["budget"].max()
    least, most = int(searched.min()), int(searched.max())
    return {
        "queries": f"{least:,} to " * (least < most) + plural(most, "query", "queries"),
        "alike": len(searched) == len(meis.drop_duplicates(UNIT)) * solvers,
        "varied": meis["budget"].nunique() > 1,
    }


def _add_quantiles(columns: Columns, meis: pd.DataFrame, natural: NaturalResponses | None) -> list[str]:
    """The units' activations at the quantiles of the data set, end to end; returns the units, in that order."""
    if natural is None:
        return []
    units = meis.drop_duplicates(["layer", "unit"])
    rows = [natural.row.get((str(layer), int(unit))) for layer, unit in zip(units["layer"], units["unit"], strict=True)]
    known = [row for row in rows if row is not None]
    columns.add("quantiles", natural.quantiles[known].ravel())
    columns.add("class_means", natural.class_means[known].ravel())
    return [
        f"{layer}/{unit}"
        for layer, unit, row in zip(units["layer"], units["unit"], rows, strict=True)
        if row is not None
    ]


def _images(
    atlas: Atlas, meis: pd.DataFrame, columns: Columns
) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
    """Sheets of all inputs by generator and layer, and of the evolutions of the best ones; neighbours into columns."""
    found = atlas.measures.found
    images: dict[tuple[str, str], Any] = {}
    evolved: dict[tuple[str, str], tuple[pd.DataFrame, Evolutions]] = {}
    near = np.full((len(meis), 8), 2**32 - 1, np.uint32)
    alike = np.zeros((len(meis), 8), np.float32)
    main = meis["target"] == atlas.request.target.name
    for generator, rows in meis.groupby("generator", sort=False):
        pixels = found.images(rows)
        place = dict(zip(rows.index, range(len(rows)), strict=True))
        best = rows[rows["best"] & main[rows.index]]
        neighbours, similar = nearest(pixels[[place[i] for i in best.index]])
        near[best.index, : neighbours.shape[1]] = best.index.to_numpy()[neighbours]
        alike[best.index, : neighbours.shape[1]] = similar
        for layer, group in rows.groupby("layer", sort=False):
            images[str(generator), str(layer)] = (group.index.to_numpy(), pixels[[place[i] for i in group.index]])
            of_layer = best[best["layer"] == layer]
            if len(of_layer):
                evolved[str(generator), str(layer)] = (of_layer, evolutions(found, of_layer))
    columns.add("near", near.ravel())
    columns.add("alike", alike.ravel())
    fit = _fit(images, evolved)
    sheet, cell = np.zeros(len(meis), np.uint16), np.zeros(len(meis), np.uint32)
    sheets: list[dict[str, Any]] = []
    for (generator, layer), (index, pixels) in images.items():
        drawn = sheet_of(pixels, fit.quality)
        sheet[index], cell[index] = len(sheets), np.arange(len(index))
        sheets.append(_entry(drawn.webp, drawn.across, drawn.down, generator, layer))
    columns.add("sheet", sheet)
    columns.add("cell", cell)
    shown = chosen_frames(fit.frames)
    frames: dict[str, Any] = {"number": len(shown), "sheets": [], "queries": [], "activations": [], "rows": []}
    for (generator, layer), (rows, evolution) in evolved.items() if shown else ():
        chosen = evolution.images.reshape(len(rows), -1, *evolution.images.shape[1:])[:, shown]
        across = len(shown) * max(1, int(np.sqrt(len(rows) / len(shown))))
        drawn = sheet_of(chosen.reshape(-1, *evolution.images.shape[1:]), fit.quality, across=across)
        frames["sheets"].append(_entry(drawn.webp, drawn.across, drawn.down, generator, layer))
        frames["rows"].append(rows.index.tolist())
        frames["queries"].append(evolution.queries[:, shown].ravel().tolist())
        frames["activations"].append(_short(evolution.activations[:, shown]))
    notes = []
    if fit.frames < FITS[0].frames:
        notes.append(f"the page shows {fit.frames} images of each evolution, so that it stays small")
    return sheets, frames, notes


def _entry(webp: bytes, across: int, down: int, generator: str, layer: str) -> dict[str, Any]:
    return {
        "generator": generator,
        "layer": layer,
        "across": across,
        "down": down,
        "webp": b64encode(webp).decode(),
    }


def _fit(images: dict[tuple[str, str], Any], evolved: dict[tuple[str, str], tuple[pd.DataFrame, Evolutions]]) -> Fit:
    """The best quality that the size allows, estimated on a part of the images."""
    for fit in FITS[:-1]:
        shown = chosen_frames(fit.frames)
        size = 0.0
        for _, pixels in images.values():
            part = pixels[:: max(1, len(pixels) // 64)]
            size += len(sheet_of(part, fit.quality).webp) * len(pixels) / len(part)
        for rows, evolution in evolved.values():
            frames = evolution.images.reshape(len(rows), -1, *evolution.images.shape[1:])[:, shown]
            part = frames[:: max(1, len(frames) // 16)]
            flat = part.reshape(-1, *part.shape[2:])
            size += len(sheet_of(flat, fit.quality).webp) * len(frames) / len(part)
        if size <= MOST_BYTES:
            return fit
    return FITS[-1]


def _short(activations: np.ndarray) -> list[float]:
    """Four decimals, or as many more as three digits of the largest need."""
    largest = float(np.nanmax(np.abs(activations), initial=0.0))
    return activations.round(4 if largest == 0 else max(4, 3 - int(np.floor(np.log10(largest))))).ravel().tolist()
