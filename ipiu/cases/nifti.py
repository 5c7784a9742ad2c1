"""NIfTI-1, NIfTI-2 and MGH volumes: voxels as they are stored, affine to RAS+ mm."""

from __future__ import annotations

import gzip
import math
import warnings
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from nibabel.imageglobals import LoggingOutputSuppressor

from ipiu.cases.case import Case, Source
from ipiu.cases.files import check_file, reason
from ipiu.cases.limits import check_claim
from ipiu.errors import IpiuError

MM = {"mm": 1.0, "unknown": 1.0, "meter": 1000.0, "micron": 0.001}
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
# deflate cannot pack tighter than about 1 : 1032, so a header that claims more is false
GZIP_RATIO = 1032
HEADER_BYTES = 544
CHUNK = 1 << 20


def read_nifti(
    path: str | Path, *, labels: dict[int, str] | None = None, unit: str | None = None, modality: str = ""
) -> list[Case]:
    """Read one NIfTI (.nii, .nii.gz, .hdr with .img) or MGH (.mgh, .mgz) file.

    No voxel is resampled or flipped: ``affine`` takes the stored index (i, j, k) to RAS+ mm. Where the header names
    another unit than mm, the affine is converted. Free text in the header is left out, as it can name the patient.

    Parameters
    ----------
    path
        the file; either one of a .hdr/.img pair
    labels
        names of a label map's integers, such as ``{1: "grey matter"}``; the image then keeps an integer type
    unit
        unit of the values, for example ``"HU"``; NIfTI has no field for it, so ``"stored value"`` is the default
    modality
        the DICOM word, such as ``"MR"``

    Returns
    -------
    list of Case
        one case with ``images["image"]``: (1, i, j, k), or (T, i, j, k) for a series of T volumes; float32, or an
        integer type where ``labels`` is given; RGB files are (3, i, j, k) uint8

    Raises
    ------
    IpiuError
        Where the file is torn, its header and its size disagree, its geometry is not finite and invertible, its
        orientation is unknown (Analyze), or its values are complex.

    Examples
    --------
    >>> from ipiu.cases.nifti import read_nifti
    >>> (case,) = read_nifti("brain.nii.gz")  # doctest: +SKIP
    >>> case.images["image"].shape  # doctest: +SKIP
    torch.Size([1, 197, 233, 189])
    """
    labels = None if labels is None else _names(labels)
    path = check_file(path)
    raw = _raw_header(path)
    image = _load(path, raw)
    notes: list[str] = []
    shape = _shape(image, path)
    _check_size(image, path)
    affine = _affine(image, raw, path, notes)
    values, rgb = _values(image, shape, path, labels)
    if np.issubdtype(values.dtype, np.floating) and (bad := int(np.size(values) - np.isfinite(values).sum())):
        notes.append(f"{bad} values are not finite (NaN or infinite) and were kept")
    meta = {"unit": unit or "stored value", "modality": modality, "name": ""}
    if labels is not None:
        meta |= {"unit": "label", "labels": labels}
    elif rgb:
        meta["unit"] = "RGB"
    elif shape[3] > 1:
        notes.append(f"{shape[3]} volumes stand along the channel axis")
        meta |= _repetition(image)
    source = Source("own file", path.name)
    meta["source"] = str(source)
    tensor = MetaTensor(torch.from_numpy(values), affine=torch.from_numpy(affine), meta=meta)
    return [Case(_stem(path), images={"image": tensor}, source=source, notes=notes)]


def _names(labels: dict[int, str]) -> dict[int, str]:
    """The names of a label map's integers, checked."""
    if not isinstance(labels, dict) or not all(isinstance(value, (int, np.integer)) for value in labels):
        msg = f"labels={labels!r} must name whole numbers, such as {{1: 'grey matter'}}"
        raise ValueError(msg)
    return {int(value): str(name) for value, name in labels.items()}


def _load(path: Path, raw):
    """The image with its header read, or a sentence on why not."""
    if raw is not None:
        offset = float(raw["vox_offset"])
        if not 0 <= offset < math.inf:
            msg = f"{path}: its header puts the voxels at byte {offset:g}; correct vox_offset"
            raise IpiuError(msg)
        check_claim(int(offset), path)  # nibabel reads header extensions up to there
    elif not path.name.lower().endswith((".mgh", ".mgz")):
        _refuse_kind(path)
    try:
        with warnings.catch_warnings(), LoggingOutputSuppressor():
            warnings.simplefilter("ignore")
            image = nib.load(path, mmap=False)
    except Exception as error:  # nibabel's parsers raise whatever a damaged header makes Python raise
        msg = f"{path}: nibabel cannot read its header ({reason(error)}); copy it again or convert it to NIfTI"
        raise IpiuError(msg) from error
    if not isinstance(image, (nib.Nifti1Pair, nib.MGHImage)):
        kind = type(image).__name__.removesuffix("Image")
        msg = f"{path}: is a {kind} file, which holds no volume; map it to one first"
        raise IpiuError(msg)
    return image


