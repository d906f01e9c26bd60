"""The report on an experiment: what the entry-point group `amb.lab_reports` offers, and the data that it receives."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from amb.catalogue.plugins import find, load_class
from amb.errors import LabError
from amb.foreign import contained
from amb.lab import analysis
from amb.lab.experiment import Experiment, settings_text
from amb.lab.history import History
from amb.lab.laboratory import Laboratory
from amb.lab.start import refuse_taken_names
from amb.lab.stimuli import Picture
from amb.spec import real_path
from amb.study.durable import make_folder, write_together
from amb.study.interchange import csv_text
from amb.study.links import refuse_links
from amb.study.own_files import PAGE, refuse_others, table


@dataclass(frozen=True)
class LabData:
    """What a report on an experiment is made from.

    Attributes:
        name: the folder's name.
        experiment: the settings.
        settings: their text, as the user wrote it.
        history: trials, candidates and responses.
        trials: see `analysis.trial_table`; and `corrected`, whether a response was, and `misled`, whether it presents a
            candidate that was proposed from responses that were corrected later.
        corrections: see `analysis.correction_table`.
        evolutions: by search; see `analysis.evolution`.
        stopping: by search: what is advised, and why.
        advantages: by search; see `analysis.advantage`.
        drifts, trends, in_shares, noise: by neuron; see `analysis.drift`, `drift_trend`, `in_shares` and
            `signal_and_noise`.
        best: see `analysis.best_stimuli`.
        draw: pictures of stimuli by name, uint8[height, width, 3], as they were presented.
    """

    name: str
    experiment: Experiment
    settings: str
    history: History
    trials: pd.DataFrame
    corrections: pd.DataFrame
    evolutions: Mapping[str, pd.DataFrame]
    stopping: Mapping[str, tuple[str, str]]
    advantages: Mapping[str, Mapping[str, object]]
    drifts: Mapping[str, pd.DataFrame]
    trends: Mapping[str, tuple[float, float, float]]
    in_shares: Mapping[str, bool]
    noise: Mapping[str, Mapping[str, float]]
    best: pd.DataFrame
    draw: Callable[[list[str]], Mapping[str, Picture]]


class LabReport(ABC):
    """Writes a file about an experiment; created without arguments, then `write` is called once."""

    plugin_kind: ClassVar[str] = "lab_reports"

    @abstractmethod
    def write(self, data: LabData, file: Path) -> None:
        """Write `file`, whose folder exists."""


def lab_data(lab: Laboratory) -> LabData:
    """The data of an experiment.

    Raises:
        LabError: it has no block yet, or a neuron has the name of a column.
    """
    history, experiment = lab.history, lab.experiment
    refuse_taken_names(experiment)
    if history.start is None or not history.blocks:
        raise LabError(f"{lab.shown} has no block yet, so there is nothing to report; `amb lab next {lab.shown}`")
    searches, neurons = experiment.searches, experiment.neurons
    trials = analysis.trial_table(history)
    return LabData(
        real_path(lab.folder, LabError).name,
        experiment,
        settings_text(lab.folder),
        history,
        _with_marks(trials, history),
        analysis.correction_table(history),
        {s.name: analysis.evolution(history, s) for s in searches},
        {s.name: analysis.stopping(history, s) for s in searches},
        {s.name: analysis.advantage(history, s) for s in searches},
        {name: analysis.drift(trials, name) for name in neurons},
        {name: analysis.drift_trend(trials, name) for name in neurons},
        {name: analysis.in_shares(trials, name) for name in neurons},
        {name: analysis.signal_and_noise(trials, name) for name in neurons},
        analysis.best_stimuli(history, neurons),
        lambda names: lab.pictures().draw(names, history),
    )


def _with_marks(trials: pd.DataFrame, history: History) -> pd.DataFrame:
    corrected = {trial for one in history.corrections for trial in one.trials}
    misled = (trials["kind"] == "candidate") & trials["stimulus"].isin(history.misled)
    return trials.assign(corrected=trials["trial"].isin(corrected), misled=misled)


def write_report(lab: Laboratory, folder: Path | None = None, *, report: str = "html") -> list[Path]:
    """Write the page, the table of all trials and that of corrections, if any, into a folder, which is made if missing.

    Args:
        lab: the experiment.
        folder: for `report.html`, `trials.csv` and `corrections.csv`; by default `report/` in the experiment.
        report: the plug-in that writes the page.

    Raises:
        LabError: there is nothing to report, or the folder cannot be written, or has files of the user's under these
            names.
        PluginError: the report cannot be loaded.
    """
    own, folder = folder is None, folder or lab.folder / "report"
    page, trials, corrections = (folder / name for name in ("report.html", "trials.csv", "corrections.csv"))
    forms = {page: PAGE, trials: table("trial", "block", "kind", "stimulus"), corrections: table("correction", "trial")}
    refuse_others(forms, "move it away, or choose another folder with --out", LabError)
    data = lab_data(lab)
    writer = load_class(find("lab_reports", report), LabReport)
    try:
        if own:
            refuse_links(folder, LabError)
        make_folder(folder)
        tables: dict[Path, str] = {trials: csv_text(data.trials)}
        if len(data.corrections):
            tables[corrections] = csv_text(data.corrections)
        write_together(tables, error=None)
        with contained():
            writer().write(data, page)
    except OSError as cause:
        raise LabError(f"cannot write the report into {folder}: {cause.strerror or cause}") from cause
    return [page, trials, *([corrections] if len(data.corrections) else [])]
