"""The figure of a page: a still picture with caption and legend, and what the script needs to bring it to life."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING

from ipiu.errors import IpiuError
from ipiu.view import still, store
from ipiu.view.layers import PRESETS

if TYPE_CHECKING:
    from ipiu.view.layers import Layer
    from ipiu.view.volume import Viewer

OPENS = ("view", "now", "click")


def figure(viewer: Viewer, *, folder: str | None, opens: str = "view") -> str:
    """The HTML of a viewer; with a ``folder``, its volumes are written there and the figure can come to life.

    Parameters
    ----------
    viewer
        the layers and their caption; every text of it is escaped
    folder
        where the pages' files are gathered; volumes go to ``folder/volumes/<key>.js``
    opens
        ``"view"``, ``"now"`` or ``"click"``: when the figure comes to life
    """
    if opens not in OPENS:
        msg = f"opens is {opens!r}; choose one of {', '.join(OPENS)}"
        raise IpiuError(msg)
    live = ""
    if folder:
        settings = json.dumps(_settings(viewer, f"{folder}/volumes"), separators=(",", ":"))
        live = f' data-ipiu-view="{escape(settings)}" data-ipiu-open="{opens}"'
    width, height = viewer.still.size
    picture = (
        f'<img class="ipiu-view-still" src="{viewer.still.uri}" width="{width}" height="{height}" '
        f'alt="{escape(viewer.alt)}" style="max-width:100%;height:auto;background:#000">'
    )
    return (
        f'<figure class="ipiu-view"{live}>'
        f'<div class="ipiu-view-stage" style="--ipiu-ratio:{width / height:.4f}">{picture}</div>'
        f"{legend(viewer.overlays)}<figcaption>{caption(viewer)}</figcaption></figure>"
    )


def notice(message: str | None) -> str:
    """A sentence above a figure, or nothing."""
    return f'<p class="ipiu-view-notice">{escape(message)}</p>' if message else ""


def _settings(viewer: Viewer, folder: str) -> dict:
    """What the page's script reads; writes the volumes."""
    return {
        "title": viewer.title,
        "image": _layer(viewer.image, folder),
        "overlays": [_layer(layer, folder) for layer in viewer.overlays],
        "window": viewer.window,
        "point": viewer.point,
        "mode": viewer.mode,
        "planes": still.planes(viewer._canonical[0].voxels.shape),
        "opacity": still.OVERLAY,
        "presets": PRESETS if viewer.image.unit == "HU" else {},
    }


def _layer(layer: Layer, folder: str) -> dict:
    """One layer for the script."""
    key = store.write_script(store.encode(layer), folder).stem
    told = {"key": key, "kind": layer.kind, "unit": layer.unit, "name": layer.name}
    if layer.kind != "image":
        told["labels"] = [[value, name, layer.colours[value]] for value, name in layer.labels.items()]
    return told


def legend(overlays: list[Layer]) -> str:
    """Swatch and name of everything that is drawn over the image."""
    items = "".join(
        f'<li><span class="ipiu-view-swatch" style="display:inline-block;width:.8em;height:.8em;'
        f'margin-right:.4em;background:{layer.colours[value]}"></span>{escape(name)}</li>'
        for layer in overlays
        for value, name in layer.labels.items()
    )
    return f'<ul class="ipiu-view-legend" style="list-style:none;padding:0">{items}</ul>' if items else ""


def caption(viewer: Viewer) -> str:
    """Title, window, and what was left out."""
    layers = (viewer.image, *viewer.overlays)
    said = [note if layer is viewer.image else f"{layer.name}: {note}" for layer in layers for note in layer.notes]
    if viewer.image.unit == "HU":
        centre, width = viewer.window
        said.insert(0, f"window: level {centre:g}, width {width:g} HU")
    if not said:
        return escape(viewer.title)
    return f"{escape(viewer.title)}<small> {escape('; '.join(said))}</small>"
