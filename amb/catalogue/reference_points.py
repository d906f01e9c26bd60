"""Reference points on disk: one JSON file for each suite, in the folder of the module that registers the suite.

`<folder of the module>/references/<suite>-<version>.json`, with a hash of its own content. Each problem's points carry
the problem's fingerprint, so that points of different weights or a different grid are never used. Files of earlier
versions stay, so that a study of one keeps its reference points.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from amb.catalogue.plugins import Kind, Plugin, find, load_instance, plugins
from amb.catalogue.suites import suite, working_suites
from amb.contracts.reference import Reference
from amb.contracts.suite import Suite
from amb.errors import AmbError, DataError, SpecError
from amb.spec import ProblemId, user_path, without_noise
from amb.study.durable import make_folder, write_whole
from amb.study.own_files import refuse_others, text
from amb.study.untrusted import MEBIBYTE, json_object, read_bytes, refuse_unreadable

SCHEMA = 1
LARGEST = 64 * MEBIBYTE
_NO_POINTS = (ValueError, KeyError, TypeError, AttributeError, OverflowError)
"""What parsing a file raises that holds no reference points."""
_ELSEWHERE = "choose another place with --out"


@dataclass(frozen=True)
class References:
    """A suite's reference points.

    Attributes:
        suite: name and version, `quick-1`.
        points: by problem id.
        dead: units of the suite's layers that respond identically to every image, as
            `<generator>/<target>/<layer>/<unit>`; suites leave them out.
        searched: number of units that were searched for dead ones.
    """

    suite: str
    points: Mapping[str, Reference]
    dead: tuple[str, ...] = ()
    searched: int = 0


def check_files(files: Iterable[Path]) -> None:
    """Refuse to write reference points over files of the user's, before they are measured.

    Raises:
        DataError: a file is there and holds no reference points.
    """
    form = text("a file of reference points", '"schema"', '"sha256"', '"suite"')
    refuse_others(dict.fromkeys(files, form), f"move it away, or {_ELSEWHERE}", DataError)


def save(references: References, file: Path) -> None:
    """Write the file.

    Raises:
        DataError: it cannot be written, or is there and holds no reference points.
    """
    content = asdict(references)
    file, advice = user_path(file), _ELSEWHERE
    check_files([file])
    try:
        make_folder(file.parent)
    except OSError as error:
        raise DataError(f"cannot create {file.parent} ({error.strerror}); {advice}") from error
    stamped = {"schema": SCHEMA, "sha256": _digest(content), **content}
    written = json.dumps(stamped, indent=1) + "\n"
    try:
        _parsed(written.encode())
    except _NO_POINTS as error:
        raise DataError(f"{file} could not be read again ({error!r}), so it is not written") from error
    if len(written) > LARGEST:
        raise DataError(f"{file} would have {len(written) / MEBIBYTE:.0f} MiB; the limit is {LARGEST // MEBIBYTE}")
    write_whole(file, written, error=DataError, advice=advice)


def load(file: Path) -> References:
    """Read a file that `save` wrote.

    Raises:
        DataError: the file is missing, damaged, or has a different schema.
        UnreadableError: it cannot be read.
    """
    try:
        references, schema, is_whole = _parsed(read_bytes(file, LARGEST, links=True))
    except (OSError, *_NO_POINTS) as error:
        refuse_unreadable(file, error, unless_missing=True)
        raise DataError(f"{file} holds no reference points ({error!r}); `amb references` writes them") from error
    if schema != SCHEMA or not is_whole:
        raise DataError(f"{file} is damaged or has a different schema; `amb references` writes a new one")
    return references


def _parsed(text: bytes) -> tuple[References, object, bool]:
    """What a file holds, its schema, and whether it has the hash of its content."""
    content = json_object(text)
    schema, digest = content.pop("schema"), content.pop("sha256")
    points = {name: Reference.from_content(point) for name, point in content["points"].items()}
    references = References(content["suite"], points, tuple(content["dead"]), int(content["searched"]))
    return references, schema, digest == _digest(content)


def file_of(suite_name: str) -> Path:
    """The file that holds a suite's reference points, if there is one."""
    chosen = suite(suite_name)
    return _file(find("suites", chosen.name), chosen)


