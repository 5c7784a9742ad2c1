import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from ipiu import Signal
from ipiu.errors import IpiuError
from ipiu.view.ecg import ecg

STANDARD = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
INK = "#16181c"
RATE = 500.0
MM = 72 / 25.4  # points


def beats(leads=STANDARD, *, seconds=10.0, rate=RATE, unit="mV") -> Signal:
    """A spike of 1 mV every second, taller by 0.05 mV from lead to lead."""
    values = np.zeros((len(leads), round(seconds * rate)))
    for number in range(len(leads)):
        values[number, round(rate / 2) :: round(rate)] = 1 + 0.05 * number
    return Signal(values, rate, tuple(leads), unit)


def drawing(figure) -> ET.Element:
    return ET.fromstring(figure.html[figure.html.index("<svg") : figure.html.index("</svg>") + 6])


def traces(figure) -> list[np.ndarray]:
    """Corners in mm from the left and from the top of everything drawn in ink, gaps as NaN."""
    found = []
    for path in drawing(figure).iter("path"):
        if f"stroke: {INK}" in path.get("style", ""):
            points = []
            for command, numbers in re.findall(r"([ML])([^MLz]*)", path.get("d")):
                if command == "M" and points:
                    points.append((np.nan, np.nan))
                points.append(tuple(float(n) / MM for n in numbers.split()))
            found.append(np.array(points))
    return found


def strips(figure) -> list[np.ndarray]:
    """The traces without calibration pulses and the marks between leads."""
    return [t for t in traces(figure) if len(t) > 6]


def words(figure) -> list[str]:
    return [text.text for text in drawing(figure).iter("text")]


def test_size_is_in_true_millimetres():
    root = drawing(ecg(beats()))
    width, height = root.get("width"), root.get("height")
    assert width == "260mm"
    assert height.endswith("mm")
    box = [float(n) for n in root.get("viewBox").split()]
    assert box[2] / MM == pytest.approx(260, abs=0.01)
    assert box[3] / MM == pytest.approx(float(height[:-2]), abs=0.01)


def test_usual_layout_shows_each_lead_for_its_quarter_and_the_rhythm_below():
    shown = ecg(beats())
    assert len(strips(shown)) == 13
    named = [word for word in words(shown) if word in STANDARD]
    assert named == ["I", "aVR", "V1", "V4", "II", "aVL", "V2", "V5", "III", "aVF", "V3", "V6", "II"]
    widths = [np.ptp(strip[:, 0]) for strip in strips(shown)]
    assert widths[:12] == pytest.approx([62.5] * 12, abs=0.1)
    assert widths[12] == pytest.approx(250, abs=0.1)


def test_one_second_is_25_mm():
    rhythm = strips(ecg(beats()))[-1]
    peaks = rhythm[rhythm[:, 1] < rhythm[:, 1].min() + 1, 0]
    assert np.diff(peaks) == pytest.approx([25.0] * 9, abs=0.05)


def test_one_millivolt_is_10_mm_in_every_lead():
    heights = [np.ptp(strip[:, 1]) for strip in strips(ecg(beats(), leads=None))][:12]
    order = [STANDARD.index(name) for row in ("I aVR V1 V4", "II aVL V2 V5", "III aVF V3 V6") for name in row.split()]
    assert heights == pytest.approx([10 * (1 + 0.05 * n) for n in order], abs=0.1)


def test_calibration_pulse_is_10_mm_high_and_5_mm_wide():
    pulse = next(trace for trace in traces(ecg(beats())) if len(trace) == 6)
    assert np.ptp(pulse[:, 1]) == pytest.approx(10, abs=0.02)
    assert pulse[3, 0] - pulse[2, 0] == pytest.approx(5, abs=0.02)


def test_paper_has_lines_every_millimetre():
    paths = [path.get("d") for path in drawing(ecg(beats())).iter("path") if "#f6d7d2" in path.get("style", "")]
    starts = sorted({round(float(m) / MM, 2) for m in re.findall(r"M([\d.]+) ", paths[0])})
    assert starts == pytest.approx(list(range(261)), abs=0.02)


def test_speed_and_gain_are_written_on_the_paper():
    assert "25 mm/s, 10 mm/mV" in words(ecg(beats()))


