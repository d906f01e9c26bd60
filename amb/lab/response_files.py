"""Reading responses from CSV, Parquet and MATLAB files, and from the columns of a request.

Two kinds of columns say what a trial gave, next to `trial`, its number:

- *responses*: a column for each neuron; or `response`, with the neuron's name in `neuron`; or a matrix `response`,
  trials by neurons in the experiment's order.
- *spike times* in milliseconds after stimulus onset: `time`, one row per spike, empty for a trial without a spike; or
  `spikes`, a list or cell for each trial (or for each trial and neuron). The response is the rate in the counting
  window.

The columns `stimulus` and `file` of presentations.csv may be there as well: they must agree with what was presented.
An empty or NaN response, or a true value in `rejected`, marks a rejected trial. `neuron` may be left out if only one
neuron is recorded.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice, pairwise
from math import isnan
from pathlib import Path, PureWindowsPath
from statistics import median
from typing import Any

import numpy as np

from amb.activation import LARGEST as LARGEST_ACTIVATION
from amb.errors import LabError, suggestion
from amb.lab.csv_files import END, read_csv
from amb.lab.experiment import COLUMNS, Experiment
from amb.lab.matlab import read_mat
from amb.lab.responses import Row
from amb.lab.stimuli import SUFFIXES as PICTURES
from amb.spec import is_plain_number
from amb.study.untrusted import MEBIBYTE, read_bytes, refuse_unreadable

SUFFIXES = (".csv", ".parquet", ".mat")
LARGEST = 1024 * MEBIBYTE
LARGEST_DECODED = 512 * MEBIBYTE
MOST = 1 << 26
"""Numbers that a column of a Parquet file may hold."""
MOST_EARLY, EARLY = 10, 1 / 20
"""So many spikes, all of them within this share of the time up to the window's end, have times in seconds."""
LATE = 100
"""Spikes of which half are later than the end of the window by this factor have times in microseconds."""
MOST_COUNTS = 10
"""So many trials with a single whole number each have counts, not times."""
MOST_RISING = 5
"""In so many trials, spikes that are all later than those of the trial before count from the start of the session."""
MOST_COMPARED = 20_000
"""Pairs of a column and a name of which one may be a misspelling of the other."""
NOTHING = ("", "nan", "na", "null", "none")
YES, NO = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no", *NOTHING)

Columns = Mapping[str, Sequence[Any]]
_Reader = Callable[[Path], tuple[dict[str, list[Any]], bool]]


@dataclass(frozen=True)
class Reading:
    """What a file holds.

    Attributes:
        rows: its responses.
        whole: whether they are right even if the file is still being written, see `amb.lab.arrivals`.
    """

    rows: list[Row]
    whole: bool


def read_file(path: Path, experiment: Experiment) -> Reading:
    """The responses in a file.

    Raises:
        UnreadableError: the file cannot be read.
        LabError: it is not of a known type, its columns are not understood, a value is impossible, or the row `end` is
            missing that the settings ask for.
    """
    suffix = path.suffix.lower()
    numbers = {*COLUMNS, *experiment.neurons} - {"neuron"}
    readers: dict[str, _Reader] = {".csv": partial(_read_csv, numbers), ".parquet": _read_parquet, ".mat": _read_mat}
    if suffix not in readers:
        raise LabError(f"cannot read {path}: expected a file of type {', '.join(SUFFIXES)}")
    try:
        columns, ended = readers[suffix](path)
    except LabError:
        raise
    except FileNotFoundError:
        raise LabError(f"there is no file {path}") from None
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError) as cause:
        refuse_unreadable(path, cause)
        why = getattr(cause, "strerror", None) or cause
        raise LabError(f"cannot read {path}: {why}") from cause
    if suffix == ".csv" and experiment.response.end_row and not ended:
        raise LabError(
            f"{path} has no row {END!r} at its end, which response.end_row asks for, so rows may be missing: write it "
            "again, or add the row if nothing is missing"
        )
    rows = rows_of(columns, experiment, str(path))
    return Reading(rows, ended or (suffix == ".csv" and "time" not in columns))


def read_responses(path: Path, experiment: Experiment) -> list[Row]:
    """The responses in a file, which is not being written any more; see `read_file`."""
    return read_file(path, experiment).rows


