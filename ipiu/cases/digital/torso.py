"""CT of the trunk of a digital patient, from the lower neck to the iliac crests, with its label map."""

from __future__ import annotations

import numpy as np
import torch
from monai.data import MetaTensor

from ipiu.cases.digital.abdomen import paint_abdomen
from ipiu.cases.digital.anatomy import draw_anatomy
from ipiu.cases.digital.bowel import paint_bowel
from ipiu.cases.digital.grid import Canvas, make_grid
from ipiu.cases.digital.heart import lay, mediastinum, paint_heart
from ipiu.cases.digital.lesions import paint_lesions
from ipiu.cases.digital.lungs import paint_diaphragm, paint_lungs
from ipiu.cases.digital.plan import make_plan
from ipiu.cases.digital.scanner import scan
from ipiu.cases.digital.site import REFERENCE, Site, find_site
from ipiu.cases.digital.skeleton import paint_skeleton
from ipiu.cases.digital.state import State
from ipiu.cases.digital.tissues import LABELS
from ipiu.cases.digital.trunk import paint_trunk
from ipiu.errors import IpiuError

__all__ = ["LABELS", "VIEW", "make_torso"]

# field of view: left to right, back to front, foot to head (mm)
VIEW = (432.0, 432.0, 480.0)
_FINEST, _COARSEST = 1.0, 12.0


def make_torso(
    state: State,
    rng: np.random.Generator,
    *,
    spacing: float | tuple[float, float, float] = 3.0,
    site: Site | str = REFERENCE,
) -> tuple[MetaTensor, MetaTensor]:
    """Make a CT of the trunk of a supine patient with raised arms, and its label map.

    Parameters
    ----------
    state
        the patient; severities, sides, lobes and lesions all show
    rng
        the patient's own random numbers, from ``stream(seed, index, "torso")``. The anatomy is drawn before any
        noise, so that it is the same at every spacing and every site.
    spacing
        edge of the voxels in mm, one number or three (left to right, back to front, foot to head); the field of view
        is always 432 x 432 x 480 mm
    site
        whose scanner it is: noise and kernel

    Returns
    -------
    ct
        (1, i, j, k) int16 in HU, from -1024 to 3071; ``affine`` takes (i, j, k) to RAS+ mm
    labels
        (1, i, j, k) uint8 on the same grid; ``meta["labels"]`` is :data:`LABELS`

    Raises
    ------
    IpiuError
        Where the spacing is finer than 1 mm or coarser than 12 mm.

    Examples
    --------
    >>> from ipiu.cases.digital.state import draw_state
    >>> from ipiu.cases.digital.streams import stream
    >>> ct, labels = make_torso(draw_state(0, 7), stream(0, 7, "torso"), spacing=(4.5, 4.5, 5))
    >>> ct.shape
    torch.Size([1, 96, 96, 96])
    """
    steps = _steps(spacing)
    shape, course, noise = (np.random.default_rng(int(seed)) for seed in rng.integers(2**63, size=3))
    anatomy = draw_anatomy(state, shape)
    plan = make_plan(anatomy, course)
    canvas = Canvas.blank(make_grid(VIEW, steps))
    wall = paint_trunk(canvas, anatomy)
    paint_bowel(canvas, anatomy, course)
    paint_abdomen(canvas, anatomy, plan, wall)
    paint_diaphragm(canvas, anatomy, wall)
    tubes = lay(anatomy, canvas.grid, plan.heart)
    tissue = mediastinum(anatomy, canvas.grid, plan.heart, tubes)
    paint_lungs(canvas, anatomy, plan, wall, tissue)
    paint_skeleton(canvas, anatomy, wall)
    paint_heart(canvas, anatomy, plan.heart, tubes)
    del wall, tissue, tubes
    paint_lesions(canvas, anatomy, plan.spots, course)
    hu = scan(canvas.hu, canvas.grid, state.bmi, noise, find_site(site))
    return _volumes(canvas, hu, steps)


def _steps(spacing: float | tuple[float, float, float]) -> tuple[float, float, float]:
    """Three spacings."""
    steps = tuple(float(step) for step in np.broadcast_to(spacing, 3))
    if not all(_FINEST <= step <= _COARSEST for step in steps):
        msg = f"spacing={spacing!r} must be {_FINEST:g} to {_COARSEST:g} mm; 3 is the usual one, 1.5 is fine"
        raise IpiuError(msg)
    return steps


def _volumes(canvas: Canvas, hu: np.ndarray, steps: tuple[float, float, float]) -> tuple[MetaTensor, MetaTensor]:
    """The CT and its label map as MetaTensors."""
    affine = np.diag([*steps, 1.0])
    affine[:3, 3] = [float(axis.flat[0]) for axis in (canvas.grid.x, canvas.grid.y, canvas.grid.z)]
    meta = {"modality": "CT", "unit": "HU", "name": "ct"}
    ct = MetaTensor(torch.from_numpy(hu[None]), affine=torch.from_numpy(affine), meta=meta)
    meta = {"modality": "CT", "unit": "label", "name": "ct labels", "labels": dict(LABELS)}
    labels = MetaTensor(torch.from_numpy(canvas.labels[None]), affine=torch.from_numpy(affine), meta=meta)
    return ct, labels
