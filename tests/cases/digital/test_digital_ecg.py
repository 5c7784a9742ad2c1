import dataclasses
import warnings

import numpy as np
import pytest
from scipy.signal import periodogram

from ipiu.cases.digital.beats import draw_beats
from ipiu.cases.digital.ecg import ecg_features, make_ecg
from ipiu.cases.digital.site import Site
from ipiu.cases.digital.state import draw_state
from ipiu.cases.digital.streams import stream

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # neurokit2 0.2.12 imports scipy.misc, wfdb 4.3 warns on pandas 3
    import neurokit2 as nk
    import wfdb

RATE = 500
QUIET = Site(ecg_noise=0)
HEART = ("left ventricular hypertrophy", "heart failure", "atrial fibrillation", "emphysema")
HEALTHY = {**dict.fromkeys(HEART, 0.0), "pneumothorax": 0.0, "pleural effusion": 0.0, "diabetes": 0.0}


def drawn(index, *, rate=None, **severity):
    """A patient's state and beats; ``severity`` is set by intervention, with _ for a blank."""
    do = {**HEALTHY, **{name.replace("_", " "): value for name, value in severity.items()}}
    state = draw_state(3, index, do=do)
    if rate:
        state = dataclasses.replace(state, heart_rate=rate)
    return state, draw_beats(state, stream(3, index, "beats"))


def recorded(index, *, site=QUIET, **options):
    state, beats = drawn(index, **options)
    return state, beats, make_ecg(state, beats, stream(3, index, "ecg"), site=site)


def lead(signal, name):
    return signal.values[signal.leads.index(name)]


def averaged(index, **options):
    """The mean of many recordings of the same beats, in which fibrillatory waves vanish."""
    state, beats = drawn(index, **options)
    signals = [make_ecg(state, beats, stream(3, n, "ecg"), site=QUIET) for n in range(60)]
    return dataclasses.replace(signals[0], values=np.mean([signal.values for signal in signals], axis=0)), beats


def regular(count, **options):
    """Indices of patients in sinus rhythm whose beats are all conducted by both bundle branches."""
    found = []
    while len(found) < count:
        index = found[-1] + 1 if found else 0
        while True:
            beats = drawn(index, **options)[1]
            if not beats.ectopic.any() and not beats.dipole.blocked:
                break
            index += 1
        found.append(index)
    return found


def beat(signal, beats, number, name, before, after):
    """One lead around an R peak, interpolated to every ms."""
    time = beats.time[number] + np.arange(before, after, 0.001)
    return np.interp(time, np.arange(signal.values.shape[1]) / RATE, lead(signal, name))


def r_peaks(values):
    """The signal as neurokit2 cleans it, and the samples of its R peaks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clean = nk.ecg_clean(values, sampling_rate=RATE)
        return clean, nk.ecg_peaks(clean, sampling_rate=RATE)[1]["ECG_R_Peaks"]


def intervals(values):
    """The median PR, QRS and QT in ms as neurokit2 sees them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        waves = nk.ecg_delineate(*r_peaks(values), sampling_rate=RATE, method="dwt")[1]
        start, stop, p, t = (
            np.array(waves[f"ECG_{name}"], dtype=float) for name in ("R_Onsets", "R_Offsets", "P_Onsets", "T_Offsets")
        )
        return 1000 / RATE * np.array([np.nanmedian(x) for x in (start - p, stop - start, t - start)])


def test_the_same_streams_give_the_same_beats_and_signal():
    first, again, other = (recorded(index, site=Site()) for index in (4, 4, 5))
    assert np.array_equal(first[1].time, again[1].time)
    assert np.array_equal(first[2].values, again[2].values)
    assert ecg_features(*first[:2]) == ecg_features(*again[:2])
    assert not np.array_equal(first[2].values, other[2].values)


