"""Settings as TOML: read into typed records with errors that a user can act on, and written."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Struct

from amb.errors import LabError, unknown
from amb.study.untrusted import MEBIBYTE, read_bytes

LARGEST = MEBIBYTE
MOST_WORK = 1 << 22
"""Parts of keys that `tomllib` looks at, which goes over all of a key for each of its parts: a second or two."""
_BITS = 63
_WHOLE = f"whole numbers below 2^{_BITS}"

_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*(?:"|$)|'[^']*(?:'|$)""")
"""Texts within a line; one that is not closed, as after an apostrophe in a comment, takes the rest of it."""

T = TypeVar("T", bound=Struct)


def read_text(path: Path) -> str:
    """The text of a file of settings, without the mark of UTF-8 that editors of Windows begin it with.

    Raises:
        LabError: it cannot be read, is no regular file, or is not UTF-8; the cause is the `OSError`, if there is one.
    """
    try:
        return read_bytes(path, LARGEST, links=True).decode("utf-8-sig")
    except OSError as cause:
        raise LabError(f"cannot read {path}: {cause.strerror or cause}") from cause
    except UnicodeDecodeError as cause:
        raise LabError(f"cannot read {path}: byte {cause.start + 1:,} is not UTF-8; save the file as UTF-8") from cause


def parse_settings(text: str, kind: type[T], where: str) -> T:
    """Settings in TOML as a record of type `kind`.

    Raises:
        LabError: it is not TOML, or an entry is unknown, missing, or of the wrong type or range.
    """
    _refuse_endless(text, where)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as cause:
        raise LabError(f"{where} is not TOML: {cause}") from cause
    except ValueError as cause:  # of more digits than Python reads
        raise LabError(f"{where} has a number of thousands of digits; expected {_WHOLE}") from cause
    except RecursionError as cause:
        raise LabError(f"{where}: lists or tables are nested too deeply; settings need two levels at most") from cause
    _refuse_unknown(content, kind, where, "")
    _refuse_large(content, where, "")
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as cause:
        raise LabError(f"{where}: {_explained(str(cause), content)}") from cause
    except LabError as cause:
        raise LabError(f"{where}: {cause}") from cause


def _refuse_endless(text: str, where: str) -> None:
    """Refuse a text that might take hours to read, by the points in its lines: some of them may divide keys.

    Those in texts, such as the neurons `V4.1` to `V4.900`, do not.
    """
    over_lines = '"""' in text or "'''" in text
    points = [(line if over_lines else _QUOTED.sub("", line)).count(".") for line in text.split("\n")]
    if max(points) * (len(points) + sum(points)) > MOST_WORK:
        raise LabError(
            f"{where}: line {points.index(max(points)) + 1} has {max(points):,} points; a key has two parts at most, "
            "and long lists can be split over several lines"
        )


def _refuse_unknown(content: Any, kind: Any, where: str, path: str) -> None:
    """Refuse entries that a record does not have, with the nearest names, in nested records too."""
    if not (isinstance(content, dict) and isinstance(kind, type) and issubclass(kind, Struct)):
        return
    known = {field.name: field for field in msgspec.structs.fields(kind)}
    for name, value in content.items():
        if name not in known:
            raise unknown(f"entry in {where}:", f"{path}{name}", [path + k for k in known], LabError)
        inner = known[name].type
        for part in value if isinstance(value, list) else [value]:
            _refuse_unknown(part, next((a for a in getattr(inner, "__args__", ()) if _is_record(a)), inner),
                            where, f"{path}{name}.")  # fmt: skip


def _refuse_large(value: Any, where: str, path: str) -> None:
    """Refuse whole numbers that TOML does not have; of some, even an error could not be shown."""
    if isinstance(value, dict):
        for name, part in value.items():
            _refuse_large(part, where, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for part in value:
            _refuse_large(part, where, path)
    elif isinstance(value, int) and value.bit_length() > _BITS:
        raise LabError(f"{where}: {path} has a number of {value.bit_length():,} bits; expected {_WHOLE}")


def _is_record(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _explained(message: str, content: dict[str, Any]) -> str:
    """msgspec's message with the entry's name first, and the value that came."""
    what, _, path = message.partition(" - at `$.")
    if not path:
        return what[0].lower() + what[1:]
    path = path.rstrip("`")
    value: Any = content
    for part in re.findall(r"\w+|\[\d+\]", path):
        try:
            value = value[int(part[1:-1]) if part.startswith("[") else part]
        except (KeyError, IndexError, TypeError):
            value = UNSET
            break
    if value is not UNSET and not isinstance(value, dict):
        what = f"{what.split(', got ')[0]}, got {value!r}"
    return f"{path}: {what[0].lower() + what[1:]}"


def toml_text(settings: Struct) -> str:
    """Settings as the text of a TOML file: plain entries first, then records as tables."""
    return "\n".join(_lines(settings, "")).strip() + "\n"


def toml_value(value: object) -> str:
    """A number, text, or a list of them, as TOML; what JSON writes of these is TOML too."""
    return json.dumps(value, ensure_ascii=False)


def _lines(settings: Struct, path: str) -> list[str]:
    entries = [(name, getattr(settings, name)) for name in settings.__struct_fields__]
    lines = [f"{name} = {toml_value(value)}" for name, value in entries if not _records(value)]
    for name, value in entries:
        header = f"[[{path}{name}]]" if isinstance(value, tuple) else f"[{path}{name}]"
        for record in _records(value):
            lines += ["", header, *_lines(record, f"{path}{name}.")]
    return lines


def _records(value: object) -> list[Struct]:
    return [v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, Struct)]
