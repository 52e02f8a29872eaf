"""The HTML page in a browser, without a network."""

import csv
import shutil

import pytest

from rdbench.analysis.report import FORMATS, assemble
from rdbench.config.family import FAMILIES

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
HOSTILE = '<img src=x onerror="window.ran=1">\'</script><script>window.ran=1</script>\u2028${x}'


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium of this machine."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the extra `browser` is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is here")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture
def show(browser, tmp_path):
    """Open the page of a store in a window of a width; the test fails if the page asks for anything or errs."""
    contexts, faults = [], []

    def open_page(store, width=1280, scheme="light"):
        path = tmp_path / "report.html"
        path.write_text(FORMATS["html"](assemble(store, [], [], None, None)), encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text))
        page.on("request", lambda request: faults.append(request.url) if "report.html" not in request.url else None)
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [fault for fault in faults if not fault.startswith("blob:")] == []


@pytest.fixture
def store(make_store):
    """Three families: two β of one, one of another, and one that failed."""
    return make_store(
        {"rate": 5.0, "iwae": [1, 5, 50, 500]},
        {"beta": 0.5, "rate": 10.0, "distortion": 74.0, "iwae_1": -84.0, "iwae_5": -83.5},
        {"family": "-+v", "rate": 0.001, "distortion": 81.0, "iwae_1": -81.0, "iwae_5": -80.9},
        {"family": "+++", "status": "failed", "error": "it did not end"},
    )


def rows(page, table="Runs"):
    """The rows of a table that are seen, by their first cell."""
    return page.locator(f"section:has(h2:text('{table}')) tbody tr:visible td:first-child").all_inner_texts()


def test_points_name_their_run_and_light_up_its_row(show, store):
    page = show(store)
    point = page.locator("[data-run]").first
    run_id = point.get_attribute("data-run")
    for reach, leave in ((point.hover, lambda: page.mouse.move(0, 0)), (point.focus, point.blur)):
        reach()
        told = page.locator("#tip").inner_text()
        assert run_id in told and "β" in told and "seed 0" in told and "R " in told
        lit = page.locator("tbody tr.lit").evaluate_all("rows => rows.map(row => row.dataset.runs)")
        assert lit[0] == run_id and all(run_id in runs.split() for runs in lit)
        leave()
        assert page.locator("#tip").is_hidden() and not page.locator(".lit").count()
    point.press("Enter")
    assert page.locator(f"details[data-runs='{run_id}'] dl").is_visible()
    assert "rdbench sweep" in page.locator(f"details[data-runs='{run_id}'] pre").inner_text()


def test_a_family_is_hidden_and_shown_everywhere(show, store):
    page = show(store)
    everything, points = rows(page), page.locator("[data-run]:visible").count()
    button = page.get_by_role("button", name="--- gaussian-deconv-gaussian", exact=True)
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert sorted(rows(page)) == sorted(row for row in everything if not row.startswith("---"))
    families = page.locator("[data-family]:visible").evaluate_all("parts => parts.map(part => part.dataset.family)")
    assert "gaussian-deconv-gaussian" not in families
    assert page.locator("[data-run]:visible").count() == points - 4  # two runs in two figures
    assert page.locator("details:visible").count() == 2
    button.click()
    assert rows(page) == everything and page.locator("[data-run]:visible").count() == points


def test_filters_are_by_column_and_not_by_digits(show, store):
    page = show(store)
    page.get_by_role("button", name="β 0.5", exact=True).click()  # a number that others begin with
    assert len(rows(page)) == 3
    page.get_by_role("button", name="failed", exact=True).click()
    assert len(rows(page)) == 2


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_its_window(show, store, width, scheme):
    page = show(store, width, scheme)
    for details in page.locator("details").all():
        details.evaluate("details => { details.open = true }")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    colours = page.evaluate("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
    ink, paper = (sum(map(int, colour[4:-1].split(","))) for colour in colours)
    assert (ink > paper) == (scheme == "dark")


def test_a_table_has_the_whole_width_of_a_phone(show, store):
    page = show(store, width=390)
    wide, section = (page.locator(name).first.bounding_box()["width"] for name in (".wide", "section"))
    assert wide == section > 340


def test_a_table_is_sorted_by_numbers_and_downloaded_as_csv(show, store, tmp_path):
    page = show(store)
    section = page.locator("section:has(h2:text('Runs'))")
    section.get_by_role("button", name="R", exact=True).click()
    column = section.locator("thead th").all_inner_texts().index("R") + 1
    rates = [text for text in section.locator(f"tbody td:nth-child({column})").all_inner_texts() if text != "–"]
    assert [float(text.split("±")[0]) for text in rates] == sorted(float(text.split("±")[0]) for text in rates)
    with page.expect_download() as download:
        section.get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "runs.csv")
    with (tmp_path / "runs.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    assert download.value.suggested_filename == "runs.csv"
    assert len(lines) == 5 and lines[0][0] == "family" and lines[1][0].startswith("-+v")


def test_nothing_from_a_store_runs(show, make_store, make_record):
    store = make_store({"status": "failed", "error": HOSTILE, "dataset": HOSTILE})
    record = make_record(seed=1, dataset=HOSTILE)
    record.row["command"] = f"rdbench sweep {HOSTILE}"
    store.write(record)
    page = show(store)
    assert page.evaluate("window.ran") is None
    assert page.locator("img").count() == 0
    assert "onerror" in page.locator("ul").inner_text()


def test_a_hundred_runs_are_less_than_two_megabytes(make_store):
    settings = [{"family": family.words, "beta": 0.1 * (1 + index)} for family in FAMILIES for index in range(9)]
    spread = [values | {"rate": 1.0 + index, "distortion": 80.0 - index / 2} for index, values in enumerate(settings)]
    content = FORMATS["html"](assemble(make_store(*spread), [], [], None, None))
    assert content.count("<details") == 108
    assert len(content.encode()) < 2_000_000
