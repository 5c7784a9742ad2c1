"""What the tiny generator has seen: all its training pictures, kept beside it so that copies can be looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ipiu.errors import IpiuError
from ipiu.models.load import PREFIX, TINY

if TYPE_CHECKING:
    import pandas as pd


def seen(name: str) -> tuple[np.ndarray, pd.DataFrame]:
    """The pictures a generator was trained on. Nobody is shown, so that they can be given away.

    Parameters
    ----------
    name
        ``ipiu-tiny-rflow``

    Returns
    -------
    pictures, findings
        (n, 1, row, column) uint8, 0 to 255 for the window of the contract, and a table of 0 and 1, one row a picture

    Raises
    ------
    IpiuError
        Where no pictures lie beside the checkpoint.

    Examples
    --------
    >>> from ipiu.models.seen import seen
    >>> pictures, findings = seen("ipiu-tiny-rflow")
    >>> pictures.shape, list(findings)[0]
    ((1200, 1, 64, 64), 'cardiomegaly')
    """
    import pandas as pd
    from PIL import Image

    folder = TINY / str(name).removeprefix(PREFIX)
    if not (folder / "training.png").is_file():
        msg = f"{name!r} keeps no training pictures; only the tiny generators of this package do"
        raise IpiuError(msg)
    findings = pd.read_csv(folder / "training.csv")
    sheet = np.asarray(Image.open(folder / "training.png"))
    side = round((sheet.size / len(findings)) ** 0.5)
    rows, columns = (edge // side for edge in sheet.shape)
    tiles = sheet.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(-1, 1, side, side)
    return tiles[: len(findings)], findings


def keep(folder, pictures: np.ndarray, findings: pd.DataFrame, *, columns: int = 40) -> None:
    """Write training pictures (n, 1, side, side) uint8 as one sheet, and their findings; ``columns`` divides n."""
    from PIL import Image

    side = pictures.shape[-1]
    sheet = pictures.reshape(-1, columns, side, side).swapaxes(1, 2).reshape(-1, columns * side)
    Image.fromarray(sheet).save(folder / "training.png", optimize=True)
    findings.to_csv(folder / "training.csv", index=False)
