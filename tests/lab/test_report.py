"""The page about an experiment: complete at every stage, offline, and safe against names."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from accessibility import violations_of

from amb.errors import LabError
from amb.lab import analysis
from amb.lab.history import History
from amb.lab.laboratory import Laboratory
from amb.lab.report import lab_data, write_report
from amb.lab.responses import Row

from .conftest import finish, new_experiment, rows_for


class Page(HTMLParser):
    """Elements of a page, and whether they are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def page_of(lab: Laboratory) -> tuple[str, Page]:
    text = write_report(lab, lab.folder / "report")[0].read_text(encoding="utf-8")
    return text, Page(text)


def test_a_finished_experiment(folder: Path) -> None:
    lab = new_experiment(folder, neurons=("a", "b"), trials=400, references=2)
    finish(lab, skip=lambda n: n % 11 == 0)
    text, page = page_of(lab)
    assert len(page.all("svg")) == 2 + 2 + 2  # evolution, drift and trials of each
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in page.all("svg"))
    images = page.all("img")
    assert len(images) == 4  # the best stimulus and the best reference of each neuron
    assert all(str(image["src"]).startswith("data:image/webp") and image["alt"] for image in images)
    shown = len(lab.history.trials)
    assert text.count("</tr>") > shown
    for search in lab.experiment.searches:
        assert str(lab.history.best(search.neurons, search.name)) in text
    table = pd.read_csv(folder / "report" / "trials.csv")
    assert len(table) == shown
    assert table["a"].isna().sum() == shown // 11


@pytest.mark.browser
def test_axe_finds_no_violation(folder: Path) -> None:
    lab = new_experiment(folder, references=2)
    finish(lab)
    page_of(lab)
    assert violations_of(folder / "report" / "report.html") == []


def test_it_refers_to_nothing_elsewhere(folder: Path) -> None:
    lab = new_experiment(folder, references=1)
    finish(lab, blocks=2)
    text, page = page_of(lab)
    targets = [a.get(name) for _, a in page.found for name in ("src", "href") if a.get(name)]
    assert targets
    assert all(str(target).startswith(("#", "data:")) for target in targets)
    assert not re.search(r"https?://(?!www\.w3\.org)", text)
    identifiers = {a["id"] for _, a in page.found if "id" in a}
    assert {str(t)[1:] for t in targets if str(t).startswith("#")} <= identifiers


@pytest.mark.parametrize("references", [0, 1])
def test_every_stage_has_a_page(folder: Path, references: int) -> None:
    """Before the first response, within a block, and without references."""
    lab = new_experiment(folder, references=references)
    with pytest.raises(LabError, match="nothing to report"):
        write_report(lab, folder / "report")
    block = lab.next_block()
    assert block is not None
    assert "No response yet" in page_of(lab)[0]
    finish(lab, blocks=1)
    text, _ = page_of(lab)
    assert "too early to tell" in text
    assert ("no reference images" in text) == (references == 0)


@pytest.mark.parametrize("name", ["report.html", "trials.csv", "corrections.csv"])
def test_a_users_own_files_are_not_replaced(folder: Path, tmp_path: Path, name: str) -> None:
    lab = new_experiment(folder)
    finish(lab, blocks=1)
    write_report(lab, tmp_path)
    (tmp_path / name).write_text("mine,yours\n1,2\n")
    before = {file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    with pytest.raises(LabError, match=f"{name} exists and is not .*; move it away"):
        write_report(lab, tmp_path)
    assert before == {file: file.read_bytes() for file in before}
    (tmp_path / name).unlink()
    write_report(lab, tmp_path)  # the others are its own


def test_names_and_settings_are_escaped(tmp_path: Path) -> None:
    lab = new_experiment(
        tmp_path / "<script>alert(1)<", changes={"# presentations of each of them": "# </pre><script>x</script>"}
    )
    finish(lab, blocks=1)
    text, page = page_of(lab)
    assert len(page.all("script")) == 1
    assert "&lt;script&gt;alert(1)&lt;" in text


def test_the_page_gives_changes_of_responses_below_zero_in_their_units(folder: Path) -> None:
    """A neuron whose reference responses rise from -2 to -1 was said to fall."""
    lab = new_experiment(folder, neurons=("below", "above"), references=1, changes={"repeats = 2": "repeats = 1"})
    while block := lab.next_block():
        rows = [(n, neuron, at + n / 100) for n in block.missing for neuron, at in (("below", -2), ("above", 1))]
        lab.tell([Row(*row) for row in rows], source="test")
    text, _ = page_of(lab)
    below, above = text[text.index('id="drift"') : text.index('id="noise"')].split("<figure>")[1:]
    assert "Trend: +1 per 100 trials (+1 to +1): the responses drift." in below
    assert "change (%)" not in below
    assert "in units of the response" in below
    assert re.search(r"Trend: \+\d+\.\d% per 100 trials", above)
    assert "change (%)" in above
    assert "in units of the response" not in above


def test_a_neuron_without_any_valid_response_has_its_place(folder: Path) -> None:
    """It has neither a best stimulus nor a best reference, and the other neuron has both."""
    lab = new_experiment(folder, neurons=("loud", "silent"), references=1)
    block = lab.next_block()
    assert block is not None
    rows = rows_for(lab, block)
    lab.tell([Row(row.trial, row.neuron, row.value if row.neuron == "loud" else None) for row in rows], source="test")
    page, _ = write_report(lab, folder / "report")
    text = page.read_text(encoding="utf-8")
    section = text[text.index('id="meis"') : text.index('id="drift"')]
    assert section.count("<img") == 2
    assert section.count("No response yet.") == 1


def test_the_table_of_trials_is_made_once_for_all_neurons(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made again for each, it took the square of their number."""
    lab = new_experiment(folder, neurons=tuple("abc"), together=True)
    lab.next_block()
    made: list[History] = []
    table = analysis.trial_table
    monkeypatch.setattr(analysis, "trial_table", lambda history: made.append(history) or table(history))  # type: ignore[func-returns-value]
    lab_data(lab)
    assert len(made) == 1
