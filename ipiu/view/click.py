"""A picture to click on: live in JupyterLab, and on a page the same clicks recorded step by step."""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, features
from scipy.ndimage import binary_erosion

from ipiu.errors import IpiuError, require
from ipiu.view import live, planes
from ipiu.view.colours import COLOURS
from ipiu.view.layers import rgb

if TYPE_CHECKING:
    import torch

_WIDTH = 480  # pixels of a recorded picture
_PICTURE = f"width:100%;max-width:{_WIDTH}px;height:auto;margin:.4rem 0;display:block;filter:none;background:#000"
_MASK, _YES, _NO = (np.array(rgb(colour)) for colour in (COLOURS[2], COLOURS[0], COLOURS[1]))


@dataclass(frozen=True)
class Step:
    """One thing the reader does.

    Attributes
    ----------
    kind
        ``yes`` and ``no`` for a click on what belongs to it and on what does not, or ``box``
    at
        (row, column), or (top, left, bottom, right) of a box
    """

    kind: str
    at: tuple[float, ...]

    def __post_init__(self):
        if self.kind not in ("yes", "no", "box") or len(self.at) != (4 if self.kind == "box" else 2):
            msg = f"{self.kind!r} at {self.at} is no step; it is yes or no at (row, column), or box at "
            msg += "(top, left, bottom, right)"
            raise IpiuError(msg)

    def __str__(self) -> str:
        if self.kind == "box":
            top, left, bottom, right = (f"{n:g}" for n in self.at)
            return f"a box from row {top}, column {left} to row {bottom}, column {right}"
        what = "on it" if self.kind == "yes" else "on what does not belong to it"
        return f"a click {what}, at row {self.at[0]:g}, column {self.at[1]:g}"


@dataclass(frozen=True, eq=False)
class Clicks:
    """What :func:`click` returns: a widget in a live notebook, a row of steps on a page.

    Attributes
    ----------
    image
        picture (channel, row, column)
    model
        what answers: it has ``encode`` and ``segment`` as :class:`ipiu.models.promptable.Promptable` has
    steps
        what is recorded
    title, alt
        caption, and what the picture shows
    """

    image: torch.Tensor
    model: Any
    steps: tuple[Step, ...]
    title: str
    alt: str
    _answers: dict = field(default_factory=dict, repr=False)

    @cached_property
    def grey(self) -> np.ndarray:
        """The picture as it is drawn, uint8 (row, column, 3)."""
        return planes.stack(self.image).pixels(0)

    @cached_property
    def _encoded(self) -> Any:
        return self.model.encode(self.image)

    def answer(self, steps: Sequence[Step]) -> Any:
        """The model's outline after some steps, each refined from the one before; None without any."""
        steps = tuple(steps)
        if not steps:
            return None
        if steps not in self._answers:
            before = self.answer(steps[:-1]) if steps[-1].kind != "box" else None
            asked = {
                "points": [step.at for step in steps if step.kind == "yes"],
                "negative": [step.at for step in steps if step.kind == "no"],
                "boxes": [step.at for step in steps if step.kind == "box"][-1:],
            }
            self._answers[steps] = self.model.segment(self._encoded, mask=before, **asked)
        return self._answers[steps]

    def words(self, steps: Sequence[Step]) -> str:
        """What the model says, in a sentence."""
        outline = self.answer(steps)
        if outline is None:
            return "nothing asked yet"
        share = 100 * outline.mask.mean()
        return f"{share:.1f} % of the picture outlined; the model expects an overlap of {outline.scores[0]:.2f}"

    def to_html(self) -> str:
        """The recorded steps: one picture each, and a row of buttons that needs no script."""
        taken = [self.steps[:n] for n in range(1 if self.steps else 0, len(self.steps) + 1)]
        key = hashlib.sha256("".join([self.title, *map(str, self.steps), _uri(self.grey)]).encode()).hexdigest()[:10]
        key = f"ipiu-click-{key}"
        inputs, shown, rules = [], [], []
        for n, steps in enumerate(taken):
            first = " checked" if n == 0 else ""
            words = str(steps[-1]) if steps else "the picture"
            label = f"{n + 1}: {words}"
            inputs.append(
                f'<input type="radio" name="{key}" id="{key}-{n}" aria-label="{escape(label)}"{first}>'
                f'<label for="{key}-{n}" aria-hidden="true">{n + 1}</label>'
            )
            after = f"{self.alt}. After {words}: {self.words(steps)}" if steps else self.alt
            shown.append(
                f'<div class="step"><img class="dark-light" src="{self._drawn(steps)}" alt="{escape(after)}" '
                f'style="{_PICTURE}"><div>{escape(label)}. <small>{escape(self.words(steps))}.</small></div></div>'
            )
            rules.append(f"#{key}-{n}:checked~.steps>.step:nth-child({n + 1})")
        # without a style sheet, and on paper, all steps stand below one another
        hidden = f"@media screen{{#{key} .step{{display:none}}}}"
        style = f"{hidden}{','.join(rules)}{{display:block!important}}"
        name = escape(self.title or self.alt)
        title = f"<figcaption>{escape(self.title)}</figcaption>" if self.title else ""
        return (
            f'<figure class="ipiu-figure ipiu-click" id="{key}" role="group" aria-label="{name}" '
            f'style="margin:1rem 0"><style>{style}</style>{"".join(inputs)}<div class="steps">{"".join(shown)}</div>'
            f"{title}</figure>"
        )

    def _drawn(self, steps: Sequence[Step]) -> str:
        """The picture with mask and marks as a data URI."""
        rows, columns = self.grey.shape[:2]
        scale = max(1.0, _WIDTH / max(rows, columns))
        size = (round(columns * scale), round(rows * scale))
        picture = Image.fromarray(self.grey).resize(size, Image.Resampling.BICUBIC)
        outline = self.answer(steps)
        if outline is not None:
            tint = Image.fromarray(tinted(outline.mask, size))
            picture.paste(tint, mask=tint)
        pen = ImageDraw.Draw(picture)
        for step in steps:
            _mark(pen, step, scale)
        return _uri(np.asarray(picture))

    @cached_property
    def widget(self) -> Any:
        """The live widget.

        Raises
        ------
        ImportError
            Where anywidget is not installed.
        """
        anywidget, traitlets = require("anywidget", extra="lab"), require("traitlets", extra="lab")

        class Picture(anywidget.AnyWidget):
            _esm = Path(__file__).with_suffix(".js")
            shape = traitlets.List().tag(sync=True)
            picture = traitlets.Unicode().tag(sync=True)
            overlay = traitlets.Unicode().tag(sync=True)
            steps = traitlets.List().tag(sync=True)
            said = traitlets.Unicode().tag(sync=True)
            alt = traitlets.Unicode().tag(sync=True)

        made = Picture(shape=list(self.grey.shape[:2]), picture=_uri(self.grey), alt=self.alt)

        def answer(change: Any) -> None:
            try:
                steps = [Step(step["kind"], tuple(step["at"])) for step in change["new"]]
                outline, made.said = self.answer(steps), self.words(steps)
            except IpiuError as error:
                made.said = str(error)
                return
            made.overlay = "" if outline is None else _uri(tinted(outline.mask, outline.mask.shape[::-1]), "PNG")

        made.observe(answer, "steps")
        made.steps = [{"kind": step.kind, "at": list(step.at)} for step in self.steps]
        return made

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        bundle = {"text/plain": repr(self), "text/html": self.to_html()}
        if os.environ.get("IPIU_PAGES") or not live.in_kernel() or find_spec("anywidget") is None:
            return bundle
        shown = self.widget._repr_mimebundle_()
        return {**(shown[0] if isinstance(shown, tuple) else shown), **bundle}

    def __repr__(self) -> str:
        return f"Clicks({self.alt!r}, {len(self.steps)} steps)"


