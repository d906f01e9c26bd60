"""The notebooks as pages of the site, with the outputs of this version.

`docs/notebooks` keeps notebooks without outputs, so that their changes can be read and no output is older than the
code. They are run while the site is built, and in the tests.
"""

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from nbconvert.filters import strip_ansi
from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each notebook; the notebook itself can be downloaded from it."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        exporter = MarkdownExporter()
        notebook = run(path)
        for output in (output for cell in notebook.cells for output in cell.get("outputs", ())):
            if output.output_type == "stream":
                output.text = strip_ansi(output.text)
        page = f"notebooks/{path.stem}.md"
        resources = {"output_files_dir": f"{path.stem}-files", "unique_key": path.stem}
        text, made = exporter.from_notebook_node(notebook, resources)
        files.append(File.generated(config, page, content=f"{text}\n[Download this notebook]({path.name})\n"))
        for name, content in made["outputs"].items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    return files


def run(path: Path) -> NotebookNode:
    """The notebook with its outputs, run from its first cell to its last in an empty folder.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": folder}})
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))  # where `!amb` finds the command
        return client.execute(env={**os.environ, "PATH": path, "COLUMNS": "100"})
