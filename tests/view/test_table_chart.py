"""Tables and charts in Chromium, on a page opened from the disk and in a notebook's output, with the network cut."""

import shutil
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import pytest

import ipiu
from ipiu.book.layout import Book
from ipiu.book.scripts import served_scripts, written_scripts
from ipiu.errors import IpiuError
from tests.browser import open_page

ROOT = Path(__file__).parents[2]
HOSTILE = "<img src=x onerror='window.harmed=1'>"

FRAME = pd.DataFrame(
    {
        "name": ["one", HOSTILE, "three", "four"],
        "kinds": ["CT, MRI", "MRI", "X-ray", None],
        "size": pd.array([10, 200, None, 3], dtype="Int64"),
    },
    index=["a", "b", "c", "d"],
)


def a_table():
    links = {"a": "book/atlas/models/a.html", "b": "https://example.org/?q=1&r='2'"}
    return ipiu.view.table(FRAME, title="four <things>", filters=["kinds"], links=links)


def a_chart(**options):
    marks = go.Scatter(x=[1, 2], y=[1, 2], mode="markers", customdata=["book/atlas/models/a.html", ""])
    marks.update(hovertext=["</script><script>window.harmed=1</script>", "two"], hoverinfo="text", marker={"size": 40})
    figure = go.Figure([marks], {"height": 300, "template": "none"})
    table = pd.DataFrame({"x": [1, 2]}, index=[HOSTILE, "two"])
    return ipiu.view.chart(figure, alt="two marks", title="two marks, hand-made", table=table, **options)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A page with a chart and a table, laid out as the book's."""
    folder = tmp_path_factory.mktemp("site")
    book = Book(ROOT)
    scripts = folder / "_static" / "scripts"
    scripts.mkdir(parents=True)
    shutil.copy(served_scripts(book)["plotly.min.js"], scripts)
    (scripts / "itables.js").write_text(written_scripts(book)["itables.js"])
    for name in ("ipiu.css", "ipiu-data.css", "ipiu-data.js", "ipiu-view.js"):
        shutil.copy(ROOT / "book/_static" / name, folder / "_static")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPIU_PAGES", str(folder))
        body = f"<div style='height:2000px'></div>{a_chart().to_html()}{a_table().to_html()}"
    target = folder / "book/atlas/models"
    target.mkdir(parents=True)
    (target / "a.html").write_text("<!doctype html><title>card</title><link rel=icon href=data:,>")
    (folder / "index.html").write_text(
        '<!doctype html><html lang="en" data-content_root="./" data-theme="light"><meta charset="utf-8">'
        '<link rel="icon" href="data:,"><style>html{--pst-color-text-base:#222832}'
        "html[data-theme=dark]{--pst-color-text-base:#ced6dd}</style>"
        '<script defer src="_static/ipiu-view.js"></script><script defer src="_static/ipiu-data.js"></script>'
        f'<body><div class="bd-content"><article class="bd-article">{body}</article></div></body></html>'
    )
    return folder


@pytest.fixture
def page(browser, site):
    with open_page(browser, f"file://{site}/index.html", viewport={"width": 900, "height": 800}) as opened:
        yield opened


def scripts_loaded(page) -> str:
    return " ".join(page.evaluate("[...document.scripts].map(s => s.src)"))


def draw(page):
    page.locator("figure.ipiu-chart").scroll_into_view_if_needed()
    page.wait_for_selector("figure[data-ipiu-chart=drawn]", timeout=20_000)


def rows(page) -> list[str]:
    return page.locator("table.dataTable tbody tr td:first-child").all_inner_texts()


@pytest.mark.browser
def test_the_libraries_are_loaded_only_when_something_of_theirs_comes_near(page):
    page.wait_for_timeout(500)
    assert "plotly" not in scripts_loaded(page)
    draw(page)
    assert "plotly.min.js" in scripts_loaded(page)
    assert page.problems == []


