"""`amb publish`: a study as two small files, to keep in a repository and to compare with."""

from pathlib import Path
from typing import Annotated

import typer


def publish(
    study: Annotated[Path, typer.Argument(help="The study's folder.")],
    folder: Annotated[Path, typer.Argument(help="Folder for the two files.")],
) -> None:
    """Write a study's runs and manifest as two small files that `amb report` and `--with-reference` read."""
    from amb.errors import StudyError
    from amb.study.published import open_study
    from amb.study.published import publish as write
    from amb.study.study import Study
    from amb.text import file_size

    opened = open_study(study)
    if not isinstance(opened, Study):
        raise StudyError(f"{study} is already published: copy its two files")
    for file in write(opened, folder):
        print(f"{file} ({file_size(file.stat().st_size)})")
