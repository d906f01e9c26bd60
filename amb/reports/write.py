"""Writing reports through the plug-ins of the group `amb.reports`."""

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from amb.catalogue.plugins import Plugin, find, load_class, plugins
from amb.comparison.result import Comparison
from amb.errors import AmbError, SpecError, StudyError
from amb.foreign import contained, in_a_line
from amb.interruption import from_user
from amb.reports.contract import Report, ReportData, StudyReport
from amb.reports.draft import draft_of, filling
from amb.spec import as_text, listed, user_path, whole_number
from amb.stats.question import DEFAULT, Question, check_question
from amb.study.durable import make_folder
from amb.study.links import refuse_links
from amb.study.own_files import PAGE, refuse_others, refuse_others_in
from amb.study.published import open_study
from amb.study.study import Study


@dataclass(frozen=True)
class WrittenReports:
    """The result of writing reports.

    Attributes:
        files: the files written.
        failures: one sentence per report that failed, without a full stop.
    """

    files: tuple[Path, ...]
    failures: tuple[str, ...] = ()

    def moved(self, folder: Path, place: Path) -> "WrittenReports":
        """The result when what was written into a folder is in another place."""
        return replace(self, files=tuple(place / file.relative_to(folder) for file in self.files))


def write_reports(
    comparison: Comparison, names: Sequence[str] | None = None, *, folder: str | Path | None = None
) -> WrittenReports:
    """Write reports into a folder; a report that fails does not stop the others.

    Args:
        comparison: what to report on.
        names: names of the reports; by default all that are installed.
        folder: where; by default the study's `report/`.

    Returns:
        The files written, and the reports that failed.

    Raises:
        SpecError: an unknown report, or a folder that is no path.
        PluginError: two reports have the same name.
        StudyError: the folder cannot be written, or has files of the user's under the names of the reports', or runs of
            one problem have candidates of different dimensions.
    """
    comparison.check_candidates()
    chosen = [*plugins("reports").values()]
    if names is not None:
        chosen = [find("reports", name) for name in listed(names, "the names of reports")]
    if folder is None:
        written = _write_into_study(comparison, chosen)
    else:
        written = _write_into_folder(user_path(folder), comparison, chosen)
    others = "; the others were written" * bool(written.files)
    return replace(written, failures=tuple(failure + others for failure in written.failures))


def _write_into_study(comparison: Comparison, chosen: Sequence[Plugin]) -> WrittenReports:
    """Replace the study's report as a whole."""
    place, shown = comparison.study.folder / "report", comparison.study.shown / "report"
    done: list[type[Report]] = []
    try:
        refuse_links(place)
        check_reports(place, chosen)
        with draft_of(place, replaced=_replaced(chosen), ours=partial(_are_outdated, done)) as draft:
            written = _write_all(chosen, comparison, draft, place, done)
    except OSError as cause:
        raise _unwritable(shown, cause) from cause
    if isinstance(comparison.study, Study):  # which a report is written into, so that the next one is faster
        comparison.study.index.save()
    return written.moved(draft, shown)


def _write_into_folder(folder: Path, comparison: Comparison, chosen: Sequence[Plugin]) -> WrittenReports:
    """Write into a folder of the user's, which may hold much else: amb's own files as a whole.

    Reports of others look at what is there, and append to it or spare it, so they write into the folder itself.
    """
    own = [plugin for plugin in chosen if is_own(plugin)]
    done: list[type[Report]] = []
    try:
        for name in _replaced(own):
            refuse_links(folder / name)
        check_reports(folder, own)
        with filling(folder, replaced=_replaced(own), ours=partial(_are_outdated, done)) as draft:
            written = _write_all(own, comparison, draft, folder, done).moved(draft, folder)
    except OSError as cause:
        raise _unwritable(folder, cause) from cause
    others = _write_all([plugin for plugin in chosen if plugin not in own], comparison, folder, folder, [])
    return WrittenReports(written.files + others.files, written.failures + others.failures)


def _replaced(chosen: Sequence[Plugin]) -> list[str]:
    """Folders that some reports write anew as a whole."""
    return [name for report in _own_reports(chosen) for name in report.replaces]


def check_reports(folder: Path, chosen: Sequence[Plugin] | None = None) -> None:
    """Refuse a folder in which amb's own reports would replace files of the user's.

    Args:
        folder: where the reports are to be written.
        chosen: which; by default all that are installed.

    Raises:
        StudyError: it has such a file.
    """
    if not folder.is_dir():
        return
    advice = "move it away"
    for report in _own_reports([*plugins("reports").values()] if chosen is None else chosen):
        refuse_others({folder / name: form for name, form in report.own_files().items()}, advice)
        for name, wrote in report.replaces.items():
            refuse_others_in(folder / name, wrote, advice)


