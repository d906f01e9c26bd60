"""What a study runs on, for the manifest."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from amb.study.manifest import Environment

PACKAGES = (
    "amb",
    "numpy",
    "scipy",
    "pandas",
    "torch",
    "numba",
    "nevergrad",
    "protes",
    "jax",
    "snntorch",
    "spikingjelly",
)


def environment() -> Environment:
    """Interpreter, machine and versions of the packages that results depend on, as they are now."""
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        processor=_processor(),
        cores=os.cpu_count(),
        packages={name: version for name in PACKAGES if (version := _version(name))},
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
