"""An overview as data: suites, generators, targets and families, with what a reader needs to choose.

Model cards are read and suites imported; no network is loaded. A plug-in that fails is listed with its error.
"""

from collections.abc import Callable, Mapping

from amb.catalogue import generators, targets
from amb.catalogue.families import registered_families
from amb.catalogue.plugins import Kind, find, plugins
from amb.catalogue.problems import family
from amb.catalogue.suites import suite, suite_names
from amb.contracts.images import size
from amb.errors import AmbError
from amb.foreign import from_user, in_a_line

Row = Mapping[str, object]


def overview() -> dict[str, list[Row]]:
    """Rows of the tables `suites`, `generators`, `targets` and, if any are registered as such, `families`."""
    tables = {
        "suites": _rows("suites", suite_names(), _suite),
        "generators": _rows("generators", generators.generator_names(), _generator),
        "targets": _rows("targets", targets.target_names(), _target),
        "families": _rows("families", registered_families(), _family),
    }
    return {name: rows for name, rows in tables.items() if rows or name != "families"}


def _rows(kind: Kind, names: list[str], describe: Callable[[str], Row]) -> list[Row]:
    rows: list[Row] = []
    for name in names:
        try:
            rows.append({"name": name, **describe(name), "from": find(kind, name).origin})
        except BaseException as error:
            if from_user(error):
                raise
            told = str(error) if isinstance(error, AmbError) else in_a_line(error)
            rows.append({"name": name, "error": told, "from": plugins(kind)[name].origin})
    return rows


def _suite(name: str) -> Row:
    chosen = suite(name)
    return {
        "version": chosen.version,
        "problems": len(chosen.problems),
        "budget": chosen.budget,
        "description": chosen.description,
    }


def _generator(name: str) -> Row:
    generator = generators.described(name)
    return {"images": size(generator.shape), "dimensions": generator.latent_dim}


def _target(name: str) -> Row:
    target = targets.described(name)
    return {"images": size(target.shape), **_counts(target.layers)}


def _family(name: str) -> Row:
    return _counts(family(name).layers())


def _counts(layers: Mapping[str, int]) -> Row:
    return {"layers": len(layers), "units": sum(layers.values())}