@pytest.mark.browser
def test_a_chart_answers_to_hovering_and_a_mark_leads_to_its_page(page):
    draw(page)
    mark = page.locator(".ipiu-chart-stage .point").first
    mark.hover(force=True)
    page.locator(".hoverlayer text").first.wait_for(timeout=5000)
    mark.click(force=True)
    page.wait_for_url("**/book/atlas/models/a.html")


@pytest.mark.browser
def test_a_chart_follows_the_page_from_light_to_dark(page):
    draw(page)
    read = "getComputedStyle(document.querySelector('.ipiu-chart-stage .xtick text')).fill"
    light = page.evaluate(read)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_timeout(500)
    assert (light, page.evaluate(read)) == ("rgb(34, 40, 50)", "rgb(206, 214, 221)")


@pytest.mark.browser
def test_names_in_a_chart_and_its_table_stay_text(page):
    draw(page)
    page.locator("summary").click()
    assert page.evaluate("window.harmed") is None
    assert "onerror" in page.locator(".ipiu-chart table").inner_text()


@pytest.mark.browser
def test_a_table_filters_by_one_word_of_several_and_clears(page):
    page.locator("figure.ipiu-table").scroll_into_view_if_needed()
    choose = page.get_by_role("combobox", name="kinds")
    choose.wait_for(timeout=20_000)
    assert len(rows(page)) == 4
    assert choose.locator("option").all_inner_texts() == ["any", "CT (1)", "MRI (2)", "X-ray (1)", "none stated (1)"]
    choose.select_option("MRI")
    assert rows(page) == ["one", HOSTILE]
    choose.select_option("none stated")
    assert rows(page) == ["four"]
    page.get_by_role("button", name="Clear").click()
    assert len(rows(page)) == 4
    assert page.get_by_role("button", name="Clear").count() == 0


@pytest.mark.browser
def test_a_table_sorts_numbers_as_numbers_from_the_keyboard(page):
    page.locator("figure.ipiu-table").scroll_into_view_if_needed()
    page.get_by_role("combobox", name="kinds").wait_for(timeout=20_000)
    page.locator(".dt-scroll-head").get_by_role("button", name="size").press("Enter")
    page.wait_for_timeout(300)
    assert [name for name in rows(page) if name != "three"] == ["four", "one", HOSTILE]


@pytest.mark.browser
def test_a_row_leads_to_its_address_and_texts_stay_text(page):
    page.locator("figure.ipiu-table").scroll_into_view_if_needed()
    page.get_by_role("combobox", name="kinds").wait_for(timeout=20_000)
    links = page.locator("table.dataTable tbody a")
    addresses = [link.get_attribute("href") for link in links.all()]
    assert addresses == ["book/atlas/models/a.html", "https://example.org/?q=1&r='2'"]
    assert page.evaluate("window.harmed") is None
    assert page.problems == []


@pytest.mark.browser
def test_in_a_notebook_a_table_brings_its_script_along(browser, tmp_path, monkeypatch):
    monkeypatch.delenv("IPIU_PAGES", raising=False)
    html = a_table()._repr_html_()
    page_file = tmp_path / "output.html"
    page_file.write_text(f"<!doctype html><meta charset=utf-8><link rel=icon href=data:,>{html}{html}")
    with open_page(browser, page_file.as_uri()) as page:
        page.get_by_role("combobox", name="kinds").first.wait_for(timeout=20_000)
        assert page.locator(".ipiu-table-filters").count() == 2
        for made in page.locator(".dt-scroll-body table").all():  # the same table twice: both have to show
            assert made.is_visible()
        assert page.problems == []


def test_a_page_holds_neither_library(monkeypatch):
    monkeypatch.setenv("IPIU_PAGES", "somewhere")
    assert len(a_table().to_html()) < 10_000
    assert len(a_chart().to_html()) < 10_000


def test_outside_of_a_page_a_chart_is_plotlys_own(monkeypatch):
    monkeypatch.delenv("IPIU_PAGES", raising=False)
    bundle = a_chart()._repr_mimebundle_()
    assert bundle["application/vnd.plotly.v1+json"]["data"][0]["x"] == [1, 2]


