"""`amb plan`: how large must a study be, and how long does it run?"""

from typing import TYPE_CHECKING, Annotated

import typer

from amb.cli import options as o

if TYPE_CHECKING:
    from amb.comparison.pilot import Pilot
    from amb.stats.sizes import Goal, Size

PROBLEMS_PER_NETWORK = 5
SEEDS = (3, 5, 10)

_NO_VARIANCE = (
    " In that study networks differ no more than their problems do; plan with more networks if yours differ more."
)


def plan(
    difference: Annotated[
        float, typer.Option("--difference", help="Difference in median final activation that should be shown.")
    ],
    power: Annotated[float, typer.Option("--power", help="Chance with which it should be shown.")] = 0.8,
    solvers: Annotated[int, typer.Option("--solvers", help="Number of solvers, all compared in pairs.")] = 2,
    seeds: Annotated[
        int | None, typer.Option("--seeds", help="Runs of each solver on a problem; by default 3, 5 and 10.")
    ] = None,
    networks: Annotated[
        int | None, typer.Option("--networks", help="Number of target networks; by default 1, and as many as needed.")
    ] = None,
    budget: Annotated[
        int | None, typer.Option("--budget", "-b", help="Queries per run; by default the earlier study's.", metavar="N")
    ] = None,
    alpha: o.Alpha = o.DEFAULT_ALPHA,
    study: Annotated[
        str,
        typer.Option(
            "--study",
            help="The earlier study to plan from: a folder, or a published study, reference or reference-networks.",
        ),
    ] = "reference-networks",
    json: o.Json = False,
) -> None:
    """Plan a study: how many problems, networks, seeds and hours show a difference."""
    from dataclasses import asdict

    from amb.cli.show import print_facts, print_rows
    from amb.comparison.pilot import find_pilot
    from amb.errors import SpecError
    from amb.run.plan import MOST_SEEDS
    from amb.stats.planning import MOST
    from amb.stats.sizes import Goal, sizes
    from amb.text import wrapped

    goal = Goal(difference, power, solvers, alpha)
    if networks is not None and networks > MOST:
        raise SpecError(f"--networks must be at most {MOST}, got {networks}")
    if seeds is not None and seeds > MOST_SEEDS:
        raise SpecError(f"--seeds must be at most {MOST_SEEDS:,}, got {seeds:,}")
    for name, number, least, why in (
        ("--seeds", seeds, 3, ": fewer earn no claim"),
        ("--networks", networks, 1, ""),
        ("--budget", budget, 1, ""),
    ):
        _require(name, number, least, why)
    pilot = find_pilot(study)
    queries = pilot.budget if budget is None else budget
    each, basis = _seconds_per_query(pilot)
    found = sizes(goal, pilot.parts, SEEDS if seeds is None else (seeds,), networks, PROBLEMS_PER_NETWORK)
    rows = [
        {
            **asdict(size),
            "runs": size.runs(solvers),
            "queries": size.runs(solvers) * queries,
            "hours": size.runs(solvers) * queries * each / 3600,
        }
        for size in found
    ]
    sentence = _sentence(goal, found, queries, each)
    if json:
        variances = {name: value if value == value else None for name, value in asdict(pilot.parts).items()}
        facts = {"sentence": sentence, "basis": basis, "seconds_per_query": each, "budget": queries, "sizes": rows}
        print_facts({**facts, "components": variances}, as_json=True)
        return
    shown = [
        {
            "claim about": row["claim"],
            "networks": f"{row['networks']:,}",
            "problems": f"{row['problems']:,}",
            "seeds": row["seeds"],
            "runs": f"{row['runs']:,}",
            "queries": f"{row['queries']:,}",
            "time": _time(float(row["hours"])),
            "power": f"{row['power']:.2f}",
        }
        for row in rows
    ]
    print_rows(shown, as_json=False)
    print()
    print(wrapped(sentence))
    print()
    print(wrapped(basis))


def _require(name: str, number: int | None, least: int, why: str) -> None:
    from amb.errors import SpecError

    if number is not None and number < least:
        raise SpecError(f"{name} must be at least {least}, got {number}{why}")


def _seconds_per_query(pilot: "Pilot") -> tuple[float, str]:
    """Seconds of a query, and what that and the variance components are based on."""
    from amb.catalogue.times import measured_seconds
    from amb.errors import AmbError
    from amb.text import plural

    try:
        evaluation = measured_seconds(pilot.typical)
        source = "measured on this machine"
    except AmbError:
        evaluation, source = pilot.evaluation_seconds, "as recorded in that study, whose networks are not all here"
    return evaluation + pilot.solver_seconds, (
        f"Planned from the study {pilot.name} ({plural(pilot.solvers, 'solver')}, {plural(pilot.networks, 'network')}, "
        f"{plural(pilot.problems, 'problem')}, {plural(pilot.seeds, 'seed')}, {pilot.budget:,} queries), which says "
        "how much differences between solvers vary from seed to seed, problem to problem and network to network. "
        f"Times are of one process: {1000 * evaluation:.1f} ms per query for image and network ({source}) and "
        f"{1000 * pilot.solver_seconds:.1f} ms for the solver (the mean over that study's finished runs). "
        "Power is the chance to show the difference, with normal variation and every comparison of two solvers counted "
        "by Holm's correction."
        f"{_NO_VARIANCE if pilot.parts.network == 0 else ''}"
        f"{''.join(f' Note: {note}.' for note in pilot.notes)}"
    )


def _sentence(goal: "Goal", found: "list[Size]", budget: int, each: float) -> str:
    """The cheapest size for each claim."""
    from amb.stats.sizes import HERE
    from amb.text import duration, plural

    claims = []
    for claim in dict.fromkeys(size.claim for size in found):
        best = min((s for s in found if s.claim == claim and s.enough), key=lambda s: s.runs(1), default=None)
        about = "on the networks that are run" if claim == HERE else "on networks in general"
        if best is None:
            claims.append(f"{about}, no size that was tried is enough")
            continue
        runs = best.runs(goal.solvers)
        claims.append(
            f"{about}, run {plural(best.problems, 'problem')} of {plural(best.networks, 'network')} with {best.seeds} "
            f"seeds: {plural(runs, 'run')} of {budget:,} queries, {duration(runs * budget * each)}"
        )
    return (
        f"To show a difference of {goal.difference:g} between two of {goal.solvers} solvers with power {goal.power:g} "
        f"at alpha {goal.alpha:g}: {'; '.join(claims)}."
    )


def _time(hours: float) -> str:
    """Short, for a column: "5 min", "1.2 h", "40 h"."""
    if hours < 1:
        return f"{max(1, round(60 * hours))} min"
    return f"{hours:,.0f} h" if hours >= 10 else f"{hours:.1f} h"
