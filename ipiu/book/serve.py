"""A web server for the built pages, for this machine only."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from ipiu.book.layout import Book
from ipiu.errors import IpiuError


def server(book: Book, *, port: int = 8000) -> ThreadingHTTPServer:
    """A server of ``_build/html`` on the loopback address; port 0 takes one that is free.

    Raises
    ------
    IpiuError
        Where nothing is built yet or the port is taken.
    """
    if not (book.html / "index.html").is_file():
        msg = f"{book.html}: no pages are built yet; run `ipiu book build` first"
        raise IpiuError(msg)
    handler = partial(_Quiet, directory=str(book.html))
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), handler)
    except (OSError, OverflowError) as error:
        msg = f"port {port} cannot be used ({error}); choose another with --port, or 0 for any that is free"
        raise IpiuError(msg) from error


class _Quiet(SimpleHTTPRequestHandler):
    """Serves files without caching, so that a new build shows at once, and reports only what is missing."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_request(self, code="-", size="-") -> None:
        if str(code) >= "400":
            super().log_request(code, size)
