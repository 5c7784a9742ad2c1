"""A small server on this machine that serves bytes and misbehaves as told."""

import contextlib
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Manners:
    """How the server answers; ``cuts`` are the body bytes after which the next answers end.

    ``slip`` is how many bytes later than asked a partial answer begins, once;
    ``trusting`` is a server that answers a Range whatever its condition says;
    ``uncalled`` is where a partial answer begins that nobody asked for, once.
    """

    ranges: bool = True
    etag: str | None = '"one"'
    modified: str | None = None
    cuts: list[int] = field(default_factory=list)
    stalls: int = 0
    status: int = 200
    failures: int = 0
    length: bool = True
    redirect: str | None = None
    delay: float = 0.0
    slip: int = 0
    trusting: bool = False
    uncalled: int = 0


class Loopback:
    """Files under http://127.0.0.1; ``requests`` lists path and Range of every request."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.manners = Manners()
        self.requests: list[tuple[str, str | None]] = []
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)

    def answer(self, handler):
        manners, wanted = self.manners, handler.headers.get("Range")
        path = handler.path.partition("?")[0]
        self.requests.append((path, wanted))
        self.released.wait(manners.delay)
        if manners.redirect:
            self._head(handler, 302, {"Location": manners.redirect, "Content-Length": "0"})
            return
        if manners.stalls:
            manners.stalls -= 1
            self.released.wait(20)
            return
        body = self.files.get(path)
        status = manners.status if body is not None else 404
        if manners.failures:
            manners.failures -= 1
            status = 503
        if status != 200:
            self._head(handler, status, {"Content-Length": "0"})
            return
        self._send(handler, body, wanted)

    def _send(self, handler, body, wanted):
        manners, start, status, headers = self.manners, 0, 200, {}
        known = manners.etag or manners.modified
        if wanted and manners.ranges and (manners.trusting or handler.headers.get("If-Range") == known):
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            if start >= len(body):
                self._head(handler, 416, {"Content-Length": "0"})
                return
            start, manners.slip = start + manners.slip, 0
            status, headers["Content-Range"] = 206, f"bytes {start}-{len(body) - 1}/{len(body)}"
        elif manners.uncalled:
            start, manners.uncalled = manners.uncalled, 0
            status, headers["Content-Range"] = 206, f"bytes {start}-{len(body) - 1}/{len(body)}"
        part = body[start:]
        headers |= {"ETag": manners.etag} if manners.etag else {}
        headers |= {"Last-Modified": manners.modified} if manners.modified else {}
        headers |= {"Content-Length": str(len(part))} if manners.length else {}
        self._head(handler, status, headers)
        sent = part[: manners.cuts.pop(0)] if manners.cuts else part
        with contextlib.suppress(OSError):  # the reader may have hung up
            handler.wfile.write(sent)
        handler.close_connection = True

    @staticmethod
    def _head(handler, status, headers):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