def test_the_same_table_gives_the_same_bytes(monkeypatch):
    monkeypatch.setenv("IPIU_PAGES", "somewhere")
    assert a_table().to_html() == a_table().to_html()


@pytest.mark.browser
def test_without_scripts_the_rows_and_numbers_are_still_there(browser, site):
    with open_page(browser, f"file://{site}/index.html", java_script_enabled=False) as page:
        assert page.get_by_role("cell", name="three").is_visible()
        assert page.locator("figure.ipiu-table").inner_text().split()[:4] == ["name", "kinds", "size", "one"]
        page.locator("summary").click()
        assert page.locator(".ipiu-chart table").is_visible()


def test_a_filter_that_is_no_column_is_named():
    with pytest.raises(IpiuError, match=r"filters names 'kind', which is no column; the columns are name, kinds, size"):
        ipiu.view.table(FRAME, title="x", filters=["kind"])


def test_a_chart_without_words_is_refused():
    with pytest.raises(ValueError, match="alt is empty; say in a sentence"):
        ipiu.view.chart(go.Figure(), alt=" ", title="x")


@pytest.mark.browser
@pytest.mark.parametrize("name", ["<!--<script>", "</script>", "<img src=x onerror='window.harmed=1'>"])
def test_a_hostile_name_in_a_chart_neither_runs_nor_swallows_the_page(browser, tmp_path, monkeypatch, name):
    monkeypatch.setenv("IPIU_PAGES", "somewhere")
    chart = ipiu.view.chart(
        go.Figure([go.Bar(x=[name], y=[1])]), alt=name, title=name, table=pd.DataFrame({name: [name]})
    )
    page_file = tmp_path / "page.html"
    page_file.write_text(
        f"<!doctype html><meta charset=utf-8><link rel=icon href=data:,>{chart.to_html()}<p>after it</p>"
    )
    with open_page(browser, page_file.as_uri()) as page:
        assert page.get_by_text("after it").is_visible()
        assert page.evaluate("window.harmed") is None


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>", "a & b"])
def test_column_names_and_values_of_any_kind_are_escaped(monkeypatch, name):
    monkeypatch.setenv("IPIU_PAGES", "somewhere")
    frame = pd.DataFrame({name: [[name], {name: 1}]})
    html = ipiu.view.table(frame, title="x", filters=[name]).to_html()
    assert "<img" not in html


def test_an_address_that_would_run_something_is_refused(monkeypatch):
    monkeypatch.setenv("IPIU_PAGES", "somewhere")
    shown = ipiu.view.table(FRAME, title="x", links={"a": "javascript:alert(1)"})
    with pytest.raises(IpiuError, match="is of the scheme javascript; give one that begins with https"):
        shown.to_html()


def test_rows_of_a_charts_table_lead_to_pages_without_a_pointer(monkeypatch):
    monkeypatch.setenv("IPIU_PAGES", "somewhere")
    table = pd.DataFrame({"name": ["one"]})
    html = ipiu.view.chart(
        go.Figure(), alt="x", title="x", table=table, links={0: "book/atlas/models/a.html"}
    ).to_html()
    assert '<a href="../../book/atlas/models/a.html">one</a>' in html


def test_rows_named_by_several_words_read_as_words(monkeypatch):
    monkeypatch.setenv("IPIU_PAGES", "somewhere")
    index = pd.MultiIndex.from_tuples([("vision", "code"), ("vision", "weights")])
    html = ipiu.view.chart(go.Figure(), alt="x", title="x", table=pd.DataFrame({"n": [1, 2]}, index=index)).to_html()
    assert "<th>vision, code</th>" in html


def test_a_chart_in_a_notebook_keeps_its_title(monkeypatch):
    monkeypatch.delenv("IPIU_PAGES", raising=False)
    told = a_chart()._repr_mimebundle_()["application/vnd.plotly.v1+json"]
    assert told["layout"]["title"]["text"] == "two marks, hand-made"


def test_a_figure_of_another_library_is_refused():
    with pytest.raises(TypeError, match="pass a plotly Figure"):
        ipiu.view.chart(object(), alt="x", title="x")
