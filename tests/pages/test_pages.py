"""The built pages as a reader's browser sees them, with the network cut."""

import pytest

from tests.browser import open_page
from tests.pages.conftest import pages

pytestmark = pytest.mark.browser

CHAPTER = "notebooks/0-start/2-a-brain-in-3d.html"


def pixels(viewer) -> bytes:
    """What a live viewer shows, as PNG bytes."""
    return viewer.locator("canvas").screenshot()


@pytest.mark.parametrize("name", pages())
def test_a_page_makes_no_errors_and_asks_nobody_for_anything(browser, address, name):
    with open_page(browser, f"{address}/{name}") as page:
        page.wait_for_load_state("networkidle")
        assert page.problems == []


@pytest.mark.parametrize("name", pages())
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_fits_a_phone(browser, address, name, scheme):
    phone = {"viewport": {"width": 390, "height": 844}, "color_scheme": scheme, "has_touch": True, "is_mobile": True}
    with open_page(browser, f"{address}/{name}", **phone) as page:
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.locator("html").get_attribute("data-theme") == scheme


@pytest.mark.parametrize("name", pages())
def test_every_picture_says_what_it_shows(browser, address, name):
    silent = """all => all.filter(e => !e.parentElement.closest('[role=img]'))
        .filter(e => !['alt', 'aria-label', 'aria-labelledby'].some(name => e.getAttribute(name)))
        .map(e => e.outerHTML.slice(0, 120))"""
    with open_page(browser, f"{address}/{name}") as page:
        pictures = "article img, article svg[role=img], article div[role=img]"
        assert page.eval_on_selector_all(pictures, silent) == []


def test_mathematics_is_set_with_the_fonts_served_beside_the_page(browser, address):
    with open_page(browser, f"{address}/{CHAPTER}") as page:
        page.wait_for_selector("mjx-container mjx-c")
        fonts = page.evaluate(
            "document.fonts.ready.then(f => [...f].filter(x => x.status === 'loaded').map(x => x.family))"
        )
        assert any("MJXTEX" in family for family in fonts)


@pytest.mark.parametrize("where", ["served", "from the disk"])
def test_the_brain_appears_and_turns(browser, address, book, where):
    url = f"{address}/{CHAPTER}" if where == "served" else (book / CHAPTER).as_uri()
    with open_page(browser, url, viewport={"width": 1280, "height": 1000}) as page:
        viewer = page.locator("figure.ipiu-view").first
        viewer.scroll_into_view_if_needed()
        viewer.locator("canvas").wait_for(state="visible", timeout=30_000)
        viewer.get_by_role("radio", name="3D", exact=True).check(force=True)  # its label covers it
        page.wait_for_timeout(500)
        before = pixels(viewer)
        box = viewer.locator("canvas").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 120, y + 30, steps=6)
        page.mouse.up()
        page.wait_for_timeout(500)
        assert pixels(viewer) != before
        assert page.problems == []


def test_a_patient_named_like_a_program_stays_text(browser, address):
    with open_page(browser, f"{address}/notebooks/0-start/3-pictures-doctors-look-at.html") as page:
        page.wait_for_load_state("networkidle")
        assert page.title() != "taken over"
        assert page.get_by_text("<script>document.title").count() >= 1


def test_a_chapter_at_rest_loads_no_viewer_and_stays_small(browser, address):
    with open_page(browser, f"{address}/{CHAPTER}", reduced_motion="reduce") as page:
        page.wait_for_load_state("networkidle")
        assert page.locator("figure.ipiu-view").count() > 0
        sizes = page.evaluate(
            "performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))"
            ".map(e => [e.name, e.decodedBodySize])"
        )
    own = [size for name, size in sizes if "ipiu" in name or name.endswith(".html")]
    assert len(own) >= 3  # the page itself, its style and the viewers' script
    assert not any("niivue" in name or "_volumes" in name or "ipiu-view-live" in name for name, _ in sizes)
    assert sum(own) < 1_000_000


def test_without_javascript_the_still_pictures_remain(browser, address):
    with open_page(browser, f"{address}/{CHAPTER}", java_script_enabled=False) as page:
        still = page.locator("figure.ipiu-view img").first
        assert still.is_visible()
        assert page.locator("figure.ipiu-view button").count() == 0


def test_the_search_box_finds_a_word_of_a_chapter(browser, address):
    with open_page(browser, f"{address}/search.html?q=Einthoven") as page:
        page.get_by_role("link", name="Signals and tables").first.wait_for()
        assert page.problems == []
