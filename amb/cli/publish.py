"""`amb publish`: a study as two small files, to be kept with a project and compared with."""

from pathlib import Path
from typing import Annotated

import typer


def publish(
    study: Annotated[Path, typer.Argument(help="The study's folder.")],
    folder: Annotated[Path, typer.Argument(help="Where the two files go.")],
) -> None:
    """Write a study's runs and manifest as two small files that `amb report` and `--with-reference` read."""
    from amb.study.published import open_study
    from amb.study.published import publish as write
    from amb.study.study import Study

    home = open_study(study)
    if not isinstance(home, Study):
        raise typer.BadParameter(f"{study} is published already; copy it")
    for file in write(home, folder):
        print(f"{file} ({file.stat().st_size / 1e6:.2f} MB)")
