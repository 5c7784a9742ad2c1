import dataclasses
import warnings

import numpy as np
import pytest
from scipy.signal import find_peaks

from ipiu.cases.digital.beats import draw_beats
from ipiu.cases.digital.ppg import make_ppg, pulse_delay
from ipiu.cases.digital.state import draw_state
from ipiu.cases.digital.streams import stream

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # neurokit2 0.2.12 imports scipy.misc
    import neurokit2 as nk

RATE = 125
SINUS = {"atrial fibrillation": 0.0, "heart failure": 0.0}


def recorded(index, do=SINUS, **changed):
    state = dataclasses.replace(draw_state(5, index, do=do), **changed)
    beats = draw_beats(state, stream(5, index, "beats"))
    return state, beats, make_ppg(state, beats, stream(5, index, "ppg"))


def pulses(beats, signal, *, before=0.05, after=0.75):
    """The signal from shortly after each R peak on, one row a beat that is recorded whole."""
    values, rows = signal.values[0], []
    for time in beats.time:
        start = round((time + before) * RATE)
        stop = start + round((after - before) * RATE)
        if start >= 0 and stop <= len(values):
            rows.append(values[start:stop])
    return np.array(rows)


def test_the_same_streams_give_the_same_signal():
    first, again, other = (recorded(index)[2].values for index in (4, 4, 5))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_recording_is_one_lead_of_ten_seconds_in_arbitrary_units():
    signal = recorded(4)[2]
    assert (signal.values.shape, signal.rate, signal.leads, signal.unit) == ((1, 1250), 125.0, ("PPG",), "a.u.")
    assert 0.6 < np.ptp(signal.values) < 2


def test_neurokit_finds_one_delayed_pulse_for_each_beat():
    for index in range(30):
        _, beats, signal = recorded(index)
        if beats.ectopic.any():
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clean = nk.ppg_clean(signal.values[0], sampling_rate=RATE)
            found = nk.ppg_findpeaks(clean, sampling_rate=RATE)["PPG_Peaks"] / RATE
        last = np.searchsorted(beats.time, found) - 1
        assert len(set(last)) == len(found)  # never two after one beat
        inside = (beats.time > 0) & (beats.time < 9)
        assert len(found) >= inside.sum() - 1
        delay = found - beats.time[last]
        assert 0.2 < np.median(delay) < 0.55
        assert np.percentile(delay, 90) - np.percentile(delay, 10) < 0.05


def test_the_pulse_comes_sooner_through_stiff_arteries():
    young, old = (pulse_delay(recorded(3, age=age)[0]) for age in (25.0, 80.0))
    tense = pulse_delay(recorded(3, do={**SINUS, "hypertension": 0.9}, age=80.0, systolic=170.0)[0])
    assert 0.12 < tense < old < young < 0.28
    feet = []
    for age in (25.0, 80.0):
        _, beats, signal = recorded(3, age=age)
        mean = pulses(beats, signal).mean(axis=0)
        rise = np.diff(mean).argmax()  # the steepest rise, in samples
        feet.append(rise / RATE)
    assert feet[1] < feet[0]


def test_the_dicrotic_wave_fades_with_age():
    seen = {}
    for age in (25.0, 85.0):
        found = []
        for index in range(25):
            _, beats, signal = recorded(index, age=age, systolic=120.0 + 0.4 * (age - 25), heart_rate=60.0)
            mean = pulses(beats, signal, after=0.9).mean(axis=0)
            found.append(len(find_peaks(mean, prominence=0.005)[0]))
        seen[age] = np.mean(np.array(found) > 1)
    assert seen[25.0] > 0.6
    assert seen[85.0] < 0.1


def test_an_early_beat_makes_a_small_pulse():
    ratios = []
    for index in range(60):
        _, beats, signal = recorded(index, do={**SINUS, "heart failure": 0.9})
        heights = np.ptp(pulses(beats, signal, before=0.15, after=0.6), axis=1)
        whole = [t for t in beats.time if round((t + 0.15) * RATE) >= 0 and (t + 0.61) * RATE <= 1250]
        early = beats.ectopic[np.isin(beats.time, whole)]
        if len(early) == len(heights) and early.any():
            ratios.append(heights[early].mean() / np.median(heights[~early]))
    assert len(ratios) >= 5
    assert np.median(ratios) < 0.6


def test_in_atrial_fibrillation_the_pulse_follows_the_interval_before_it():
    found = []
    for index in range(15):
        _, beats, signal = recorded(index, do={**SINUS, "atrial fibrillation": 0.7}, heart_rate=70.0)
        rr = np.diff(beats.time)
        kept = (beats.time[1:] > 0) & (beats.time[1:] < 9.2) & ~beats.ectopic[1:]
        tops = [
            signal.values[0][round((t + 0.2) * RATE) : round((t + 0.45) * RATE)].max() for t in beats.time[1:][kept]
        ]
        found.append(np.corrcoef(rr[kept], tops)[0, 1])
    assert np.median(found) > 0.5


@pytest.mark.parametrize("rate", [45.0, 140.0])
def test_slow_and_fast_hearts_give_a_pulse_a_beat(rate):
    _, beats, signal = recorded(2, heart_rate=rate, age=50.0)
    expected = ((beats.time > 0) & (beats.time < 9.5)).sum()
    tops = find_peaks(signal.values[0], prominence=0.25)[0]
    assert abs(len(tops) - expected) <= 1
