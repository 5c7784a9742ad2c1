import numpy as np
import pytest
import torch
import torchmetrics.functional.classification as torchmetrics
from sklearn import metrics as sklearn

from ipiu import IpiuError
from ipiu.assess.classification import METRICS, auroc, average_precision, calibration_error, classification


@pytest.fixture
def two():
    draw = np.random.default_rng(0)
    truth = (draw.random(250) < 0.3).astype(int)
    # rounded, so that there are ties
    return truth, np.round(1 / (1 + np.exp(-draw.normal(size=250) - truth)), 2).astype(np.float32)


@pytest.fixture
def three():
    draw = np.random.default_rng(1)
    truth = draw.integers(0, 3, 200)
    return truth, draw.dirichlet([1, 1, 1], 200).astype(np.float32)


def test_two_classes_are_measured_as_scikit_learn_measures_them(two):
    truth, probability = two
    table = classification(truth, probability, metrics=list(METRICS), threshold=0.6, n=20)["value"]
    called = probability > 0.6
    expected = {
        "AUROC": sklearn.roc_auc_score(truth, probability),
        "average precision": sklearn.average_precision_score(truth, probability),
        "balanced accuracy": sklearn.balanced_accuracy_score(truth, called),
        "sensitivity": sklearn.recall_score(truth, called),
        "specificity": sklearn.recall_score(truth, called, pos_label=0),
    }
    assert table.drop("calibration error").to_dict() == pytest.approx(expected)


def test_three_classes_are_measured_as_scikit_learn_measures_them(three):
    truth, probability = three
    table = classification(truth, probability, n=20)["value"]
    one_hot = np.eye(3)[truth]
    assert table["AUROC"] == pytest.approx(sklearn.roc_auc_score(truth, probability, multi_class="ovr"), abs=1e-6)
    assert table["average precision"] == pytest.approx(sklearn.average_precision_score(one_hot, probability))
    assert table["balanced accuracy"] == pytest.approx(sklearn.balanced_accuracy_score(truth, probability.argmax(1)))


def test_calibration_is_that_of_torchmetrics(two, three):
    truth, probability = (torch.from_numpy(array) for array in two)
    expected = torchmetrics.binary_calibration_error(probability, truth, n_bins=15)
    assert calibration_error(*two) == pytest.approx(float(expected), abs=1e-6)
    truth, probability = (torch.from_numpy(array) for array in three)
    expected = torchmetrics.multiclass_calibration_error(probability, truth, num_classes=3, n_bins=15)
    assert calibration_error(*three) == pytest.approx(float(expected), abs=1e-6)


def test_scores_that_say_nothing_are_at_chance():
    truth = np.array([0, 0, 0, 1])
    assert auroc(truth, np.full(4, 0.5)) == 0.5
    assert average_precision(truth, np.full(4, 0.5)) == 0.25


def test_intervals_hold_the_value_and_narrow_with_more_patients(two):
    truth, probability = two
    small, large = (classification(a, b, n=200) for a, b in ((truth[:60], probability[:60]), (truth, probability)))
    assert (large["low"] < large["value"])["AUROC"]
    assert (large["value"] < large["high"])["AUROC"]
    assert (large["high"] - large["low"] < small["high"] - small["low"])["AUROC"]
    assert (large["n"] == 250).all()
    assert (large["positive"] == truth.sum()).all()


def test_an_interval_is_over_patients_where_patients_are_named(two):
    truth, probability = (np.repeat(array, 5) for array in two)
    named = classification(truth, probability, groups=np.repeat(np.arange(250), 5), metrics=["AUROC"], n=200).loc[
        "AUROC"
    ]
    blind = classification(truth, probability, metrics=["AUROC"], n=200).loc["AUROC"]
    assert blind["high"] - blind["low"] < 0.6 * (named["high"] - named["low"])


@pytest.mark.parametrize(
    ("truth", "probability", "match"),
    [
        ([0, 1], [0.2, 1.3], "scores from 0.2 to 1.3 are no probabilities"),
        ([0, 1], [0.2, np.nan], "no probabilities"),
        ([0, 1, 1], [0.2, 0.3], "3 true classes and 2 probabilities"),
        ([1, 1], [0.2, 0.3], r"2 rows hold the true classes \[1\]"),
        ([0, 2], [0.2, 0.3], r"true classes \[0, 2\]"),
        ([0, np.nan], [0.2, 0.3], "1 true classes are missing"),
    ],
)
def test_what_cannot_be_measured_is_refused(truth, probability, match):
    with pytest.raises(IpiuError, match=match):
        classification(truth, probability)


def test_metrics_that_are_not_known_are_refused(two, three):
    with pytest.raises(IpiuError, match="no metric 'auc' of two classes"):
        classification(*two, metrics=["auc"])
    with pytest.raises(IpiuError, match="no metric 'sensitivity' of 3 classes"):
        classification(*three, metrics=["sensitivity"])
