"""Hashes of the code of one's own solvers and problems, as a manifest holds them: Python's version, and the hash.

`amb.catalogue.own_code` makes them.
"""

from collections.abc import Mapping, Sequence

_SEVERAL = "several"


def is_other_code(one: str, other: str) -> bool:
    """Whether two hashes are of different code; those of two versions of Python always differ, and tell nothing."""
    return one.partition(" ")[0] == other.partition(" ")[0] and one != other


def several(code: str) -> str:
    """What stands for a solver's or problem's code where its runs are of different code, this one among them."""
    return f"{code.partition(' ')[0]} {_SEVERAL}"


def is_of_several(code: str) -> bool:
    """Whether the runs are of different code."""
    return code.partition(" ")[2] == _SEVERAL


def marked(united: Mapping[str, str], parts: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The codes of a united study, with what stands for different code where a part of it has another one."""
    differ = {name for part in parts for name, code in part.items() if is_other_code(code, united[name])}
    return {name: several(code) if name in differ else code for name, code in united.items()}
