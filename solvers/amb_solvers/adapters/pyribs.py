"""pyribs' emitters as solvers."""

from collections.abc import Callable
from typing import Any

import numpy as np

from amb.contracts.solver import Solver
from amb.contracts.space import FloatArray
from amb_solvers.adapters.ask_tell import AskTellSolver
from amb_solvers.adapters.offer import OFFERED, Offer, wanted
from amb_solvers.adapters.recipe import Recipe, finished, name_of
from amb_solvers.shared.extras import extra

Measures = Callable[[FloatArray], FloatArray]

CELLS = 20


def first_two(points: FloatArray) -> FloatArray:
    """The default measures: the first two free coordinates, float64[n, 2], or the only one, float64[n, 1]."""
    return points[:, :2]


def from_pyribs(
    emitter: Callable[..., Any],
    *,
    measures: Measures = first_two,
    cells: int = CELLS,
    name: str | None = None,
    version: str | None = None,
    **options: object,
) -> type[Solver]:
    """A solver from an emitter of pyribs (the extra `pyribs`), with a grid archive of its own.

    Quality-diversity methods keep the best point of every cell of a grid of measures. Here the objective is the
    neuron's response, and measures are functions of the latent, which must lie in the latent box.

    Args:
        emitter: a class of ``ribs.emitters``, or a function; it takes the archive and, by name, those of `x0` (the
            prior's mean), `lower`, `upper`, `budget`, `seed` and `rng` that it has.
        measures: points float64[n, k] -> float64[n, m], computed for every candidate.
        cells: cells of the grid per measure.
        name: its name in tables; by default the emitter's.
        version: by default a hash of the emitter's name or code and of the options.
        options: the emitter's own, such as ``sigma0=1.0`` or ``batch_size=20``.

    Raises:
        SpecError: the emitter needs an argument that nobody offers, or takes no such option.
        SolverError: pyribs is not installed.
    """
    ribs = extra("ribs", "pyribs")
    archives, schedulers = extra("ribs.archives", "pyribs"), extra("ribs.schedulers", "pyribs")
    takes = wanted(emitter, OFFERED, first=1, **options) - {"bounds"}
    recipe = Recipe(
        from_pyribs,
        (emitter,),
        {"measures": measures, "cells": cells, "name": name, "version": version} | options,
    )

    class Adapter(AskTellSolver):
        kinds = frozenset({"ordinal"})
        continuous = True
        anytime = "budget" not in takes
        maximize = True

        def make(self, offer: Offer) -> Any:
            values = offer.only(OFFERED)
            values["x0"] = self._box.mean()
            shape = np.asarray(measures(values["x0"][None])).shape
            low, high = self.space.low, self.space.high
            archive = archives.GridArchive(
                solution_dim=len(self._box.free),
                dims=[cells] * shape[1],
                ranges=[(low, high)] * shape[1],
                seed=values["seed"],
            )
            taken = {key: values[key] for key in sorted(takes)}
            return schedulers.Scheduler(archive, [emitter(archive, **taken, **options)])

        def tell_object(self, points: Any, losses: FloatArray) -> None:
            self._object.tell(losses, np.asarray(measures(np.asarray(points, dtype=np.float64))))

    Adapter.__doc__ = f"pyribs' {name_of(emitter, 'emitter')} with a grid archive."
    source = f"Tjanaka et al. 2023, GECCO (pyribs {ribs.__version__})"
    return finished(Adapter, recipe, name=name or name_of(emitter, "Emitter"), version=version, source=source)
