"""`amb population`: neurons that are recorded together, and what sharing presentations saves."""

from typing import TYPE_CHECKING, Annotated

import typer

from amb.cli import options as o

if TYPE_CHECKING:
    from amb.comparison.population import Population

Total = Annotated[
    int,
    typer.Option("--budget", "-b", help="Presentations in total, divided between the neurons' searches.", metavar="N"),
]


def population(
    solvers: o.Solvers = "cma,xdream-ga",
    problems: o.Problems = "quick",
    budget: Total = 1200,
    seeds: o.Seeds = None,
    study: o.StudyFolder = o.DEFAULT_STUDY,
    device: o.Device = "cpu",
    retry: o.Retry = False,
    plugin: o.Plugins = None,
    json: o.Json = False,
) -> None:
    """Record neurons together: a search for each, every presentation answered by all; what does sharing save?

    The recordings are runs of a study: stored ones are not repeated, interrupted ones are resumed.
    """
    from amb.cli.running import announced, interruptible

    progress = announced(as_json=json)  # before imports that take seconds

    from amb.comparison.population import population as run_population

    o.load_plugins(plugin)
    with interruptible(study):
        found = run_population(
            solvers,
            problems,
            budget=budget,
            seeds=seeds,
            study=study,
            device=device,
            retry=retry,
            progress=progress,
        )
    _print(found, as_json=json)


def _print(found: "Population", *, as_json: bool) -> None:
    from math import isinf, isnan

    from amb.cli.show import print_json, print_rows
    from amb.stats.formats import percent
    from amb.study.interchange import plain_rows
    from amb.text import plural

    if as_json:
        tables = {"gains": found.gains, "savings": found.savings, "runs": found.runs}
        content = {name: plain_rows(table) for name, table in tables.items()}
        print_json({"neurons": found.neurons, "presentations": found.budget, **content})
        return
    share = found.budget // len(found.neurons)
    print()
    size = f"{plural(len(found.neurons), 'neuron')}, {found.budget:,} presentations: {share:,} of each neuron's search."
    compared = int(found.gains["neurons"].max())
    if not compared:
        _print_activations(found, size)
        return
    those = plural(compared, "neuron")
    over = "neurons" if compared == len(found.neurons) else f"the {those} with reference points"
    too_few = f" {those} {'is' if compared == 1 else 'are'} too few for intervals of gains."
    few = "" if found.gains["low"].notna().any() else too_few
    print_rows(
        [
            {
                "solver": row.solver,
                "searches": row.searches,
                "gap closed": "-" if isnan(row.closed) else f"{row.closed:.3f}",
                "more than separate": ""
                if isnan(row.gain)
                else f"{row.gain:+.3f}{_between(row.low, row.high, '+.3f')}",
            }
            for row in found.gains.itertuples()
        ],
        as_json=False,
        caption=f"{size} Gap closed: between chance and the best known value, mean over {over}; a failed run counts as "
        f"chance.{few}",
    )
    print()
    print_rows(
        [
            {
                "solver": row.solver,
                "searches": row.searches,
                "to": f"{row.fraction:.0%}",
                "presentations": "never" if isinf(row.presentations) else f"{row.presentations:,.0f}",
                "reached": percent(row.reached),
                "times fewer": ""
                if isnan(row.saving)
                else f"{row.saving:.2f} (a single neuron)"
                if isinf(row.high)
                else f"{row.saving:.2f}{_between(row.low, row.high, '.2f')}",
            }
            for row in found.savings.itertuples()
        ],
        as_json=False,
        caption="Presentations of all searches until a neuron has closed this share of the gap (expected runtime), the "
        "share of neurons and seeds that did, and how many times fewer they are than with separate searches; "
        f"95% intervals, paired over {over}.",
    )
    _print_failures(found)


def _between(low: float, high: float, form: str) -> str:
    """The interval after a value; "" if there are too few neurons for one."""
    return "" if low != low or high != high else f" ({low:{form}} to {high:{form}})"


def _print_activations(found: "Population", size: str) -> None:
    """What can be said of neurons without reference points: the activations that the searches reach."""
    from amb.cli.show import print_rows
    from amb.stats.gap import ranges
    from amb.text import activation

    runs = found.runs
    counted = runs["final"].mask(runs["failed"].astype(bool), runs["problem"].map(ranges(runs)["floor"]))
    means = counted.groupby([runs["solver"], runs["searches"]], sort=False).mean()
    print_rows(
        [
            {"solver": solver, "searches": way, "activation": activation(value)}
            for (solver, way), value in means.items()
        ],
        as_json=False,
        caption=f"{size} Activations: means over neurons and seeds; a failed run counts as the floor, mostly 0. These "
        "neurons have no stored reference points (chance, best known value), so how many presentations sharing saves "
        "is not measured; problems of suites have them.",
    )
    _print_failures(found)


def _print_failures(found: "Population") -> None:
    from amb.text import plural

    failed = int(found.runs["failed"].sum())
    if failed:
        print(f"{plural(failed, 'run')} failed; `amb study status {found.study.shown}` says why")
