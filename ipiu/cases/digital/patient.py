"""One digital patient as a case: the latent state, and from it every part that is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING

from ipiu.cases.case import Case, Source
from ipiu.cases.digital.knobs import PARTS, Knobs
from ipiu.cases.digital.state import DISEASES, State, draw_state
from ipiu.cases.digital.streams import VERSION, stream

if TYPE_CHECKING:
    from monai.data import MetaTensor

SOURCE = Source("digital patient", f"IPIU digital patients, version {VERSION}", licence="CC0-1.0")


@dataclass(frozen=True)
class Patient:
    """A digital patient before anything is made of them.

    Attributes
    ----------
    seed, index
        of the cohort, and of the patient in it
    spacing
        of the CT in mm, one number or three
    knobs
        how the cohort departs from the reference
    """

    seed: int
    index: int
    spacing: float | tuple[float, float, float] = 3.0
    knobs: Knobs = field(default_factory=Knobs)

    @cached_property
    def state(self) -> State:
        """The truth."""
        knobs = self.knobs
        return draw_state(self.seed, self.index, site=knobs.site, shift=knobs.shift(), do=knobs.do)

    def stream(self, name: str):
        """The patient's random numbers for one purpose."""
        return stream(self.seed, self.index, name)

    @cached_property
    def beats(self):
        """Heart beats that ECG and PPG share."""
        return _make("beats:draw_beats")(self.state, self.stream("beats"))

    @cached_property
    def torso(self):
        """The CT and its true label map."""
        return _make("torso:make_torso")(self.state, self.stream("torso"), spacing=self.spacing, site=self.knobs.site)

    @property
    def marker(self) -> bool:
        """Whether the radiograph carries the lead marker."""
        chances = [chance if self.state.has(disease) else 1 - chance for disease, chance in self.knobs.marker.items()]
        return bool(chances) and float(self.stream("marker").random()) < chances[0]

    def brain(
        self, *, contrast: str = "clinical", spacing: float | tuple[float, float, float] = 2.0
    ) -> dict[str, MetaTensor]:
        """The brain MR and its label map: as the part ``brain`` has it, or in a random contrast or another spacing.

        The anatomy is the same whatever the contrast and the spacing (see
        :func:`~ipiu.cases.digital.brain.make_brain`).
        """
        return _make("brain:make_brain")(
            self.state, self.stream("brain"), spacing=spacing, site=self.knobs.site, contrast=contrast
        )

    def labels(self) -> dict[str, float | str | bool]:
        """What a data set would say of the patient: demographics, and disease labels that may be wrong."""
        state, u = self.state, self.stream("label noise").random(len(DISEASES)).tolist()
        known = {name: getattr(state, name) for name in ("age", "sex", "height", "weight", "pack_years")}
        wrong = {disease: draw < self.knobs.flips(disease) for disease, draw in zip(DISEASES, u, strict=True)}
        return {**known, **{disease: state.has(disease) != wrong[disease] for disease in DISEASES}}

    def features(self) -> dict[str, float]:
        """What an ECG machine would print, named ``ecg_...``; the signal itself is not made for it."""
        found = _make("ecg:ecg_features")(self.state, self.beats)
        return {f"ecg_{name}": value for name, value in found.items()}

    def missing(self, part: str) -> bool:
        """Whether a part is absent by the knob ``missing``."""
        chance = self.knobs.missing.get(part, 0.0)
        return chance > 0 and float(self.stream(f"missing {part}").random()) < chance

    def case(self, name: str, parts: tuple[str, ...] = PARTS) -> Case:
        """The case with the parts asked for; each is the same whatever the others are."""
        case = Case(name, labels=self.labels(), source=SOURCE)
        for part in PARTS:
            if part in parts and not self.missing(part):
                MAKERS[part](self, case)
        for image in case.images.values():
            image.meta["source"] = str(SOURCE)
        return case

    def findings(self, study: str = "ct") -> list:
        """The structured truth of the report."""
        return _make("report:write_report")(self.state, self.stream(f"report {study}"), study=study)[1]


def _make(path: str):
    """A maker of one modality, imported when it is needed."""
    module, _, name = path.partition(":")
    return getattr(import_module(f"ipiu.cases.digital.{module}"), name)


def _ct(patient: Patient, case: Case) -> None:
    ct, labels = patient.torso
    case.images["ct"] = ct
    case.images["ct labels"] = annotated(labels, patient)


def annotated(labels, patient: Patient):
    """The label map as an annotator of unsteady hand draws it."""
    if not patient.knobs.contour_noise:
        return labels
    return _make("annotator:move_contours")(labels, patient.stream("contours"), mm=patient.knobs.contour_noise)


def _radiograph(patient: Patient, case: Case) -> None:
    image, masks = _make("radiograph:make_radiograph")(
        *patient.torso, patient.state, patient.stream("radiograph"), site=patient.knobs.site, marker=patient.marker
    )
    case.images["radiograph"], case.images["radiograph masks"] = image, masks
    if patient.knobs.marker:
        case.labels["marker"] = patient.marker


def _brain(patient: Patient, case: Case) -> None:
    case.images.update(patient.brain())


def _fundus(patient: Patient, case: Case) -> None:
    picture, labels = _make("fundus:make_fundus")(patient.state, patient.stream("fundus"))
    case.images["fundus"], case.images["fundus labels"] = picture, labels
    case.labels["retinopathy"] = patient.state.retinopathy


def _report(patient: Patient, case: Case) -> None:
    case.report = _make("report:write_report")(patient.state, patient.stream("report ct"), study="ct")[0]


def _record(patient: Patient, case: Case) -> None:
    case.record = _make("record:make_record")(patient.state, patient.stream("record"), site=patient.knobs.site)


def _ecg(patient: Patient, case: Case) -> None:
    case.signals["ecg"] = _make("ecg:make_ecg")(
        patient.state, patient.beats, patient.stream("ecg"), site=patient.knobs.site
    )


def _ppg(patient: Patient, case: Case) -> None:
    case.signals["ppg"] = _make("ppg:make_ppg")(patient.state, patient.beats, patient.stream("ppg"))


def _expression(patient: Patient, case: Case) -> None:
    case.expression = _make("expression:make_expression")(
        patient.state, patient.stream("expression"), site=patient.knobs.site
    )


def _outcome(patient: Patient, case: Case) -> None:
    case.outcome = _make("outcome:draw_outcome")(patient.state, patient.stream("outcome"))


MAKERS = dict(
    zip(
        PARTS,
        (_ct, _radiograph, _brain, _fundus, _report, _record, _ecg, _ppg, _expression, _outcome),
        strict=True,
    )
)
