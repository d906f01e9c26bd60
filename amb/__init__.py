"""`amb` measures how well gradient-free optimizers find the stimulus that drives a neuron hardest."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amb.api.compare import compare as compare
    from amb.api.compare import open as open
    from amb.api.meis import analyse as analyse
    from amb.api.result import Result as Result
    from amb.catalogue.generators import generator as generator
    from amb.catalogue.problems import problem as problem
    from amb.catalogue.solvers import solver as solver
    from amb.catalogue.targets import target as target
    from amb.comparison.population import Population as Population
    from amb.comparison.population import population as population
    from amb.comparison.result import Comparison as Comparison
    from amb.contracts.batches import BatchSolver as BatchSolver
    from amb.contracts.family import Family as Family
    from amb.contracts.generator import Generator as Generator
    from amb.contracts.generator import Grid as Grid
    from amb.contracts.objective import objective as objective
    from amb.contracts.problem import Evaluation as Evaluation
    from amb.contracts.problem import FunctionProblem as FunctionProblem
    from amb.contracts.problem import Problem as Problem
    from amb.contracts.solver import Solver as Solver
    from amb.contracts.space import Space as Space
    from amb.contracts.suite import Suite as Suite
    from amb.contracts.target import Target as Target
    from amb.contracts.view import View as View
    from amb.errors import AmbError as AmbError
    from amb.meis.measure import Measures as Measures
    from amb.meis.units import histogram as histogram
    from amb.meis.units import layer_activations as layer_activations
    from amb.meis.units import layer_scan as layer_scan
    from amb.reports.contract import FigureReport as FigureReport
    from amb.reports.contract import Report as Report
    from amb.reports.contract import ReportData as ReportData

# Public names are imported when they are first used, so that `import amb` and `amb --help` are instant.
_MODULES = {
    "AmbError": "amb.errors",
    "BatchSolver": "amb.contracts.batches",
    "Comparison": "amb.comparison.result",
    "Evaluation": "amb.contracts.problem",
    "Family": "amb.contracts.family",
    "FigureReport": "amb.reports.contract",
    "FunctionProblem": "amb.contracts.problem",
    "Generator": "amb.contracts.generator",
    "Grid": "amb.contracts.generator",
    "Population": "amb.comparison.population",
    "Problem": "amb.contracts.problem",
    "Report": "amb.reports.contract",
    "ReportData": "amb.reports.contract",
    "Result": "amb.api.result",
    "Solver": "amb.contracts.solver",
    "Space": "amb.contracts.space",
    "Suite": "amb.contracts.suite",
    "Measures": "amb.meis.measure",
    "analyse": "amb.api.meis",
    "View": "amb.contracts.view",
    "compare": "amb.api.compare",
    "generator": "amb.catalogue.generators",
    "histogram": "amb.meis.units",
    "layer_activations": "amb.meis.units",
    "layer_scan": "amb.meis.units",
    "objective": "amb.contracts.objective",
    "open": "amb.api.compare",
    "population": "amb.comparison.population",
    "problem": "amb.catalogue.problems",
    "Target": "amb.contracts.target",
    "solver": "amb.catalogue.solvers",
    "target": "amb.catalogue.targets",
}
__all__ = [*_MODULES]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("amb")
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'amb' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*_MODULES, "__version__", "__doc__", "__name__", "__file__", "__path__"])
