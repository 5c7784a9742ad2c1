import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestCentroid

from ipiu import IpiuError
from ipiu.tasks.features import features
from ipiu.tasks.fewshot import fewshot
from ipiu.tasks.labelled import labelled


@pytest.fixture(scope="module")
def clusters(patients):
    """Features on the unit sphere, a direction a class, with much noise."""
    draw = np.random.default_rng(0)
    truth = patients.table()["spot"].to_numpy().astype(int)
    return pd.DataFrame(np.eye(2)[truth] @ draw.normal(size=(2, 16)) + draw.normal(size=(80, 16)), index=patients.ids)


def test_more_examples_are_better_and_vary_less(patients, clusters):
    one, eight = (fewshot(clusters, patients, "spot", k=k, draws=40).table.loc["AUROC"] for k in (1, 8))
    assert one["value"] < eight["value"]
    assert eight["high"] - eight["low"] < one["high"] - one["low"]
    assert fewshot(clusters, patients, "spot", k=8).trained_on == 16


def test_with_all_examples_it_is_the_nearest_class_mean(patients, clusters):
    # as many of either class, of rows of equal length: the nearest by cosine is the nearest by distance
    names = [f"p{n}" for n in range(80) if n % 4 < 2]
    some = patients.subset(names)
    split = labelled(some, "spot", test=[f"p{n}" for n in range(40) if n % 4 < 2])
    known = clusters.loc[split.train.index]
    scaled = (clusters.loc[names] - known.mean()) / (known.std(ddof=0) + 1e-6)
    means = NearestCentroid().fit(scaled.loc[split.train.index], split.train).centroids_
    unit = means / np.linalg.norm(means, axis=1, keepdims=True)
    expected = (scaled.loc[split.test.index].to_numpy() @ unit.T).argmax(1)
    found = fewshot(clusters, some, "spot", k=10, draws=3, test=list(split.test.index))
    assert (found.predictions[["False", "True"]].to_numpy().argmax(1) == expected).all()
    assert found.table.loc["AUROC", "low"] == found.table.loc["AUROC", "high"]


def test_a_model_is_asked_for_its_features(model, patients):
    direct = fewshot(model, patients, "spot", draws=3)
    kept = fewshot(features(model, patients, progress=False), patients, "spot", draws=3)
    assert direct.predictions.equals(kept.predictions)
    assert direct.table.loc["AUROC", "value"] > 0.7


def test_more_classes_than_two_are_told_apart(patients):
    seen = pd.DataFrame(np.eye(3)[np.arange(80) % 3] + 1e-3, index=patients.ids)
    assert fewshot(seen, patients, "site", k=2, draws=2).table.loc["balanced accuracy", "value"] == 1


def test_more_examples_than_there_are_is_refused(patients, clusters):
    with pytest.raises(IpiuError, match=r"k=30 examples of each class, but only \d+ patients of class True"):
        fewshot(clusters, patients, "spot", k=30)