def rows_of(columns: Columns, experiment: Experiment, where: str) -> list[Row]:
    """Rows from named columns of equal length.

    Args:
        columns: see the module; single numbers count as columns of one row.
        experiment: the recorded neurons, and the counting window.
        where: the file or request, for errors.

    Raises:
        LabError: the columns are not understood, or a value is impossible.
    """
    table = {name: _listed(column) for name, column in columns.items()}
    if "trial" not in table:
        raise LabError(f"{where} has no column 'trial'; {_instead_of_trial(table)}")
    _refuse_misspelt_rejection(table, experiment, where)
    trials = [_trial(value, where) for value in table["trial"]]
    rejected = [_flag(value, where) for value in table.get("rejected", [None] * len(trials))]
    kinds = [name for name in ("response", "spikes", "time") if name in table]
    wide = [name for name in experiment.neurons if name in table]
    for name in ("response", "spikes"):
        if len(trials) == 1 and name in table and (len(table[name]) > 1 or (name == "spikes" and not table[name])):
            table[name] = [table[name]]  # one row of a matrix, which MATLAB and JSON write as a vector
    if len(kinds) + bool(wide) != 1:
        raise LabError(
            f"{where} must have a column for each neuron ({', '.join(experiment.neurons)}), or one of response, spikes "
            f"and time; it has {', '.join(table)}{_near(table, experiment)}"
        )
    for name in {"trial", "rejected", "neuron", *kinds, *wide} & set(table):
        if name != "neuron" and len(table[name]) != len(trials):
            raise LabError(f"{where}: column {name} has {len(table[name])} rows, but trial has {len(trials)}")
    if wide:
        absent = [name for name in experiment.neurons if name not in table]
        if near := _nearly(table, absent, but={*COLUMNS, *wide}):
            raise LabError(f"{where}: column {near[0]!r} is not of a recorded neuron; {near[1]}")
        cells = ((i, name, table[name][i]) for i in range(len(trials)) for name in wide)
        rows = _rows(cells, trials, rejected, where)
    else:
        rows = _rows_of_kind(kinds[0], table, trials, rejected, experiment, where)
    stated = _stimuli(table, trials, experiment)
    return [replace(row, stimuli=stated.get(row.trial, frozenset())) for row in rows] if stated else rows


def _stimuli(
    table: Mapping[str, list[Any]], trials: Sequence[int], experiment: Experiment
) -> dict[int, frozenset[str]]:
    """What the file says was presented in each trial, by the columns that presentations.csv has too."""
    stated: dict[int, set[str]] = {}
    for name in {"stimulus", "file"} - set(experiment.neurons):
        column = table.get(name, [])
        if len(column) == len(trials):
            for trial, value in zip(trials, column, strict=True):
                stated.setdefault(trial, set()).add(_stimulus(str(value)))
    return {trial: frozenset(names) for trial, names in stated.items()}


def _stimulus(text: str) -> str:
    """The name of a stimulus, of its picture's file, or of that at the end of a path, as a rig may log it."""
    name = PureWindowsPath(text.strip()).name  # at both kinds of slashes
    return name[: -len(suffix)] if (suffix := PureWindowsPath(name).suffix).lower() in PICTURES else name


def _rows_of_kind(
    kind: str,
    table: Mapping[str, list[Any]],
    trials: Sequence[int],
    rejected: Sequence[bool],
    experiment: Experiment,
    where: str,
) -> list[Row]:
    names = [str(name).strip() for name in table.get("neuron", [])]

    def cells() -> Iterator[tuple[int, str, Any]]:
        """One after the other, since there may be millions."""
        for i, value in enumerate(table[kind]):
            for neuron, cell in _cells(kind, i, value, names, len(trials), experiment, where):
                yield i, neuron, cell

    if kind == "response":
        return _rows(cells(), trials, rejected, where)
    found: dict[tuple[int, str], list[float] | None] = {}
    for i, neuron, cell in cells():
        key = trials[i], neuron
        times = _times(cell, kind, where, trials[i])
        if kind == "spikes" and key in found:
            raise LabError(f"{where}: trial {key[0]} of {neuron} has two lists of spikes; keep one")
        before = found.setdefault(key, [])
        if rejected[i] or times is None or before is None:
            found[key] = None
        else:
            before += times
    start, end = experiment.response.window
    if kind == "spikes" and _are_counts(single := [cell for _, _, cell in cells()]):
        raise LabError(
            f"{where}: spikes has one whole number in each of {len(single):,} rows, which may be counts: expected "
            "lists of times in milliseconds after stimulus onset; write counts or rates as response"
        )
    _refuse_other_times(found, end, where)
    _refuse_repeated(found, where)
    seconds = (end - start) / 1000
    return [
        Row(*key, None if times is None else _in_window(times, experiment) / seconds) for key, times in found.items()
    ]


