"""Pages of the site that are not files in `docs`: the README as home page, CONTRIBUTING, CHANGELOG and the commands.

Links of all pages are written as files of the checkout, so that they also work where the repository is browsed; here
they become links of the site. A link to a file that is not part of the site, such as a test, becomes plain text.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
FROM_THE_ROOT = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changes.md"}
LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages made from files at the root of the checkout, and the reference of the commands."""
    for source, page in FROM_THE_ROOT.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=site_links(text, source, page)))
    files.append(File.generated(config, "commands.md", content=commands()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite the links of a file in `docs` that lead out of it."""
    source = page.file.src_uri
    return markdown if source in FROM_THE_ROOT.values() else site_links(markdown, f"docs/{source}", source)


def site_links(text: str, source: str, page: str) -> str:
    """The text of a file of the checkout with links to files of the checkout as links of the site.

    Args:
        text: Markdown.
        source: path of its file, from the root of the checkout.
        page: path of its page, from the root of the site.
    """

    def site_link(link: re.Match[str]) -> str:
        words, target, anchor = link[1], link[2], link[3] or ""
        file = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if ":" in target or not (ROOT / file).exists():  # an address, or code that looks like a link
            return link[0]
        target = FROM_THE_ROOT.get(file) or file.removeprefix("docs/")
        if target == file:
            return words
        return f"[{words}]({posixpath.relpath(target, posixpath.dirname(page) or '.')}{anchor})"

    return LINK.sub(site_link, text)


def commands() -> str:
    """The help of every command, as `amb COMMAND --help` prints it."""
    from typer.cli import get_docs_for_click
    from typer.main import get_command

    from amb.cli.app import app

    command = get_command(app)
    context = command.make_context("amb", [], resilient_parsing=True)
    text = get_docs_for_click(obj=command, ctx=context, name="amb", title="Commands")
    text = re.sub(r"\*\*Commands\*\*:\n\n(?:\* .*\n)+\n", "", text)  # cut after 45 letters; the contents list them
    return text.replace("[default: ", "\\[default: ").replace("[required]", "\\[required]")