def click(
    image: torch.Tensor,
    model: Any,
    *,
    record: Sequence[tuple[str, tuple[float, ...]]] = (),
    title: str = "",
    alt: str = "a picture to click on",
) -> Clicks:
    """Show a picture that can be clicked on, with what a promptable model makes of the clicks.

    Parameters
    ----------
    image
        picture (channel, row, column)
    model
        a promptable model of :func:`ipiu.load`
    record
        steps that are taken beforehand, and that a page shows: ``("yes", (row, column))``, ``("no", (row, column))`` or
        ``("box", (top, left, bottom, right))``
    title, alt
        caption, and what the picture shows

    Returns
    -------
    Clicks
        In JupyterLab a widget for mouse and keyboard; on a page the recorded steps, one picture each.

    Examples
    --------
    >>> import ipiu                                                     # doctest: +SKIP
    >>> ipiu.view.click(picture, ipiu.load("ipiu-tiny-sam"), record=[("yes", (60, 80))])
    """
    return Clicks(image, model, tuple(Step(kind, tuple(at)) for kind, at in record), title, alt)


def tinted(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask as a wash of colour with a firm rim, uint8 (row, column, 4); ``size`` is (width, height)."""
    large = np.asarray(Image.fromarray(mask.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)).astype(bool)
    inner = binary_erosion(large, iterations=max(1, round(max(size) / 240)), border_value=1)
    wash = np.zeros((*large.shape, 4), np.uint8)
    wash[large, :3] = _MASK
    wash[..., 3] = np.where(large & ~inner, 255, np.where(large, 90, 0))
    return wash


def _mark(pen: ImageDraw.ImageDraw, step: Step, scale: float) -> None:
    """A plus, a minus or a box: told apart by their shape as well as by their colour."""
    if step.kind == "box":
        top, left, bottom, right = (n * scale for n in step.at)
        pen.rectangle((left, top, right - 1, bottom - 1), outline=tuple(_YES), width=3)
        return
    row, column = ((n + 0.5) * scale for n in step.at)
    pen.ellipse((column - 8, row - 8, column + 8, row + 8), tuple(_YES if step.kind == "yes" else _NO), "white", 2)
    pen.line((column - 4, row, column + 4, row), "white", 2)
    if step.kind == "yes":
        pen.line((column, row - 4, column, row + 4), "white", 2)


def _uri(pixels: np.ndarray, kind: str = "WEBP") -> str:
    """Pixels as a data URI."""
    kind = kind if kind == "PNG" or features.check("webp") else "PNG"
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **({"quality": 80, "method": 4} if kind == "WEBP" else {}))
    return f"data:image/{kind.lower()};base64,{b64encode(buffer.getvalue()).decode()}"
