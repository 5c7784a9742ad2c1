"""Records in the form a query reads: checked once per content, then kept beside the code as Python keeps its own.

Checking some hundred records takes the better part of a second, reading the compiled form a few milliseconds.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from ipiu.atomic import write_atomic
from ipiu.errors import IpiuError

FOLDER = Path(__file__).with_name("records")

# kind -> its files, without suffix
FILES = {
    "models": ("pretrained", "vision", "vision-language", "multimodal"),
    "datasets": ("datasets",),
    "metrics": ("metrics",),
    "challenges": ("challenges",),
    "works": ("works",),
}


@cache
def load(kind: str, folder: Path = FOLDER) -> tuple[dict, ...]:
    """The records of a kind, with every field of the schema; what is not confirmed is None.

    Raises
    ------
    IpiuError
        Where a record is not valid; the message names file, line and remedy.
    """
    records = [record for name in FILES[kind] for record in _compiled(kind, folder / f"{name}.yaml")]
    ids = [record["id"] for record in records]
    if len(set(ids)) < len(ids):
        twice = next(id for id in ids if ids.count(id) > 1)
        msg = f"two records of {kind} have the id {twice!r}; run `ipiu atlas check`, which says where"
        raise IpiuError(msg)
    return tuple(records)


def _compiled(kind: str, path: Path) -> list[dict]:
    """The records of a file from its compiled form, which is made anew where file or schema changed."""
    if not path.is_file():
        return _checked(kind, path)  # which says what is wrong
    digest = hashlib.sha256(_schema_digest())
    digest.update(path.read_bytes())
    made = path.parent / "__pycache__" / f"{path.stem}.{digest.hexdigest()[:16]}.json"
    try:
        records = json.loads(made.read_bytes())
        if isinstance(records, list):
            return records
    except (OSError, ValueError):
        pass
    records = _checked(kind, path)
    try:
        for old in made.parent.glob(f"{path.stem}.*.json"):
            old.unlink(missing_ok=True)
        write_atomic(made, json.dumps(records, ensure_ascii=False))
    except OSError:
        pass  # a folder that cannot be written to: read and check again next time
    return records


def _checked(kind: str, path: Path) -> list[dict]:
    """The records of a file, read and validated."""
    from ipiu.atlas.check import valid

    _, records, faults = valid(kind, path)
    if faults:
        more = f" (and {len(faults) - 1} more; run `ipiu atlas check`)" if len(faults) > 1 else ""
        msg = f"{faults[0]}{more}"
        raise IpiuError(msg)
    return records


@cache
def _schema_digest() -> bytes:
    """SHA-256 over what decides the compiled form."""
    here = Path(__file__).parent
    return hashlib.sha256(
        b"".join((here / name).read_bytes() for name in ("check.py", "schema.py", "source.py", "vocabulary.py"))
    ).digest()