def _are_counts(cells: Sequence[Any]) -> bool:
    """Whether all cells are single whole numbers, and too many for trials that happen to have one spike each."""
    try:
        return len(cells) >= MOST_COUNTS and all(
            not isinstance(cell, list) and float(cell).is_integer() for cell in cells
        )
    except (TypeError, ValueError, OverflowError):
        return False


def _refuse_other_times(found: Mapping[tuple[int, str], list[float] | None], end: float, where: str) -> None:
    """Refuse times that are not in milliseconds after the onset of each trial's stimulus.

    Args:
        found: times by trial and neuron.
        end: of the window.
        where: the file or request.

    Raises:
        LabError: nearly all counts would be 0.
    """
    expected = "times are expected in milliseconds after stimulus onset"
    spikes: dict[int, list[float]] = {}
    for (trial, _), times in sorted(found.items()):
        if times:
            spikes.setdefault(trial, []).extend(times)
    count = sum(map(len, spikes.values()))
    if count < MOST_EARLY:
        return
    if end > 0 and max(map(max, spikes.values())) < EARLY * end:
        raise LabError(
            f"{where}: all {count:,} spikes are before {EARLY * end:g} ms, and the window ends at {end:g} ms: "
            f"{expected}, and these may be seconds"
        )
    if len(spikes) >= MOST_RISING and all(max(a) < min(b) for a, b in pairwise(spikes.values())):
        raise LabError(
            f"{where}: in each of {len(spikes):,} trials all spikes are later than those of the trial before: "
            f"{expected}, and these may count from the start of the session"
        )
    middle = median(chain.from_iterable(spikes.values()))
    if middle > LATE * max(end, 1):
        raise LabError(
            f"{where}: half of {count:,} spikes are at {middle:g} ms or later, and the window ends at {end:g} ms: "
            f"{expected}, and these may be microseconds or samples"
        )


def _refuse_repeated(found: Mapping[tuple[int, str], list[float] | None], where: str) -> None:
    """Refuse rows that were written twice, which double a rate.

    Raises:
        LabError: several spikes of a trial, and all of them, are there more than once.
    """
    for (trial, neuron), times in found.items():
        often = Counter(times or ())
        if len(often) > 1 and min(often.values()) > 1:
            raise LabError(
                f"{where}: each spike of trial {trial} of {neuron} is there {min(often.values())} times; write it once"
            )


def _cells(
    kind: str,
    row: int,
    value: Any,
    names: Sequence[str],
    rows: int,
    experiment: Experiment,
    where: str,
) -> list[tuple[str, Any]]:
    """The neurons and cells of one row: one of each, or as many as the matrix has columns.

    `names` is the column `neuron`, and `rows` the number of rows.
    """
    # MATLAB writes one spike of each neuron as numbers, not as lists of one; of one unnamed neuron they cannot be.
    unnamed = not names and len(experiment.neurons) > 1
    nested = isinstance(value, list) and (kind == "response" or unnamed or any(isinstance(v, list) for v in value))
    if nested:
        columns = names or list(experiment.neurons)
        if len(columns) != len(value):
            raise LabError(f"{where}: {kind} has {len(value)} columns, but the neurons are {', '.join(columns)}")
        return list(zip(columns, value, strict=True))
    if len(names) == rows:
        return [(names[row], value)]
    if not names and len(experiment.neurons) == 1:
        return [(experiment.neurons[0], value)]
    if len(names) == 1:
        return [(names[0], value)]
    raise LabError(
        f"{where} needs a column 'neuron' with one name per row: {len(experiment.neurons)} neurons are recorded "
        f"({', '.join(experiment.neurons)})"
    )


def _rows(
    cells: Iterable[tuple[int, str, Any]], trials: Sequence[int], rejected: Sequence[bool], where: str
) -> list[Row]:
    return [
        Row(trials[i], name, None if rejected[i] else _number(cell, f"{where}: trial {trials[i]} of {name}"))
        for i, name, cell in cells
    ]


def _listed(column: Any) -> list[Any]:
    """A column as a list; MATLAB writes a column of one row as a single value."""
    if isinstance(column, np.ndarray):
        column = column.tolist()
    return column if isinstance(column, list) else [column]


def _trial(value: Any, where: str) -> int:
    number = _number(value, f"{where}: column trial")
    if number is None or number != int(number):
        raise LabError(f"{where}: column trial has {value!r}; expected the numbers of presentations.csv")
    return int(number)


