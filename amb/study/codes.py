"""Hashes of the code of one's own solvers and problems, as a manifest holds them.

Each stands under a name and its version or fingerprint (`key`), and says Python's version and the hashes of all parts,
such as a target's class and that of the model which it holds. `amb.catalogue.own_code` makes them.
"""

from collections.abc import Iterable, Mapping, Sequence

_SEVERAL = "several"


def key(name: str, version: str) -> str:
    """What the code of a solver in a version, or of a problem with a fingerprint, is found by."""
    return f"{name} {version}"


def name_of(key: str) -> str:
    """The name in a `key`: neither specs nor ids have spaces."""
    return key.partition(" ")[0]


def code_of(python: str, parts: Iterable[str]) -> str:
    """The code of some parts, by their hashes."""
    return f"{python} {'+'.join(sorted({*parts}))}"


def is_other_code(one: str, other: str) -> bool:
    """Whether two codes are different: each has a part that the other lacks.

    One with more parts is the same: what is loaded on first use is not there before. Those of two versions of Python
    always differ, and tell nothing.
    """
    (python, parts), (other_python, other_parts) = _read(one), _read(other)
    return python == other_python and bool(parts - other_parts) and bool(other_parts - parts)


def with_all_parts(first: str, now: str) -> str:
    """The code as it was found first, with parts that have come to it since."""
    (python, parts), (other_python, other_parts) = _read(first), _read(now)
    return code_of(python, parts | other_parts) if python == other_python and parts < other_parts else first


def several(code: str) -> str:
    """What stands for a solver's or problem's code where its runs are of different code, this one among them."""
    return code_of(_read(code)[0], [_SEVERAL])


def is_of_several(code: str) -> bool:
    """Whether the runs are of different code."""
    return _read(code)[1] == {_SEVERAL}


def marked(united: Mapping[str, str], parts: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The codes of a united study, with what stands for different code where a part of it has another one."""
    differ = {name for part in parts for name, code in part.items() if is_other_code(code, united[name])}
    return {name: several(code) if name in differ else code for name, code in united.items()}


def _read(code: str) -> tuple[str, set[str]]:
    python, _, parts = code.partition(" ")
    return python, {*parts.split("+")}
