"""What the tests of public benchmarks share: a server on loopback, and no way out of this machine."""

import socket

import pytest

from ipiu.cases.public import terms
from tests.cases.public.loopback import Loopback


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch, tmp_path):
    """Anything but loopback is refused, and nothing is kept in the reader's own cache."""
    connect = socket.socket.connect

    def guarded(self, address):
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            msg = f"a test tried to reach {address}"
            raise AssertionError(msg)
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("IPIU_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(terms, "_SAID", set())


@pytest.fixture
def server():
    running = Loopback()
    yield running
    running.close()
