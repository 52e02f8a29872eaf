import html
import json
from html.parser import HTMLParser

import pytest

from rdbench.analysis.report import FORMATS, assemble

HOSTILE = "<script>alert(1)</script> | *bold* [x](y) `c`"


@pytest.fixture
def report(make_store):
    store = make_store({}, {"family": "-+v"}, {"family": "+++", "status": "failed", "error": HOSTILE})
    return assemble(store, [], [], None, None)


def test_json_says_everything_and_is_strict(report):
    content = json.loads(FORMATS["json"](report), parse_constant=lambda name: pytest.fail(name))
    keys = {"schema", "store", "exit_code", "regressions", "problems", "notes", "verdicts", "runs", "paper"}
    assert set(content) == keys | {"differences", "baseline"}
    assert content["schema"] == 1
    assert content["exit_code"] == 3
    assert {run["family"]: run["rate"] for run in content["runs"]}["gaussian-pixelcnn-vamp"] == 5.0


def test_text_is_aligned_and_marks_the_best_and_the_frontier(make_store):
    runs = ({}, {"family": "-+v", "distortion": 70.0, "iwae_1": -75, "iwae_5": -74})
    lines = FORMATS["table"](assemble(make_store(*runs), [], [], None, None)).splitlines()
    (row,) = [line for line in lines if line.startswith("-+v•")]
    assert row.count("*") == 4  # D, −ELBO and both IWAE-k
    assert len({len(line) for line in lines[2:4]}) == 1


def test_markdown_escapes_what_comes_from_a_store(report):
    content = FORMATS["markdown"](report)
    assert "<script>" not in content
    assert "\\<script\\>" in content
    rows = [line for line in content.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)


def test_html_is_one_page_that_needs_nothing_and_runs_nothing_from_a_store(report):
    content = FORMATS["html"](report)
    assert "<script>alert" not in content
    assert html.escape(HOSTILE) in content

    links, scripts = [], []

    class Seen(HTMLParser):
        def handle_starttag(self, tag, attrs):
            links.extend(value for key, value in attrs if key in ("src", "href", "xlink:href"))
            if tag == "script":
                scripts.append(tag)

    Seen().feed(content)
    assert not [link for link in links if not link.startswith("#")]
    assert content.count("<svg") == 2
    assert len(scripts) == 2  # what the page does, and the runs as JSON
