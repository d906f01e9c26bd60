"""`amb publish`: studies as two small files, to keep in a repository and to compare with."""

from pathlib import Path
from typing import Annotated

import typer

from amb.spec import user_path


def publish(
    studies: Annotated[
        list[Path], typer.Argument(help="Studies, whose runs become one.", metavar="STUDY...", parser=user_path)
    ],
    folder: Annotated[Path, typer.Argument(help="Folder for the two files.", parser=user_path)],
) -> None:
    """Write the finished runs of studies as two small files that `amb report` and `--with-reference` read.

    It says how many of the runs that a study was asked for are not finished. Published studies can be among them: so a
    published study grows.
    """
    from amb.cli.show import print_disagreements
    from amb.errors import StudyError
    from amb.study.asked import finished_of, unfinished_clauses
    from amb.study.manifest import disagreements
    from amb.study.published import PublishedStudy, manifests_of, open_study
    from amb.study.published import publish as write
    from amb.study.untrusted import plain
    from amb.text import file_size

    opened = [open_study(study) for study in studies]
    if len(opened) == 1 and isinstance(opened[0], PublishedStudy):
        raise StudyError(f"{studies[0]} is already published: copy its two files")
    # Before it is written: the folder may be one of the studies, to grow.
    manifests = manifests_of(opened, folder)
    notes = disagreements([(str(study.shown), of) for study, of in zip(opened, manifests, strict=True)])
    for file in write(opened, folder):
        print(f"{file} ({file_size(file.stat().st_size)})")
    print_disagreements(notes)
    records = [record for record, _ in PublishedStudy(folder).compact_records()]
    asked = [(study, of, finished_of(of, records)) for study, of in zip(opened, manifests, strict=True)]
    for clause in unfinished_clauses(asked, left_out=False):
        print(plain(f"Note: {clause}."))
