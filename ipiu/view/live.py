"""Live viewers in JupyterLab: ipyniivue by default, itkwidgets on request."""

from __future__ import annotations

import sys
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import numpy as np

from ipiu.errors import require
from ipiu.view import page, still, store
from ipiu.view.layers import rgb

if TYPE_CHECKING:
    from ipiu.view.layers import Layer
    from ipiu.view.volume import Viewer

PATIENCE = 2.0  # seconds to wait for the web page of itkwidgets


def bundle(viewer: Viewer, picture: dict[str, Any]) -> dict[str, Any]:
    """What a notebook shows: the live widget, and the still ``picture`` where a front end has no widgets."""
    if not in_kernel():
        return picture
    message = None
    if viewer.backend == "itk":
        message = itk_problem()
        if message is None:
            show_itk(viewer)
            return {"text/plain": picture["text/plain"]}
    try:
        box = _framed(viewer, message)
    except ImportError as error:
        return {**picture, "text/html": page.notice(str(error)) + picture["text/html"]}
    shown = {**picture, "text/html": page.notice(message) + picture["text/html"]}
    return {**box._repr_mimebundle_(), **shown}


def in_kernel() -> bool:
    """Whether a Jupyter kernel runs this code, so that a widget can reach somebody."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None


def niivue(viewer: Viewer) -> Any:
    """The ipyniivue widget of a viewer; it holds the volumes, so it is no way to publish them.

    Raises
    ------
    ImportError
        Where ipyniivue is not installed.
    """
    ipy = require("ipyniivue", extra="lab")
    widget = ipy.NiiVue(
        height=520,
        slice_type=ipy.SliceType["MULTIPLANAR" if viewer.mode == "multi" else viewer.mode.upper()],
        multiplanar_layout=ipy.MultiplanarType.GRID,
        multiplanar_show_render=ipy.ShowRender.ALWAYS,
        is_radiological_convention=True,
        sagittal_nose_left=True,
        is_force_mouse_click_to_voxel_centers=True,
        drag_and_drop_enabled=False,
        crosshair_width=0.4,
        crosshair_color=(1.0, 0.82, 0.29, 0.7),
        log_level="silent",
    )
    volumes = [ipy.Volume(**_volume(viewer, layer)) for layer in (viewer.image, *viewer.overlays)]
    for volume, layer in zip(volumes[1:], viewer.overlays, strict=True):
        if layer.kind == "labels":
            volume.set_colormap_label(_label_colours(layer))
    widget.load_volumes(volumes)
    widget.scene.render_azimuth, widget.scene.render_elevation = 215.0, 15.0
    widget.scene.crosshair_pos = viewer.share

    names = {volume.name: layer for volume, layer in zip(volumes, (viewer.image, *viewer.overlays), strict=True)}

    @widget.on_image_loaded
    def paint(volume):
        # a front end takes colours of ours only when it has drawn the volume
        layer = names[volume.name]
        if layer.kind == "probability":
            red, green, blue = rgb(layer.colours[1])
            colours = {"R": [red] * 2, "G": [green] * 2, "B": [blue] * 2, "A": [0, 255], "I": [0, 255]}
            widget.add_colormap(f"ipiu{layer.colours[1][1:]}", colours)
            volume.colormap = f"ipiu{layer.colours[1][1:]}"

    return widget


def itk_problem() -> str | None:
    """What keeps itkwidgets from showing an image, in one sentence, or None."""
    instead = "the NiiVue viewer is shown instead"
    try:
        address = import_module("itkwidgets.viewer").ITK_VIEWER_SRC
    except Exception as error:  # its import asks for several packages and fails in ways of its own
        reason = str(error).strip().rstrip(".").split("\n")[0]
        return f'itkwidgets cannot be used here ({reason}); run: pip install "ipiu[lab]"; {instead}'
    if not reachable(address):
        return f"itkwidgets loads its viewer from {address}, which cannot be reached from here; {instead}"
    return None


def reachable(address: str) -> bool:
    """Whether a web page answers within two seconds; name look-ups that hang are left behind."""
    answers = []

    def ask():
        try:
            with urlopen(Request(address, method="HEAD"), timeout=PATIENCE) as answer:
                answers.append(answer.status < 400)
        except (OSError, ValueError):
            answers.append(False)

    if not address.startswith(("http://", "https://")):
        return False
    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return bool(answers and answers[0])


def show_itk(viewer: Viewer) -> Any:
    """Show the image and its first label map with itkwidgets, which puts itself below the cell."""
    itkwidgets, ngff = import_module("itkwidgets"), import_module("ngff_zarr")
    image, overlays = still.canonical(viewer.image), [still.canonical(layer) for layer in viewer.overlays]
    centre, width = viewer.window
    options = {"image": _ngff(image, ngff), "vmin": centre - width / 2, "vmax": centre + width / 2}
    for layer in overlays:
        if layer.kind == "labels" and layer.voxels.shape == image.voxels.shape:
            options |= {"label_image": _ngff(layer, ngff), "label_names": list(layer.labels.items())}
            break
    return itkwidgets.view(**options)


def _framed(viewer: Viewer, message: str | None) -> Any:
    """The widget with its legend and caption below it."""
    ipywidgets = require("ipywidgets", extra="lab")
    words = page.notice(message) + page.legend(viewer.overlays) + page.caption(viewer)
    return ipywidgets.VBox([viewer.widget, ipywidgets.HTML(words)])


def _volume(viewer: Viewer, layer: Layer) -> dict[str, Any]:
    """The arguments of ipyniivue's Volume for one layer."""
    volume = store.encode(layer)
    told = {"data": volume.packed(), "name": f"{volume.key}.nii.gz", "colorbar_visible": False}
    if layer.kind == "image":
        centre, width = viewer.window
        return {**told, "colormap": "gray", "cal_min": centre - width / 2, "cal_max": centre + width / 2}
    if layer.kind == "probability":
        # opacity grows with the square of the probability up to cal_min
        below = require("ipyniivue", extra="lab").ColormapType.ZERO_TO_MAX_TRANSLUCENT_BELOW_MIN
        told |= {"colormap": "warm", "cal_min": 0.999, "cal_max": 1.0, "colormap_type": below}
    return {**told, "opacity": still.OVERLAY}


def _label_colours(layer: Layer) -> dict[str, list]:
    """NiiVue's table of a label map: transparent background, one colour and name a label."""
    colours = [rgb(layer.colours[value]) for value in layer.labels]
    red, green, blue = ([0, *channel] for channel in zip(*colours, strict=True)) if colours else ([0], [0], [0])
    return {
        "R": red,
        "G": green,
        "B": blue,
        "A": [0] + [255] * len(colours),
        "I": [0, *layer.labels],
        "labels": ["", *layer.labels.values()],
    }


def _ngff(layer: Layer, ngff: Any) -> Any:
    """A layer with canonical axes as an NGFF image (z, y, x) in ITK's space, where x runs left and y back."""
    voxels = np.ascontiguousarray(layer.voxels[::-1, ::-1].T)
    spacing = np.sqrt((layer.affine[:3, :3] ** 2).sum(axis=0))
    last = layer.affine @ [layer.voxels.shape[0] - 1, layer.voxels.shape[1] - 1, 0, 1]
    scale = dict(zip("xyz", map(float, spacing), strict=True))
    corner = {"x": -float(last[0]), "y": -float(last[1]), "z": float(last[2])}
    return ngff.to_ngff_image(voxels, dims=["z", "y", "x"], scale=scale, translation=corner)