def test_a_recording_has_twelve_leads_of_ten_seconds():
    signal = recorded(4, site=Site())[2]
    assert signal.leads == ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    assert (signal.values.shape, signal.rate, signal.unit) == ((12, 5000), 500.0, "mV")


def test_a_wfdb_file_gives_every_value_back(tmp_path):
    signal = recorded(4, site=Site())[2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wfdb.wrsamp(
            "a",
            fs=RATE,
            units=["mV"] * 12,
            sig_name=list(signal.leads),
            p_signal=signal.values.T,
            fmt=["16"] * 12,
            adc_gain=[200.0] * 12,
            baseline=[0] * 12,
            write_dir=str(tmp_path),
        )
        read = wfdb.rdrecord(str(tmp_path / "a")).p_signal
    assert np.array_equal(read.T, signal.values)


def test_limb_leads_obey_einthoven_and_goldberger():
    signal = recorded(4, site=Site(ecg_noise=0.05))[2]
    steps = np.rint(signal.values * 200)
    one, two, three, right, left, foot = steps[:6]
    assert np.abs(one + three - two).max() == 0
    assert np.abs(right + left + foot).max() <= 2
    assert np.abs(right + (one + two) / 2).max() <= 0.5


def test_neurokit_finds_every_beat_at_its_time_and_the_heart_rate():
    off, extra, total = [], 0, 0
    for index in regular(30):
        state, beats, signal = recorded(index, site=Site())
        found = r_peaks(lead(signal, "V4"))[1] / RATE
        apart = np.abs(found[:, None] - beats.time)
        inside = (beats.time > 0.3) & (beats.time < 9.7)  # at either end it may lose one
        assert apart.min(axis=0)[inside].max() < 0.02
        extra, total = extra + (apart.min(axis=1) > 0.02).sum(), total + len(found)
        seen = 60 / np.diff(found[apart.min(axis=1) < 0.02]).mean()
        assert seen == pytest.approx(ecg_features(state, beats)["heart_rate"], abs=2)
        off.append(seen - state.heart_rate)
    assert extra < 0.01 * total  # it takes noise of a quiet diastole for a beat now and then
    assert np.abs(off).max() < 4  # slow waves of the heart rate do not average out in 10 s
    assert np.median(np.abs(off)) < 1


@pytest.mark.parametrize("rate", [45, 60, 90, 130])
def test_the_heart_rate_is_the_one_of_the_state(rate):
    found = [ecg_features(*drawn(index, rate=rate))["heart_rate"] for index in range(30)]
    assert np.mean(found) == pytest.approx(rate, rel=0.012)
    assert np.abs(np.array(found) - rate).max() < 0.1 * rate


def test_neurokit_measures_the_intervals_of_the_features():
    # the wavelets blur the bounds of waves: by how much is seen on straight lines with bounds that are known
    time, straight = np.arange(10 * RATE) / RATE, np.zeros(10 * RATE)
    corners = np.array([-0.160, -0.110, -0.060, 0, 0.020, 0.045, 0.070, 0.090, 0.200, 0.315, 0.400])
    heights = [0, 0.12, 0, 0, -0.12, 1.2, -0.2, 0, 0.02, 0.35, 0]
    for start in np.arange(0.6, 9.5, 0.85):
        straight += np.interp(time, start + corners, heights)
    blur = intervals(straight) - (160, 90, 400)
    wrong = []
    for index in regular(18):
        state, beats, signal = recorded(index, site=Site(ecg_noise=0.01))
        features = ecg_features(state, beats)
        seen = intervals(lead(signal, "V6"))  # with its q, from which neurokit2 looks for the onset
        wrong.append(seen - blur - [features[name] for name in ("pr", "qrs", "qt")])
    wrong = np.median(wrong, axis=0), np.percentile(np.abs(wrong), 75, axis=0)
    assert np.abs(wrong[0]) == pytest.approx([0, 0, 0], abs=16)
    assert np.abs(wrong[0][1:]).max() < 9
    assert wrong[1].max() < 30


def test_waves_end_where_the_features_say():
    for index in regular(10):
        state, beats, signal = recorded(index)
        number = beats.recorded.start + 2
        pr, qrs, qt = (1000 * x[number] for x in (beats.pr, beats.qrs, beats.qt))
        trace = np.array([beat(signal, beats, number, name, -0.4, 0.5) for name in signal.leads])
        size = np.sqrt((trace**2).sum(axis=0))  # of all leads
        onset = 400 - 0.47 * qrs
        assert size[int(onset - pr - 25)] < 0.06 < size[int(onset - pr + 40)]
        assert size[int(onset - 6)] < 0.15 < size[int(onset + 10)]
        # the tangent at the steepest descent of T in the tallest lead meets the baseline
        tall = trace[np.abs(trace[:, int(onset + 0.78 * qt)]).argmax()]
        fall = np.convolve(np.gradient(np.abs(tall)), np.ones(15) / 15, mode="same")  # steps of 5 µV are smoothed
        steep = int(onset + 0.78 * qt) + fall[int(onset + 0.78 * qt) :].argmin()
        assert steep - np.abs(tall)[steep] / fall[steep] - onset == pytest.approx(qt, abs=12)
        assert ecg_features(state, beats)["pr"] == pytest.approx(pr)


def test_features_are_those_of_the_waveform():
    off = {"axis": [], "sokolow_lyon": [], "st_v5": []}
    for index in regular(20, left_ventricular_hypertrophy=0.5):
        state, beats, signal = recorded(index, left_ventricular_hypertrophy=0.5)
        features, numbers = ecg_features(state, beats), range(beats.recorded.start + 1, beats.recorded.stop - 1)
        qrs = beats.qrs[numbers[0]]
        seen = {
            name: np.mean([beat(signal, beats, number, name, -0.6 * qrs, 0.7 * qrs) for number in numbers], axis=0)
            for name in ("I", "aVF", "V1", "V5", "V6")
        }
        stop = int(1000 * 1.13 * qrs)  # net areas over the QRS
        axis = np.degrees(np.arctan2(2 / np.sqrt(3) * seen["aVF"][:stop].sum(), seen["I"][:stop].sum()))
        off["axis"].append((axis - features["axis"] + 180) % 360 - 180)
        off["sokolow_lyon"].append(
            max(seen["V5"].max(), seen["V6"].max()) - seen["V1"].min() - features["sokolow_lyon"]
        )
        late = 0.53 * qrs + 0.06
        st = np.mean([beat(signal, beats, number, "V5", late, late + 0.001)[0] for number in numbers])
        off["st_v5"].append(st - features["st_v5"])
    assert np.median(np.abs(off["axis"])) < 2
    assert np.abs(off["sokolow_lyon"]).max() < 0.12
    assert np.abs(off["st_v5"]).max() < 0.01


def test_a_normal_ecg_looks_like_one():
    for index in regular(20):
        _, beats, signal = recorded(index)
        number = beats.recorded.start + 2
        trace = {name: beat(signal, beats, number, name, -0.35, 0.5) for name in signal.leads}
        r = [trace[f"V{n}"][300:400].max() for n in range(1, 7)]
        s = [-trace[f"V{n}"][300:450].min() for n in range(1, 7)]
        p = slice(
            int(350 - 1000 * (0.47 * beats.qrs[number] + beats.pr[number])), int(350 - 480 * beats.qrs[number] - 10)
        )
        assert trace["II"][p].max() > 0.04
        assert trace["aVR"][p].min() < -0.03
        assert r[0] < r[1] < max(r[2:5])
        assert r[0] < s[0]
        assert r[4] > s[4]
        assert all(trace[name][500:].max() > 0.05 for name in ("II", "V3", "V4", "V5"))
        assert trace["aVR"][500:].min() < -0.05


def test_nothing_jumps_where_one_beat_meets_the_next():
    _, beats, signal = recorded(regular(1)[0], rate=140)
    time = np.arange(5000) / RATE
    outside = np.abs(time[:, None] - beats.time).min(axis=1) > 0.08
    steps = np.abs(np.diff(signal.values, axis=1))[:, outside[1:]]
    assert steps.max() < 0.03


def test_atrial_fibrillation_is_irregular_without_p_waves():
    spread = {}
    for severity in (0.0, 0.6):
        rr = [np.diff(drawn(index, atrial_fibrillation=severity)[1].time) for index in range(40)]
        spread[severity] = np.array([x.std() / x.mean() for x in rr])
    assert spread[0.6].min() > 0.1
    assert np.median(spread[0.6]) > 5 * np.median(spread[0.0])
    state, beats = drawn(0, atrial_fibrillation=0.6)
    assert np.isnan(ecg_features(state, beats)["pr"])
    assert ecg_features(state, beats)["p_wave"] == 0
    assert ecg_features(*drawn(0))["p_wave"] == 1
    sinus, fibrillating = (
        np.mean(
            [
                beat(signal, beats, number, "II", -0.25, -0.06).max()
                - beat(signal, beats, number, "II", -0.30, -0.25).mean()
                for number in range(beats.recorded.start + 1, beats.recorded.stop - 1)
            ]
        )
        for signal, beats in (recorded(0)[:0:-1], averaged(0, atrial_fibrillation=0.6))
    )
    assert sinus > 0.05
    assert fibrillating < 0.03


def test_fibrillatory_waves_have_four_to_nine_hz_and_are_best_seen_in_v1():
    for index in range(8):
        state, beats, signal = recorded(index, atrial_fibrillation=0.6)
        other = make_ecg(state, beats, stream(3, index, "another"), site=QUIET)  # the same beats, other waves
        waves = signal.values - other.values
        frequency, power = periodogram(waves, RATE)
        strongest = frequency[power.sum(axis=0).argmax()]
        assert 3.5 < strongest < 9.5
        assert waves.std(axis=1)[6] > waves.std(axis=1)[-1]
        assert 0.02 < waves.std(axis=1)[6] < 0.2


def test_an_intervention_leaves_the_rest_of_the_heart_as_it_was():
    before, after = drawn(2)[1], drawn(2, atrial_fibrillation=0.6)[1]
    assert np.array_equal(before.dipole.conducted, after.dipole.conducted)
    assert not before.fibrillating
    assert after.fibrillating


def test_hypertrophy_raises_voltage_and_strains_the_lateral_leads():
    voltage, st = [], []
    for severity in (0.0, 0.3, 0.6, 0.9):
        found = [recorded(index, left_ventricular_hypertrophy=severity)[1:] for index in regular(15)]
        rows = [(beats, signal) for beats, signal in found if not beats.dipole.blocked]
        voltage.append([max(lead(s, "V5").max(), lead(s, "V6").max()) - lead(s, "V1").min() for _, s in rows])
        late = [(b, s, b.recorded.start + 1, 0.53 * b.qrs[b.recorded.start + 1] + 0.06) for b, s in rows]
        st.append(np.mean([beat(s, b, number, "V5", t, t + 0.001)[0] for b, s, number, t in late]))
    assert (np.diff(voltage, axis=0) > 0).all()
    assert np.mean(np.array(voltage[-1]) > 3.5) > 0.7
    assert np.mean(np.array(voltage[0]) > 3.5) < 0.2
    assert st[0] > 0 > -0.05 > st[-1]


def test_emphysema_lowers_voltage_and_turns_the_axis_down():
    rows = [[ecg_features(*drawn(index, emphysema=severity)) for index in range(25)] for severity in (0.0, 0.4, 0.8)]
    voltage = np.array([[row["sokolow_lyon"] for row in column] for column in rows])
    assert (np.diff(voltage, axis=0) < 0).all()
    turned = [np.mean([row["axis"] for row in column]) for column in rows]
    assert turned[0] + 10 < turned[1] < turned[2]


def test_heart_failure_brings_ectopic_beats_and_wide_complexes():
    wide, ectopic = {}, {}
    for severity in (0.0, 0.8):
        rows = [drawn(index, heart_failure=severity) for index in range(150)]
        features = [ecg_features(*row) for row in rows]
        wide[severity] = np.mean([row["qrs"] >= 120 for row in features])
        ectopic[severity] = np.mean([row["ectopic"] > 0 for row in features])
    assert wide[0.0] < 0.06 < 0.2 < wide[0.8] < 0.6
    assert ectopic[0.0] < 0.08 < 0.12 < ectopic[0.8]


def test_an_ectopic_beat_is_early_wide_and_followed_by_a_compensatory_pause():
    seen = 0
    for index in range(150):
        beats = drawn(index, heart_failure=0.8)[1]
        for number in np.flatnonzero(beats.ectopic[2:-2]) + 2:
            before, after = np.diff(beats.time[number - 1 : number + 2])
            usual = np.median(np.diff(beats.time))
            assert before < 0.75 * usual < usual < after
            assert before + after == pytest.approx(2 * usual, rel=0.12)
            assert beats.qrs[number] > beats.qrs[number - 1] + 0.04
            assert np.isnan(beats.pr[number])
            seen += 1
    assert seen > 15


def test_variability_falls_with_age_diabetes_and_heart_failure():
    def rmssd(age, **severity):
        rows = []
        for index in range(120):
            state, _ = drawn(index, **severity)
            state = dataclasses.replace(state, age=age)
            rows.append(ecg_features(state, draw_beats(state, stream(3, index, "beats")))["rmssd"])
        return np.median(rows)

    # medians of 10 s in healthy people, doi:10.1177/2047487319872567: 15 to 16 ms from 75 years on
    young, old = rmssd(25.0), rmssd(78.0)
    assert young > 2 * old
    assert old == pytest.approx(15.5, abs=3)
    assert rmssd(78.0, diabetes=0.9) < 0.7 * old
    assert rmssd(78.0, heart_failure=0.9) < 0.6 * old


def test_intervals_of_healthy_hearts_lie_in_the_published_ranges():
    features = [(state, ecg_features(state, beats)) for state, beats in map(drawn, range(400))]
    # 2nd to 98th percentile in 46 129 people, Mason et al. 2007, doi:10.1016/j.jelectrocard.2006.09.003
    for name, low, high in (("pr", 113, 212), ("qrs", 69, 109), ("qtc", 359, 445), ("axis", -40, 91)):
        values = [row[name] for _, row in features]
        assert np.mean([low <= value <= high for value in values]) > 0.92, name
        assert np.ptp(np.percentile(values, (2, 98))) > 0.65 * (high - low), name
    qtc = {sex: np.mean([row["qtc"] for state, row in features if state.sex == sex]) for sex in ("female", "male")}
    assert 5 < qtc["female"] - qtc["male"] < 16


def test_qt_shortens_with_the_rate_and_qtc_stays():
    slow, fast = (ecg_features(*drawn(1, rate=rate)) for rate in (50, 100))
    assert slow["qt"] > fast["qt"] + 60
    assert slow["qtc"] == pytest.approx(fast["qtc"], abs=6)


@pytest.mark.parametrize("mains", [50.0, 60.0])
def test_noise_is_that_of_the_site(mains):
    state, beats, clean = recorded(0)
    site = Site(ecg_noise=0.1, mains=mains)
    noise = [make_ecg(state, beats, stream(9, n, "ecg"), site=site).values - clean.values for n in range(40)]
    assert np.sqrt(np.mean(np.square(noise))) == pytest.approx(0.1, rel=0.25)
    frequency, power = periodogram(np.concatenate(noise), RATE)
    high = frequency > 30
    assert frequency[high][power.sum(axis=0)[high].argmax()] == pytest.approx(mains)
