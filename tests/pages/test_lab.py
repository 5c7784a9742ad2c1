"""A chapter in JupyterLab: run all its cells, and the live viewer shows the brain."""

import io
import json
import os
import secrets
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
pytestmark = [pytest.mark.browser, pytest.mark.slow]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Address of a JupyterLab on loopback, with a token, serving a copy of the chapters."""
    home = tmp_path_factory.mktemp("lab")
    source = ROOT / "notebooks" / "0-start" / "1-five-minutes.ipynb"
    notebook = json.loads(source.read_text())
    (home / "chapter.ipynb").write_text(json.dumps(notebook))
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
        yield f"http://127.0.0.1:{port}/lab/tree/chapter.ipynb?token={token}"
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


def test_running_all_cells_shows_the_brain_in_a_live_viewer(browser, lab):
    with open_page(browser, lab, viewport={"width": 1400, "height": 1000}) as page:
        page.locator(".jp-Notebook").wait_for(timeout=60_000)
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)  # before that, "run" does nothing
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        canvas = page.locator(".jp-OutputArea-output canvas").first
        canvas.wait_for(state="visible", timeout=120_000)
        canvas.scroll_into_view_if_needed()
        deadline = time.monotonic() + 120
        while bright_share(canvas.screenshot()) < 0.05:
            assert time.monotonic() < deadline, "the live viewer stayed dark for two minutes"
            page.wait_for_timeout(500)
        assert page.locator(".jp-RenderedText[data-mime-type*='error']").count() == 0
