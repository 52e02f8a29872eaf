"""What the pages tell a reader to type works, and what they link to is there.

A comment before a block marks it. The lines of a block under ``<!-- run -->`` are run as they stand, in a folder that
has ``results`` and the demo's store in ``outputs/demo``. Of a sweep under ``<!-- plan -->``, too long for a test, only
the plan is made, by ``--dry-run``.
"""

import re
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from rdbench.cli import app

ROOT = Path(__file__).parent.parent
PAGES = sorted(path for folder in ("", "rdbench", "results", "benchmarks")
               for path in (ROOT / folder).glob("**/*.md" if folder else "*.md"))  # fmt: skip
MARK = re.compile(r"^<!-- (run|plan) -->$", re.MULTILINE)
BLOCK = re.compile(r"\n\n(?:```python\n(?P<python>.*?)^```$|(?P<shell>(?: {4}[^\n]*\n|\n)+))", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


class Block(NamedTuple):
    """A marked block: where it stands, and its text as Python or as lines of a shell."""

    page: str
    line: int
    mark: str
    python: str | None
    shell: str | None

    @property
    def commands(self):
        whole = (self.shell or "").replace("\\\n", " ")
        return [words for line in whole.splitlines() if (words := shlex.split(line, comments=True))]


def blocks(text, page):
    for mark in MARK.finditer(text):
        line = text[: mark.start()].count("\n") + 1
        block = BLOCK.match(text, mark.end())
        assert block is not None, f"{page}:{line}: no block follows the mark"
        yield Block(page, line, mark[1], block["python"], block["shell"])


def anchors(text):
    """The anchors of a page's headings, as GitHub makes them."""
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ +(.*)$", outside, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


MARKED = [block for path in PAGES for block in blocks(path.read_text(), str(path.relative_to(ROOT)))]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "results", tmp_path / "results")
    shutil.copytree(ROOT / "results" / "demo", tmp_path / "outputs" / "demo")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("block", MARKED, ids=lambda block: f"{block.page}:{block.line}")
def test_a_marked_block_runs(block, folder, data_dir):
    if block.python is not None:
        exec(compile(block.python, block.page, "exec"), {})
    for program, *arguments in block.commands:
        assert program == "rdbench"
        done = CliRunner().invoke(app, arguments + ["--dry-run"] * (block.mark == "plan"))
        assert done.exit_code == 0, f"rdbench {shlex.join(arguments)}\n{done.output}"


def test_what_is_read_out_of_a_page():
    text = "<!-- run -->\n\n    rdbench a \\\n        b  # why\n    rdbench c\n\nwords\n\n"
    shell, python = blocks(text + "<!-- run -->\n\n```python\nx = 1\n```\n", "page")
    assert shell.commands == [["rdbench", "a", "b"], ["rdbench", "c"]] and python.python == "x = 1\n"
    with pytest.raises(AssertionError, match="page:1"):
        list(blocks("<!-- run -->\n\nwords\n", "page"))
    assert anchors("# A `b`, c: d-e\n```\n# no\n```\n## What & why\n") == {"a-b-c-d-e", "what--why"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


def test_the_readme_is_short_and_in_order():
    text = (ROOT / "README.md").read_text()
    assert len(text.split()) <= 1300
    assert text.index("![") < text.index("\n## ")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
        "Install", "Two commands", "How to read the plane", "Your sweep", "Your model", "Your data", "From Python",
        "Report, gate, figures", "What is reproduced, and what is not", "Citation, licence, links",
    ]  # fmt: skip
