"""`amb publish`: a study as two small files, to keep in a repository and to compare with."""

from pathlib import Path
from typing import Annotated

import typer


def publish(
    study: Annotated[Path, typer.Argument(help="The study's folder.")],
    folder: Annotated[Path, typer.Argument(help="Folder for the two files.")],
) -> None:
    """Write a study's runs and manifest as two small files that `amb report` and `--with-reference` read."""
    from amb.study.published import open_study
    from amb.study.published import publish as write
    from amb.study.study import Study

    opened = open_study(study)
    if not isinstance(opened, Study):
        raise typer.BadParameter(f"{study} is already published; copy it")
    for file in write(opened, folder):
        print(f"{file} ({file.stat().st_size / 1e6:.2f} MB)")
