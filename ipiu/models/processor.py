"""What preprocessor_config.json of transformers says of pictures, in the words of a contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ipiu.errors import IpiuError
from ipiu.models.weights import read_json

FILES = ("preprocessor_config.json", "processor_config.json")
RESAMPLE = {0: "nearest", 2: "bilinear", 3: "bicubic"}  # as PIL counts them


def read_processor(folder: Path) -> dict[str, Any]:
    """Fields of a contract, from the file of an image processor; empty where there is none.

    Raises
    ------
    IpiuError
        Where a step is one that a contract cannot state.

    Examples
    --------
    >>> read_processor(folder_of_rad_dino)["fit"]          # doctest: +SKIP
    'crop'
    """
    told = {}
    for path in (folder / name for name in FILES):
        if path.is_file():
            found = read_json(path)
            told = found.get("image_processor", found)
        if "image_mean" in told or "size" in told:
            break
    else:
        return {}
    fields = _placed(told, folder)
    if told.get("do_normalize", True) and "image_mean" in told:
        fields |= {"mean": tuple(told["image_mean"]), "std": tuple(told["image_std"])}
    resample = RESAMPLE.get(told.get("resample", 2))
    if resample in ("bilinear", "bicubic"):
        fields["resample"] = resample
    return fields


def _placed(told: dict[str, Any], folder: Path) -> dict[str, Any]:
    """How a picture comes to its size."""
    size, crop = told.get("size", 224), told.get("crop_size")
    size = {"shortest_edge": size} if isinstance(size, int) and crop else size
    size = {"height": size, "width": size} if isinstance(size, int) else size
    if "longest_edge" in size:
        pad = told.get("pad_size") or {"height": size["longest_edge"], "width": size["longest_edge"]}
        return {"size": (pad["height"], pad["width"]), "fit": "corner"}
    if "shortest_edge" in size:
        edge = size["shortest_edge"]
        crop = edge if crop is None else crop
        crop = {"height": crop, "width": crop} if isinstance(crop, int) else crop
        return {"size": (crop["height"], crop["width"]), "fit": "crop", "shorter": edge}
    if "height" in size and "width" in size:
        return {"size": (size["height"], size["width"]), "fit": "squash"}
    msg = f"{folder} resizes pictures to {size}, which a contract cannot state"
    raise IpiuError(msg)
