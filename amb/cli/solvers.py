"""`amb solvers`: which solvers there are, and what one of them does."""

from typing import TYPE_CHECKING, Annotated

import typer

from amb.cli import options as o
from amb.cli.group import Group

if TYPE_CHECKING:
    from amb.contracts.solver import Solver

app = Group(help="List and show solvers.")


@app.command("list")
def list_solvers(plugin: o.Plugins = None, json: o.Json = False) -> None:
    """List all solvers by family, with what each does, without importing them."""
    from amb.catalogue.plugins import plugins, unread_packages
    from amb.catalogue.summaries import folder, summary
    from amb.cli.show import print_rows

    o.load_plugins(plugin)
    known = sorted(plugins("solvers").values(), key=lambda p: (folder(p), p.name))
    rows = [{"solver": p.name, "family": folder(p), "method": summary(p)} for p in known]
    if json:
        rows = [{**row, "from": p.origin, "defined in": p.location} for row, p in zip(rows, known, strict=True)]
        rows = [{**row, "error": p.error} if p.error else row for row, p in zip(rows, known, strict=True)]
    others = sorted({p.origin for p in known if not p.origin.startswith("amb ")})
    caption = "`amb solvers show NAME` prints options and source." + f" Also from {', '.join(others)}." * bool(others)
    caption += "".join(f" Cannot be used: {p.error}." for p in known if p.error)
    caption += f" {missing.removeprefix('; ').capitalize()}." if (missing := unread_packages()) else ""
    print_rows(rows, as_json=json, caption=caption)


@app.command("show")
def show_solver(
    spec: Annotated[str, typer.Argument(help="A solver's spec, such as tt-b or tt-b\\[k=50].")],
    plugin: o.Plugins = None,
    json: o.Json = False,
) -> None:
    """Show a solver's options, capabilities and source."""
    import inspect

    from amb.catalogue.solvers import resolve
    from amb.cli.show import print_facts
    from amb.contracts.solver import declared_kinds
    from amb.spec import format_value

    o.load_plugins(plugin)
    solver = resolve(spec)
    cls = solver.cls
    facts: dict[str, object] = {
        "solver": str(solver),
        "method": (inspect.getdoc(cls) or "").split("\n\n")[0].replace("\n", " "),
        "options": ", ".join(f"{k}={format_value(v)}" for k, v in solver.options.items()) or "none",
        "spaces": ", ".join(declared_kinds(cls)) or "depend on its options",
        "searches": "the latent box, rounded to the grid" if cls.continuous else "the grid",
        "candidates": "do not depend on the budget (anytime)" if cls.anytime else "depend on the budget",
        "foreign candidates": "searches by them (foreign)" if cls.foreign else "may be recommended",
        "noise": "averages or repeats measurements (noisy)" if cls.noisy else "recommends the best single measurement",
        "sees": sees(cls),
        "failed query": cls.failed_queries or "not documented",
        "source": cls.source or "not documented",
        "version": cls.version,
        "from": f"{solver.plugin.origin} ({solver.plugin.location})",
    }
    if json:
        facts |= {"options": dict(solver.options), "spaces": sorted(declared_kinds(cls))}
    print_facts(facts, as_json=json)


def sees(cls: "type[Solver]") -> str:
    """What a solver knows, and where it is ranked."""
    from amb.sight import CLASSES

    kind = CLASSES[cls.sees]
    if not kind.name:
        return kind.knows
    return f"{kind.knows} ({kind.name}, {'ranked apart' if kind.ranked else 'never ranked'})"
