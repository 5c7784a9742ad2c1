"""Chromium for tests: how it is started, what a page may not do, and a server for loopback."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # WebGL 2 without a graphics card
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]


@contextmanager
def chromium(*more_flags: str) -> Iterator:
    """A running headless Chromium: the one installed here, else Playwright's own."""
    from playwright.sync_api import sync_playwright

    installed = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed, args=[*FLAGS, *more_flags])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser, url: str, **context_options) -> Iterator:
    """A page on ``url`` with every request off this machine cut; ``page.problems`` gathers what went wrong."""
    context = browser.new_context(**context_options)
    context.route("**/*", _only_local)
    page = context.new_page()
    page.problems = []
    page.on("console", lambda m: page.problems.append(f"console: {m.text}") if m.type == "error" else None)
    page.on("pageerror", lambda error: page.problems.append(f"error: {error}"))
    page.on("requestfailed", lambda request: page.problems.append(f"failed: {request.url}"))
    page.on("response", lambda r: page.problems.append(f"{r.status}: {r.url}") if r.status >= 400 else None)
    try:
        page.goto(url)
        yield page
    finally:
        context.close()


def _only_local(route) -> None:
    local = route.request.url.startswith(("file:", "data:", "blob:", "http://127.0.0.1", "http://localhost"))
    route.continue_() if local else route.abort("internetdisconnected")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Address of a loopback server of ``folder``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
