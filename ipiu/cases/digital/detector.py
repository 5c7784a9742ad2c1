"""A digital detector of X-rays: scatter, grid, unsharpness, quantum noise, and the picture that is shown."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter


class Plate(NamedTuple):
    """What stands between patient and picture.

    ``scatter`` is the share of scattered radiation that comes through, relative to the primary; ``unsharpness`` that
    of focal spot, movement and scintillator on the detector (mm, standard deviation).
    """

    scatter: float
    unsharpness: float


PLATES = {
    # a 12:1 grid lets through about a fifth of the scatter for the primary it passes, which makes the scatter fraction
    # about a half in the mediastinum (Niklason et al. 1981, doi:10.1118/1.595027)
    "pa": Plate(0.2, 0.25),
    # no grid; long exposure of a patient who breathes, larger focal spot
    "ap": Plate(1.0, 0.6),
}
# Photons scattered towards the detector for each one that passes and each unit of the line integral, and how far they
# spread (mm, standard deviation): chosen for scatter fractions without a grid of a half or more behind the lungs and
# 0.8 to 0.9 behind the mediastinum (Niklason et al. 1981).
SCATTER = 0.7
SPREAD = 35.0
# Photons a pixel through air at the reference dose: 2.5 uGy behind the lungs, 30 000 photons/(mm2 uGy) (IEC 62220-1,
# RQA5), a transmission of a tenth there, detective quantum efficiency 0.6, detector elements of 0.2 mm. Pixels here
# are larger, but are taken as read from one element and not as a mean of many, so that noise has the strength that a
# reader sees at full resolution.
PHOTONS = 18_000
# Digital systems raise what is smaller than a rib's width: by how much, and the scale of it (mm, standard deviation)
DETAIL, DETAIL_SCALE = 0.7, 10.0
# highest grey level: 12 bit
WHITE = 4095


def expose(lines: np.ndarray, *, view: str, pixel: float) -> np.ndarray:
    """What reaches the detector, relative to the beam through air: primary and scatter.

    Parameters
    ----------
    lines
        (row, column) line integrals inside the collimated field; nothing outside it scatters into it
    view
        ``"pa"`` (grid) or ``"ap"`` (none)
    pixel
        mm between pixels

    Returns
    -------
    numpy.ndarray
        (row, column) float64, above 0
    """
    plate = PLATES[view]
    lines = np.asarray(lines, dtype=np.float64)
    primary = gaussian_filter(np.exp(-lines), plate.unsharpness / pixel, mode="nearest")
    return primary + plate.scatter * scattered(lines, pixel=pixel)


def scattered(lines: np.ndarray, *, pixel: float) -> np.ndarray:
    """Scatter without a grid: each ray scatters in proportion to what passes and to the matter it passed."""
    return SCATTER * gaussian_filter(lines * np.exp(-lines), SPREAD / pixel, mode="constant", truncate=3.0)


def count(exposed: np.ndarray, photons: float, rng: np.random.Generator) -> np.ndarray:
    """Exposure as it is measured with ``photons`` a pixel through air: Poisson counts over ``photons``, above 0."""
    return np.maximum(rng.poisson(exposed * photons), 0.5) / photons


def find_shades(exposed: np.ndarray) -> tuple[float, float]:
    """The darkest and the brightest shade of interest, a shade being minus the logarithm of the exposure.

    From percentiles of the upper middle of the field, where lungs and mediastinum lie, as digital systems do.
    """
    rows, columns = exposed.shape
    shade = -np.log(exposed[rows // 8 : rows * 5 // 8, columns // 6 : columns * 5 // 6])
    dark, bright = np.percentile(shade, (2.0, 99.0))
    reach = max(bright - dark, 0.5)
    # room for what is brighter still: the upper abdomen
    return float(dark), float(dark + 1.25 * reach)


def develop(exposed: np.ndarray, shades: tuple[float, float], *, pixel: float) -> np.ndarray:
    """Grey levels, uint16 from 0 to 4095, of an exposure.

    Its shade s = -ln(exposed) is sharpened, s + `DETAIL` (s - blurred s), the blur being a Gaussian of `DETAIL_SCALE`
    mm; the level is 4095 / (1 + exp(-4 (s - centre) / width)), rounded, the sigmoid of DICOM (PS3.3 C.11.2.1.3.1) with
    the centre and the width of the interval from ``shades[0]`` to ``shades[1]``. Film had such a curve.
    """
    shade = -np.log(exposed)
    shade += DETAIL * (shade - gaussian_filter(shade, DETAIL_SCALE / pixel, mode="nearest", truncate=3.0))
    centre, width = (shades[0] + shades[1]) / 2, shades[1] - shades[0]
    return np.rint(WHITE / (1 + np.exp(-4 * (shade - centre) / width))).astype(np.uint16)
