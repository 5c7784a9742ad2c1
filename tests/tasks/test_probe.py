import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from ipiu import Cohort, DigitalCohort, IpiuError
from ipiu.cases.case import Case
from ipiu.tasks.features import features, remember
from ipiu.tasks.labelled import labelled
from ipiu.tasks.probe import probe


@pytest.fixture(scope="module")
def seen(model, patients):
    return features(model, patients, progress=False)


def test_features_are_the_encoders_own_in_the_order_of_the_cohort(model, patients, seen):
    assert tuple(seen.index) == patients.ids
    np.testing.assert_allclose(seen.loc["p7"], model.encode(patients["p7"].images["radiograph"])[0], atol=1e-5)


def test_a_cohort_that_is_remembered_opens_each_patient_once():
    opened = []

    def open_case(name):
        opened.append(name)
        return Case(name, images={"a": np.zeros(1), "b": np.zeros(1)}, labels={"x": 1})

    kept = remember(Cohort(["p", "q"], open_case), "a", progress=False)
    assert [list(case.images) for case in [*kept, *kept]] == [["a"]] * 4
    assert opened == ["p", "q"]
    assert kept.table()["x"].tolist() == [1, 1]


def test_a_linear_probe_finds_what_can_be_seen(model, patients):
    result = probe(model, patients, "spot")
    assert result.table.loc["AUROC", "low"] > 0.8
    assert result.trained_on == len(result.predictions) == 40
    assert result.table.loc["AUROC", "value"] == pytest.approx(
        roc_auc_score(result.predictions["truth"], result.predictions["True"])
    )


def test_a_linear_probe_is_scikit_learns_logistic_regression(patients, seen):
    split = labelled(patients, "spot", share=0.1)
    known, asked = (seen.loc[part.index] for part in (split.train, split.test))
    scale = StandardScaler().fit(known)
    line = LogisticRegression(C=0.01, max_iter=1000).fit(scale.transform(known), split.train)
    expected = line.predict_proba(scale.transform(asked))
    np.testing.assert_allclose(probe(seen, patients, "spot", share=0.1).predictions[["False", "True"]], expected)


def test_a_nearest_neighbour_probe_is_scikit_learns(patients, seen):
    split = labelled(patients, "site")
    known, asked = (seen.loc[part.index] for part in (split.train, split.test))
    scale = StandardScaler().fit(known)
    vote = KNeighborsClassifier(15, metric="cosine", weights="distance").fit(scale.transform(known), split.train)
    found = probe(seen, patients, "site", kind="knn").predictions
    np.testing.assert_allclose(found[["a", "b", "c"]], vote.predict_proba(scale.transform(asked)))


def test_noise_is_at_chance(patients):
    noise = pd.DataFrame(np.random.default_rng(5).normal(size=(80, 30)), index=patients.ids)
    table = probe(noise, patients, "spot").table
    assert table.loc["AUROC", "low"] < 0.5 < table.loc["AUROC", "high"]


def test_nobody_both_trains_and_is_tested(patients):
    for seed in range(3):
        split = labelled(patients, "spot", test=0.3, share=0.5, seed=seed)
        assert not set(split.train.index) & set(split.test.index)
        assert len(split.test) == 24
        assert set(split.test.index) == set(labelled(patients, "spot", test=0.3).test.index)


def test_a_share_keeps_every_class_and_grows(patients):
    few, more = (set(labelled(patients, "spot", share=share).train.index) for share in (0.02, 0.5))
    truth = labelled(patients, "spot").train
    assert sorted(truth[list(few)]) == [0, 1]
    assert few < more
    assert few != set(labelled(patients, "spot", share=0.02, seed=1).train.index)


def test_those_to_be_tested_can_be_named(patients):
    split = labelled(patients, "spot", test=["p3", "p4"])
    assert list(split.test.index) == ["p3", "p4"]
    assert len(split.train) == 78


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"label": "spott"}, "no label 'spott'.*spot"),
        ({"label": "size"}, "size has 80 different values; give 2 to 20 classes"),
        ({"kind": "svm"}, "no probe 'svm'"),
        ({"share": 0}, "share=0 must be above 0"),
        ({"test": ["x"]}, "no patient 'x' to be tested"),
        ({"test": [f"p{n}" for n in range(0, 80, 4)]}, "none of the 60 patients that train is spot=True"),
        ({"label": pd.Series(1, [f"p{n}" for n in range(79)], name="own")}, "1 patients have no own"),
    ],
)
def test_what_cannot_be_probed_is_refused(patients, seen, options, match):
    with pytest.raises(IpiuError, match=match):
        probe(seen, patients, **{"label": "spot", **options})


def test_features_of_other_patients_and_images_that_lack_are_refused(model, patients, seen):
    with pytest.raises(IpiuError, match="the features lack 1 patients of the cohort, the first is 'p79'"):
        probe(seen.iloc[:-1], patients, "spot")
    with pytest.raises(IpiuError, match="patient 'p0' has no image 'radiogram'"):
        probe(model, patients, "spot", image="radiogram")


def test_digital_patients_are_probed_without_opening_them_for_their_labels(model):
    cohort = DigitalCohort(10, seed=3, parts=("fundus",))
    assert len(probe(model, cohort, "sex", image="fundus").predictions) == 5
