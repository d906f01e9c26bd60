"""Reference points on disk: one JSON file a suite, beside the module that registers the suite.

`<folder of the module>/references/<suite>-<version>.json`, with a hash of its own content. Each problem's points carry
the problem's fingerprint, so that points of other weights or another grid are never used.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from amb.contracts.family import Reference
from amb.errors import DataError
from amb.foreign import MEBIBYTE, json_object, read_bytes
from amb.noise import quiet
from amb.plugins import find
from amb.problems import problem, suite, suite_names
from amb.study import PublishedStudy, Study

SCHEMA = 1
LARGEST = 64 * MEBIBYTE


@dataclass(frozen=True)
class References:
    """A suite's reference points.

    Attributes:
        suite: name and version, `quick-1`.
        points: by problem id.
        dead: units of the suite's layers that answer alike to every reference, `<generator>/<target>/<layer>/<unit>`;
            a suite leaves them out.
        searched: number of units that were tried.
    """

    suite: str
    points: Mapping[str, Reference]
    dead: tuple[str, ...] = ()
    searched: int = 0


def save(references: References, file: Path) -> None:
    """Write the file.

    Raises:
        DataError: it cannot be written.
    """
    content = asdict(references)
    text = json.dumps({"schema": SCHEMA, "sha256": _digest(content), **content}, indent=1)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{file} cannot be written ({error.strerror}); choose another place with --out") from error


def load(file: Path) -> References:
    """Read a file that `save` wrote.

    Raises:
        DataError: it is missing, damaged, or of another schema.
    """
    try:
        content = json_object(read_bytes(file, LARGEST, links=True))
        schema, digest = content.pop("schema"), content.pop("sha256")
        points = {name: Reference.from_content(point) for name, point in content["points"].items()}
        found = References(content["suite"], points, tuple(content["dead"]), int(content["searched"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file} holds no reference points ({error!r}); `amb references` writes them") from error
    if schema != SCHEMA or digest != _digest(content):
        raise DataError(f"{file} is damaged or of another schema: write it again with `amb references`")
    return found


def home(suite_name: str) -> Path:
    """Where the reference points of a suite are looked for."""
    found = suite(suite_name)
    module = find_spec(find("problems", found.name).target.split(":")[0])
    folder = Path(module.origin).parent if module is not None and module.origin else Path()
    return folder / "references" / f"{found.name}-{found.version}.json"


@cache
def of_suite(suite_name: str) -> References | None:
    """The stored reference points of a suite, stale ones too; None: it has none.

    Raises:
        DataError: their file is damaged.
    """
    file = home(suite_name)
    return load(file) if file.is_file() else None


def reference(problem_id: str, *, fingerprint: str | None = None) -> Reference | None:
    """The reference points of a problem, if a suite has them and they belong to these weights and this grid.

    They are without noise, so those of a problem with noise are the same problem's without.

    Args:
        problem_id: as in a suite, with noise or without.
        fingerprint: of that problem, noise included, as a run has it; None: today's. The problem is made where this
            does not tell its weights: without a fingerprint, and under noise, which is part of the fingerprint.

    Raises:
        DataError: a suite's file is damaged.
        SpecError, CheckpointError: the problem would have to be made, and cannot be.
    """
    name = quiet(problem_id)
    for suite_name in suite_names():
        stored = of_suite(suite_name)
        point = None if stored is None else stored.points.get(name)
        if point is not None and point.fingerprint == _fingerprint_without_noise(problem_id, fingerprint):
            return point
    return None


def _fingerprint_without_noise(problem_id: str, fingerprint: str | None) -> str | None:
    """As `reference` has it; None: what was measured is not today's problem."""
    name = quiet(problem_id)
    if name == problem_id and fingerprint is not None:
        return fingerprint
    if fingerprint is not None and fingerprint != problem(problem_id).fingerprint:
        return None
    return problem(name).fingerprint


def improved(references: References, study: Study | PublishedStudy) -> References:
    """The same reference points, the best known values raised to what a study's runs found.

    A run counts where its problem's fingerprint, noise included, is today's; its values count without noise.
    """
    points = dict(references.points)
    for record, trace in study.records():
        plan, name = record.plan, quiet(record.plan.problem)
        point = points.get(name)
        clean = np.where(np.isfinite(trace.clean), trace.clean, -np.inf)
        if point is None or not len(clean) or clean.max() <= point.best:
            continue
        if problem(plan.problem).fingerprint == plan.fingerprint and problem(name).fingerprint == point.fingerprint:
            winner = int(clean.argmax())
            points[name] = replace(
                point,
                best=float(clean[winner]),
                candidate=tuple(int(level) for level in trace.candidates[winner]),
                provenance=f"query {winner + 1} of {plan.solver} on {plan.problem}, replicate {plan.replicate}",
            )
    return replace(references, points=points)


def stale(suite_name: str) -> list[str]:
    """Problems of a suite whose stored reference points belong to other weights or another grid."""
    stored = of_suite(suite_name)
    points = {} if stored is None else stored.points
    return [name for name, point in points.items() if point.fingerprint != problem(name).fingerprint]


def _digest(content: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
