"""The atlas on the built pages, as a reader's browser sees it with the network cut."""

import re
from pathlib import Path

import pytest

from ipiu import atlas
from tests.browser import open_page

pytestmark = pytest.mark.browser

MAP = "notebooks/1-survey/1-a-map.html"
CARDS = (
    "book/atlas/models/medsam.html",
    "book/atlas/datasets/msd.html",
    "book/atlas/metrics/dice.html",
    "book/atlas/challenges/data.html",
)
CHAPTERS = ("1-a-map", "2-tasks-and-data", "3-measuring", "4-twelve-dimensions", "5-comparing-models")


def choose(page, **wanted) -> None:
    """Set the lists above the first table."""
    page.locator("figure.ipiu-table").first.scroll_into_view_if_needed()
    page.locator(".ipiu-table-filters").first.wait_for(timeout=30_000)
    for name, value in wanted.items():
        page.locator(".ipiu-table-filters").first.get_by_role("combobox", name=name).select_option(value)


def test_filter_the_table_open_a_card_follow_its_citation(browser, address):
    with open_page(browser, f"{address}/{MAP}", viewport={"width": 1280, "height": 900}) as page:
        choose(page, Category="vision-language FMs", Dimensions="3D", Weights="open")
        names = page.locator("table.dataTable tbody td:first-child").all_inner_texts()
        expected = atlas.models.where(category="vision-language", dimensionality="3d", weights_access="open")
        assert names == [record.name for record in expected.values()]
        page.get_by_role("link", name=names[0]).click()
        page.wait_for_url("**/book/atlas/models/*.html")
        record = next(iter(expected.values()))
        assert page.locator("article h1").inner_text().startswith(record.name)
        page.locator("article a.reference.internal[href*='references.html']").first.click()
        page.wait_for_url("**/references.html#*")
        target = page.url.partition("#")[2]
        entry = page.locator(f"[id='{target}']")
        assert record.title.split()[0].lower() in entry.inner_text().lower()
        assert page.problems == []


def test_every_link_of_the_tables_leads_to_a_page(book):
    for chapter in CHAPTERS:
        text = (book / f"notebooks/1-survey/{chapter}.html").read_text(encoding="utf-8")
        links = set(re.findall(r"\.\./\.\./(book/atlas/[\w/-]+\.html)", text))
        for link in links:
            assert (book / link).is_file(), f"{chapter}: {link}"
    assert (book / "book/atlas/index.html").is_file()


def test_every_record_has_its_own_address(book):
    for kind in ("models", "datasets", "metrics", "challenges"):
        for record in getattr(atlas, kind).values():
            assert (book / record.page).is_file()


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("width", [390, 1280])
def test_a_card_fits_and_makes_no_errors(browser, address, name, width):
    with open_page(browser, f"{address}/{name}", viewport={"width": width, "height": 844}) as page:
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.get_by_role("heading", name="Sources").is_visible()
        assert page.problems == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_chart_is_drawn_and_every_table_comes_alive(browser, address, chapter):
    with open_page(
        browser, f"{address}/notebooks/1-survey/{chapter}.html", viewport={"width": 1280, "height": 900}
    ) as page:
        charts, tables = page.locator("figure.ipiu-chart"), page.locator("figure.ipiu-table")
        for figure in [*charts.all(), *tables.all()]:
            figure.scroll_into_view_if_needed()
            page.wait_for_timeout(200)
        page.wait_for_function(
            "[...document.querySelectorAll('figure.ipiu-chart')].every(f => f.dataset.ipiuChart === 'drawn')",
            timeout=30_000,
        )
        page.wait_for_function(
            "[...document.querySelectorAll('figure.ipiu-table')].every(f => f.querySelector('.dt-container'))",
            timeout=30_000,
        )
        assert charts.count() + tables.count() > 0 or chapter == "4-twelve-dimensions"
        assert page.problems == []


def test_a_mark_of_the_treemap_leads_to_a_card(browser, address):
    with open_page(browser, f"{address}/{MAP}", viewport={"width": 1280, "height": 900}) as page:
        chart = page.locator("figure.ipiu-chart").first
        chart.scroll_into_view_if_needed()
        page.wait_for_selector("figure[data-ipiu-chart=drawn]", timeout=30_000)
        for label in ("vision FMs", "CT", "CT-FM"):
            page.wait_for_timeout(900)  # the map moves while it zooms
            chart.locator(".slicetext", has_text=re.compile(f"^{label}$")).first.click(force=True)
        page.wait_for_url("**/book/atlas/models/ct-fm.html")


@pytest.mark.parametrize(
    ("words", "title"), [("MedSAM", "MedSAM"), ("WHAS500", "WHAS500"), ("NSD", "Normalised surface Dice")]
)
def test_the_search_box_finds_a_record(browser, address, words, title):
    with open_page(browser, f"{address}/search.html?q={words}") as page:
        link = page.locator("#search-results a", has_text=title).first
        link.wait_for(timeout=30_000)
        assert page.problems == []


def test_the_three_questions_are_answered_on_the_pages(book):
    asked = {
        "1-a-map": ("segvol", "sat"),  # open models that segment CT from a text prompt
        "2-tasks-and-data": ("inspect", "tcga"),  # data sets with image, record and outcome
        "3-measuring": ("nsd", "froc"),  # the metric for a 5 mm lesion
    }
    for chapter, ids in asked.items():
        text = (Path(book) / f"notebooks/1-survey/{chapter}.html").read_text(encoding="utf-8")
        for id in ids:
            assert re.search(rf"\b{id}\b", text), f"{chapter} does not show {id}"
