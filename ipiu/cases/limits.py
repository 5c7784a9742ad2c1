"""How much memory one input may claim.

File headers are hostile input: what they ask for is checked before it is allocated.
"""

import os
from pathlib import Path

from ipiu.errors import IpiuError

GIB = 1024**3


def max_bytes() -> int:
    """The limit in bytes: 4 GiB, or what the environment variable ``IPIU_MAX_GIB`` says."""
    text = os.environ.get("IPIU_MAX_GIB", "4")
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        msg = f"IPIU_MAX_GIB is {text!r}; set it to a number of GiB above 0, for example 8"
        raise IpiuError(msg)
    return int(value * GIB)


def check_claim(claimed: int, path: str | Path, *, what: str = "its header") -> None:
    """Refuse an input whose decoded size would pass the limit.

    Parameters
    ----------
    claimed
        bytes that would be held in memory once decoded
    path
        the file, for the message
    what
        who claims it

    Raises
    ------
    IpiuError
        Where ``claimed`` is above :func:`max_bytes`.
    """
    limit = max_bytes()
    if claimed > limit:
        msg = (
            f"{path}: {what} asks for {claimed / GIB:.1f} GiB of memory, above the limit of {limit / GIB:.1f} GiB; "
            "if that is right, set IPIU_MAX_GIB higher"
        )
        raise IpiuError(msg)
