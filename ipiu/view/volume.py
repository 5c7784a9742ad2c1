"""The viewer object: one volume with its overlays, shown as a page figure or as a live widget."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from ipiu.errors import IpiuError
from ipiu.view import still
from ipiu.view.layers import Layer, default_window, image_layer, mask_layers, stated_window

MODES = ("multi", "axial", "coronal", "sagittal", "render")
BACKENDS = ("niivue", "itk")


class Viewer:
    """A volume to look at; made by :func:`ipiu.view`.

    Attributes
    ----------
    image
        the :class:`~ipiu.view.layers.Layer` that is shown, in the axes it came in
    overlays
        the layers over it
    window
        (centre, width) in the image's unit
    title, alt, mode, backend
        as given to :func:`ipiu.view`

    Examples
    --------
    >>> import ipiu
    >>> viewer = ipiu.view(ipiu.open("sample:mni152").images["t1"])
    >>> viewer.point
    (0.0, -18.0, 9.0)
    """

    def __init__(
        self,
        image: Layer,
        overlays: list[Layer],
        *,
        window: tuple[float, float],
        title: str,
        alt: str | None = None,
        backend: str = "niivue",
        mode: str = "multi",
    ):
        self.image, self.overlays, self.window = image, overlays, window
        self.title, self.backend, self.mode = title, backend, mode
        self.alt = alt or self._described()

    @cached_property
    def _canonical(self) -> tuple[Layer, list[Layer]]:
        """The layers with axes nearest to right, anterior, superior."""
        return still.canonical(self.image), [still.canonical(layer) for layer in self.overlays]

    @cached_property
    def _voxel(self) -> tuple[int, int, int]:
        """The voxel of the canonical image that the planes go through at first."""
        return still.telling_point(*self._canonical, self.window)

    @property
    def point(self) -> tuple[float, float, float]:
        """Where the planes cross at first, in RAS+ mm."""
        place = self._canonical[0].affine @ [*self._voxel, 1]
        return tuple(round(float(v), 3) for v in place[:3])

    @property
    def share(self) -> list[float]:
        """The same place as shares from 0 to 1 of the grid's length along right, anterior and superior."""
        return [(n + 0.5) / size for n, size in zip(self._voxel, self._canonical[0].voxels.shape, strict=True)]

    @cached_property
    def still(self) -> still.Still:
        """The still picture: encoded bytes, type and size."""
        return still.draw(*self._canonical, self.window, self._voxel)

    @cached_property
    def widget(self) -> Any:
        """The live ipyniivue widget, for its own API, such as ``viewer.widget.on_location_change(...)``."""
        from ipiu.view import live

        return live.niivue(self)

    def to_html(self, *, opens: str = "view") -> str:
        """The figure of a page; the script beside the pages brings it to life.

        Parameters
        ----------
        opens
            ``"view"`` a moment after it is scrolled into view, ``"now"`` as soon as it is visible, or ``"click"``
        """
        from ipiu.view import page

        return page.figure(self, folder=os.environ.get("IPIU_PAGES"), opens=opens)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        bundle = {"text/plain": repr(self), "text/html": self.to_html()}
        if os.environ.get("IPIU_PAGES"):
            return bundle
        from ipiu.view import live

        return live.bundle(self, bundle)

    def __repr__(self) -> str:
        size = " x ".join(str(n) for n in self.image.voxels.shape)
        names = ", ".join(layer.name for layer in self.overlays)
        return f"Viewer({size}{', overlays: ' + names if names else ''})"

    def _described(self) -> str:
        """What the picture shows, in words."""
        shown = still.planes(self._canonical[0].voxels.shape)
        what = f"{shown[0]} slice" if len(shown) == 1 else "coronal, sagittal and axial planes and a surface rendering"
        names = [name for layer in self.overlays for name in layer.labels.values()]
        over = f", overlaid with {', '.join(names[:8])}{' and more' if len(names) > 8 else ''}" if names else ""
        return f"{self.title}: {what}{over}"


def make(
    image: Any,
    mask: Any = None,
    *,
    labels: Mapping[int, str] | None,
    window: tuple[float, float] | str | None,
    unit: str | None,
    title: str | None,
    alt: str | None,
    backend: str,
    mode: str,
) -> Viewer:
    """Check what :func:`ipiu.view` was given and build the viewer; its arguments are described there."""
    if backend not in BACKENDS:
        msg = f"backend {backend!r} is unknown; choose one of {', '.join(BACKENDS)}"
        raise IpiuError(msg)
    if mode not in MODES:
        msg = f"mode {mode!r} is unknown; choose one of {', '.join(MODES)}"
        raise IpiuError(msg)
    layer = image_layer(image, unit=unit)
    overlays = mask_layers(mask, layer, labels=labels)
    shades = default_window(layer, image.meta) if window is None else stated_window(window, layer.unit)
    shades = tuple(float(np.float32(n)) for n in shades)
    return Viewer(layer, overlays, window=shades, title=title or layer.name, alt=alt, backend=backend, mode=mode)
