"""Texts from strangers are shown plainly in every format."""

import io
import json

import pytest
from hostile import CSI, ESCAPE, put, row
from rich.console import Console

from rdbench.analysis.report import FORMATS, assemble
from rdbench.execute.display import Display

HTML = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&lt;"
MARKDOWN = "a | b\r\n| c | *d* [e](https://f.example) ![g](h) `i` # j <k@l.example>"
TEXT = f"{ESCAPE}{CSI}\x07\x00\u202e{HTML}{MARKDOWN}[red]x[/] [link=file:///]y[/nope]"


@pytest.fixture
def texts(store):
    """A report in which every text that may be any text is hostile."""
    hostile = dict.fromkeys(("error", "sweep", "command", "device", "created_at", "git_commit", "torch_version"), TEXT)
    put(store, row() | hostile)
    put(store, row(seed=1, dataset=TEXT) | hostile | {"status": "failed"})
    put(store, row(seed=2, family=TEXT))
    return store


@pytest.mark.parametrize("columns", ["measures", "information"])
@pytest.mark.parametrize("name", FORMATS)
def test_no_letter_that_a_terminal_obeys_is_printed(texts, name, columns, rdbench_command):
    code, out, _ = rdbench_command("report", texts, "--format", name, "--columns", columns)
    assert code == 3 and "alert" in out
    assert all(line.isprintable() for line in out.split("\n") if line.strip() not in ("",))


def test_json_says_every_text_as_it_is(texts):
    content = json.loads(FORMATS["json"](assemble(texts, [], [], None, None)))
    assert {run["command"] for run in content["runs"]} == {TEXT}
    assert TEXT in {run["dataset"] for run in content["runs"]}


def test_html_shows_every_text_and_obeys_none(texts):
    page = FORMATS["html"](assemble(texts, [], [], None, texts))
    assert page.count("<script>") == 1 and "<img src=x" not in page and "<svg" in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&quot;&#x27;&amp;") >= 4
    shown = page.split("<h2>Commands</h2>")[1].split("</pre>")[0]
    assert shown.count("\n") == 2  # before and after one command, whatever its text; the report's own is the last


def test_markdown_shows_every_text_and_obeys_none(texts):
    text = FORMATS["markdown"](assemble(texts, [], [], None, None))
    unescaped = [letter for before, letter in zip(" " + text, text, strict=False) if before != "\\" and letter in "<`["]
    assert unescaped == []
    for line in text.split("\n"):
        cells = line.replace("\\|", "").count("|")
        assert not cells or (line.startswith("|") and line.endswith("|"))
    assert "\\&lt;" in text and "\\[link=file:///\\]" in text


def test_markup_in_the_words_of_a_run_is_only_text():
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    with Display(1, {"a": "[red]x[/nope] " + ESCAPE}, console) as display:
        display.begin("a")
        display.show("a", "[link=file:///]", 1, 2, "[/]")
        display.live.refresh()
        display.say("a", f"[/bold]{ESCAPE}")
    assert "[red]x[/nope]" in console.file.getvalue() and "[/bold]\\x1b[31m" in console.file.getvalue()


def test_an_error_is_one_plain_line(rdbench_command):
    code, _, told = rdbench_command("report", f"absent{ESCAPE}\n[red]")
    assert code == 2
    assert told.count("\n") == 1 and told[:-1].isprintable() and "absent\\x1b[31m\\n[red]" in told