def _refuse_kind(path: Path) -> None:
    """Say why a file that is neither NIfTI nor MGH is not read."""
    suffix = path.name.lower().removesuffix(".gz").rsplit(".", 1)[-1]
    if suffix in {"hdr", "img"}:
        msg = f"{path}: an Analyze file does not state its orientation; convert it to NIfTI with a tool that knows it"
    else:
        msg = f"{path}: has no NIfTI header; copy it again if it should have one, or convert it to NIfTI"
    raise IpiuError(msg)


def _shape(image, path: Path) -> tuple[int, ...]:
    """(i, j, k, volumes, components), each at least 1."""
    shape = tuple(int(n) for n in image.shape)
    full = shape + (1,) * (5 - len(shape))
    if len(shape) < 2 or len(full) > 5 or min(full) < 1 or (full[3] > 1 and full[4] > 1):
        msg = f"{path}: its header states the shape {shape}; two to four axes of at least 1 are needed"
        raise IpiuError(msg)
    return full


def _check_size(image, path: Path) -> None:
    """Refuse a header that claims more than the file or the memory limit holds, before anything is read."""
    proxy = image.dataobj
    count = math.prod(int(n) for n in image.shape)
    check_claim(count * max(proxy.dtype.itemsize, 8), path)
    needed = int(proxy.offset) + count * proxy.dtype.itemsize
    file = Path(image.file_map.get("image", image.file_map.get("header")).filename or path)
    if not file.is_file():
        msg = f"{path}: its voxels should be in {file.name}, which is not there; put both files in one folder"
        raise IpiuError(msg)
    packed = file.suffix.lower() in {".gz", ".mgz"}
    if needed > file.stat().st_size * (GZIP_RATIO if packed else 1):
        msg = (
            f"{path}: its header claims {needed} bytes but {file.name} has {file.stat().st_size}"
            f"{' packed ones' if packed else ''}; the file is torn or its header is wrong, copy it again"
        )
        raise IpiuError(msg)
    if packed:
        _check_gzip(file, needed)


def _check_gzip(file: Path, needed: int) -> None:
    """Read a gzip file to its end, where its checksum stands; nibabel stops before."""
    read = 0
    try:
        with gzip.open(file) as stream:
            while read <= needed + CHUNK and (part := stream.read(CHUNK)):
                read += len(part)
    except (OSError, EOFError, zlib.error) as error:
        msg = f"{file}: cannot be unpacked ({reason(error)}); the file is torn, copy it again"
        raise IpiuError(msg) from error
    if read < needed:
        msg = f"{file}: its header claims {needed} bytes but {read} are inside; the file is torn, copy it again"
        raise IpiuError(msg)


def _affine(image, raw, path: Path, notes: list[str]) -> np.ndarray:
    """Voxel index to RAS+ mm as float64 (4, 4), with what is doubtful about it put into ``notes``."""
    sizes = _raw_sizes(image, raw)
    if not np.all(np.isfinite(sizes)) or np.any(sizes <= 0):
        msg = f"{path}: its voxel size is {_listed(sizes)}; each must be a number above 0, correct the header"
        raise IpiuError(msg)
    affine = np.asarray(image.affine, dtype=np.float64)
    if isinstance(image, nib.Nifti1Pair):
        affine = _nifti_affine(image, affine, path, notes)
    elif int(image.header["goodRASFlag"]) != 1:
        notes.append("the header states no orientation: FreeSurfer's default is taken, left and right unproven")
    if not np.all(np.isfinite(affine)):
        msg = f"{path}: its affine has values that are not finite; correct the sform or qform of the header"
        raise IpiuError(msg)
    edges = np.linalg.norm(affine[:3, :3], axis=0)
    # the volume of a voxel against that of a box with the same edges tells flatness at any scale
    if edges.min() == 0 or abs(np.linalg.det(affine[:3, :3])) < 1e-6 * edges.prod():
        msg = f"{path}: its affine cannot be inverted (edges of {_listed(edges)} mm); correct the sform or qform"
        raise IpiuError(msg)
    return affine


