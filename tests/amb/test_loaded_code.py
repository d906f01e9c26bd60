"""A fingerprint is of the code that this process runs: what was imported, not what the file says since."""

import importlib
import os
import py_compile
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType

import pytest

from amb import loaded_code
from amb.errors import SpecError
from amb.fingerprint import fingerprint

TEXT = """
import functools

import numpy as np

LEVEL = 10
WEIGHTS = np.array([1, 2])

def decorated(f):
    @functools.wraps(f)
    def wrapper(*args):
        return f(*args)
    return wrapper

@decorated
def g(p):
    return LEVEL

@functools.lru_cache
def h(p):
    return 2.5

class A:
    @property
    def k(self):
        return {1, 2}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    write(TEXT)
    yield tmp_path
    sys.modules.pop("helping", None)


def write(text: str) -> None:
    importlib.invalidate_caches()
    Path("helping.py").write_text(text)


def imports_it(p: float) -> float:
    import helping

    return helping.g(p)


def has_it() -> FunctionType:
    import helping

    def asked(p: float, helping=helping) -> float:  # type: ignore[no-untyped-def]
        return helping.g(p)

    return asked


EDITS = {  # each changes the size, since the times may be of one second
    "a function": ("return LEVEL", "return LEVEL + 1"),
    "a cached function": ("2.5", "33.5"),
    "a property": ("{1, 2}", "{1, 33}"),
    "a constant": ("LEVEL = 10", "LEVEL = 500"),
    "an array": ("[1, 2]", "[1, 33]"),
    "a decorator": ("return f(*args)", "return -f(*args)"),
}


@pytest.mark.parametrize("looked_before", [True, False])
@pytest.mark.parametrize(("old", "new"), EDITS.values(), ids=EDITS)
def test_a_module_that_was_edited_since_it_was_imported_is_refused(old: str, new: str, looked_before: bool) -> None:
    asked = has_it()
    if looked_before:
        fingerprint(asked), fingerprint(imports_it)
    write(TEXT.replace(old, new))
    for function in (asked, imports_it):
        with pytest.raises(SpecError, match=r"helping\.py was changed after .* imported it as helping .*reload"):
            fingerprint(function)
    importlib.reload(sys.modules["helping"])
    assert fingerprint(asked)
    assert fingerprint(imports_it)


@pytest.mark.parametrize("edit", ["a function", "a constant"])
def test_it_is_refused_where_byte_code_says_nothing(edit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process has imported the edited file, or none writes byte code, as in many containers."""
    asked = has_it()
    write(TEXT.replace(*EDITS[edit]))
    py_compile.compile("helping.py")
    with pytest.raises(SpecError, match="was changed after"):
        fingerprint(asked)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    with pytest.raises(SpecError, match="was changed after"):
        fingerprint(asked)


def _untouched() -> None:
    pass


def _touched() -> None:
    os.utime("helping.py", (1, 1))


def _commented() -> None:
    write(f"# a comment\n{TEXT}")


def _replaced_alone() -> None:
    """As IPython's autoreload does it."""
    write(TEXT.replace("2.5", "33.5"))
    names: dict[str, object] = {}
    exec(compile(Path("helping.py").read_text(), str(Path("helping.py").resolve()), "exec"), names)
    vars(sys.modules["helping"])["h"] = names["h"]


def _without_byte_code() -> None:
    """Byte code of an earlier text stands where none is written."""
    del sys.modules["helping"]
    write(TEXT.replace("[1, 2]", "[1, 2, 3]"))
    sys.dont_write_bytecode = True


def _monkeypatched() -> None:
    import helping

    helping.h = lambda p: 1


@pytest.mark.parametrize(
    "happens", [_untouched, _touched, _commented, _replaced_alone, _without_byte_code, _monkeypatched]
)
@pytest.mark.parametrize("looked_before", [True, False])
def test_a_module_that_is_what_its_file_says_is_none(happens: Callable[[], None], looked_before: bool) -> None:
    if looked_before:
        fingerprint(has_it())
    else:
        has_it()
    happens()
    assert fingerprint(has_it())
    assert fingerprint(imports_it)


def test_what_is_older_than_the_process_was_imported_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever instruments its functions, as checkers of types and profilers do."""
    asked = has_it()
    module = sys.modules["helping"]
    module.A.k.fget.__code__ = module.A.k.fget.__code__.replace(co_consts=(None, 1))
    monkeypatch.setattr(loaded_code, "_STARTED", float("inf"))
    assert fingerprint(asked)


@pytest.mark.parametrize("loaded", [True, False])
def test_byte_code_of_another_text_is_named(loaded: bool) -> None:
    """Python looks only at a file's size and its time in whole seconds, which copies of archives keep."""
    os.utime("helping.py", (1e9, 1e9))
    py_compile.compile("helping.py")
    write(TEXT.replace("LEVEL = 10", "LEVEL = 50"))
    os.utime("helping.py", (1e9, 1e9))
    if loaded:
        assert has_it()(1.0) == 10
    with pytest.raises(SpecError, match=r"runs .*\.pyc in place of .*helping\.py.*: delete .*__pycache__ and restart"):
        fingerprint(imports_it)
    for file in Path("__pycache__").iterdir():
        file.unlink()
    sys.modules.pop("helping", None)
    assert fingerprint(imports_it)
    assert imports_it(1.0) == 50
