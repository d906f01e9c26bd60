"""The most exciting inputs that a study holds: one for each finished run."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from amb.catalogue.problems import problem as find_problem
from amb.contracts import asking
from amb.contracts.generator import Grid
from amb.contracts.problem import Problem, UInt8Array
from amb.contracts.space import FloatArray
from amb.errors import SpecError, StudyError
from amb.meis.columns import MEIS
from amb.meis.evolution import animate, check_animation, evolution_of
from amb.spec import MEASUREMENT_OPTIONS, ProblemId, Spec, without_noise
from amb.study.changes import mixed
from amb.study.fit import misfit
from amb.study.published import AnyStudy
from amb.study.runs import RunPlan, RunRecord, Trace
from amb.text import plural

INPUT_OPTIONS = ("input", "deviation")
"""Options of a problem that change how its image is shown, not which image it is."""
UNIT = ["generator", "target", "layer", "unit"]
"""Columns that say whose input it is; problems of one unit may differ in noise."""
COMPARED = 16
"""Candidates whose images tell whether two problems draw the same ones."""


@dataclass(frozen=True, repr=False)
class Found:
    """Most exciting inputs and the problems that they solve.

    Attributes:
        table: one row for each input; `amb.meis.columns.MEIS` says what its columns hold.
        problem: a problem by its id.
        load: record and trace of the run behind a row of the table.
        notes: which runs of the study are left out, or of different code, without full stops.
    """

    table: pd.DataFrame
    problem: Callable[[str], Problem]
    load: Callable[[str], tuple[RunRecord, Trace]]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        problems = plural(self.table["problem"].nunique(), "problem")
        return f"<{plural(len(self.table), 'most exciting input')} of {problems}>"

    def groups(self) -> Iterator[tuple[list[str], pd.DataFrame]]:
        """Problems that share generator and target, which can be measured together, and their rows."""
        rows: dict[str, list[str]] = {}
        for name in self.table["problem"].unique():
            rows.setdefault(self.problem(name).group, []).append(name)
        for names in rows.values():
            yield names, self.table[self.table["problem"].isin(names)]

    def images(self, table: pd.DataFrame | None = None) -> UInt8Array:
        """The inputs of the rows as images of one generator, uint8[n, h, w, c], in their order.

        Raises:
            StudyError: the rows are of several generators, whose images may differ in size.
        """
        rows = self.table if table is None else table
        if rows["generator"].nunique() > 1:
            raise StudyError(
                "images of several generators may differ in size; choose one: found.table[found.table.generator == ...]"
            )
        if rows.empty:
            return np.empty((0, 0, 0, 0), np.uint8)
        if rows["candidate"].map(len).nunique() > 1:
            raise StudyError("inputs of different dimensions cannot be drawn together; choose one problem")
        # A generator's images depend on the latent only, so one problem renders all candidates of its grid.
        candidates = np.stack(rows["candidate"].tolist())
        return asking.images(self.problem(str(rows["problem"].iloc[0])), candidates)

    def latents(self, table: pd.DataFrame | None = None) -> FloatArray:
        """The inputs of the rows as coordinates in latent space, float64[n, d]; rows of one generator, as `images`."""
        rows = self.table if table is None else table
        candidates = np.stack(rows["candidate"].tolist())
        return self.problem(str(rows["problem"].iloc[0])).space.decode(candidates)

    def traces(self) -> pd.DataFrame:
        """Queries of all runs: problem, solver, seed, query from 1, value, clean (without noise), best so far.

        A query that failed has no value and does not count for the best; until one succeeds, that is NaN.
        """
        parts = []
        for row in self.table.itertuples():
            _, trace = self.load(str(row.run_id))
            best = np.fmax.accumulate(trace.observed)
            part = pd.DataFrame(
                {"query": np.arange(1, len(trace) + 1), "value": trace.values, "clean": trace.clean, "best": best}
            )
            parts.append(part.assign(problem=row.problem, solver=row.solver, seed=row.seed))
        columns = ["problem", "solver", "seed", "query", "value", "clean", "best"]
        return pd.concat(parts, ignore_index=True)[columns]

    def evolution(self, row: "int | pd.Series", file: str | Path | None = None) -> UInt8Array:
        """The images at which a run improved, uint8[frames, h, w, c]; the last is its result.

        Args:
            row: a row of the table, or its index.
            file: where the animation is written, a .gif or an .mp4; None: nowhere.

        Raises:
            DataError: the file cannot be written.
        """
        if file is not None:
            check_animation(file)
        chosen = self.table.loc[row] if isinstance(row, int) else row
        _, images = evolution_of(self.problem(str(chosen["problem"])), *self.load(str(chosen["run_id"])))
        if file is not None:
            animate(images, file)
        return images


def found_in(
    study: AnyStudy,
    problem: Callable[[str], Problem] = find_problem,
    *,
    only: Collection[str] | None = None,
    single: bool = False,
    runs: Sequence[RunPlan] | None = None,
    generators: Sequence[str] = (),
) -> Found:
    """The most exciting inputs of all finished runs of a study, save those of neurons that were recorded together.

    Such a run has the solver and the seed of a search alone, from which no table could tell it.

    Args:
        study: the study, published or not.
        problem: a problem by its id; for those that were given as objects, the caller's own.
        only: names of networks; None: all.
        single: leave out runs whose target is a group of units.
        runs: these runs only, as they stood at these budgets; None: all, with the budgets that they have now.
        generators: whose inputs come first in all tables, in this order; those of others follow by name.

    Raises:
        StudyError: no run has recommended anything, or a problem has changed since all its runs.
        SpecError: no name of any run's problem is known.
    """
    records: dict[str, RunRecord] = {}
    together = groups = 0
    for record, _ in study.compact_records() if runs is None else filter(None, map(study.load_compact, runs)):
        parts = ProblemId.parse(record.plan.problem)
        if not record.recommended or (only is not None and parts.target not in only):
            continue
        if record.plan.recording is not None:
            together += 1
        elif single and "+" in parts.unit:
            groups += 1
        else:
            records[record.plan.run_id] = record
    unknown = _drop_unknown(records, problem)
    earlier = _drop_earlier(records, problem)
    unfit = _drop_unfit(records, study, problem)
    replaced = 0 if runs is not None else _drop_replaced(records, study.manifest.solvers)
    left_out = {f"of neurons that were recorded together {_left_out(together)}": together}
    left_out[f"of groups of units {_left_out(groups)}"] = groups
    left_out[f"of networks or grids that have changed since {_left_out(earlier)}"] = earlier
    left_out[f"of earlier versions of solvers {_left_out(replaced)}"] = replaced
    notes = tuple(f"{plural(count, 'run')} {words}" for words, count in left_out.items() if count) + unknown + unfit
    if not records:
        others = "".join(f"; {note}" for note in notes)
        raise StudyError(f"{study.shown} holds no finished run that recommends an input{others}; `amb run` makes some")
    labels = _generators(dict.fromkeys(record.plan.problem for record in records.values()), problem)
    table = pd.DataFrame([{"run_id": key, **_row(record, labels)} for key, record in records.items()])
    table = _sorted(table, problem, generators)
    ordered = table.sort_values("activation", ascending=False, kind="stable")
    best = ordered.drop_duplicates(UNIT).index
    table["best"] = table.index.isin(best)
    full = _full(table, problem)
    plans = {key: record.plan for key, record in records.items()}

    def load(run_id: str) -> tuple[RunRecord, Trace]:
        stored = study.load(plans[run_id])
        if stored is None:
            raise StudyError(f"{study.shown} has lost a run of {plans[run_id].problem}")
        return stored

    return Found(full, problem, load, (*notes, *mixed(study.manifest)))


def _drop_unknown(records: dict[str, RunRecord], problem: Callable[[str], Problem]) -> tuple[str, ...]:
    """Take away runs of problems that were given as objects, such as states in a training; returns a note.

    Raises:
        SpecError: no name of any run's problem is known.
    """
    causes: dict[str, SpecError] = {}
    names = list(dict.fromkeys(record.plan.problem for record in records.values()))
    for name in names:
        try:
            problem(name)
        except SpecError as cause:
            causes[name] = cause
    if not causes:
        return ()
    first = min(causes)
    if len(causes) == len(names):
        raise causes[first]
    left = [key for key, record in records.items() if record.plan.problem in causes]
    for key in left:
        del records[key]
    return (f"{plural(len(left), 'run')} of problems that no name finds, such as {first}, {_left_out(len(left))}",)


def _drop_earlier(records: dict[str, RunRecord], problem: Callable[[str], Problem]) -> int:
    """Take away runs of other weights or another grid than a problem has now; returns how many.

    Raises:
        StudyError: all runs of a problem are such.
    """
    prints = {name: problem(name).fingerprint for name in dict.fromkeys(r.plan.problem for r in records.values())}
    earlier = [key for key, one in records.items() if one.plan.fingerprint != prints[one.plan.problem]]
    for key in earlier:
        del records[key]
    if lost := prints.keys() - {record.plan.problem for record in records.values()}:
        name = next(name for name in prints if name in lost)
        raise StudyError(
            f"the weights or the grid of {name} have changed since its runs, so its inputs cannot be drawn; "
            "run it again in a new study"
        )
    return len(earlier)


def _drop_unfit(records: dict[str, RunRecord], study: AnyStudy, problem: Callable[[str], Problem]) -> tuple[str, ...]:
    """Take away runs whose candidates are not of their problem's space; returns a note on each, with its file."""
    notes = []
    for key, record in list(records.items()):
        if why := misfit(record.recommended, problem(record.plan.problem).space):
            del records[key]
            notes.append(f"{study.run_file(key)} is left out: {why}")
    return tuple(notes)


