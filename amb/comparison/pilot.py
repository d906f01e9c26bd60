"""What a finished study tells about the size and the cost of the next one.

`python -m amb.comparison.pilot reports/reference reports/reference-networks` rewrites the table of published studies,
`published_pilots.json`, which is part of the package where the studies themselves are not.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from amb.comparison.compare import reopen
from amb.errors import AmbError, unknown
from amb.spec import user_path
from amb.stats.planning import Components, components
from amb.study.durable import write_json
from amb.study.manifest import Settings
from amb.study.published import PublishedStudy, open_study
from amb.text import plural

TABLE = Path(__file__).with_name("published_pilots.json")

DEFAULT = "reference-networks"
"""The published study with enough networks to tell how much networks disagree."""


@dataclass(frozen=True)
class Pilot:
    """A study that the next one is planned from.

    Attributes:
        name: the published study's name, or its folder.
        parts: variance components of median final activation.
        solvers, networks, problems, seeds, budget: its size.
        typical: the problem whose queries took the time nearest to the mean of all.
        evaluation_seconds: recorded seconds of generator and target per query, mean over runs that spent their budget.
        solver_seconds: recorded seconds of solvers per query, mean over the same runs.
        notes: which runs of the study are left out, without full stops.
    """

    name: str
    parts: Components
    solvers: int
    networks: int
    problems: int
    seeds: int
    budget: int
    typical: str
    evaluation_seconds: float
    solver_seconds: float
    notes: tuple[str, ...] = ()


def find_pilot(name: str = DEFAULT) -> Pilot:
    """A published study by name, or a study by its folder.

    Raises:
        SpecError: neither a folder nor the name of a published study.
        StudyError: the folder is not a study, or a run is missing.
        AmbError: the study is too small for variance components, or none of its runs spent its budget.
    """
    if (folder := user_path(name)).is_dir():
        return read_pilot(folder)
    published = {row["name"]: row for row in json.loads(TABLE.read_text(encoding="utf-8"))}
    if name not in published:
        raise unknown("study (neither a folder nor a published study)", name, published)
    row = published[name]
    parts = {key: np.nan if value is None else value for key, value in row["parts"].items()}
    return Pilot(**{**row, "parts": Components(**parts)})


def read_pilot(folder: Path) -> Pilot:
    """Variance components, size and recorded times of a study; raises as `find_pilot`."""
    study = open_study(folder)
    asked = study.manifest.settings.complete(study.folder)
    # Of a published study that has more runs of some solvers, those that the others lack would be missed.
    problems, seeds = _shared(study, asked) if isinstance(study, PublishedStudy) else (asked.problems, asked.seeds)
    compared = reopen(study, problems=problems, seeds=seeds)
    left = [plural(len(asked.problems) - len(problems), "problem")] * (len(problems) < len(asked.problems))
    left += [plural(len(asked.seeds) - len(seeds), "seed")] * (len(seeds) < len(asked.seeds))
    notes = (*compared.notes, *([f"left out, since not all solvers ran there: {' and '.join(left)}"] if left else []))
    runs = compared.analysis.scored
    parts = components(runs)
    whole = runs[runs["status"] == "ok"]  # what a run took that stopped early was not spent on its few queries
    if whole.empty:
        raise AmbError(
            f"no run of {folder} spent its budget, so it does not tell what a query costs; `amb report {folder}` says "
            "why they stopped; plan from another study"
        )
    evaluation = (whole["generator_seconds"] + whole["target_seconds"]) / whole["queries"]
    distance = (evaluation.groupby(whole["problem"], sort=False).mean() - evaluation.mean()).abs()
    return Pilot(
        str(folder),
        parts,
        solvers=runs["solver"].nunique(),
        networks=runs["target"].nunique(),
        problems=runs["problem"].nunique(),
        seeds=runs["seed"].nunique(),
        budget=int(runs["budget"].max()),
        typical=str(distance.idxmin()),
        evaluation_seconds=float(evaluation.mean()),
        solver_seconds=float((whole["solver_seconds"] / whole["queries"]).mean()),
        notes=notes,
    )


def _shared(study: PublishedStudy, asked: Settings) -> tuple[Sequence[str], Sequence[int]]:
    """The problems and the seeds, of those asked for, that every solver ran with; all if there are none."""
    ran: dict[str, dict[str, set[int]]] = {}
    for plan in study.plans():
        ran.setdefault(plan.problem, {}).setdefault(plan.solver, set()).add(plan.seed)
    problems = [name for name in asked.problems if set(asked.solvers) <= ran.get(name, {}).keys()]
    shared = [ran[name][solver] for name in problems for solver in asked.solvers]
    seeds = [seed for seed in asked.seeds if all(seed in own for own in shared)]
    return (problems, seeds) if problems and seeds else (asked.problems, asked.seeds)


def main(folders: list[str]) -> None:
    """Write the table of published studies."""
    rows = [asdict(replace(read_pilot(Path(folder)), name=Path(folder).name)) for folder in folders]
    for row in rows:
        del row["notes"]  # whole studies are published
        row["parts"] = {key: None if np.isnan(value) else float(value) for key, value in row["parts"].items()}
    write_json(TABLE, rows)


if __name__ == "__main__":
    main(sys.argv[1:])
