"""PNG, JPEG and TIFF pictures: pixels as they are stored, upright as their EXIF orientation says."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor
from PIL import Image, ImageOps

from ipiu.cases.case import Case, Source
from ipiu.cases.files import check_file, reason
from ipiu.cases.limits import check_claim
from ipiu.errors import IpiuError

FORMATS = ("PNG", "JPEG", "TIFF")
GREY = ("1", "L", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
# the TIFF tag PhotometricInterpretation, and its value for pictures in which 0 is white
PHOTOMETRIC, MIN_IS_WHITE = 262, 0


def read_picture(
    path: str | Path, *, page: int | None = None, spacing: tuple[float, float] | None = None, modality: str = ""
) -> list[Case]:
    """Read one picture.

    The resolution that PNG, JPEG and TIFF can carry is meant for printing and says nothing about the patient, so it is
    not read: without ``spacing`` the affine has 1 in place of mm and ``meta["spacing_stated"]`` is False.

    Parameters
    ----------
    path
        a PNG, JPEG or TIFF file
    page
        which page of a TIFF with several to read, counted from 0
    spacing
        mm from one row to the next and from one column to the next, where it is known
    modality
        the DICOM word for how it was taken, such as ``"OP"`` (eye photograph) or ``"SM"`` (slide microscopy)

    Returns
    -------
    list of Case
        one case with ``images["image"]``: (1, row, column) float32, unit "grey level", at the depth of the file;
        or (3, row, column) uint8, unit "RGB". ``affine`` takes (row, column) to mm.

    Raises
    ------
    IpiuError
        Where the file is torn, has several pages and ``page`` is not given, or decodes to more than the memory limit.

    Examples
    --------
    >>> from ipiu.cases.picture import read_picture
    >>> (case,) = read_picture("fundus.jpg")  # doctest: +SKIP
    >>> case.images["image"].shape  # doctest: +SKIP
    torch.Size([3, 1411, 1411])
    """
    path = check_file(path)
    if spacing is not None and not (np.shape(spacing) == (2,) and all(0 < mm < float("inf") for mm in spacing)):
        msg = f"spacing={spacing!r} must be two numbers of mm above 0: between rows, and between columns"
        raise ValueError(msg)
    if page is not None and not isinstance(page, int):
        msg = f"page={page!r} must be a whole number; the first page is 0"
        raise ValueError(msg)
    notes: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = _pixels(path, page, notes)
    except IpiuError:
        raise
    except Image.DecompressionBombError as error:
        msg = f"{path}: decodes to more pixels than Pillow allows; if that is right, raise PIL.Image.MAX_IMAGE_PIXELS"
        raise IpiuError(msg) from error
    except Exception as error:  # Pillow's plugins raise OSError, SyntaxError, struct.error and more on damaged files
        said = "cut off or damaged" if str(path) in str(error) else reason(error)
        msg = f"{path}: cannot be decoded as PNG, JPEG or TIFF ({said}); copy it again from its source"
        raise IpiuError(msg) from error
    source = Source("own file", path.name)
    meta = {
        "unit": "RGB" if len(values) == 3 else "grey level",
        "modality": modality,
        "name": "",
        "source": str(source),
        "spacing_stated": spacing is not None,
    }
    affine = torch.diag(torch.tensor([*(spacing or (1.0, 1.0)), 1.0, 1.0], dtype=torch.float64))
    tensor = MetaTensor(torch.from_numpy(values), affine=affine, meta=meta)
    return [Case(path.stem, images={"image": tensor}, source=source, notes=notes)]


def _pixels(path: Path, page: int | None, notes: list[str]) -> np.ndarray:
    """The pixels channel first: (1, row, column) float32 or (3, row, column) uint8."""
    with Image.open(path, formats=FORMATS) as image:
        check_claim(image.width * image.height * 8, path)
        _turn_to(image, page, path)
        check_claim(image.width * image.height * 8, path)
        if path.suffix.lower() == ".png" and image.mode in {"RGB", "RGBA"} and _png_depth(path) == 16:
            notes.append("colours of 16 bits were reduced to 8")
        white_is_zero = image.format == "TIFF" and image.tag_v2.get(PHOTOMETRIC) == MIN_IS_WHITE
        image.load()
        upright = ImageOps.exif_transpose(image)
        if upright.mode in GREY or upright.mode == "LA":
            return _grey(upright, white_is_zero, notes)[None]
        return np.ascontiguousarray(np.moveaxis(np.asarray(_rgb(upright, notes)), -1, 0))


def _turn_to(image: Image.Image, page: int | None, path: Path) -> None:
    """Choose one page of several."""
    pages = getattr(image, "n_frames", 1)
    if page is None and pages > 1 and image.format != "MPO":
        msg = f"{path}: has {pages} pages; say which one to read, page=0 to page={pages - 1}"
        raise IpiuError(msg)
    if page is not None and not 0 <= page < pages:
        msg = f"{path}: has no page {page}; its pages are 0 to {pages - 1}"
        raise IpiuError(msg)
    image.seek(page or 0)


def _grey(image: Image.Image, white_is_zero: bool, notes: list[str]) -> np.ndarray:
    """Grey levels as float32, 0 for black."""
    if image.mode == "LA":
        notes.append("the transparency channel was left out")
        image = image.getchannel("L")
    values = np.asarray(image).astype(np.float32)
    # Pillow turns TIFFs of 1 and 8 bits whose zero is white around, and leaves deeper ones
    if white_is_zero and image.mode.startswith("I;16"):
        notes.append("zero was white; the grey levels were turned around (65535 minus the value)")
        values = np.float32(65535) - values
    return values


def _rgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """Colours as RGB of 8 bits."""
    if image.mode == "P":
        notes.append("the colours of its palette were looked up")
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in {"RGBA", "RGBX", "PA"}:
        notes.append("the transparency channel was left out")
    elif image.mode != "RGB":
        notes.append(f"colours were converted from {image.mode} to RGB without a colour profile")
    return image.convert("RGB")


def _png_depth(path: Path) -> int:
    """Bits a sample, as the PNG header states them."""
    with path.open("rb") as stream:
        return stream.read(25)[-1]