@pytest.mark.parametrize(("unit", "factor"), [("uV", 1e3), ("µV", 1e3), ("V", 1e-3)])
def test_other_voltages_are_converted(unit, factor):
    signal = beats()
    other = Signal(signal.values * factor, RATE, STANDARD, unit)
    for mine, theirs in zip(strips(ecg(signal)), strips(ecg(other)), strict=True):
        assert np.ptp(mine[:, 1]) == pytest.approx(np.ptp(theirs[:, 1]), abs=0.02)


@pytest.mark.parametrize("unit", ["mmHg", "", "adu"])
def test_what_is_no_voltage_is_refused(unit):
    with pytest.raises(IpiuError, match="is no voltage; ECG paper needs mV"):
        ecg(beats(unit=unit))


def test_missing_samples_leave_a_gap():
    signal = beats(("II",), seconds=4)
    values = signal.values.copy()
    values[0, 800:1000] = np.nan
    shown = ecg(Signal(values, RATE, ("II",)))
    (trace,) = strips(shown)
    gap = np.flatnonzero(np.isnan(trace[:, 0]))
    assert len(gap) == 1
    assert trace[gap[0] - 1, 0] == pytest.approx(10 + 25 * 799 / RATE, abs=0.1)
    assert trace[gap[0] + 1, 0] == pytest.approx(10 + 25 * 1000 / RATE, abs=0.1)
    assert "10 % of the samples are missing" in shown.html


def test_any_other_leads_are_stacked():
    shown = ecg(beats(("MLII", "V5"), seconds=30))
    assert len(strips(shown)) == 2
    assert "the first 10 s of 30 s" in shown.html


def test_short_standard_recording_is_stacked():
    assert len(strips(ecg(beats(seconds=5)))) == 12


def test_chosen_leads_come_in_the_order_asked_for():
    shown = ecg(beats(), leads=("V2", "II"), seconds=3)
    assert [word for word in words(shown) if word in STANDARD] == ["V2", "II"]
    assert np.ptp(strips(shown)[0][:, 0]) == pytest.approx(75, abs=0.1)


def test_leads_are_found_whatever_the_order_and_the_case():
    signal = beats()
    shuffled = Signal(signal.values[::-1], RATE, tuple(name.upper() for name in reversed(STANDARD)))
    for mine, theirs in zip(strips(ecg(signal)), strips(ecg(shuffled)), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=0.01)


def test_constant_voltage_does_not_move_the_trace():
    signal = beats(("II",), seconds=3)
    shifted = Signal(signal.values + 40, RATE, ("II",))
    np.testing.assert_allclose(strips(ecg(signal))[0], strips(ecg(shifted))[0], atol=0.01)


def test_lead_names_stay_text():
    shown = ecg(beats(("<script>x</script>", "$\\frac$"), seconds=2))
    assert "<script" not in shown.html
    assert "$\\frac$" in words(shown)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"leads": ("aVX",)}, "no lead 'aVX'; its leads are I, II"),
        ({"leads": ()}, "no lead in an empty list"),
        ({"seconds": 0}, "above 0 and at most 60"),
        ({"seconds": 1e9}, "above 0 and at most 60"),
    ],
)
def test_what_cannot_be_drawn_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        ecg(beats(), **change)


def test_signal_without_a_value_is_refused():
    with pytest.raises(IpiuError, match="no finite value in any of its 2 leads"):
        ecg(Signal(np.full((2, 100), np.nan), RATE, ("I", "II")))


def test_rate_of_zero_is_refused():
    with pytest.raises(IpiuError, match="rate of 0 Hz; it must be above 0"):
        ecg(Signal(np.zeros((1, 10)), 0, ("I",)))


def test_huge_values_do_not_make_a_huge_paper():
    signal = beats(("II",), seconds=2)
    root = drawing(ecg(Signal(signal.values * 1e6, RATE, ("II",))))
    assert float(root.get("height")[:-2]) <= 140


def test_one_sample_is_drawn():
    ecg(Signal(np.ones((1, 1)), RATE, ("II",)))


def test_description_names_leads_and_scale():
    assert ecg(beats()).alt.startswith("12-lead ECG, 10 s, on paper at 25 mm/s and 10 mm/mV: I, II, III")
