"""A fingerprint is of the code that this process runs: what was imported, not what the file says since."""

import importlib
import os
import py_compile
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, MethodType, SimpleNamespace

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
    for name in ("helping", "IPython"):
        sys.modules.pop(name, None)


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
    "a default": ("def h(p)", "def h(p, k=1)"),
    "a dictionary": ("LEVEL = 10", "LEVEL = 10\nTABLE = {1: 2}"),
    "an import": ("import functools", "import functools\nfrom math import floor"),
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


@pytest.mark.parametrize("edit", ["a function", "a property", "a cached function"])
@pytest.mark.parametrize("writes", [True, False])
def test_functions_tell_it_where_byte_code_does_not(edit: str, writes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process has imported the edited file, or none writes byte code, as in many containers."""
    monkeypatch.setattr(sys, "dont_write_bytecode", not writes)
    asked = has_it()
    write(TEXT.replace(*EDITS[edit]))
    if writes:
        py_compile.compile("helping.py")
    for _ in range(2):
        with pytest.raises(SpecError, match="was changed after"):
            fingerprint(asked)


@pytest.mark.parametrize("edit", EDITS)
def test_what_may_have_been_imported_before_or_after_an_edit_is_refused(
    edit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function was asked for, and imports the module when it is called; then nothing tells which text it took."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    fingerprint(imports_it)
    imports_it(1.0)
    write(TEXT.replace(*EDITS[edit]))
    for _ in range(2):
        with pytest.raises(SpecError, match="was changed after"):
            fingerprint(imports_it)
    importlib.reload(sys.modules["helping"])
    assert fingerprint(imports_it)


def _untouched() -> None:
    pass


def _touched() -> None:
    os.utime("helping.py", (1, 1))


def _commented() -> None:
    write(f"# a comment\n{TEXT}")


def _patched() -> None:
    """As IPython's autoreload does it, function by function, which notes the time of the file."""
    write(TEXT.replace("2.5", "33.5"))
    reloader = SimpleNamespace(modules_mtimes={"helping": Path("helping.py").stat().st_mtime}, failed={})
    magics = SimpleNamespace(_reloader=reloader)
    callback = MethodType(lambda self, info: None, magics)
    shell = SimpleNamespace(events=SimpleNamespace(callbacks={"pre_run_cell": [print, callback]}))
    sys.modules["IPython"] = SimpleNamespace(get_ipython=lambda: shell)  # type: ignore[assignment]


def _without_byte_code() -> None:
    """Byte code of an earlier text stands where none is written."""
    del sys.modules["helping"]
    write(TEXT.replace("[1, 2]", "[1, 2, 3]"))
    sys.dont_write_bytecode = True


def _changes_itself() -> None:
    """Its values need not be those that its text says."""
    write("LEVEL = 1\nglobals()['LEVEL'] = 2\nKNOWN = ([],)\nKNOWN[0].append(1)\n" + TEXT)
    importlib.reload(sys.modules["helping"])


def _lost_a_name() -> None:
    """A reload leaves what the new text does not name."""
    write(TEXT.replace("def h(p)", "def lost(p)"))
    importlib.reload(sys.modules["helping"])


def _monkeypatched() -> None:
    import helping

    helping.h = lambda p: 1
    helping.LEVEL = 3


RIGHT = [_untouched, _touched, _commented, _patched, _without_byte_code, _changes_itself, _lost_a_name, _monkeypatched]


@pytest.mark.parametrize("happens", RIGHT)
@pytest.mark.parametrize("looked_before", [True, False])
def test_a_module_that_is_what_its_file_says_is_accepted(happens: Callable[[], None], looked_before: bool) -> None:
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
    function = sys.modules["helping"].A.k.fget
    function.__code__ = function.__code__.replace(co_consts=(None, 1))
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