def _file(plugin: Plugin, chosen: Suite) -> Path:
    module = find_spec(plugin.location.split(":")[0])
    folder = Path(module.origin).parent if module is not None and module.origin else Path()
    return folder / "references" / f"{chosen.name}-{chosen.version}.json"


@cache
def of_suite(suite_name: str) -> References | None:
    """The stored reference points of a suite, including stale ones; None if none are stored.

    Raises:
        DataError: their file is damaged.
    """
    file = file_of(suite_name)
    return load(file) if file.is_file() else None


@cache
def of_earlier_versions(suite_name: str) -> tuple[References, ...]:
    """The stored reference points of a suite's earlier versions, newest first.

    Raises:
        DataError: a file is damaged.
    """
    return _earlier(suite(suite_name), file_of(suite_name).parent)


def _earlier(chosen: Suite, folder: Path) -> tuple[References, ...]:
    numbers = (file.stem.removeprefix(f"{chosen.name}-") for file in folder.glob(f"{chosen.name}-*.json"))
    earlier = sorted((int(number) for number in numbers if number.isdecimal()), reverse=True)
    return tuple(load(folder / f"{chosen.name}-{number}.json") for number in earlier if number < chosen.version)


@cache
def _of_rival(plugin: Plugin) -> tuple[References, ...]:
    """The stored reference points of a suite that shares its name with another, of all versions; none if damaged."""
    try:
        chosen = load_instance(plugin, Suite)
        file = _file(plugin, chosen)
        return (*([load(file)] if file.is_file() else []), *_earlier(chosen, file.parent))
    except AmbError:
        return ()


def stored_points(name: str) -> list[Reference]:
    """All stored reference points of a problem without noise, for any weights and grid, of any version of a suite.

    Those of the package that the problem comes from are first, so that no other package that is installed changes what
    its activations are measured by. Then the newest versions come first. Suites that cannot be loaded have none, nor
    has a damaged file of a suite without the problem. Of several suites that share a name, which no name finds, each
    has its own.

    Raises:
        DataError: the file of a suite with the problem is damaged.
    """
    registered, suites, own = plugins("suites"), working_suites(), _packages(name)
    stored = [
        (registered[chosen.name], found)
        for read in (_newest, of_earlier_versions)
        for chosen in suites
        for found in _readable(read, chosen, name)
    ]
    rivals = (rival for plugin in registered.values() for rival in plugin.rivals)
    stored += [(rival, found) for rival in rivals for found in _of_rival(rival)]
    stored.sort(key=lambda one: one[0].package not in own)
    return [found.points[name] for _, found in stored if name in found.points]


def _packages(name: str) -> set[str]:
    """The packages that a problem comes from: that of its family, or those of its generator and its target."""
    parts = ProblemId.parse(name)
    named: dict[Kind, str] = {"families": parts.pair, "generators": parts.generator, "targets": parts.target}
    return {known[part].package for kind, part in named.items() if part in (known := plugins(kind))}


def _newest(suite_name: str) -> tuple[References, ...]:
    found = of_suite(suite_name)
    return () if found is None else (found,)


def _readable(read: Callable[[str], tuple[References, ...]], chosen: Suite, name: str) -> tuple[References, ...]:
    """What is stored for a suite; nothing if that is damaged and the suite is not about the problem."""
    try:
        return read(chosen.name)
    except DataError:
        if _is_about(chosen, name):
            raise
        return ()


def _is_about(chosen: Suite, name: str) -> bool:
    for listed in chosen.problems:
        with suppress(SpecError):  # of an id that cannot be understood
            if without_noise(listed) == name:
                return True
    return False


def stored_point(name: str, fingerprint: str) -> Reference | None:
    """The reference points of a problem without noise, if a suite holds them for these weights and this grid.

    Args:
        name: the problem's id, without noise.
        fingerprint: that problem's fingerprint.

    Raises:
        DataError: a suite's file is damaged.
    """
    return next((point for point in stored_points(name) if point.fingerprint == fingerprint), None)


def _digest(content: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