def _drop_replaced(records: dict[str, RunRecord], versions: Mapping[str, str]) -> int:
    """Take away runs that the version of their solver that was asked for last has repeated; returns how many."""

    def cell(plan: RunPlan) -> tuple[str, str, int]:
        return plan.problem, plan.solver, plan.seed

    plans = {key: record.plan for key, record in records.items()}
    repeated = {cell(plan) for plan in plans.values() if versions.get(plan.solver) == plan.version}
    replaced = [k for k, plan in plans.items() if cell(plan) in repeated and versions[plan.solver] != plan.version]
    for key in replaced:
        del records[key]
    return len(replaced)


def _generators(names: Iterable[str], problem: Callable[[str], Problem]) -> dict[str, str]:
    """The generator of each problem with the options that choose its grid: two grids are two generators here.

    Candidates of different grids mean different images, so they are never rendered or compared together. Nor are those
    of problems of the user's own that draw different images, whatever their ids have in common: each is named by as
    much of its id as tells them apart.
    """
    alike: dict[str, list[tuple[Problem, list[str]]]] = {}  # by shortest name: each kind's first problem, and its ids
    for name in names:
        one = problem(name)
        known = alike.setdefault(_labels(name)[0], [])
        for first, others in known:
            if one.group == first.group or _draw_alike(first, one):
                others.append(name)
                break
        else:
            known.append((one, [name]))
    found = {}
    for known in alike.values():
        kinds: dict[str, set[int]] = defaultdict(set)
        for number, (_, others) in enumerate(known):
            for label in chain.from_iterable(map(_labels, others)):
                kinds[label].add(number)
        for name in chain.from_iterable(others for _, others in known):
            found[name] = next((label for label in _labels(name) if len(kinds[label]) == 1), name)
    return found


