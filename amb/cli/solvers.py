"""`amb solvers`: what can search."""

from typing import Annotated

import typer

from amb.cli import options as o

app = typer.Typer(help="List and show solvers.", no_args_is_help=True)


@app.command("list")
def list_solvers(plugin: o.Plugins = None, json: o.Json = False) -> None:
    """List all solvers with their origin; listing imports none of them."""
    from amb.catalogue.plugins import plugins
    from amb.cli.show import print_rows

    o.load_plugins(plugin)
    rows = [{"solver": p.name, "from": p.origin, "defined in": p.location} for p in plugins("solvers").values()]
    print_rows(rows, as_json=json)


@app.command("show")
def show_solver(
    spec: Annotated[str, typer.Argument(help="A solver's spec, such as tt-b or tt-b[k=50].")],
    plugin: o.Plugins = None,
    json: o.Json = False,
) -> None:
    """Show a solver's options, capabilities and source."""
    import inspect

    from amb.catalogue.solvers import resolve
    from amb.cli.show import print_facts

    o.load_plugins(plugin)
    found = resolve(spec)
    facts = {
        "solver": str(found),
        "what": (inspect.getdoc(found.cls) or "").split("\n\n")[0].replace("\n", " "),
        "options": ", ".join(f"{k}={v}" for k, v in found.options.items()) or "none",
        "spaces": ", ".join(sorted(found.cls.kinds)),
        "works in": "the latent box, rounded" if found.cls.continuous else "grid indices",
        "what is asked": "does not depend on the budget (anytime)" if found.cls.anytime else "depends on the budget",
        "noise": "averages or measures again (noisy)" if found.cls.noisy else "stands by the best value told",
        "sees": "gradients (white-box, never ranked)" if found.cls.white_box else "values only",
        "a failed query": found.cls.failed_queries or "not said",
        "source": found.cls.source or "not given",
        "version": found.cls.version,
        "from": f"{found.plugin.origin} ({found.plugin.location})",
    }
    print_facts(facts, as_json=json)
