"""The organs of a digital torso: parts joined, findings given back to the organ they lie in."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt

from ipiu.cases.digital.tissues import CODE

LOBES = tuple(
    f"{side} lung {place}"
    for side, places in (("right", ("upper", "middle", "lower")), ("left", ("upper", "lower")))
    for place in (f"{name} lobe" for name in places)
)
# organ -> the tissues it is made of; what is not named here is background
PARTS = {
    "spine": ("spine", "spinal canal"),
    **{name: (name,) for name in ("ribs", "sternum", "scapula", "clavicle", "humerus", "pelvis")},
    **{lobe: (lobe,) for lobe in LOBES},
    "trachea": ("trachea",),
    "heart": ("heart muscle", "left ventricle", "right ventricle", "left atrium", "right atrium"),
    **{name: (name,) for name in ("aorta", "inferior vena cava", "pulmonary artery")},
    "liver": ("liver", "liver lesion"),
    **{name: (name,) for name in ("spleen", "right kidney", "left kidney", "stomach", "bowel", "gallbladder")},
    "pleural effusion": ("pleural effusion right", "pleural effusion left"),
}
ORGANS = dict(enumerate(PARTS, start=1))
# finding -> the organs one of which it lies in
_HOSTS = {
    "consolidation": LOBES,
    "lung nodule": LOBES,
    "kidney stone": ("right kidney", "left kidney"),
}


def organs(tissues: np.ndarray) -> np.ndarray:
    """The label map of organs behind one of tissues.

    A consolidation or a nodule belongs to the nearest lobe, a stone to the nearest kidney and a liver lesion to the
    liver. Water in the pleural space is no part of the lung: it has a label of its own. Air there is background, as
    it is outside the body.

    Parameters
    ----------
    tissues
        values of :data:`ipiu.cases.digital.tissues.LABELS`, any shape (i, j, k)

    Returns
    -------
    ndarray
        values of :data:`ORGANS`, uint8, of the same shape

    Examples
    --------
    >>> from ipiu.cases.digital.organs import ORGANS, organs
    >>> ORGANS[organs(np.array([[[33]]]))[0, 0, 0]]
    'heart'
    """
    tissues = np.asarray(tissues)
    table = np.zeros(256, np.uint8)
    for value, name in ORGANS.items():
        table[[CODE[part] for part in PARTS[name]]] = value
    found = table[tissues]
    for finding, hosts in _HOSTS.items():
        inside = tissues == CODE[finding]
        if inside.any():
            _give_back(found, inside, [value for value, name in ORGANS.items() if name in hosts])
    return found


def _give_back(found: np.ndarray, inside: np.ndarray, hosts: list[int]) -> None:
    """Label the voxels of a finding as the nearest of its hosts, where the volume has one."""
    host = np.isin(found, hosts)
    if not host.any():
        return
    nearest = distance_transform_edt(~host, return_distances=False, return_indices=True)
    found[inside] = found[tuple(axis[inside] for axis in nearest)]
