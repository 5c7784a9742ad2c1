import numpy as np
import pandas as pd
import pytest
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.preprocessing import StandardScaler
from torchmetrics.functional.retrieval import retrieval_precision

from ipiu import IpiuError
from ipiu.tasks.retrieve import precision_at_k, retrieve


@pytest.fixture(scope="module")
def seen(patients):
    draw = np.random.default_rng(2)
    truth = patients.table()["spot"].to_numpy()
    return pd.DataFrame(draw.normal(size=(80, 8)) + 1.2 * truth[:, None], index=patients.ids)


@pytest.fixture(scope="module")
def likeness(seen):
    return cosine_similarity(StandardScaler().fit_transform(seen))


def test_the_nearest_are_those_of_scikit_learn_and_never_oneself(seen, likeness):
    found = retrieve("p5", seen, k=4)
    others = np.delete(np.arange(80), 5)
    best = others[np.argsort(-likeness[5, others])[:4]]
    assert list(found.index) == [f"p{n}" for n in best]
    np.testing.assert_allclose(found["similarity"], likeness[5, best], atol=1e-5)


def test_a_vector_finds_the_patient_it_came_from(seen):
    assert retrieve(seen.loc["p9"].to_numpy(), seen, k=1)["similarity"].to_dict() == {"p9": pytest.approx(1)}


def test_precision_is_that_of_torchmetrics(patients, seen, likeness):
    import torch

    truth = patients.table()["spot"].to_numpy()
    predictions, table = precision_at_k(seen, patients, "spot", k=6)
    for n in (0, 1, 40):
        others = np.delete(np.arange(80), n)
        same = torch.from_numpy(truth[others] == truth[n])
        expected = retrieval_precision(torch.from_numpy(likeness[n, others]), same, top_k=6)
        assert predictions.loc[f"p{n}", "precision"] == pytest.approx(float(expected))
    assert table.loc[True, "value"] == pytest.approx(predictions[predictions["class"]]["precision"].mean())
    assert table.loc[True, "low"] < table.loc[True, "value"] < table.loc[True, "high"]


def test_noise_is_at_chance(patients):
    noise = pd.DataFrame(np.random.default_rng(0).normal(size=(80, 8)), index=patients.ids)
    table = precision_at_k(noise, patients, "spot", k=10)[1]
    assert table["chance"].to_dict() == {False: pytest.approx(59 / 79), True: pytest.approx(19 / 79)}
    assert (abs(table["value"] - table["chance"]) < 0.12).all()


def test_a_model_is_asked_for_its_features(model, patients):
    table = precision_at_k(model, patients, "spot")[1]
    assert table.loc[True, "low"] > table.loc[True, "chance"]


def test_what_cannot_be_looked_up_is_refused(patients, seen):
    with pytest.raises(IpiuError, match="no patient 'x'"):
        retrieve("x", seen)
    with pytest.raises(IpiuError, match="the query has 3 numbers and the features 8"):
        retrieve(np.zeros(3), seen)
    with pytest.raises(IpiuError, match="k=80 similar patients among 79 others"):
        retrieve("p0", seen, k=80)
    with pytest.raises(IpiuError, match="k=0"):
        precision_at_k(seen, patients, "spot", k=0)
