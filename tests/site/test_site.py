"""The documentation site: it builds without a warning, opens from a disk, and no link of it is dead.

`nox -s site` runs these tests; they build the site once, notebooks included, which takes a minute.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

import pytest

ROOT = Path(__file__).parents[2]
PUBLISHED = (
    "reference.html",
    "reference-codes.html",
    "reference-networks.html",
    "reference-2000.html",
    "paper-snn-resnet18.html",
    "atlas-snn-resnet18.html",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@dataclass
class Markup(HTMLParser):
    """What a page links to, what it loads, and what can be linked to in it."""

    links: set[str] = field(default_factory=set)
    loaded: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    paragraphs: list[str] = field(default_factory=list)
    inside: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.ids |= {named[name] for name in ("id", "name") if name in named}
        if tag in ("a", "area") and "href" in named:
            self.links.add(named["href"])
        if tag == "link" and "href" in named:
            self.loaded.add(named["href"])
        if "src" in named:
            self.loaded.add(named["src"])
        if tag in ("p", "code"):
            self.inside.append(tag)
        if tag == "p":
            self.paragraphs.append("")

    def handle_endtag(self, tag: str) -> None:
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        if self.inside == ["p"]:
            self.paragraphs[-1] += data


@cache
def markup(page: Path) -> Markup:
    parsed = Markup()
    parsed.feed(page.read_text(encoding="utf-8"))
    return parsed


def pages(site: Path) -> list[Path]:
    """The pages of the documentation; published pages have tests of their own."""
    found = [page for page in sorted(site.rglob("*.html")) if page.name not in (*PUBLISHED, "404.html")]
    assert len(found) >= 35
    return found


def external(address: str) -> bool:
    return bool(urlsplit(address).scheme or address.startswith("//"))


@pytest.mark.site
def test_every_link_leads_to_a_page_and_a_heading(site: Path) -> None:
    dead = []
    for page in pages(site):
        for link in markup(page).links | markup(page).loaded:
            if external(link):
                continue
            path, _, anchor = link.partition("#")
            linked = (page.parent / unquote(path)).resolve() if path else page
            if not linked.is_file():
                dead.append(f"{page.relative_to(site)}: {link}")
            elif anchor and linked.name not in PUBLISHED and unquote(anchor) not in markup(linked).ids:
                dead.append(f"{page.relative_to(site)}: no {link}")
    assert dead == []


@pytest.mark.site
def test_no_page_loads_anything_from_the_network(site: Path) -> None:
    """So that a copy on a disk, without a connection, looks and searches as the site does."""
    for page in pages(site):
        assert [
            address for address in markup(page).loaded if external(address) and not address.startswith("data:")
        ] == []
    for sheet in site.rglob("*.css"):
        found = re.findall(r"(?:url\(|@import )[\"']?(https?:[^\"')]+)", sheet.read_text(encoding="utf-8"))
        assert found == [], sheet


@pytest.mark.site
def test_no_markdown_is_left_in_the_prose(site: Path) -> None:
    """The repository's browser and the site read lists, tables and links slightly differently; both must understand."""
    left = re.compile(r"```|^\s*(?:[-*]|\d+\.) |\|---|\]\(|\*\*", re.MULTILINE)
    for page in pages(site):
        assert [text for text in markup(page).paragraphs if left.search(text)] == [], page.relative_to(site)


@pytest.mark.site
def test_every_command_is_described(site: Path) -> None:
    described = markup(site / "commands.html").ids
    for name in ("amb-demo", "amb-compare", "amb-problems-list", "amb-lab-next"):
        assert name in described


@pytest.mark.site
def test_notebooks_show_what_this_version_answers(site: Path) -> None:
    for name in ("compare-solvers", "your-network", "your-solver", "laboratory"):
        page = markup(site / "notebooks" / f"{name}.html")
        assert any(address.startswith(f"{name}-files/") for address in page.loaded), f"{name} shows no image"
        assert f"{name}.ipynb" in page.links


@pytest.mark.network
def test_external_links_answer(site: Path) -> None:
    """Needs the internet: run `pytest -m network tests/site` before a release."""
    addresses = {link for page in pages(site) for link in markup(page).links if link.startswith("http")}
    assert addresses
    dead = []
    for address in sorted(addresses):
        try:
            with urlopen(Request(address, headers={"User-Agent": "Mozilla/5.0"}), timeout=30):
                pass
        except OSError as cause:
            dead.append(f"{address}: {cause}")
    assert dead == []
