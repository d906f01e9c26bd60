"""A board as the data that the page's scripts read: one JSON object, its long columns in one compressed block."""

import gzip
import json
from base64 import b64encode
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, get_args

import numpy as np
import pandas as pd
from msgspec.structs import asdict
from numpy.typing import NDArray

from amb.catalogue.suites import working_suites
from amb.contracts.problem import UInt8Array
from amb.errors import AmbError
from amb.sight import CLASSES
from amb.spec import Spec
from amb.stats import columns as tables
from amb.stats.classes import leading
from amb.stats.columns import declared
from amb.stats.queries import THRESHOLD
from amb.stats.sentences import SENTENCES
from amb.study.runs import Status
from amb_reports.captions import short_names
from amb_reports.figures.colours import dash_of, slots
from amb_reports.page.board import SECONDS, Board, View
from amb_reports.page.curves import SCALE, pack
from amb_reports.page.sprites import contact_sheet, sprite_sheets

DASHES = ("solid", "dash", "dot", "dashdot")
NOISE_FREE = "none"
COMPUTED = ("reached", "spent")
"""Quantities of a run that the page computes from its curve."""


class Columns:
    """Arrays end to end; the page finds each by its type, offset and length."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.places: dict[str, list[Any]] = {}
        self._size = 0

    def add(self, name: str, values: NDArray[Any]) -> None:
        """Append an array under a name; each begins at a multiple of 8 bytes."""
        content = np.ascontiguousarray(values).tobytes()
        self.places[name] = [values.dtype.str.lstrip("<|"), self._size, len(values)]
        content += b"\0" * (-len(content) % 8)
        self.parts.append(content)
        self._size += len(content)

    def packed(self) -> str:
        """All arrays, compressed, as text."""
        return b64encode(gzip.compress(b"".join(self.parts), 9, mtime=0)).decode()


def payload(board: Board, *, title: str) -> dict[str, Any]:
    """Everything that the page shows, as plain data."""
    runs, bounds = board.runs, board.bounds
    solvers, problems = runs["solver"].unique().tolist(), runs["problem"].unique().tolist()
    columns = Columns()
    _add_runs(columns, board, solvers, problems)
    curves = pack(runs["problem"].tolist(), board.traces, bounds)
    for name in ("start", "query", "share"):
        columns.add(f"curve.{name}", getattr(curves, name))
    metric = board.analysis.question.scoring
    versions = runs.groupby("solver", sort=False)["version"].agg(lambda column: str(column.iloc[-1]))
    sees = dict(zip(runs["solver"].tolist(), runs["sees"].tolist(), strict=True))
    lead = leading(runs)
    return {
        "title": title,
        "amb": version("amb"),
        "settings": dict(board.settings),
        "metric": {"name": metric.name, "label": metric.label, "noun": metric.noun, "logarithmic": metric.logarithmic},
        "scale": SCALE,
        "threshold": THRESHOLD,
        "statuses": list(get_args(Status)),
        "sentences": dict(SENTENCES),
        "tables": {"ranking": declared(tables.RANKING), "pairs": declared(tables.PAIRS)},
        "solvers": [
            {
                "name": name,
                "version": versions[name],
                "class": "" if sees[name] == lead else CLASSES[sees[name]].name,
                "ranked": CLASSES[sees[name]].ranked,
                "colour": i,
                "dash": DASHES[dash_of(slot)],
                "symbol": slot,
            }
            for i, (name, slot) in enumerate(slots(solvers).items())
        ],
        "problems": _problems(runs, bounds, problems, frozenset(s.manifest.settings.suite for s in board.sources)),
        "sources": [
            {
                "name": s.name,
                "manifest": {
                    "settings": asdict(s.manifest.settings),
                    "environments": [asdict(one) for one in s.manifest.known_environments],
                },
            }
            for s in board.sources
        ],
        "messages": {str(i): message for i, message in enumerate(runs["message"].tolist()) if message},
        "budgets": [v.budget for v in board.views],
        "whole": _analysis(board),
        "gallery": _gallery(board, solvers, problems),
        "landmarks": _landmarks(board, problems),
        "notes": list(board.notes),
        "columns": columns.places,
        "block": columns.packed(),
    }


def to_json(data: Mapping[str, Any]) -> str:
    """JSON that is safe inside an HTML script element, whatever names and messages contain; NaN becomes null."""
    text = json.dumps(_plain(data), allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def whole_numbers(column: pd.Series) -> NDArray[Any]:
    """Whole numbers, at least 0: of 32 bits, or doubles, which are exact up to 2**53, where one is larger."""
    numbers = column.to_numpy(np.uint64)
    return numbers.astype(np.uint32 if numbers.max(initial=0) < 1 << 32 else np.float64)


def _add_runs(columns: Columns, board: Board, solvers: list[str], problems: list[str]) -> None:
    runs = board.runs
    number = {"solver": {s: i for i, s in enumerate(solvers)}, "problem": {p: i for i, p in enumerate(problems)}}
    columns.add("problem", runs["problem"].map(number["problem"]).to_numpy(np.uint16))
    columns.add("solver", runs["solver"].map(number["solver"]).to_numpy(np.uint16))
    for name in ("seed", "budget"):
        columns.add(name, whole_numbers(runs[name]))
    columns.add("source", runs["source"].to_numpy(np.uint16))
    ids = b"".join(bytes.fromhex(run_id) if run_id else bytes(16) for run_id in runs["run_id"])
    columns.add("run_id", np.frombuffer(ids, dtype=np.uint8))
    for i, shown in enumerate(board.views):
        for name, values in _view(shown, runs.index).items():
            columns.add(f"{i}.{name}", values)


def _view(shown: View, index: pd.Index) -> dict[str, NDArray[Any]]:
    """The values that the page reads about every run at one budget, by name; NaN or 0 for runs without that budget."""
    rules = [column.aggregate for column in tables.RANKING if column.aggregate]
    needed = [name for rule in rules for name in rule.columns if name not in COMPUTED]
    numbers = list(dict.fromkeys([*("final", "score", "ordered", "queries"), *SECONDS, *needed]))
    runs = shown.runs.reindex(index)
    statuses = get_args(Status)
    return {
        "present": runs["problem"].notna().to_numpy(np.uint8),
        "failed": runs["failed"].eq(True).to_numpy(np.uint8),
        "timing": runs["timing"].eq(True).to_numpy(np.uint8),
        "status": runs["status"].map(statuses.index, na_action="ignore").fillna(0).to_numpy(np.uint8),
        **{
            name: _narrow(runs[name].to_numpy(np.float64), exact=name not in SECONDS)
            for name in numbers
            if name in runs
        },
    }


def _narrow(values: NDArray[np.float64], *, exact: bool) -> NDArray[Any]:
    """The values as float32, if that is exact or need not be."""
    with np.errstate(over="ignore"):  # what is too large for it becomes infinite, and is not equal
        short = values.astype(np.float32)
    return short if not exact or np.array_equal(short, values, equal_nan=True) else values


def _problems(
    runs: pd.DataFrame, bounds: pd.DataFrame, names: list[str], asked: frozenset[str | None]
) -> list[dict[str, Any]]:
    suites, labels = _suites(names, asked), short_names(runs)
    first = runs.drop_duplicates("problem")
    rows = first.set_index("problem")
    # Captions name the first suite that holds all problems: suites with exactly these options first, then the smallest.
    return [
        {
            "id": name,
            "label": labels[name],
            **{part: str(rows.at[name, part]) for part in ("generator", "target", "layer", "unit")},
            "noise": _noise(name),
            "suites": sorted(
                (label for label, members in suites.items() if members & _names(name)),
                key=lambda label: name not in suites[label],
            ),
            **{end: float(bounds.at[name, end]) for end in ("floor", "start", "best")},
            "anchored": bool(bounds.at[name, "anchored"]),
        }
        for name in names
    ]


def _suites(names: list[str], asked: frozenset[str | None]) -> dict[str, set[str]]:
    """Installed suites whose problems are all among these, or that a study was asked for; the smallest first.

    Suites that share some problems only would be filters that a reader of this study has no use for.
    """
    wanted = set().union(*map(_names, names))
    suites = {}
    for candidate in working_suites():
        try:
            members = {str(Spec.parse(problem)) for problem in candidate.problems}
        except AmbError:
            continue  # a plug-in's mistake must not break the page
        label = f"{candidate.name}-{candidate.version}"
        if members <= wanted or (label in asked and members & wanted):
            suites[label] = members
    return dict(sorted(suites.items(), key=lambda item: len(item[1])))


def _names(problem: str) -> set[str]:
    """The names that a suite may use for a problem: with its options or, usually, without."""
    return {problem, problem.split("[")[0]}


def _noise(problem: str) -> str:
    try:
        options = dict(Spec.parse(problem).options)
    except AmbError:
        return NOISE_FREE
    noise = str(options.get("noise", NOISE_FREE))
    return f"{noise}, {options['trials']} trials" if "trials" in options and noise != NOISE_FREE else noise


def _analysis(board: Board) -> dict[str, Any]:
    analysis = board.analysis
    return {
        "pairs": _recorded(analysis.pairs, ["first", "second", "first_better", "equal"]),
        "omnibus": analysis.omnibus.iloc[0].to_dict(),
        "across": analysis.across_words,
        "runtimes": board.runtimes().to_dict("records"),
    }


def _recorded(table: pd.DataFrame, names: list[str]) -> list[dict[str, Any]]:
    return table[[name for name in names if name in table]].to_dict("records")


def _gallery(board: Board, solvers: list[str], problems: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "problem": problems.index(sheet.problem),
            "side": sheet.fit.side,
            "frames": sheet.fit.frames,
            "sheet": b64encode(sheet.webp).decode(),
            "cells": [
                {
                    "solver": solvers.index(evolution.solver),
                    "seed": evolution.seed,
                    "queries": [int(evolution.queries[f]) for f in frames],
                    "activations": [float(evolution.activations[f]) for f in frames],
                }
                for evolution, frames in zip(sheet.evolutions, sheet.frames, strict=True)
            ],
        }
        for sheet in sprite_sheets(board.evolutions)
    ]


LANDMARK_SIDE = 48
"""Width and height in pixels of the images that MEIs are seen next to."""


def _landmarks(board: Board, problems: list[str]) -> dict[str, Any]:
    """The activations by problem, and all images in one sheet, found by their number."""
    images: list[UInt8Array] = []

    def place(image: UInt8Array | None) -> int | None:
        if image is None:
            return None
        images.append(image)
        return len(images) - 1

    found = {
        problems.index(mark.problem): {
            "chance": mark.chance,
            "chance_image": place(mark.chance_image),
            "natural": mark.natural,
            "natural_shown": mark.natural_shown,
            "natural_image": place(mark.natural_image),
        }
        for mark in board.landmarks
    }
    sheet = contact_sheet(images, LANDMARK_SIDE, across=ACROSS)
    return {"sheet": b64encode(sheet).decode(), "count": len(images), "across": ACROSS, "problems": found}


ACROSS = 32
"""Images in a row of that sheet."""


def _plain(value: Any) -> Any:
    """Plain Python, with None for values that JSON lacks; infinite numbers become "inf" and "-inf"."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if value is None or value is pd.NA or isinstance(value, str | bool):
        return None if value is pd.NA else value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        return None if np.isnan(number) else number if np.isfinite(number) else "inf" if number > 0 else "-inf"
    return str(value)
