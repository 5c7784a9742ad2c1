"""The viewer of the pages in Chromium: a small page, from the disk and from a server, with the network cut."""

import shutil
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from PIL import Image

import ipiu
from tests.browser import open_page, served

pytestmark = pytest.mark.browser

BOOK = Path(__file__).parents[2] / "book"
NIIVUE = BOOK / "scripts/node_modules/@niivue/niivue/dist/niivue.umd.js"
REQUIRE = BOOK / "scripts/node_modules/requirejs/require.js"
HOSTILE = "<script>window.harmed = true</script>"
# neither diagonal nor in the order of the patient's axes: i runs back, j to the left and a little up, k up
AFFINE = np.array([[0, -2.0, 0.0, 40], [-1.5, 0, 0, 30], [0, 0.2, 3.0, -20], [0, 0, 0, 1]])


def scan():
    """A CT whose values tell every voxel from the others nearby, and a label map."""
    i, j, k = np.indices((40, 36, 20))
    return (7 * i - 5 * j + 11 * k - 100).astype(np.float32), ((i // 8 + j // 9 + k // 5) % 3).astype(np.int16)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with one page that holds five viewers, laid out as the book's."""
    assert NIIVUE.exists(), "the pages' scripts are missing; run npm ci in book/scripts"
    folder = tmp_path_factory.mktemp("site")
    values, classes = scan()
    image = MetaTensor(torch.tensor(values)[None], affine=torch.tensor(AFFINE), meta={"unit": "HU", "name": HOSTILE})
    labels = MetaTensor(torch.tensor(classes)[None], affine=image.affine, meta={"labels": {1: HOSTILE, 2: "bone"}})
    share = MetaTensor(torch.tensor(classes / 2.0)[None].float(), affine=image.affine, meta={"unit": "probability"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPIU_PAGES", str(folder / "gathered"))
        viewers = [ipiu.view(image, labels, window=(0, 600)), ipiu.view(image, {"lung": share}, mode="axial")]
        figures = [viewer.to_html(opens="click") for viewer in viewers]
        figures += [ipiu.view(image, title=f"number {n}").to_html(opens="click") for n in (3, 4)]
        figures.append(ipiu.view(image, title="last").to_html(opens="view"))
    shutil.copytree(folder / "gathered/volumes", folder / "_volumes")
    (folder / "_static/scripts").mkdir(parents=True)
    for source in (*(BOOK / "_static").glob("ipiu-view*"), REQUIRE):
        shutil.copy(source, folder / "_static")
    shutil.copy(NIIVUE, folder / "_static/scripts")
    (folder / "index.html").write_text(
        '<!doctype html><html lang="en" data-content_root="./"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">'
        '<link rel="stylesheet" href="_static/ipiu-view.css"><script src="_static/require.js"></script>'
        '<script src="_static/ipiu-view.js"></script><body style="max-width:700px">' + "<p>between</p>".join(figures)
    )
    return folder


@pytest.fixture
def page(browser, site):
    with open_page(browser, f"file://{site}/index.html", viewport={"width": 800, "height": 700}) as opened:
        yield opened


def figure(page, number=0):
    return page.locator("figure.ipiu-view").nth(number)


def opened(page, number=0):
    """Open a figure by its button and wait until it is live."""
    node = figure(page, number)
    node.get_by_role("button", name="Turn it in 3D").click()
    wait(page, number, "live")
    return node


def wait(page, number, state, timeout=60_000):
    page.wait_for_function(
        "([n, s]) => document.querySelectorAll('figure.ipiu-view')[n].dataset.ipiuState === s",
        arg=[number, state],
        timeout=timeout,
    )


def pixels(page, node):
    """What a figure's canvas shows, once it is at rest, shape (rows, columns, 3)."""
    page.wait_for_timeout(400)
    shot = node.locator(".ipiu-view-pane").screenshot()
    return np.asarray(Image.open(BytesIO(shot)).convert("RGB")).astype(int)


def coloured(shown):
    return int((np.ptp(shown, axis=2) > 60).sum())


def told(node):
    """Place in mm and values that a figure's readout tells."""
    output = node.locator("output")
    return tuple(
        np.array([float(n) for n in output.get_attribute(name).split(",")]) for name in ("data-mm", "data-values")
    )


@pytest.mark.parametrize("by", ["file", "http"])
def test_a_click_turns_the_picture_into_a_viewer(browser, site, by):
    with served(site) as server:
        address = f"file://{site}/index.html" if by == "file" else f"{server}/index.html"
        with open_page(browser, address, viewport={"width": 800, "height": 700}) as page:
            node = opened(page)
            shown = pixels(page, node)
            assert (shown.max(axis=2) > 60).mean() > 0.2
            assert coloured(shown) > 1000
            assert page.evaluate("document.activeElement.tagName") == "CANVAS"
            assert not node.locator(".ipiu-view-still").is_visible()
            assert page.problems == []


def test_the_readout_is_the_voxel_there(page):
    node = opened(page)
    values, classes = scan()
    box = node.locator("canvas").bounding_box()
    seen = set()
    for across, down in ((0.3, 0.2), (0.2, 0.7), (0.6, 0.3), (0.35, 0.85)):
        page.mouse.click(box["x"] + across * box["width"], box["y"] + down * box["height"])
        page.keyboard.press("ArrowUp")
        mm, (value, label) = told(node)
        index = np.linalg.solve(AFFINE, [*mm, 1])[:3]
        assert np.allclose(index, np.rint(index), atol=0.01)
        voxel = tuple(np.rint(index).astype(int))
        assert value == values[voxel]
        assert label == classes[voxel]
        words = node.locator("output").text_content()
        assert f"{abs(value):.0f} HU" in words
        assert {0: "", 1: HOSTILE, 2: "bone"}[int(label)] in words
        seen.add(voxel)
    assert len(seen) == 4
    assert page.problems == []


def test_keys_move_the_cross_hair_as_it_is_seen(page):
    node = opened(page, 1)
    start, _ = told(node)
    page.keyboard.press("ArrowRight")
    right, _ = told(node)
    assert right[0] < start[0]  # the patient's left is at the right of the screen
    page.keyboard.press("ArrowUp")
    page.keyboard.press("PageUp")
    up, _ = told(node)
    assert up[1] > right[1]
    assert up[2] > right[2] + 2
    page.keyboard.press("Home")
    assert np.allclose(told(node)[0], start)
    page.keyboard.press("Escape")
    wait(page, 1, "still")
    assert page.evaluate("document.activeElement.textContent") == "Turn it in 3D"
    assert page.problems == []


@pytest.mark.parametrize("number", [0, 1])
def test_the_legend_switches_overlays(page, number):
    node = opened(page, number)
    before = coloured(pixels(page, node))
    switches = node.locator(".ipiu-view-legend button")
    for n in range(switches.count()):
        switches.nth(n).click()
    assert coloured(pixels(page, node)) < before / 4
    assert switches.first.get_attribute("aria-pressed") == "false"
    switches.first.click()
    assert coloured(pixels(page, node)) > before / 4
    node.get_by_role("button", name="Close").click()
    assert switches.count() == 0
    assert page.problems == []


@pytest.mark.parametrize("where", [".ipiu-view-tools button", ".ipiu-view-modes input", ".ipiu-view-legend button"])
def test_escape_closes_the_viewer_from_any_of_its_controls(page, where):
    node = opened(page)
    node.locator(where).first.focus()
    page.keyboard.press("Escape")
    wait(page, 0, "still")
    assert page.evaluate("document.activeElement.textContent") == "Turn it in 3D"
    assert page.problems == []


def test_window_opacity_mode_and_cut_change_what_is_drawn(page):
    node = opened(page)
    pictures = [pixels(page, node)]
    node.get_by_role("button", name="Window and opacity").click()
    node.get_by_label("Window preset").select_option("lung")
    assert node.get_by_label("Level").input_value() == "-600"
    pictures.append(pixels(page, node))
    node.get_by_label("Level").fill("100")
    node.get_by_label("Level").press("Enter")
    pictures.append(pixels(page, node))
    node.get_by_label("Overlay").fill("0")
    pictures.append(pixels(page, node))
    assert coloured(pictures[-1]) < 3000
    node.get_by_role("radio", name="Planes + 3D").press("ArrowRight")
    assert node.get_by_role("radio", name="3D", exact=True).is_checked()
    pictures.append(pixels(page, node))
    node.get_by_role("button", name="Cut").click()
    pictures.append(pixels(page, node))
    for one, two in pairwise(pictures[1:]):  # the first is taller: the sliders were not out yet
        assert np.abs(one - two).mean() > 0.5
    assert page.problems == []


def test_names_from_headers_stay_text(page):
    node = opened(page)
    assert HOSTILE in node.locator("figcaption").text_content()
    assert HOSTILE in node.locator(".ipiu-view-legend").text_content()
    assert HOSTILE in node.locator("canvas").get_attribute("aria-label")
    assert page.evaluate("window.harmed") is None


def test_a_page_at_rest_loads_little(browser, site):
    with open_page(browser, f"file://{site}/index.html", viewport={"width": 800, "height": 700}) as page:
        asked = page.evaluate("performance.getEntriesByType('resource').map(e => e.name.split('/').pop())")
    assert not {"niivue.umd.js", "ipiu-view-live.js"} & set(asked)
    own = [site / "_static/ipiu-view.js", site / "_static/ipiu-view.css", site / "index.html"]
    assert sum(path.stat().st_size for path in own) < 1_000_000
    assert sum(path.stat().st_size for path in (site / "_static").glob("ipiu-view*.js")) < 25_000


def test_scripts_of_other_widgets_still_find_require(page):
    opened(page)
    page.evaluate("define('late', [], () => 42)")
    assert page.evaluate("new Promise(done => require(['late'], done))") == 42


def test_without_webgl_the_picture_stays_and_says_why(browser, site):
    with open_page(browser, "about:blank") as page:
        page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
        page.goto(f"file://{site}/index.html")
        figure(page).get_by_role("button", name="Turn it in 3D").click()
        note = figure(page).locator(".ipiu-view-note")
        note.wait_for()
        assert "no WebGL 2" in note.text_content()
        assert figure(page).locator(".ipiu-view-still").is_visible()
        assert page.problems == []


def test_without_scripts_there_is_the_picture_and_no_button(browser, site):
    with open_page(browser, f"file://{site}/index.html", java_script_enabled=False) as page:
        assert figure(page).locator("img").is_visible()
        assert page.locator("button").count() == 0


def test_a_volume_that_is_missing_is_named(browser, site, tmp_path):
    copy = shutil.copytree(site, tmp_path / "copy")
    shutil.rmtree(copy / "_volumes")
    with open_page(browser, f"file://{copy}/index.html") as page:
        figure(page).get_by_role("button", name="Turn it in 3D").click()
        note = figure(page).locator(".ipiu-view-note")
        note.wait_for()
        assert ".js could not be loaded" in note.text_content()
        assert figure(page).locator(".ipiu-view-still").is_visible()
        assert not [problem for problem in page.problems if problem.startswith("error")]


def test_a_fifth_viewer_returns_the_oldest_to_its_picture(page):
    for number in range(4):
        opened(page, number)
    opened(page, 4)
    wait(page, 0, "still")
    assert figure(page, 0).locator(".ipiu-view-still").is_visible()
    assert not figure(page, 0).locator(".ipiu-view-note").is_visible()
    assert page.locator("canvas").count() == 4
    opened(page, 0)
    assert page.problems == []


def test_a_lost_context_returns_to_the_picture(page):
    opened(page)
    page.evaluate(
        "document.querySelector('canvas').getContext('webgl2').getExtension('WEBGL_lose_context').loseContext()"
    )
    wait(page, 0, "still")
    assert "open the viewer again" in figure(page).locator(".ipiu-view-note").text_content()
    opened(page)
    assert not [problem for problem in page.problems if problem.startswith("error")]


def test_a_figure_in_sight_opens_by_itself_and_leaves_the_focus(page):
    figure(page, 4).scroll_into_view_if_needed()
    wait(page, 4, "live")
    assert page.evaluate("document.activeElement.tagName") == "BODY"
    assert page.locator("canvas").count() == 1
    figure(page, 4).get_by_role("button", name="Close").click()
    page.wait_for_timeout(1500)
    assert page.locator("canvas").count() == 0


def test_nothing_moves_for_people_who_asked_for_calm(browser, site):
    with open_page(browser, f"file://{site}/index.html", reduced_motion="reduce") as page:
        figure(page, 4).scroll_into_view_if_needed()
        page.wait_for_timeout(1500)
        assert page.locator("canvas").count() == 0


def test_the_wheel_scrolls_the_page_until_the_viewer_is_clicked(page):
    node = opened(page)
    page.evaluate("document.activeElement.blur()")
    box = node.locator("canvas").bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    place = told(node)[0]
    page.mouse.wheel(0, 120)
    page.wait_for_function("window.scrollY > 0")
    assert np.allclose(told(node)[0], place)
    page.evaluate("window.scrollTo(0, 0)")
    page.mouse.click(box["x"] + 100, box["y"] + 100)
    place = told(node)[0]
    page.mouse.wheel(0, 120)
    page.wait_for_timeout(300)
    assert page.evaluate("window.scrollY") == 0
    assert not np.allclose(told(node)[0], place)


def test_a_telephone_shows_it_without_a_sideways_scroll(browser, site):
    phone = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
    with open_page(browser, f"file://{site}/index.html", **phone) as page:
        node = opened(page)
        node.get_by_role("button", name="Window and opacity").tap()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert node.locator("canvas").bounding_box()["height"] > 180
        place = told(node)[0]
        box = node.locator("canvas").bounding_box()
        page.touchscreen.tap(box["x"] + 0.3 * box["width"], box["y"] + 0.75 * box["height"])
        page.wait_for_timeout(300)
        assert not np.allclose(told(node)[0], place)
        assert page.problems == []