def _own_reports(chosen: Sequence[Plugin]) -> Iterator[type[Report]]:
    """The classes of amb's own reports among these."""
    for plugin in filter(is_own, chosen):
        with suppress(AmbError):  # that it cannot be imported is said when it is its turn
            yield load_class(plugin, Report)


def is_own(plugin: Plugin) -> bool:
    """Whether a report is amb's own: those share one `ReportData`; every other receives its own."""
    return plugin.location.startswith("amb_reports.")


def _write_all(
    chosen: Sequence[Plugin], comparison: Comparison, folder: Path, shown: Path, done: list[type[Report]]
) -> WrittenReports:
    """Write into `folder`; messages name `shown`, where the files will be. Of amb's own, those written go to `done`."""
    data = report_data(comparison)
    files: list[Path] = []
    failures: list[str] = []
    for plugin in chosen:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if folder != shown:  # links in a user's folder are the user's
                refuse_links(folder)
        except OSError as cause:
            raise _unwritable(shown, cause) from cause
        try:
            files += _write(plugin, data if is_own(plugin) else report_data(comparison), folder, done)
        except BaseException as cause:
            if from_user(cause):
                raise
            if isinstance(cause, OSError) and _concerns(folder, cause):
                raise _unwritable(shown, cause) from cause
            failures.append(f"{plugin} failed: {in_a_line(cause)}")
    return WrittenReports(tuple(files), tuple(failures))


def report_data(comparison: Comparison) -> ReportData:
    """The data of a comparison, as reports receive it."""
    return ReportData(
        comparison.runs,
        comparison.traces,
        comparison.analysis,
        comparison.settings,
        comparison.meis,
        comparison.dimensions,
        comparison.load,
        (comparison.study,),
        comparison.warnings,
        comparison.plan.problem,
    )


def write_leaderboard(
    studies: Sequence[str | Path],
    file: str | Path,
    question: Question = DEFAULT,
    *,
    title: str = "",
    budget: int | None = None,
    report: str = "html",
) -> list[Path]:
    """Write one page about all finished runs of several studies.

    Args:
        studies: their folders, including published ones.
        file: the page.
        question: see `amb.reports.contract.StudyReport`.
        title: of the page.
        budget: queries per run at first; the page offers others too. By default those that most runs have.
        report: the plug-in that writes the page.

    Raises:
        SpecError: an argument of the wrong type, or a title that cannot be written.
        StudyError: a folder is not a study, the studies hold no run or contradict each other, or the file cannot be
            written.
        PluginError: the report cannot be loaded, or can only report on comparisons.
    """
    file = user_path(file)
    if not file.name or file.is_dir():
        raise StudyError(f"cannot write {file}: it is a folder; --out names the file to write")
    refuse_others({file: PAGE}, "choose another file with --out")
    question = check_question(question)
    if as_text(title, "the title").encode(errors="replace").decode() != title:
        raise SpecError(f"the title {title!r} is not UTF-8; set the terminal to UTF-8, or leave out the accents")
    writer = load_class(find("reports", report), StudyReport)
    studies = listed(studies, "studies")
    opened = [open_study(folder) for folder in studies]
    words = ["amb", "leaderboard", *(str(folder) for folder in studies), "--out", str(file)]
    words += ["--title", title] * bool(title)
    words += [] if budget is None else ["--budget", str(whole_number(budget, "the budget", 1))]
    words += question.to_options()
    command = shlex.join(words).encode(errors="backslashreplace").decode()  # a folder's name may be any bytes
    try:
        make_folder(file.parent)
        with contained():
            return writer().write_studies(opened, file, question, title=title, command=command, budget=budget)
    except OSError as cause:
        raise StudyError(f"cannot write {file}: {cause.strerror or cause}; choose another file with --out") from cause


def _write(plugin: Plugin, data: ReportData, folder: Path, done: list[type[Report]]) -> list[Path]:
    report = load_class(plugin, Report)
    with contained():
        files = report().write(data, folder)
    if not all(isinstance(file, Path) and file.is_relative_to(folder) for file in files):
        raise TypeError(f"write returned {files!r}; expected a list of paths in {folder}")
    if is_own(plugin):
        for file in {*folder.iterdir()}.difference(files):
            if report.is_outdated(file):
                file.unlink()  # of an earlier comparison, and could be mistaken for this one's
        done.append(report)
    return files


def _are_outdated(done: Sequence[type[Report]], file: Path) -> bool:
    """Whether a file in the folder of these reports, which they have not written, is of another comparison."""
    return any(report.is_outdated(file) for report in done)


def _concerns(folder: Path, cause: OSError) -> bool:
    """Whether the error may come from writing into the folder, not from a file elsewhere that a report reads."""
    if not isinstance(cause.filename, str | bytes):
        return True
    return Path(os.fsdecode(cause.filename)).absolute().is_relative_to(folder.absolute())


def _unwritable(folder: Path, cause: OSError) -> StudyError:
    return StudyError(f"cannot write the report into {folder}: {cause.strerror or cause}")
