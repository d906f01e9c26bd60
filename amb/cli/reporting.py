"""The end of `amb compare` and `amb report`: the result at once, then the reports."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amb.comparison.result import Comparison


def print_and_write(comparison: "Comparison", *, as_json: bool) -> None:
    """Print table and verdict, write the reports, print where they are; exit with 1 if a report failed.

    The reports are written even if stdout takes no more.
    """
    from rich.console import Console

    from amb.cli.show import exit_if_failed, print_comparison, print_files
    from amb.errors import StudyError
    from amb.reports.write import write_reports

    folder = comparison.study.shown / "report"  # where it is now: it may be the current folder, and be replaced
    if not as_json:  # the result first: reports take a while
        try:
            print_comparison(comparison)
        except (OSError, SystemExit):  # stdout leads to a full disk; nobody reads on (`| head -1`), where rich exits
            write_reports(comparison)
            raise
    try:
        with Console(stderr=True).status("Writing reports ..."):
            reports = write_reports(comparison)
    except StudyError:  # a study may be read by those who cannot write into it
        if as_json:
            print_files(comparison, folder, (), as_json=True)
        raise
    print_files(comparison, folder, reports.files, as_json=as_json)
    exit_if_failed(reports.failures)