def _labels(problem: str) -> tuple[str, ...]:
    """What a problem's generator may be called, from the shortest name to the longest."""
    spec, parts = Spec.parse(without_noise(problem)), ProblemId.parse(problem)
    options = tuple((name, value) for name, value in spec.options if name not in INPUT_OPTIONS)
    return tuple(str(Spec(name, options)) for name in (parts.generator, parts.pair, parts.address, spec.name))


def conditions(problem: str) -> str:
    """The options of a problem's id that are none of its generator's: noise, trial effects, and how images are shown.

    Two searches are alike only under the same conditions.
    """
    chosen = (option for option in Spec.parse(problem).options if option[0] in (*MEASUREMENT_OPTIONS, *INPUT_OPTIONS))
    return str(Spec("", tuple(chosen)))


def _draw_alike(first: Problem, other: Problem) -> bool:
    """Whether two problems have one space, and one image of each of some candidates."""
    if Grid(first.space).content() != Grid(other.space).content():
        return False
    candidates = first.space.sample(COMPARED, np.random.default_rng(0))
    return np.array_equal(asking.images(first, candidates), asking.images(other, candidates))


def _left_out(count: int) -> str:
    return "is left out" if count == 1 else "are left out"


def _row(record: RunRecord, generators: Mapping[str, str]) -> dict[str, object]:
    parts = ProblemId.parse(record.plan.problem)
    return {
        "problem": record.plan.problem,
        "generator": generators[record.plan.problem],
        "target": parts.target,
        "layer": parts.layer,
        "unit": parts.unit,
        "solver": record.plan.solver,
        "seed": record.plan.seed,
        "budget": record.plan.budget,
        "activation": record.final,
        "candidate": np.array(record.recommended, np.int64),
    }


def _sorted(table: pd.DataFrame, problem: Callable[[str], Problem], generators: Sequence[str]) -> pd.DataFrame:
    """Rows by generator, in this order, target, layer in the network's order, unit as a number, solver and seed."""
    depth = {}
    for row in table.drop_duplicates(["generator", "target", "layer"]).itertuples():
        layers = problem(str(row.problem)).layers
        depth[row.target, row.layer] = layers.index(row.layer) if row.layer in layers else len(layers)
    number = pd.to_numeric(table["unit"].str.split("+").str[0], errors="coerce").fillna(0)
    order = [depth[pair] for pair in zip(table["target"], table["layer"], strict=True)]
    place = table["generator"].map({name: i for i, name in enumerate(generators)}).fillna(len(generators))
    keys = ["place", "generator", "target", "order", "layer", "number", "unit", "solver", "seed", "budget"]
    ordered = table.assign(number=number, order=order, place=place).sort_values(keys, kind="stable")
    return ordered.drop(columns=["number", "order", "place"]).reset_index(drop=True)


def _full(table: pd.DataFrame, problem: Callable[[str], Problem]) -> pd.DataFrame:
    counts = {name: problem(str(name)).spikes is not None for name in table["problem"].unique()}
    spiking = table["problem"].map(counts).astype(bool)
    table["saturated"] = spiking & (table["activation"] >= 1)
    table["silent"] = table["activation"] == 0
    return table[["run_id", *MEIS]]
