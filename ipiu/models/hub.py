"""Files of a checkpoint from the Hugging Face hub, and what to say where they cannot be had."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ipiu.errors import IpiuError, require

# a shard named in an index is a file beside it, nothing else
SHARD = re.compile(r"[\w.-]+\.(safetensors|bin)")


def first(repo: str, names: list[str], tiny: str = "") -> Path | None:
    """The folder with the first of some files and its shards; None where the repository has none of them.

    What lies in the hub's cache is taken as it is, and the network is not asked.

    Parameters
    ----------
    repo
        ``owner/name``
    names
        of files, tried in order
    tiny
        what an error names as the model that answers offline

    Raises
    ------
    IpiuError
        Where the repository is gated, missing or out of reach.
    """
    hub = require("huggingface_hub", extra="models")
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    kept = {name: hub.try_to_load_from_cache(repo, name) for name in names}  # a path, "is not there", or None
    ahead = [name for name in names if isinstance(kept[name], str)] or [name for name in names if kept[name] is None]
    for name in ahead:
        try:
            path = Path(kept[name] or hub.hf_hub_download(repo, name))
            for shard in shards(path) if name.endswith(".index.json") else ():
                if not isinstance(hub.try_to_load_from_cache(repo, shard), str):
                    hub.hf_hub_download(repo, shard)
        except EntryNotFoundError as error:
            if isinstance(error, LocalEntryNotFoundError):
                raise IpiuError(_offline(error, repo, tiny)) from error
            continue
        except (OSError, RuntimeError) as error:
            raise IpiuError(_offline(error, repo, tiny)) from error
        return path.parents[len(Path(name).parts) - 1]
    return None


def maybe(repo: str, *names: str) -> None:
    """Fetch the first of some files where there is one and it can be reached."""
    try:
        first(repo, list(names))
    except IpiuError:
        return


def _offline(error: BaseException, repo: str, tiny: str) -> str:
    """What went wrong, and which model answers without a network."""
    return what_failed(error, repo) + (f"; {tiny} answers offline" if tiny else "")


def shards(index: Path) -> list[str]:
    """The files that an index of weights names, all beside it."""
    try:
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        msg = f"{index.name} is not an index of weights ({error!r})"
        raise IpiuError(msg) from error
    for name in names:
        if not isinstance(name, str) or not SHARD.fullmatch(name):
            msg = f"{index.name} names the file {name!r}; only files beside it are read"
            raise IpiuError(msg)
    return names


def what_failed(error: BaseException, where: str) -> str:
    """What went wrong on the way to the weights, and what to do."""
    from huggingface_hub.errors import (
        GatedRepoError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    causes = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    if any(isinstance(cause, GatedRepoError) for cause in causes):
        return f"{where} is gated; accept its terms on https://huggingface.co/{where}, then run `hf auth login`"
    if any(isinstance(cause, RepositoryNotFoundError) for cause in causes):
        return f"there is no {where} on the hub, or it asks for a login; check the id, or run `hf auth login`"
    folder = Path(where).is_dir()
    if folder and not (Path(where) / "config.json").is_file():
        return f"{where} holds no config.json; give the folder that has it beside model.safetensors"
    if not folder and (where.count("/") > 1 or where.startswith((".", "/", "~"))):
        return f"there is no folder {where}; check the path"
    if "safetensors" in str(error) and not isinstance(error, RuntimeError):
        return f"{where} has no safetensors file that can be read ({error}); a pickle could run code and is not loaded"
    if any(isinstance(cause, LocalEntryNotFoundError | OfflineModeIsEnabled | ConnectionError) for cause in causes):
        return f"{where} could not be reached; give a folder with its files, or try again with a network"
    return f"{where} cannot be loaded ({error}); the files or options may be those of another class"
