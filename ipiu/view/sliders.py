"""The live form of slices: sliders for position and window in JupyterLab."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ipiu.errors import require
from ipiu.view import planes
from ipiu.view.slices import Tile, sheet

if TYPE_CHECKING:
    from ipiu.view.slices import Slices


def wanted(shown: Slices) -> bool:
    """Whether there is something to slide through or to window, and widgets to do it with."""
    if shown.image is None or find_spec("ipywidgets") is None:
        return False
    stack = shown.tiles[0].stack
    return len(stack) > 1 or len(stack.channels) == 1


def box(shown: Slices) -> Any:
    """Sliders above one slice of the image.

    Returns
    -------
    ipywidgets.VBox
        first the controls, last the picture as HTML

    Raises
    ------
    ImportError
        Where ipywidgets is not installed.
    """
    widgets = require("ipywidgets", extra="lab")
    start = shown.tiles[len(shown.tiles) // 2]
    stacks = _stacks(shown, start.stack)
    centre, width = start.stack.window
    lowest, highest = _range(start.stack)
    step = max((highest - lowest) / 500, 1e-6)
    lively = {"continuous_update": True, "style": {"description_width": "4.5rem"}}
    axis = widgets.Dropdown(options=list(stacks), value=start.stack.plane, description="axis", style=lively["style"])
    place = widgets.IntSlider(start.index, 0, len(start.stack) - 1, description="slice", readout=False, **lively)
    level = widgets.FloatSlider(
        centre, min=min(lowest, centre), max=max(highest, centre), step=step, description="centre", **lively
    )
    reach = widgets.FloatSlider(
        width, min=step, max=max(2 * (highest - lowest), width), step=step, description="width", **lively
    )
    picture = widgets.HTML()

    def draw(_=None):
        stack = stacks[axis.value]
        tile = Tile(stack, place.value, stack.place(place.value))
        picture.value = sheet([tile], columns=1, title=shown.title, alt=shown.alt, window=(level.value, reach.value))

    def turn(change):
        # the range first: ipywidgets refuses a value outside of it
        place.max = len(stacks[change["new"]]) - 1
        place.value = place.max // 2
        draw()

    axis.observe(turn, "value")
    for control in (place, level, reach):
        control.observe(draw, "value")
    draw()
    controls = [axis] if len(stacks) > 1 else []
    controls += [place] if len(start.stack) > 1 else []
    controls += [level, reach] if len(start.stack.channels) == 1 else []
    return widgets.VBox([*controls, picture])


def _stacks(shown: Slices, first: planes.Stack) -> dict[str, planes.Stack]:
    """The stack of every axis that has slices to show."""
    if first.plane == planes.PICTURE or min(first.channels[0].voxels.shape) == 1:
        return {first.plane: first}
    return {axis: planes.stack(shown.image, shown.mask, axis=axis, window=first.window) for axis in planes.AXES}


def _range(stack: planes.Stack) -> tuple[float, float]:
    """Smallest and largest value of the image."""
    voxels = stack.channels[0].voxels
    return float(voxels.min()), float(voxels.max())
