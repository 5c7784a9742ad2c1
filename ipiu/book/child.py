"""For processes that the builder starts: end when it ends."""

import os
import threading


def end_with_builder() -> None:
    """End this process and everything below it as soon as the standard input closes.

    The builder holds the other end of that pipe. It closes when the builder ends in any way, SIGKILL included.
    """
    threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    """Read until the pipe closes, then kill what was started below, and leave."""
    import psutil

    while os.read(0, 4096):  # not through sys.stdin, whose lock Python wants at its own end
        pass
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(1)
