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
    """Write the runs of studies as two small files that `amb report` and `--with-reference` read.

    Published studies can be among them: so a published study grows.
    """
    from amb.cli.show import print_disagreements
    from amb.errors import StudyError
    from amb.study.manifest import disagreements
    from amb.study.published import PublishedStudy, manifests_of, open_study
    from amb.study.published import publish as write
    from amb.text import file_size

    opened = [open_study(study) for study in studies]
    if len(opened) == 1 and isinstance(opened[0], PublishedStudy):
        raise StudyError(f"{studies[0]} is already published: copy its two files")
    # Before it is written: the folder may be one of the studies, to grow.
    notes = disagreements([(str(s.shown), m) for s, m in zip(opened, manifests_of(opened, folder), strict=True)])
    for file in write(opened, folder):
        print(f"{file} ({file_size(file.stat().st_size)})")
    print_disagreements(notes)
