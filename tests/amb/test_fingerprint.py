"""Equal content has equal fingerprints, in any process; whatever changes a result changes the fingerprint."""

import collections
import copy
import dataclasses
import functools
import random
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import numpy as np
import pytest
import scipy.stats
import torch

import amb.fingerprint
from amb import variables
from amb.errors import SpecError
from amb.fingerprint import fingerprint
from amb.foreign import contained

FACTOR = 2


def helper(x: float) -> float:
    return FACTOR * x


def uses_helper(x: float) -> float:
    return helper(x) + 1


def recursive(x: int) -> int:
    return 1 if x < 2 else x * recursive(x - 1)


class Response:
    def __init__(self, gain: float) -> None:
        self.gain = gain

    def __call__(self, x: float) -> float:
        return self.gain * x


class Slotted:
    __slots__ = ("gain",)

    def __init__(self, gain: float) -> None:
        self.gain = gain


def capture(value: object):  # type: ignore[no-untyped-def]
    return lambda: value


def linear(seed: int) -> torch.nn.Module:
    module = torch.nn.Linear(2, 2)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(np.random.default_rng(seed).normal(size=(2, 2))))
        module.bias.zero_()
    return module


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        ([1, 2], (1, 2)),
        ({"a": 1}, {"a": 2}),
        ({1, 2}, {1, 3}),
        (np.zeros(2), np.zeros(3)),
        (np.zeros(2), np.zeros(2, np.float32)),
        (lambda x: x + 1, lambda x: x + 2),
        (lambda x, k=1: x + k, lambda x, k=2: x + k),
        (capture(1), capture(2)),
        (capture(np.zeros(2)), capture(np.ones(2))),
        (partial(helper, 1), partial(helper, 2)),
        (Response(1.0), Response(2.0)),
        (Response(1.0).__call__, Response(2.0).__call__),
        (Slotted(1.0), Slotted(2.0)),
        (torch.zeros(2), torch.ones(2)),
        (linear(0), linear(1)),
        (np.sin, np.cos),
        (np.random.default_rng(0), np.random.default_rng(1)),
        (lambda: np.sin(1), lambda: np.cos(1)),
    ],
)
def test_different_content_is_told_apart(one: object, other: object) -> None:
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(one) == fingerprint(one)


