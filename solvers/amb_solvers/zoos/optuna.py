"""Optuna's samplers by name."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from amb.contracts.solver import Solver
from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SolverError, unknown
from amb_solvers.shared.extras import extra
from amb_solvers.shared.private_random import PrivateRandom

# Samplers that need a grid or another sampler as an argument, and base classes.
EXCLUDED = {"BaseGASampler", "BaseSampler", "GridSampler", "PartialFixedSampler"}


class Optuna(Solver):
    """Any sampler of Optuna (the extra `optuna`) with its default settings, one trial at a time.

    Ordinal dimensions are integers, categorical ones are categories. A failed query is a failed trial, from which the
    samplers learn nothing.

    Args:
        sampler: the class name without "Sampler": TPE, CmaEs, GP, NSGAII, QMC, Random, BruteForce, ...
    """

    failed_queries = "is a failed trial, which is ignored"
    source = "Akiba, Sano, Yanase, Ohta & Koyama 2019, KDD (optuna 5.0.0)"

    def __init__(self, space: Space, *, budget: int, seed: int, sampler: str = "TPE") -> None:
        super().__init__(space, budget=budget, seed=seed)
        optuna = extra("optuna")
        maker = self._sampler_of(sampler)
        self._private = PrivateRandom(self.seed)
        with self._quiet():
            try:
                instance = maker(seed=self.seed % 2**32)
                self._study: Any = optuna.create_study(sampler=instance, direction="maximize")
            except ImportError as missing:
                raise SolverError(f"Optuna's {sampler} needs a package that is not installed: {missing}") from missing
        kinds = optuna.distributions
        self._distributions = {
            str(j): kinds.IntDistribution(0, int(n) - 1) if space.ordinal else kinds.CategoricalDistribution(range(n))
            for j, n in enumerate(space.levels)
            if n > 1
        }
        self._trial = -1

    def _sampler_of(self, name: str) -> Callable[..., Any]:
        """What makes the sampler of that name from a seed."""
        samplers = extra("optuna").samplers
        classes = [n for n in dir(samplers) if n.endswith("Sampler") and n not in EXCLUDED]
        known = {n.removesuffix("Sampler"): n for n in classes}
        if name not in known:
            raise unknown("Optuna sampler", name, known)
        maker: Callable[..., Any] = getattr(samplers, known[name])
        return maker

    def _ask(self, limit: int) -> IntArray:
        row = np.zeros((1, self.space.d), dtype=np.int64)
        with self._quiet():
            trial = self._study.ask(self._distributions)
        self._trial = trial.number
        for dimension, level in trial.params.items():
            row[0, int(dimension)] = level
        return row

    def _tell(self, candidates: IntArray, values: FloatArray) -> None:
        failed = extra("optuna").trial.TrialState.FAIL
        with self._quiet():
            if np.isnan(values[0]):
                self._study.tell(self._trial, state=failed)
            else:
                self._study.tell(self._trial, float(values[0]))

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """A context without Optuna's log and warnings, on private random states."""
        logging = extra("optuna").logging
        verbosity = logging.get_verbosity()
        logging.set_verbosity(logging.ERROR)
        try:
            with self._private.use(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            logging.set_verbosity(verbosity)
