"""Files that amb replaces are its own: a user's of the same name stays, and commands say so before they begin."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

import amb
from amb.catalogue.reference_points import file_of
from amb.cli.app import app
from amb.errors import AmbError
from amb.meis.write import check_tables, write_tables
from amb.paper.claims import claim_table
from amb.paper.report import check_paper
from amb.paper.verdict import Claim
from amb.study.interchange import csv_text
from amb.study.own_files import PAGE, Form, picture, refuse_others, table

QUICK = file_of("quick").name

REFUSED = [
    ("claims.csv", ["paper", "--study", "OWN"]),
    ("paper.html", ["paper", "--study", "OWN"]),
    *((f"{name}.csv", ["analyse", "absent", "--out", "OWN"]) for name in ("meis", "distances", "layers", "ratios")),
    ("meis.parquet", ["analyse", "absent", "--out", "OWN"]),
    ("atlas.html", ["atlas", "mnist-snn", "--study", "OWN"]),
    ("analysis/layers.csv", ["atlas", "mnist-snn", "--study", "OWN"]),
    (QUICK, ["references", "quick", "--out", "OWN", "--data", "absent"]),
    ("demo.png", ["demo", "--out", "OWN/demo.png"]),
    ("one.svg", ["problems", "show", "mnist-sngan/mnist-snn/out/3", "--out", "OWN/one.svg"]),
]


@pytest.mark.parametrize(("name", "words"), REFUSED, ids=[f"{words[0]} {name}" for name, words in REFUSED])
@pytest.mark.parametrize("content", ["mine\n", "name,age\nann,3\n", "FOLDER"])
def test_a_users_file_is_refused_before_anything_is_done(
    tmp_path: Path, name: str, words: list[str], content: str
) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    if content == "FOLDER":
        file.mkdir()
    else:
        file.write_text(content)
    before = sorted(tmp_path.rglob("*"))
    done = CliRunner().invoke(app, [word.replace("OWN", str(tmp_path)) for word in words])
    assert isinstance(done.exception, AmbError)
    said = "is a folder" if content == "FOLDER" else "exists and is not"
    assert said in str(done.exception)
    assert str(file) in str(done.exception)
    assert sorted(tmp_path.rglob("*")) == before
    assert file.is_dir() or file.read_text() == content


def test_what_amb_wrote_is_replaced(tmp_path: Path) -> None:
    """Tables with and without rows, and those of earlier versions, which lacked columns."""
    amb.compare("random", "mnist-sngan/mnist-snn/out/8", budget=4, seeds=1, study=tmp_path / "s")
    measures = amb.analyse(tmp_path / "s")
    assert measures.ratios.empty
    for _ in range(2):
        assert len(write_tables(measures, tmp_path / "out")) == 6
    (tmp_path / "claims.csv").write_text(csv_text(claim_table([Claim("4.1", "c", "h", "f", 1, 1, 1, 0, 2)])))
    (tmp_path / "paper.html").write_text("<!doctype html>\n")
    check_paper(tmp_path)
    (tmp_path / "out" / "layers.csv").write_text("\ufeffgenerator,target,layer,units\r\n")  # as a spreadsheet saves it
    (tmp_path / "out" / "ratios.csv").write_text(csv_text(measures.ratios.iloc[:, :0]))
    (tmp_path / "out" / "meis.csv").write_text("")
    (tmp_path / "out" / "meis.parquet").write_bytes(b"PAR1 damaged")
    check_tables(tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "form", "is_own"),
    [
        (b"a,b,c\n1,2,3\n", table("a", "b"), True),
        (b'"b","a"\n', table("a", "b"), True),
        (b"a;b;c\n", table("a", "b"), False),
        (b"ab\n1\n", table("a", "b"), False),
        (b"\x00\xff\x00\n", table("a", "b"), False),
        (b"\n\n1,2\n", table("a", "b"), False),
        (b"  <!DOCTYPE HTML>", PAGE, True),
        (b"text", PAGE, False),
        (b"\x89PNG\r\n", picture(Path("a.PNG")), True),
        (b"\x89PNG\r\n", picture(Path("a.svg")), False),
        (b"anything", picture(Path("a.unknown")), True),
    ],
)
def test_forms_of_files(tmp_path: Path, content: bytes, form: Form, is_own: bool) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(content)
    if is_own:
        refuse_others({file: form}, "move it")
        return
    with pytest.raises(AmbError, match=r"file\.csv exists and is not .*; move it"):
        refuse_others({file: form}, "move it")


def test_a_pipe_is_refused_and_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "page.html")
    with pytest.raises(AmbError, match="not a regular file"):
        refuse_others({tmp_path / "page.html": PAGE}, "move it")
