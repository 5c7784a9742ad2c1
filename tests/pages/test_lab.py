"""Chapters in JupyterLab: run all cells, and viewers, charts and tables are live, without a network."""

import io
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.browser import open_page

ROOT = Path(__file__).parents[2]
CHAPTERS = ("0-start/1-five-minutes", "1-survey/1-a-map")
pytestmark = [pytest.mark.browser, pytest.mark.slow]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Address of a chapter in a JupyterLab on loopback, with a token, serving a copy of the chapters."""
    home = tmp_path_factory.mktemp("lab")
    for chapter in CHAPTERS:
        shutil.copy(ROOT / "notebooks" / f"{chapter}.ipynb", home)
    port, token = free_port(), secrets.token_hex(16)
    settings = [f"--ServerApp.port={port}", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={home}"]
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--ServerApp.ip=127.0.0.1",
        *settings,
    ]
    own = {"JUPYTER_CONFIG_DIR": str(home / ".config"), "JUPYTERLAB_SETTINGS_DIR": str(home / ".settings")}
    own |= {"JUPYTERLAB_WORKSPACES_DIR": str(home / ".workspaces")}
    server = subprocess.Popen(command, env=os.environ | own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/api/status?token={token}")
        yield lambda name: f"http://127.0.0.1:{port}/lab/tree/{name}.ipynb?reset&token={token}"
    finally:
        server.terminate()
        server.wait(20)


def wait_for(url: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            time.sleep(0.3)
    msg = f"nothing answered at {url.partition('?')[0]} within {seconds:.0f} s"
    raise TimeoutError(msg)


def bright_share(png: bytes) -> float:
    """Share of the pixels that are neither black nor white."""
    grey = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
    return float(((grey > 30) & (grey < 225)).mean())


def run_all_cells(page) -> None:
    page.locator(".jp-Notebook").wait_for(timeout=60_000)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)  # before that, "run" does nothing
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def test_running_all_cells_shows_the_brain_in_a_live_viewer(browser, lab):
    with open_page(browser, lab("1-five-minutes"), viewport={"width": 1400, "height": 1000}) as page:
        run_all_cells(page)
        canvas = page.locator(".jp-OutputArea-output canvas").first
        canvas.wait_for(state="visible", timeout=120_000)
        canvas.scroll_into_view_if_needed()
        deadline = time.monotonic() + 120
        while bright_share(canvas.screenshot()) < 0.05:
            assert time.monotonic() < deadline, "the live viewer stayed dark for two minutes"
            page.wait_for_timeout(500)
        assert page.locator(".jp-RenderedText[data-mime-type*='error']").count() == 0


def test_running_all_cells_of_the_atlas_draws_its_charts_and_equips_its_table(browser, lab):
    with open_page(browser, lab("1-a-map"), viewport={"width": 1400, "height": 1000}) as page:
        run_all_cells(page)
        card = page.locator(".ipiu-record")  # the last display of the chapter
        card.wait_for(state="attached", timeout=120_000)
        page.wait_for_function("document.querySelectorAll('.js-plotly-plot .main-svg').length >= 5", timeout=60_000)
        lists = page.locator(".ipiu-table-filters select")
        lists.first.wait_for(state="attached", timeout=60_000)
        lists.first.select_option("vision-language FMs")
        page.wait_for_function("document.querySelector('.dt-info').textContent.includes('filtered')", timeout=10_000)
        assert page.locator(".jp-RenderedText[data-mime-type*='error']").count() == 0
