"""Pictures of public data sets as images of a case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ipiu.cases.archive import inside
from ipiu.cases.case import Source

if TYPE_CHECKING:
    from monai.data import MetaTensor


def picture(folder: str | Path, name: str, /, *, listed_in: str | Path, source: Source, **meta: str) -> MetaTensor:
    """One picture below a folder, as :func:`ipiu.cases.picture.read_picture` reads it.

    Parameters
    ----------
    folder
        where the picture has to be
    name
        its path below the folder, parts divided by ``/``, as a table gives it
    listed_in
        that table, for messages
    source
        of every case of the data set
    meta
        what else is known of it: ``modality`` (the DICOM word), ``name``

    Raises
    ------
    IpiuError
        Where the path leaves the folder, or the picture is missing or torn.
    """
    from ipiu.cases.picture import read_picture

    path = inside(folder, name.split("/"), source=str(listed_in))
    image = read_picture(path)[0].images["image"]
    image.meta.update(meta, source=str(source))
    return image
