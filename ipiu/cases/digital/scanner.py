"""What a CT scanner does to the anatomy: the blur of its kernel, and noise that the kernel colours."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from ipiu.cases.digital.grid import Grid
from ipiu.cases.digital.site import Site

_REFERENCE = 27.0  # mm³: a site's noise is stated for voxels of 3 mm


def scan(hu: np.ndarray, grid: Grid, bmi: float, rng: np.random.Generator, site: Site) -> np.ndarray:
    """Blur and noise of a scan, in int16 HU from -1024 to 3071.

    Noise falls with the root of the voxel's volume, and rises with the size of the body: a large patient lets fewer
    photons through, although the tube's current is raised for them.
    """
    blur = [site.ct_kernel / step for step in grid.spacing]
    out = gaussian_filter(hu, blur, mode="nearest", truncate=3) if max(blur) > 0.1 else hu
    noise = rng.standard_normal(hu.shape, dtype=np.float32)
    colour = [0.9 * site.ct_kernel / step for step in grid.spacing]
    if max(colour) > 0.25:
        noise = gaussian_filter(noise, colour, mode="wrap", truncate=3)
        noise *= np.float32(np.prod([_gain(width) for width in colour]))
    level = site.ct_noise * (_REFERENCE / float(np.prod(grid.spacing))) ** 0.5 * np.clip(bmi / 26, 0.7, 1.7) ** 0.6
    # more noise in the middle of the body, less in the air around it
    across = (grid.x / 190) ** 2 + (grid.y / 150) ** 2
    noise *= np.float32(level) * np.maximum(1.12 - 0.30 * across, 0.55)
    out = out + noise
    return np.clip(np.rint(out), -1024, 3071).astype(np.int16)


def _gain(width: float) -> float:
    """What brings white noise back to its standard deviation after a Gaussian filter of ``width`` voxels."""
    reach = int(3 * width + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    weights /= weights.sum()
    return float((weights**2).sum() ** -0.5)
