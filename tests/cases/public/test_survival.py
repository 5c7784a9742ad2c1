import pickle

import pytest

import ipiu
from ipiu.cases.public.survival import survival
from ipiu.errors import IpiuError

# people and events as scikit-survival's documentation states them
PUBLISHED = {
    "whas500": (500, 215),
    "flchain": (7874, 2169),
    "gbsg2": (686, 299),
    "veteran": (137, 128),
    "aids": (1151, 96),
    "gse7390": (198, 51),
    "bone-marrow": (35, 24),
    "cgvhd": (100, 96),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_cohort_has_the_published_people_and_events(name):
    cohort = survival(name)
    table = cohort.table()
    assert (len(cohort), int(table["event"].sum())) == PUBLISHED[name]
    case = cohort[3]
    assert str(case.source) == str(cohort.source) == f"public benchmark: {name}"
    assert (case.outcome.time, case.outcome.event) == (table["time"].iloc[3], table["event"].iloc[3])


def test_it_is_the_real_sample_under_another_word():
    case, sample = survival("gse7390")[5], ipiu.open("sample:gse7390")[5]
    assert case.labels == sample.labels
    assert case.expression.equals(sample.expression)
    assert str(sample.source) == "real sample: gse7390"


def test_kinds_of_event_keep_their_names():
    counts = survival("cgvhd").table()["first event"].value_counts()
    assert counts.to_dict() == {"chronic graft-versus-host disease": 86, "relapse": 5, "death": 5, "censored": 4}
    assert survival("cgvhd")[0].outcome.unit == "years"


def test_a_cohort_can_go_to_another_process():
    cohort = survival("veteran")
    assert pickle.loads(pickle.dumps(cohort))[7].labels == cohort[7].labels


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(IpiuError, match="there is no cohort 'whas'; did you mean whas500"):
        survival("whas")
