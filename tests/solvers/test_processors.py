"""A tensor train draws the same candidates on every processor."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import hashlib
import numpy as np
from amb.catalogue.solvers import resolve
from amb.contracts.space import Space

target = np.random.default_rng(1).integers(0, 64, 128)
drawn = hashlib.sha256()
for spec in ["protes", "tt-s", "tt-elite"]:  # many levels, bits with one elite, bits with ten
    solver = resolve(spec).make(Space.uniform(128, 64), budget=10**9, seed=0)
    for _ in range(20):
        rows = solver.ask()
        drawn.update(rows.tobytes())
        solver.tell(rows, -np.abs(rows - target).mean(axis=1))
print(drawn.hexdigest())
"""


def drawn(**environment: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return run.stdout


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="compiles for processors of this kind")
def test_trains_draw_the_same_on_the_oldest_processor(tmp_path: Path) -> None:
    """Compiled for vectors of 128 bits without fused products, trains draw what they draw on this processor."""
    oldest = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    assert drawn(**oldest) == drawn()
