"""The studies behind the paper's results: units of all layers through two generators, and long curves of one unit."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from amb.atlas.make import Atlas, atlas_of, plan_of, run
from amb.atlas.request import Request, make_request
from amb.catalogue.problems import problem
from amb.comparison.table import Runs, read_runs
from amb.contracts.natural import NaturalResponses
from amb.errors import SpecError
from amb.paper.effort import GAN, NETWORK, VQVAE, Effort
from amb.run.dispatch import carry_out
from amb.run.plan import Plan, make_plan
from amb.run.progress import NoProgress, Progress
from amb.study.study import Study

STUDIES = UNITS, CURVES = "units", "curves"
"""Names of the studies' folders."""


@dataclass(frozen=True)
class PaperData:
    """What the claims are judged from.

    Attributes:
        effort: how much was spent.
        network: the network.
        layers: its spiking layers, shallow to deep.
        runs: the runs on units of all layers (docs/notes/statistics.md lists the columns).
        traces: their values without noise, in query order.
        atlas: the inputs of these runs and what is measured for them.
        curves: runs and traces of figure 5, one run at a time.
        natural: the responses of the network to its data set; None if they are not known.
    """

    effort: Effort
    network: str
    layers: tuple[str, ...]
    runs: Runs
    atlas: Atlas
    curves: Runs
    natural: NaturalResponses | None

    @property
    def meis(self) -> pd.DataFrame:
        """All inputs with their measures."""
        return self.atlas.measures.meis

    @property
    def random(self) -> pd.Series:
        """Random pairs of the GAN's images: its row of `Measures.yardsticks`."""
        return self.atlas.measures.yardsticks.set_index("generator").reindex([self.atlas.request.generators[0]]).iloc[0]


def run_studies(
    folder: Path,
    effort: Effort,
    *,
    network: str = NETWORK,
    generators: tuple[str, ...] = (GAN, VQVAE),
    noise: str | None = "bernoulli",
    device: str = "cpu",
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> PaperData:
    """Run what the studies in a folder lack, and measure their inputs.

    Args:
        folder: holds the studies `units` and `curves`; the same call resumes.
        effort: how much to spend.
        network: the network; the paper's is a spiking ResNet-18.
        generators: the GAN first; by default as in `make_request`.
        noise: input noise under which inputs are classified; None: none.
        device: where networks run.
        progress: receives the events of the runs.
        say: receives a line for each step.

    Raises:
        SpecError: an unknown name, or a network without spiking layers.
        StudyError: the folder cannot be written.
    """
    request = make_request(network, generators=list(generators), units=effort.units)
    request = Request(request.target, request.generators, _spiking(request), ())
    if not request.units:
        raise SpecError(f"the paper's claims are about spiking layers, and {network} has none; choose another network")
    plan = plan_of(request, solvers=effort.all_solvers, budget=effort.budget, seeds=effort.seeds, device=device)
    say("units of all layers")
    units = run(plan, folder / UNITS, progress=progress)
    say("long curves of one unit")
    first = next(iter(request.units))
    curves = make_plan(
        effort.all_solvers,
        f"{request.generators[0]}/{network}/{first}/0",
        budget=effort.curve_budget,
        seeds=effort.curve_seeds,
        device=device,
    )
    timed = _timed(curves, folder / CURVES, progress)
    say("measuring the inputs")
    atlas = atlas_of(
        request,
        units,
        runs=plan.runs,  # the folder may also hold those of other efforts, with more queries or other solvers
        noise=noise,
        presentations=effort.presentations,
        device=device,
        progress=say,
    )
    return PaperData(
        effort,
        network,
        tuple(request.units),
        read_runs(plan, units),
        atlas,
        read_runs(curves, timed),
        request.target.natural_responses(),
    )


def _timed(plan: Plan, folder: Path, progress: Progress | None) -> Study:
    """Figure 5's runs, one at a time, so that their seconds can be compared."""
    study = Study(folder)
    notes = study.describe(plan.runs, plan.settings(timing=True))
    carry_out(plan, plan.runs, study, timing=True, notes=notes, progress=progress or NoProgress())
    return study


def _spiking(request: Request) -> dict[str, tuple[int, ...]]:
    """The units of the spiking layers: the paper's figures leave out the class output."""
    family = f"{request.generators[0]}/{request.target.name}"
    counts = {layer: problem(f"{family}/{layer}/0").spikes is not None for layer in request.units}
    return {layer: units for layer, units in request.units.items() if counts[layer]}
