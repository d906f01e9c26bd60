"""The global random states that a solver must neither change nor read."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from amb.imported_torch import imported_torch

# JAX has no global random state, but the meaning of its keys and its precision are global settings.
JAX_SETTINGS = ("jax_enable_x64", "jax_default_prng_impl", "jax_threefry_partitionable")


@dataclass(frozen=True)
class GlobalStates:
    """A snapshot of global states; torch and JAX are included once they are imported."""

    states: dict[str, object]

    @classmethod
    def read(cls) -> "GlobalStates":
        """The current states."""
        numpy_state = np.random.get_state(legacy=True)  # noqa: NPY002 - it must not change
        states: dict[str, object] = {
            "numpy": (numpy_state[1].tobytes(), *numpy_state[2:]),  # type: ignore[index]
            "Python's random": random.getstate(),
        }
        if (torch := imported_torch()) is not None:
            states["torch"] = torch.get_rng_state().numpy().tobytes()
        return cls({**states, **cls.settings().states})

    @classmethod
    def settings(cls) -> "GlobalStates":
        """Only the settings, which change only if code sets them."""
        jax = sys.modules.get("jax")
        return cls({} if jax is None else {"JAX": tuple(jax.config.values.get(name) for name in JAX_SETTINGS)})

    def differences(self, later: "GlobalStates") -> set[str]:
        """Names of the states that have changed."""
        return {name for name, state in self.states.items() if later.states.get(name, state) != state}

    @staticmethod
    @contextmanager
    def seeded(seed: int) -> Iterator[None]:
        """Run a block with other global states, and restore them afterwards."""
        torch = imported_torch()
        before = np.random.get_state(), random.getstate(), torch and torch.get_rng_state()  # noqa: NPY002
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        if torch is not None:
            torch.manual_seed(seed)
        try:
            yield
        finally:
            np.random.set_state(before[0])  # noqa: NPY002
            random.setstate(before[1])
            if torch is not None:
                torch.set_rng_state(before[2])
