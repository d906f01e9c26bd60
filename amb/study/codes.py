"""Hashes of the code of one's own solvers and problems, as a manifest holds them.

Each stands under a name and its version or fingerprint (`key`), and says Python's version and all parts by their kind,
such as a target's class and that of the model which it holds: `3.11 part:8a7a13aa0ed82e38+part:5f25909123041053`.
`amb.catalogue.own_code` makes them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

_SEVERAL = "several"


def key(name: str, version: str) -> str:
    """What the code of a solver in a version, or of a problem with a fingerprint, is found by."""
    return f"{name} {version}"


def name_of(key: str) -> str:
    """The name in a `key`: neither specs nor ids have spaces."""
    return key.partition(" ")[0]


def code_of(python: str, parts: Iterable[tuple[str, str]]) -> str:
    """The code of some parts, by what they are (a family, say) and their hashes."""
    return _code(python, {":".join(part) for part in parts})


def is_other_code(one: str, other: str) -> bool:
    """Whether two codes are different: of one kind, each has a part that the other lacks.

    One with more parts is the same: what is loaded on first use is not there before, and a problem of a family has
    other parts when it is given as an object. Those of two versions of Python tell nothing.
    """
    (python, parts), (other_python, other_parts) = _read(one), _read(other)
    apart = [{_kind(part) for part in some} for some in (parts - other_parts, other_parts - parts)]
    differ = is_of_several(one) != is_of_several(other) or not apart[0].isdisjoint(apart[1])
    return python == other_python and differ


def with_all_parts(first: str, now: str) -> str:
    """The code as it was found first, with parts that have come to it since."""
    (python, parts), (other_python, other_parts) = _read(first), _read(now)
    return first if python != other_python or is_other_code(first, now) else _code(python, parts | other_parts)


def several(code: str) -> str:
    """What stands for a solver's or problem's code where its runs are of different code, this one among them."""
    return _code(_read(code)[0], {_SEVERAL})


def is_of_several(code: str) -> bool:
    """Whether the runs are of different code."""
    return _read(code)[1] == {_SEVERAL}


def marked(united: Mapping[str, str], parts: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The codes of a united study, with what stands for different code where two of its parts, or one, have that."""
    first: dict[tuple[str, str], str] = {}
    differ = set()
    for name, code in (pair for part in parts for pair in part.items()):
        known = first.setdefault((name, _read(code)[0]), code)  # of the same version of Python
        if is_of_several(code) or is_other_code(code, known):
            differ.add(name)
    return {name: several(code) if name in differ else code for name, code in united.items()}


def _code(python: str, parts: Collection[str]) -> str:
    return f"{python} {'+'.join(sorted(parts))}"


def _read(code: str) -> tuple[str, set[str]]:
    python, _, parts = code.partition(" ")
    return python, {*parts.split("+")}


def _kind(part: str) -> str:
    return part.partition(":")[0]
