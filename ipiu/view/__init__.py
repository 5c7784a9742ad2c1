"""Looking at images: ``ipiu.view(image)`` itself, and ``view.slices``, ``view.ecg``, ``view.survival``,
``view.chart``, ``view.table`` and ``view.click``.

The module can be called, so that the verb reads as one: ``ipiu.view(image, mask)``. The drawing code is imported on
first use.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monai.data import MetaTensor

    from ipiu.view.volume import Viewer

__all__ = ["chart", "click", "ecg", "figure", "slices", "survival", "table"]


class _Lazy:
    """A name of this module that lives in the file of the same name."""

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, module, owner=None):
        home = import_module(f"ipiu.view.{self.name}")
        return getattr(home, self.name, home)

    def __set__(self, module, value):
        """Importing the file would put the file here in place of the function; the function stays."""


class _View(ModuleType):
    slices = _Lazy()
    ecg = _Lazy()
    survival = _Lazy()
    figure = _Lazy()
    chart = _Lazy()
    table = _Lazy()
    click = _Lazy()

    def __call__(
        self,
        image: MetaTensor,
        mask: MetaTensor | Mapping[str, MetaTensor] | None = None,
        *,
        labels: Mapping[int, str] | None = None,
        window: tuple[float, float] | str | None = None,
        unit: str | None = None,
        title: str | None = None,
        alt: str | None = None,
        backend: str = "niivue",
        mode: str = "multi",
    ) -> Viewer:
        """Show a volume: three planes and a rendering to turn, with overlays.

        Parameters
        ----------
        image
            volume of shape (1, i, j, k) whose ``affine`` takes (i, j, k) to RAS+ mm. Of several channels or frames the
            first is shown, and the caption says so.
        mask
            what lies over the image: a label map (integers, 0 is background), a probability map (0 to 1), or a mapping
            from names to either. Another grid than the image's is fine where both affines describe the same space.
        labels
            names of the label map's integers; without it ``mask.meta["labels"]``
        window
            (centre, width) in the image's unit, or for HU one of ``"lung"``, ``"bone"``, ``"brain"``, ``"abdomen"``,
            ``"mediastinum"``. Without it ``image.meta["window"]``, else robust percentiles.
        unit
            unit of the values; without it ``image.meta["unit"]``
        title, alt
            caption, and the description read out in place of the picture
        backend
            ``"niivue"``, or ``"itk"`` for itkwidgets in JupyterLab
        mode
            what is shown first: ``"multi"``, ``"axial"``, ``"coronal"``, ``"sagittal"`` or ``"render"``

        Returns
        -------
        Viewer
            On a page of the book, a still picture that turns into a viewer; in JupyterLab, a live widget.

        Raises
        ------
        IpiuError
            Where the image is no volume, holds no finite value, or the mask lies elsewhere in space.

        Examples
        --------
        >>> import ipiu
        >>> case = ipiu.open("sample:mni152")
        >>> ipiu.view(case.images["t1"], {"grey matter": case.images["gm"]})
        Viewer(197 x 233 x 189, overlays: grey matter)
        """
        make = import_module("ipiu.view.volume").make
        return make(
            image, mask, labels=labels, window=window, unit=unit, title=title, alt=alt, backend=backend, mode=mode
        )

    def __dir__(self):
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _View
