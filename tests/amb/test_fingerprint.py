"""Equal content has equal fingerprints, in any process; whatever changes a result changes the fingerprint."""

import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from amb.errors import SpecError
from amb.fingerprint import fingerprint

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


def test_what_cannot_be_told_is_refused() -> None:
    with pytest.raises(SpecError, match="give a version yourself"):
        fingerprint(capture(threading.Lock()))
