"""How long queries take on this machine: measured when asked for, one number a pair of networks, kept in the cache.

The file is `times.json` in the user's cache folder (`AMB_CACHE`). Another machine, another number of cores or another
version of amb starts anew.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from platform import node
from time import perf_counter
from typing import TypeGuard

from amb.contracts.suite import Suite
from amb.spec import ProblemId, user_cache

BATCH = 64
"""Queries in the batch that is timed."""


def measured_seconds(problem_id: str) -> float:
    """Seconds of generator and target per query on this machine: a batch of 64, after one that warms up.

    Raises:
        SpecError: the problem is not installed.
    """
    import numpy as np

    from amb.catalogue.problems import problem

    found = problem(problem_id)
    found.warm_up()
    rng = np.random.default_rng(0)
    found.evaluate(found.space.sample_prior(BATCH, rng))
    candidates = found.space.sample_prior(BATCH, rng)
    start = perf_counter()
    found.evaluate(candidates)
    return (perf_counter() - start) / BATCH


def measure_pairs(suites: Iterable[Suite], progress: Callable[[str], object]) -> None:
    """Measure a query of every pair of networks in the suites, and store each at once.

    Args:
        suites: their pairs are measured, each on the pair's middle problem.
        progress: called with a line before each measurement.

    Raises:
        AmbError: a problem cannot be loaded.
    """
    problems: dict[str, list[str]] = {}
    for problem_id in dict.fromkeys(problem_id for suite in suites for problem_id in suite.problems):
        problems.setdefault(ProblemId.parse(problem_id).pair, []).append(problem_id)
    for number, (pair, ids) in enumerate(problems.items(), start=1):
        progress(f"Measuring {pair} ({number} of {len(problems)}) ...")
        _store({**stored_seconds(), pair: measured_seconds(ids[len(ids) // 2])})


def stored_seconds() -> Mapping[str, float]:
    """Seconds per query by pair, as measured on this machine with this version of amb; empty if never measured."""
    content = _read()
    rows = content.get(_machine(), {})
    return {pair: float(seconds) for pair, seconds in rows.items() if _is_duration(seconds)}


def _is_duration(seconds: object) -> TypeGuard[float]:
    """Whether an entry is a finite number above 0; an integer may be too large for a float."""
    return isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds <= sys.float_info.max


def suite_seconds(suite: Suite, seconds: Mapping[str, float]) -> float | None:
    """Seconds of generator and target for one solver and one seed on all problems; None if a pair was not measured."""
    each = [seconds.get(ProblemId.parse(problem_id).pair) for problem_id in dict.fromkeys(suite.problems)]
    known = [value for value in each if value is not None]
    return suite.budget * sum(known) if len(known) == len(each) else None


def _machine() -> str:
    return f"{node()}, {os.cpu_count()} cores, amb {version('amb')}"


def _file() -> Path:
    return user_cache() / "times.json"


def _read() -> dict[str, dict[str, object]]:
    try:
        content = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}  # never measured, or damaged
    rows = content.items() if isinstance(content, dict) else ()
    return {machine: row for machine, row in rows if isinstance(row, dict)}


def _store(seconds: Mapping[str, float]) -> None:
    from amb.study.durable import make_folder, write_json

    with suppress(OSError):  # what cannot be stored is measured again
        make_folder(_file().parent)
        write_json(_file(), {**_read(), _machine(): dict(seconds)}, error=None)