SOURCES = {
    "a cached helper": "@functools.lru_cache\ndef h(x): return x * VALUE\ndef f(p): return h(1)",
    "a helper by type": "@functools.singledispatch\ndef h(x): return x * VALUE\ndef f(p): return h(1)",
    "a compiled helper": "import numba\n@numba.njit\ndef h(x): return x * VALUE\ndef f(p): return h(1)",
    "a cached property": (
        "class A:\n    @functools.cached_property\n    def k(self): return VALUE\na = A()\ndef f(p): return a.k"
    ),
    "an attribute": "def f(p): return f.k\nf.k = VALUE",
    "a metaclass": ("class M(type):\n    def k(cls): return VALUE\nclass A(metaclass=M): pass\ndef f(p): return A.k()"),
    "a method of a list": "h = [VALUE, 5].__getitem__\ndef f(p): return h(0)",
    "a method of a package's object": "f = np.poly1d([VALUE, 1]).__call__",
    "a partial that is called otherwise": (
        "h = functools.update_wrapper(functools.partial(np.add, VALUE), np.mean)\ndef f(p): return h(p)"
    ),
    "a decorator's state": (
        "class A:\n    def __init__(self, k): self.k = k; functools.update_wrapper(self, np.mean)\n"
        "    def __call__(self, p): return self.k\nf = A(VALUE)"
    ),
    "a default of a dictionary": "t = collections.defaultdict(lambda: VALUE)\ndef f(p): return t['a']",
    "a class of dictionaries": (
        "class D(dict):\n    def __missing__(self, k): return VALUE\nt = D()\ndef f(p): return t['a']"
    ),
    "a mask": "t = np.ma.array([1.0, 2.0], mask=[False, VALUE == 1])\ndef f(p): return t.sum()",
    "names of fields": "t = np.zeros(2, dtype=[('a', int), (f'b{VALUE}', int)])\ndef f(p): return t",
    "a long pattern": "import re\nt = re.compile('a' * 300 + str(VALUE))\ndef f(p): return t",
    "numba's fast mathematics": "import numba\n@numba.njit(fastmath=VALUE == 1)\ndef f(p): return p",
    "numba's division": "import numba\n@numba.njit(error_model=['', 'python', 'numpy'][VALUE])\ndef f(p): return 1 / p",
    "numba's threads": "import numba\n@numba.njit(parallel=VALUE == 1)\ndef f(p): return p",
    "numba's types": (
        "import numba\n@numba.njit(locals={'y': [0, numba.float32, numba.float64][VALUE]})\n"
        "def f(p):\n    y = p\n    return y"
    ),
    "numba's signatures": "import numba\n@numba.njit(f'float{VALUE * 32}(float64)')\ndef f(p): return p",
    "options of a ufunc of numba": "import numba\n@numba.vectorize(fastmath=VALUE == 1)\ndef f(p): return p",
    "a C function of numba": "import numba\n@numba.cfunc('float64(float64)')\ndef f(p): return p + VALUE",
    "a long number": "t = 10**5000 + VALUE\ndef f(p): return t",
    "a function that wraps one of a package": "@functools.wraps(np.linalg.norm)\ndef f(p): return VALUE",
    "a helper that wraps one of a package": "@functools.wraps(np.mean)\ndef h(p): return VALUE\ndef f(p): return h(p)",
    "a function without a module": "n = {}\nexec('def h(): return VALUE', n)\ndef f(p, h=n['h']): return h()",
    "a function in a package's names": "h = eval('lambda: abs(VALUE)', vars(np))\ndef f(p): return h()",
    "a function that states a package": "def f(p): return VALUE\nf.__module__ = 'numpy'",
    "a class without a module": "n = {}\nexec('class A: k = VALUE', n)\ndef f(p, a=n['A']): return a.k",
    "a class that states a package": (
        "class A:\n    __module__ = 'numpy'\n    def k(self): return VALUE\na = A()\ndef f(p): return a.k()"
    ),
    "an object that wraps a function of a package": (
        "h = functools.update_wrapper(np.vectorize(lambda x: x * VALUE), np.mean)\ndef f(p): return h(p)"
    ),
    "a cached compiled helper": (
        "import numba\n@functools.lru_cache\n@numba.njit\ndef h(x): return x * VALUE\ndef f(p): return h(1)"
    ),
    "what a function of a package captures": (
        "def made():\n    def inner(x): return x * k\n    k = VALUE\n    return inner\nh = made()\n"
        "h = types.FunctionType(h.__code__.replace(co_filename=np.__file__), vars(np), None, None, h.__closure__)\n"
        "h.__module__, h.__qualname__ = 'numpy', 'made.<locals>.inner'\ndef f(p): return h(1)"
    ),
    "a fingerprint that is none of amb": (
        "class A:\n    fingerprint = 'a'\n    def __call__(self, p): return VALUE\nf = A()"
    ),
    "a function with a fingerprint": "def f(p): return VALUE\nf.fingerprint = 'a'",
    "a class of integers": "class D(int):\n    def k(self): return VALUE\nd = D(1)\ndef f(p): return d.k()",
    "a class of numpy's": "class D(np.float64):\n    def k(self): return VALUE\nd = D(1)\ndef f(p): return d.k()",
    "an attribute of a text": "class D(str): pass\nd = D('a')\nd.k = VALUE\ndef f(p): return d.k",
    "an enumeration of texts": (
        "import enum\nclass E(str, enum.Enum):\n    A = 'a'\n    def k(self): return VALUE\ne = E.A\n"
        "def f(p): return e.k()"
    ),
    "a flag": (
        "import enum\nclass E(enum.IntFlag):\n    A = 1\n    B = 2\n    def k(self): return VALUE\ne = E.A | E.B\n"
        "def f(p): return e.k()"
    ),
    "a class of partials": (
        "class P(functools.partial):\n    def __call__(self, x): return VALUE\nh = P(abs)\ndef f(p): return h(p)"
    ),
    "a class of properties": (
        "class P(property):\n    def __get__(self, *_): return VALUE\nclass A:\n    k = P(lambda self: 0)\na = A()\n"
        "def f(p): return a.k"
    ),
    "an object that is pickled by its name": (
        "class A:\n    def __reduce__(self): return 'a'\n    def k(self): return VALUE\na = A()\ndef f(p): return a.k()"
    ),
    "columns of a table": (
        "import pandas\nt = pandas.DataFrame({'ab'[VALUE - 1]: [1.0], 'ba'[VALUE - 1]: [2.0]})\n"
        "def f(p): return t['a'][0]"
    ),
    "labels of rows": (
        "import pandas\nt = pandas.Series([1.0, 2.0], ['ab'[VALUE - 1], 'ba'[VALUE - 1]])\ndef f(p): return t['a']"
    ),
    "attributes of what is an array, too": (
        "class C:\n    def __array__(self, *_, **__): return np.ones(2)\nc = C()\nc.k = VALUE\ndef f(p): return c.k"
    ),
    "an attribute of a tensor": "import torch\nt = torch.ones(2)\nt.k = VALUE\ndef f(p): return t.k",
    "a class of tensors": (
        "import torch\nclass T(torch.Tensor):\n    def k(self): return VALUE\nt = torch.ones(2).as_subclass(T)\n"
        "def f(p): return t.k()"
    ),
    "a matrix": "t = np.eye(2).view([np.ndarray, np.matrix][VALUE - 1])\ndef f(p): return t * t",
    "what fills a mask": (
        "t = np.ma.array([1.0, 2.0], mask=[0, 1], fill_value=VALUE)\ndef f(p): return t.filled().sum()"
    ),
    "a global by its text": "h = VALUE\ndef f(p): return globals()['h']",
    "a global of a function": "h = VALUE\ndef f(p): return f.__globals__['h']",
    "a name in an expression": "h = VALUE\ndef f(p): return eval('2 * h(p)')",
    "a helper in an expression": "def h(p): return VALUE\ndef f(p): return eval('1 + h(p)')",
    "a name in code": "h = VALUE\nc = compile('(lambda: h)()', '', 'eval')\ndef f(p): return eval(c)",
    "a name in an expression of the module": "h = VALUE\nt = 'p * h'\ndef f(p): return eval(t)",
    "a name in a captured expression": ("h = VALUE\ndef made(t):\n    return lambda p: eval(t)\nf = made('h + 1')"),
    "a name in a list of expressions": "h = VALUE\nt = ['p', ['h']]\ndef f(p): return [eval(e) for e in t[1]]",
    "a name in an expression of pandas": (
        "import pandas\nh = VALUE\nt = pandas.DataFrame({'w': [1.0]})\ndef f(p): return t.eval('w * @h').sum()"
    ),
    "what a class does not pickle": (
        "class A:\n    def __init__(self): self.k = VALUE\n    def __getstate__(self): return {}\n"
        "a = A()\ndef f(p): return a.k"
    ),
    "what a class makes anew": (
        "class A:\n    __slots__ = ('k',)\n    def __reduce__(self): return A, ()\na = A()\na.k = VALUE\n"
        "def f(p): return a.k"
    ),
    "what a class names": (
        "class A:\n    def __reduce_ex__(self, _): return 'a'\na = A()\na.k = VALUE\ndef f(p): return a.k"
    ),
    "what a base class does not pickle": (
        "class A:\n    def __getstate__(self): return None\nclass B(A): pass\na = B()\na.k = VALUE\n"
        "def f(p): return a.k"
    ),
    "what a class of dictionaries does not pickle": (
        "class A(dict):\n    def __reduce__(self): return A, ()\na = A(k=VALUE)\ndef f(p): return a['k']"
    ),
    "what a class of lists does not pickle": (
        "class A(list):\n    def __reduce__(self): return A, ()\na = A([VALUE])\ndef f(p): return a[0]"
    ),
    "what a class of sets does not pickle": (
        "class A(set):\n    def __reduce__(self): return A, ()\na = A([VALUE])\ndef f(p): return min(a)"
    ),
    "what a class of tuples does not pickle": (
        "class A(tuple):\n    def __reduce__(self): return A, ()\na = A([VALUE])\ndef f(p): return a[0]"
    ),
    "what a class of numbers does not pickle": (
        "class A(float):\n    def __reduce__(self): return A, ()\na = A(VALUE)\ndef f(p): return a"
    ),
    "what a class of queues does not pickle": (
        "class A(collections.deque):\n    def __reduce__(self): return A, ()\na = A([VALUE])\ndef f(p): return a[0]"
    ),
    "what an alias is of": "t = list[[0, int, str][VALUE]]\ndef f(p): return t.__args__",
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_content_behind_a_wrapper_is_told_apart(source: str) -> None:
    """Each is defined anew, as by a script that runs again."""

    def defined(value: int) -> str:
        names = {"__name__": "__main__", "np": np, "VALUE": value}
        names |= {module.__name__: module for module in (collections, functools, types)}
        exec(source.replace("VALUE", str(value)), names)
        return fingerprint(names["f"])

    assert defined(1) == defined(1) != defined(2)


@pytest.mark.parametrize("imported", ["at the top", "inside"])
def test_what_a_function_calls_of_another_file_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imported: str
) -> None:
    """Files that are not installed are edited like the function itself."""
    where = {"at the top": ("import helping", ""), "inside": ("", "import helping; ")}[imported]
    (tmp_path / "asked.py").write_text(f"{where[0]}\ndef f(p):\n    {where[1]}return helping.h(p)\n")
    (tmp_path / "helping.py").write_text("FACTOR = 1\ndef h(p): return p * FACTOR\n")
    script = "import sys; sys.path.insert(0, '.')\nimport asked, amb.fingerprint as a; print(a.fingerprint(asked.f))"

    def told() -> str:
        done = subprocess.run([sys.executable, "-B", "-c", script], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    before = told()
    assert told() == before
    (tmp_path / "helping.py").write_text("FACTOR = 22\ndef h(p): return p * FACTOR\n")
    assert told() != before


HELD = {
    "captured": "def made():\n    import h\n    def f(p): return h.g(p)\n    return f\nf = made()",
    "in a dictionary": "import h\nt = {'h': h}\ndef f(p): return t['h'].g(p)",
    "by default": "import h\ndef f(p, h=h): return h.g(p)",
    "an attribute": (
        "import h\nclass A:\n    def __init__(self): self.k = h\n    def __call__(self, p): return self.k.g(p)\nf = A()"
    ),
    "with a method of an object": "import h\ndef f(p): return h.get('a')",
    "of which a name is a text": "import h\ndef f(p): return getattr(h, 'g')(p)",
    "by name": "import h, sys\ndef f(p): return sys.modules['h'].g(p)",
}


@pytest.mark.parametrize("text", HELD.values(), ids=HELD)
def test_a_module_that_is_a_value_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """With what is named of it, or with its file where that cannot be told."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def told(factor: int) -> str:
        (tmp_path / "h.py").write_text(
            f"FACTOR = {factor}\ndef g(p): return p * FACTOR\nclass D(dict): pass\nget = D(a=FACTOR).get\n"
        )
        names: dict[str, object] = {"__name__": "__main__"}
        try:
            exec(text, names)
            return fingerprint(names["f"])
        finally:
            del sys.modules["h"]

    assert told(1) == told(1) != told(22)


def test_what_such_a_module_imports_counts_whenever_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second objective, and the same one before its first run, had another hash than the first."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "model.py").write_text("import lens\ndef gain(): return lens.FACTOR\n")

    def told(factor: int) -> list[str]:
        (tmp_path / "lens.py").write_text(f"FACTOR = {factor}\n")
        names: dict[str, object] = {"__name__": "__main__"}
        try:
            exec("import model\ndef f(p, model=model): return model.gain()", names)
            return [fingerprint(names["f"]) for _ in range(3)]
        finally:
            del sys.modules["model"], sys.modules["lens"]

    before, after = told(1), told(22)
    assert len(set(before)) == len(set(after)) == 1
    assert before != after


def test_what_a_package_imports_when_it_is_asked_for_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `lazy_loader` has it: an edited function's runs were those of the old one."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "lazylab").mkdir()
    (tmp_path / "lazylab" / "__init__.py").write_text(
        "import importlib\ndef __getattr__(name):\n    if name != 'gain': raise AttributeError(name)\n"
        "    return importlib.import_module(__name__ + '.physics').gain\n"
    )

    def told(factor: int) -> str:
        (tmp_path / "lazylab" / "physics.py").write_text(f"def gain(p): return p * {factor}\n")
        names: dict[str, object] = {"__name__": "__main__"}
        try:
            exec("import lazylab\ndef f(p): return lazylab.gain(p).mean()", names)
            return fingerprint(names["f"])
        finally:
            for name in ("lazylab", "lazylab.physics"):
                sys.modules.pop(name, None)

    assert told(1) == told(1) != told(22)


def test_units_and_layers_of_one_network_are_told_apart() -> None:
    """An objective that asks a neuron of amb was given the runs of the same one that asks another neuron."""

    def asking(neuron: object) -> str:
        def penalized(p):  # type: ignore[no-untyped-def]
            return neuron.evaluate(p)  # type: ignore[attr-defined]

        return fingerprint(penalized)

    neurons = [amb.problem(f"toy/snn-cnn/{place}") for place in ("sn1/0", "sn1/1", "sn2/0")]
    targets = [amb.target("snn-cnn", layer=layer) for layer in ("sn1", "sn2")]
    assert len({asking(each) for each in [*neurons, *targets]}) == 5
    assert asking(amb.problem("toy/snn-cnn/sn1/0")) == asking(neurons[0])


NO_GLOBALS = {
    "a method": "def f(p): return p.mean()",
    "an attribute": "class A:\n    mean = 2\n    def __call__(self, p): return p * self.mean\nf = A()",
    "a module's function": "import numpy as np\ndef f(p): return (lambda q: np.mean(q))(p)",
    "a variable of its own": "def f(p):\n    mean = p.sum()\n    return mean",
}


@pytest.mark.parametrize("text", NO_GLOBALS.values(), ids=NO_GLOBALS)
def test_a_global_named_like_what_is_no_global_of_a_function_does_not_count(text: str) -> None:
    """A script that prints `mean = result.runs["final"].mean()` was refused at its next comparison."""
    names: dict[str, object] = {"__name__": "__main__"}
    exec(text, names)
    before = fingerprint(names["f"])
    names["mean"] = 0.5
    assert fingerprint(names["f"]) == before
    names["mean"] = (i for i in range(3))
    assert fingerprint(names["f"]) == before


OF_PROCESS = {
    "an argument": "import sys\ndef f(p): return p * float(sys.argv[1])",
    "an argument, imported inside": "def f(p):\n    from sys import argv\n    return p * float(argv[1])",
    "a variable": "import os\ndef f(p): return p * float(os.environ['GAIN'])",
    "a variable by getenv": "import os\ndef f(p): return p * float(os.getenv('GAIN', '1'))",
    "variables named in a loop": "import os\ndef f(p): return [float(os.environ[k]) for k in ('GAIN', 'SIZE')]",
    "a variable of an alias": "from os import environ as env, getenv as get\ndef f(p): return env['GAIN']",
    "a variable by an alias": "from os import getenv as get\ndef f(p): return get('GAIN')",
    "a variable by a global name": "import os\nKEY = 'GAIN'\ndef f(p): return os.environ[KEY]",
    "a variable by a default": "import os\ndef f(p, keys={'GAIN'}): return [os.environ[key] for key in keys]",
    "a variable by a helper": "import os\ndef read(key): return os.environ[key]\ndef f(p): return read('GAIN')",
    "a variable of an imported environment": "from os import environ\ndef f(p): return p * float(environ['GAIN'])",
}


@pytest.mark.parametrize("text", OF_PROCESS.values(), ids=OF_PROCESS)
def test_what_a_function_reads_of_its_process_counts(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """`python script.py 5` is no other script than `python script.py 1`; other arguments and variables do not count."""
    names: dict[str, object] = {"__name__": "__main__"}
    exec(text, names)

    def told(gain: str, other: str) -> str:
        monkeypatch.setattr(sys, "argv", [f"/{other}/script.py", gain])
        monkeypatch.setenv("GAIN", gain)
        monkeypatch.setenv("OTHER", other)
        return fingerprint(names["f"])

    assert told("1", "a") == told("1", "b") != told("5", "a")


SETS = [
    "os.environ['GAIN'] = '1'",
    "os.environ.setdefault('GAIN', '1')",
    "os.environ.update(GAIN='1')",
    "for name in ('GAIN', 'LOSS'): os.environ[name] = '1'",
    "os.environ.pop('HAD', None)",
]


@pytest.fixture
def gain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function of these tests sets variables, of which nothing is noted yet."""
    for name in ("GAIN", "LOSS"):
        monkeypatch.setenv(name, "0")
        monkeypatch.delenv(name)
    monkeypatch.setenv("HAD", "1")
    monkeypatch.setattr(variables, "_CHANGED", {})


def setting(sets: str) -> Callable[[object], object]:
    names: dict[str, object] = {"__name__": "__main__"}
    exec(f"import os\ndef f(p):\n    {sets}\n    return os.environ.get('GAIN')", names)
    return names["f"]  # type: ignore[return-value]


@pytest.mark.parametrize("sets", SETS)
def test_a_function_that_sets_a_variable_is_the_same_after_its_first_call(gain: None, sets: str) -> None:
    """As before a library is loaded: its stored runs are found again, and a worker of Dask does not refuse it."""
    function = setting(sets)
    before = fingerprint(function)
    for _ in range(2):
        with contained(), contained():
            function(0)
        assert fingerprint(function) == before
    noted = variables.changes()
    variables._CHANGED.clear()  # as in a worker of Dask, which inherits the variables
    assert fingerprint(function) != before
    variables.take_over(noted)
    assert fingerprint(function) == before


def test_a_variable_that_the_user_sets_counts_although_the_function_sets_it(
    gain: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function with a default for it was given the runs of another value."""
    function = setting("os.environ.setdefault('GAIN', '1')")
    told = {fingerprint(function)}
    with contained():
        function(0)
    for value in ("5", "7"):
        monkeypatch.setenv("GAIN", value)
        told.add(fingerprint(function))
    assert len(told) == 3


IN_ARCHIVES = {
    "imported inside": "def f(p):\n    from h import g\n    return g(p)",
    "a package's": "def f(p):\n    from pack.one import g\n    return g(p)",
    "a value": "import h\ndef f(p, h=h): return h.g(p)",
    "imported by a module in the archive": "def f(p):\n    import asks\n    return asks.outside.FACTOR",
}


@pytest.mark.parametrize("text", IN_ARCHIVES.values(), ids=IN_ARCHIVES)
def test_a_module_in_an_archive_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Python imports from zip files as from folders; each is made anew, since a process reads their tables once."""
    modules = {"h.py": "def g(p): return p * FACTOR\n", "asks.py": "import outside\n", "pack/__init__.py": ""}
    modules["pack/one.py"] = "from .two import g\n"
    modules["pack/two.py"] = modules["h.py"]

    def told(factor: int, time: int) -> str:
        place = tmp_path / str(time)
        place.mkdir()
        (place / "outside.py").write_text(f"FACTOR = {factor}\n")
        inside = 1 if "outside" in text else factor
        with ZipFile(place / "tools.zip", "w") as archive:
            for name, code in modules.items():
                archive.writestr(ZipInfo(name), f"FACTOR = {inside}\n{code}")
        names: dict[str, object] = {"__name__": "__main__"}
        with monkeypatch.context() as patch:
            patch.syspath_prepend(place)
            patch.syspath_prepend(place / "tools.zip")
            try:
                exec(text, names)
                return fingerprint(names["f"])
            finally:
                for name in ("h", "asks", "outside", "pack", "pack.one", "pack.two"):
                    sys.modules.pop(name, None)

    assert told(1, 1) == told(1, 2) != told(22, 3)


IMPORTS = {
    "a module's import": ("import pack.one", "from pack import two"),
    "a module's import inside a function": ("import pack.one", "def g():\n    import pack.two"),
    "a module of a package": ("from pack import two", ""),
    "a relative module": ("from . import two", ""),
    "a name of a relative module": ("from .two import FACTOR", ""),
    "a module by its name": ("import importlib; importlib.import_module('pack.two')", ""),
}


@pytest.mark.parametrize(("inside", "one"), IMPORTS.values(), ids=IMPORTS)
def test_what_a_functions_imports_reach_counts(tmp_path: Path, inside: str, one: str) -> None:
    """Of modules that are not installed; those of installed packages count with their names."""
    (tmp_path / "pack").mkdir()
    for name, text in {
        "__init__": "",
        "asked": f"def f(p):\n    {inside}\n",
        "one": f"import torch.nn\n{one}\n",
    }.items():
        (tmp_path / "pack" / f"{name}.py").write_text(text)
    script = (
        "import sys; sys.path.insert(0, '.')\nimport pack.asked, amb.fingerprint as a\n"
        "print(a.fingerprint(pack.asked.f))\nassert not {'torch', 'pack.one', 'pack.two'} & sys.modules.keys()"
    )

    def told(factor: int) -> str:
        (tmp_path / "pack" / "two.py").write_text(f"import pack.one\nFACTOR = {factor}\n")
        done = subprocess.run([sys.executable, "-B", "-c", script], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert told(1) == told(1) != told(22)


def test_helpers_that_call_one_another_are_looked_through_once() -> None:
    """Two on each level, so there are 2^60 ways down."""
    lines = ["def f60(): return 1", "def g60(): return VALUE"]
    for i in reversed(range(60)):
        lines += [f"def {name}{i}(): return f{i + 1}() + g{i + 1}()" for name in "fg"]

    def defined(value: int) -> str:
        names: dict[str, object] = {"__name__": "__main__"}
        exec("\n".join(lines).replace("VALUE", str(value)), names)
        return fingerprint(names["f0"])

    assert defined(1) == defined(1) != defined(2)


def test_a_variable_without_a_value_has_none() -> None:
    def early() -> str:
        return fingerprint(lambda: later)

    before = early()
    later = 1
    assert before != early() == early()


@functools.singledispatch
def by_type(x: object) -> float:
    return 0.0


class ByType:
    @functools.singledispatchmethod
    def __call__(self, x: object) -> float:
        return 0.0

    @__call__.register
    def _(self, x: np.ndarray) -> float:
        return FACTOR


@by_type.register
def _(x: np.ndarray) -> float:
    return FACTOR


@pytest.mark.parametrize("function", [by_type, ByType()])
def test_what_was_dispatched_is_remembered_and_no_content(function) -> None:  # type: ignore[no-untyped-def]
    before = fingerprint(function)
    function(np.ones(2))
    assert fingerprint(function) == before


def test_global_random_numbers_are_the_same_in_any_state() -> None:
    """Another process begins with other ones, and would never find the stored results."""
    parts = random.random, random.uniform, scipy.stats.norm(3)
    before = fingerprint(*parts)
    random.random()
    parts[2].rvs()
    assert fingerprint(*parts) == before


def test_what_a_function_calls_and_names_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(uses_helper)
    monkeypatch.setitem(globals(), "FACTOR", 3)
    changed = fingerprint(uses_helper)
    monkeypatch.setitem(globals(), "helper", lambda x: x)
    assert len({before, changed, fingerprint(uses_helper)}) == 3
    assert fingerprint(recursive) == fingerprint(recursive)


def test_equal_objects_have_equal_fingerprints() -> None:
    assert fingerprint(Response(1.0)) == fingerprint(Response(1.0))
    assert fingerprint(linear(0)) == fingerprint(linear(0))
    assert fingerprint({"b", "a"}) == fingerprint({"a", "b"})


@pytest.mark.parametrize("pickled", ["", "    def __reduce__(self): return A, ()\n"])
def test_pickling_is_no_change(pickled: str) -> None:
    """Python notes the names of a class's slots in it."""
    names: dict[str, object] = {"__name__": "__main__"}
    exec(f"class A:\n    k = 1\n{pickled}a = A()\ndef f(p): return isinstance(a, A)", names)
    before = fingerprint(names["A"]), fingerprint(names["f"])
    copy.copy(names["a"])
    assert (fingerprint(names["A"]), fingerprint(names["f"])) == before


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """A decorator gives it a `__getstate__` that its user did not write."""

    gain: float = 1.0


def test_a_decorators_pickling_leaves_the_fingerprint_of_a_class_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stored runs keep their names."""
    attrs = pytest.importorskip("attrs")
    monkeypatch.setattr(amb.fingerprint, "_whole", lambda value: pytest.fail(f"looked through {value!r}"))
    for made in (Made(), attrs.make_class("Made", ["gain"], slots=True)(1.0)):
        fingerprint(made)


def test_another_process_finds_the_same(tmp_path: Path) -> None:
    """Stored runs are found again: hashes depend neither on addresses nor on the hash seed."""
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np, scipy.optimize\nfrom amb.fingerprint import fingerprint\n"
        "class A:\n    k = {'x', 'y', 'z'}\n    def __call__(self, x): return np.sum(x) + len(self.k)\n"
        "def f(x): return scipy.optimize.minimize(A(), x).fun\nprint(fingerprint(f, A(), {'a', 'b', 'c'}))\n"
    )
    printed = {
        subprocess.run(
            [sys.executable, str(script)], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


def test_a_frozen_class_of_attrs_is_the_same_in_another_process(tmp_path: Path) -> None:
    """Its hash has a constant that follows from the hash seed: its runs were never found again."""
    pytest.importorskip("attrs")
    (tmp_path / "gains.py").write_text(
        "import attrs\n@attrs.frozen\nclass Gain:\n    value: int = 3\n    unit: str = 'Hz'\n"
    )
    script = "from gains import Gain\nfrom amb.fingerprint import fingerprint as of\nprint(of(Gain()), of(Gain({})))"
    printed = [
        subprocess.run(
            [sys.executable, "-c", script.format(value)],
            cwd=tmp_path, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed, value in (("1", 4), ("2", 4), ("2", 5))
    ]  # fmt: skip
    assert printed[0] == printed[1] != printed[2]


def counting(step: int):  # type: ignore[no-untyped-def]
    yield step


async def awaiting() -> None:
    pass


async def counting_asynchronously(step: int):  # type: ignore[no-untyped-def]
    yield step


def test_what_cannot_be_told_is_refused() -> None:
    awaited = awaiting()
    for started in (
        counting(1),
        (x for x in [1]),
        awaited,
        counting_asynchronously(1),
    ):  # another one of the same name has other values
        with pytest.raises(SpecError, match="it has a state that nothing tells"):
            fingerprint(capture(started))
    awaited.close()
    with pytest.raises(SpecError, match="give a version yourself"):
        fingerprint(capture(threading.Lock()))
    with pytest.raises(SpecError, match="frompyfunc hides the function"):
        fingerprint(np.frompyfunc(helper, 1, 1))
    with pytest.raises(SpecError, match="it has no file"):
        fingerprint(capture([types.ModuleType("made")]))


class Lying:
    def __reduce_ex__(self, _: object) -> str:
        raise ValueError("no")

    def __repr__(self) -> str:
        raise ValueError("no")


def test_what_fails_or_is_too_deep_is_refused() -> None:
    with pytest.raises(SpecError, match=r"whether a Lying has changed .*give a version yourself"):
        fingerprint(Lying())
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(SpecError, match="give a version yourself"):
        fingerprint(capture(nested))
