"""Small files in the exact layouts of the segmentation benchmarks."""

import nibabel as nib
import numpy as np

# oblique, anisotropic and off the origin, so that a lost or swapped axis shows
AFFINE = np.array([[-0.8, 0.1, 0.0, 40.5], [0.05, -0.9, 0.3, -12.25], [0.0, 0.2, 2.5, 7.0], [0, 0, 0, 1.0]])
SHAPE = (6, 5, 4)


def ct(seed=0, shape=SHAPE):
    """Integers that could be HU."""
    return np.random.default_rng(seed).integers(-1000, 1500, shape).astype(np.int16)


def label_map(seed=0, most=2, shape=SHAPE):
    """Integers from 0 to ``most``, each at least once."""
    values = np.random.default_rng(seed).integers(0, most + 1, shape).astype(np.uint8)
    values.flat[: most + 1] = range(most + 1)
    return values


def write_nifti(path, values, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)
    return path
