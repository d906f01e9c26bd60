"""The wheel alone, away from the checkout, evaluates every problem of every suite."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

EVALUATE = """
import json, numpy as np
import amb, amb_problems
from amb.catalogue.problems import problem
from amb.catalogue.suites import suite, suite_names
from amb.catalogue.reference_points import of_suite
from amb.references.lookup import stale
done = {}
for name in suite_names():
    for spec in suite(name).problems:
        if spec not in done:
            made = problem(spec)
            done[spec] = made.evaluate(made.space.sample_prior(1, np.random.default_rng(0))).tolist()
    assert of_suite(name) is not None and not stale(name), name
print(json.dumps({"files": [amb.__file__, amb_problems.__file__], "values": done, "suites": suite_names()}))
"""


@pytest.mark.slow
def test_an_installed_wheel_evaluates_every_problem_of_every_suite(tmp_path: Path) -> None:
    """Installed into an empty folder; of this environment only the libraries are seen, not the checkout."""
    wheels, installed = tmp_path / "wheels", tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, ROOT], check=True)
    (wheel,) = wheels.glob("amb-*.whl")
    assert wheel.stat().st_size < 25e6
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", installed, wheel], check=True)
    # -S leaves out .pth files, so that an editable install of the checkout is not found.
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), *libraries])}
    done = subprocess.run(
        [sys.executable, "-S", "-c", EVALUATE],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert all(file.startswith(str(installed)) for file in found["files"])
    assert {"quick", "fig5", "layers", "ann", "noisy", "full"} <= set(found["suites"])
    assert all(isinstance(value, float) for (value,) in found["values"].values())