def _nifti_affine(image, affine: np.ndarray, path: Path, notes: list[str]) -> np.ndarray:
    """The affine in mm, with notes on units and on the two ways NIfTI states orientation."""
    header = image.header
    sform, qform = int(header["sform_code"]), int(header["qform_code"])
    if sform <= 0 and qform <= 0:
        notes.append("neither sform nor qform is set: the orientation is nibabel's assumption, left and right unproven")
    elif sform > 0 and qform > 0:
        try:
            other = header.get_qform()
        except Exception as error:  # a quaternion that is none
            notes.append(f"the qform is not a rotation ({reason(error)}); the sform was used")
        else:
            far = np.abs(other - affine).max()
            if not far <= 1e-2 * np.linalg.norm(affine[:3, :3], axis=0).max():
                notes.append(f"sform and qform disagree by up to {far:.3g}; the sform was used")
    try:
        unit = header.get_xyzt_units()[0]
    except KeyError as error:
        msg = f"{path}: its xyzt_units is {int(header['xyzt_units'])}, which NIfTI does not define; correct the header"
        raise IpiuError(msg) from error
    if unit == "unknown":
        notes.append("the header does not state the unit of length; mm is taken")
    scale = np.diag([MM[unit]] * 3 + [1.0])
    return scale @ affine


def _raw_header(path: Path):
    """The NIfTI header as the file has it, or None; nibabel repairs some fields while it loads."""
    name = path.name.replace(".img", ".hdr") if path.name.endswith((".img", ".img.gz")) else path.name
    file = path.with_name(name)
    try:
        with gzip.open(file) if file.suffix.lower() == ".gz" else file.open("rb") as stream:
            block = stream.read(HEADER_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        msg = f"{path}: its header cannot be read ({reason(error)}); copy it again from its source"
        raise IpiuError(msg) from error
    for kind in (nib.Nifti1Header, nib.Nifti2Header):
        if kind.may_contain_header(block):
            return kind(block[: kind.template_dtype.itemsize], check=False)
    return None


def _raw_sizes(image, raw) -> np.ndarray:
    """Voxel sizes along the axes of space, not repaired."""
    if raw is None:
        return np.asarray(image.header["delta"], dtype=np.float64)
    return np.asarray(raw["pixdim"][1 : min(3, len(image.shape)) + 1], dtype=np.float64)


def _values(image, shape: tuple[int, ...], path: Path, labels) -> tuple[np.ndarray, bool]:
    """The voxels channel first, and whether they are colours."""
    dtype = image.get_data_dtype()
    if dtype.kind == "c":
        msg = f"{path}: its values are complex numbers; save magnitude and phase as two files"
        raise IpiuError(msg)
    rgb = dtype.fields is not None
    if rgb and not {"R", "G", "B"} <= set(dtype.fields):
        msg = f"{path}: its values have the type {dtype}, which is not an image; convert it to a numeric type"
        raise IpiuError(msg)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stored = np.asanyarray(image.dataobj, dtype=None if rgb or labels is not None else np.float32)
    except Exception as error:  # torn gzip members raise EOFError, OSError, zlib.error or ValueError
        msg = f"{path}: its voxels cannot be read ({reason(error)}); the file is torn, copy it again"
        raise IpiuError(msg) from error
    stored = stored.reshape(shape)
    if rgb:
        return np.ascontiguousarray(np.stack([stored[c][..., 0, 0] for c in "RGB"])), True
    channels = np.moveaxis(stored.reshape(*shape[:3], -1), -1, 0)
    if labels is not None:
        return np.ascontiguousarray(_integers(channels, path)), False
    with np.errstate(over="ignore"):  # what float32 cannot hold turns infinite, which is noted
        return np.ascontiguousarray(channels, dtype=np.float32), False


def _integers(stored: np.ndarray, path: Path) -> np.ndarray:
    """A label map in the smallest of the integer types a viewer can take."""
    if stored.dtype.kind == "f" and not np.array_equal(stored, np.round(stored)):
        value = stored[stored != np.round(stored)].flat[0]
        msg = f"{path}: labels were given, but it holds the value {value:g}; a label map has whole numbers only"
        raise IpiuError(msg)
    for dtype in (np.uint8, np.int16, np.int32):
        if np.iinfo(dtype).min <= stored.min() and stored.max() <= np.iinfo(dtype).max:
            return stored.astype(dtype)
    msg = f"{path}: its labels go from {stored.min():g} to {stored.max():g}, beyond 32 bits; number them anew"
    raise IpiuError(msg)


def _repetition(image) -> dict[str, float]:
    """Seconds from one volume to the next, where the header states them."""
    if not isinstance(image, nib.Nifti1Pair):
        return {}
    code = int(image.header["xyzt_units"]) & 0x38
    seconds = {8: "sec", 16: "msec", 24: "usec"}.get(code)
    step = float(image.header["pixdim"][4])
    return {"repetition_time": step * SECONDS[seconds]} if seconds and 0 < step < math.inf else {}


def _listed(values: np.ndarray) -> str:
    """Numbers for a sentence."""
    return " x ".join(f"{value:g}" for value in values)


def _stem(path: Path) -> str:
    """The file's name without its endings."""
    return path.name.removesuffix(".gz").rsplit(".", 1)[0] or path.name