def _number(value: Any, where: str) -> float | None:
    """A finite number; None for an empty cell or NaN."""
    if value is None or (isinstance(value, str) and value.strip().lower() in NOTHING):
        return None
    try:
        if isinstance(value, bool | bytes) or (isinstance(value, str) and not is_plain_number(value)):
            raise ValueError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise LabError(f"{where} has {str(value)[:60]!r}; expected a number, or nothing for a rejected trial") from None
    if isnan(number):
        return None
    if abs(number) > LARGEST_ACTIVATION:
        raise LabError(
            f"{where} has {value!r}; a response is finite, up to {LARGEST_ACTIVATION:g}; a rejected trial has none"
        )
    return number


def _flag(value: Any, where: str) -> bool:
    whole = isinstance(value, bool) or (isinstance(value, float) and value.is_integer())
    text = str(int(value) if whole else value).strip().lower()
    if text not in YES + NO:
        raise LabError(f"{where}: column rejected has {value!r}; expected 1 or 0")
    return text in YES


def _times(cell: Any, kind: str, where: str, trial: int) -> list[float] | None:
    """Spike times of a cell; None if the trial was rejected."""
    label = f"{where}: spikes of trial {trial}"
    if kind == "time":
        number = _number(cell, label)
        return [] if number is None else [number]
    if isinstance(cell, str):
        cell = cell.replace(";", " ").split()
    if cell is None or (isinstance(cell, float) and isnan(cell)):
        return None
    numbers = [_number(time, label) for time in _listed(cell)]
    times = [number for number in numbers if number is not None]
    if len(times) < len(numbers) > 1:
        raise LabError(
            f"{label}: NaN or nothing among {len(numbers):,} times, as if to fill a matrix; expected a list of this "
            "trial's own spikes, empty if there are none, or only NaN if the trial is rejected"
        )
    return times if times or not numbers else None


def _in_window(times: Sequence[float], experiment: Experiment) -> int:
    start, end = experiment.response.window
    return sum(start <= time < end for time in times)


def _instead_of_trial(table: Mapping[str, object]) -> str:
    """What to do about a table without the column: rename the one that is meant, if one looks like it."""
    columns = islice(table, MOST_COMPARED)
    meant = [name for name in columns if "trial" in name.casefold() or suggestion(name, ["trial"]).endswith("?")]
    if len(meant) == 1:
        return f"rename its column {meant[0][:80]!r}"
    return f"its columns: {', '.join(name[:80] for name in list(table)[:40]) or 'none'}"


def _refuse_misspelt_rejection(table: Mapping[str, object], experiment: Experiment, where: str) -> None:
    """Refuse a column whose name says only to people that it rejects trials.

    Raises:
        LabError: there is one.
    """
    known = {*experiment.neurons, "rejected"}
    for name in table:
        if "reject" in name.casefold() and name not in known:
            raise LabError(
                f"{where}: column {name[:80]!r} would reject no trial; rename it 'rejected', or leave it out"
            )


def _near(table: Mapping[str, object], experiment: Experiment) -> str:
    known = {*experiment.neurons, *COLUMNS}
    near = _nearly(table, known, but=known)
    return f"; for {near[0]!r}, {near[1]}" if near else ""


def _nearly(table: Iterable[str], known: Collection[str], *, but: Collection[str]) -> tuple[str, str] | None:
    """The first column that has nearly a known name, and the question whether that is meant; None if none has.

    Looked for are `MOST_COMPARED` pairs of a column and a name at most: a file may have thousands of both.

    Args:
        table: the columns' names.
        known: names that a column may have.
        but: columns that are left out.
    """
    columns = islice((name for name in table if name not in but), -(-MOST_COMPARED // len(known)) if known else 0)
    for name in columns:
        if (near := suggestion(name, known)).endswith("?"):
            return name, near
    return None


def _read_csv(numbers: Collection[str], path: Path) -> tuple[dict[str, list[Any]], bool]:
    """The columns of a file, and whether its format says that it ends there."""
    return read_csv(read_bytes(path, LARGEST, links=True), numbers=numbers, decoded=LARGEST_DECODED)


def _read_parquet(path: Path) -> tuple[dict[str, list[Any]], bool]:
    import pyarrow as pa

    from amb.study.tables import read_columns

    content = read_bytes(path, LARGEST, links=True)
    try:
        return read_columns(content, most=MOST, decoded=LARGEST_DECODED), True  # the end says what comes before it
    except (pa.ArrowException, OSError) as cause:
        raise ValueError(f"it is damaged or not a Parquet file ({cause})" if content else "it is empty") from cause


def _read_mat(path: Path) -> tuple[dict[str, list[Any]], bool]:
    return read_mat(read_bytes(path, LARGEST, links=True), decoded=LARGEST_DECODED), False
