import pandas as pd
import pytest

from ipiu.cases.case import Case, Outcome, Source
from ipiu.cases.cohort import Cohort


def cohort(count=10, opened=None, **options):
    def open_case(name):
        if opened is not None:
            opened.append(name)
        number = int(name[1:])
        return Case(name, labels={"age": 40 + number}, outcome=Outcome(100.0 + number, number % 2 == 0))

    return Cohort([f"p{n}" for n in range(count)], open_case, name="ten", **options)


def test_a_case_is_opened_only_when_it_is_asked_for():
    opened = []
    people = cohort(opened=opened)
    assert len(people) == 10
    assert "p3" in people
    assert opened == []
    assert people[3].labels["age"] == 43
    assert people["p4"].id == "p4"
    assert people[-1].id == "p9"
    assert opened == ["p3", "p4", "p9"]


def test_slices_and_subsets_are_cohorts():
    people = cohort()
    assert people[2:4].ids == ("p2", "p3")
    assert people.subset(["p7", "p1"]).ids == ("p7", "p1")
    assert people.subset(lambda case: case.outcome.event).ids == ("p0", "p2", "p4", "p6", "p8")
    with pytest.raises(KeyError, match="has no patient 'p77'"):
        people["p77"]
    with pytest.raises(KeyError, match="has no patient 'p77'"):
        people.subset(["p77"])


def test_a_split_is_disjoint_complete_and_repeatable():
    people = cohort(100)
    parts = people.split(0.7, 0.1, seed=3)
    assert [len(part) for part in parts] == [70, 10, 20]
    assert sorted(i for part in parts for i in part.ids) == sorted(people.ids)
    assert [part.ids for part in people.split(0.7, 0.1, seed=3)] == [part.ids for part in parts]
    assert people.split(0.7, seed=4)[0].ids != parts[0].ids


@pytest.mark.parametrize("fractions", [(), (1.0,), (0.0,), (0.6, 0.4), (-0.1,), (0.7, 0.2, 0.1), (float("nan"),)])
def test_impossible_splits_are_refused(fractions):
    with pytest.raises(ValueError, match="must each be above 0 and sum to less than 1"):
        cohort().split(*fractions)


def test_the_table_has_labels_and_outcome():
    table = cohort(3).table()
    expected = pd.DataFrame(
        {"age": [40, 41, 42], "time": [100.0, 101.0, 102.0], "event": [True, False, True]},
        index=pd.Index(["p0", "p1", "p2"], name="id"),
    )
    pd.testing.assert_frame_equal(table, expected)


def test_a_known_table_is_given_without_opening_and_follows_the_subset():
    opened = []
    known = pd.DataFrame({"age": range(10)}, index=pd.Index([f"p{n}" for n in range(10)], name="id"))
    people = cohort(opened=opened, table=known)
    assert people[2:4].table().age.tolist() == [2, 3]
    copied = people.table()
    copied.loc["p0", "age"] = 99
    assert people.table().loc["p0", "age"] == 0
    assert opened == []


def test_an_id_that_stands_twice_is_refused():
    with pytest.raises(ValueError, match="the id 'a' stands more than once"):
        Cohort(["a", "b", "a"], Case)


def test_cases_in_memory_form_a_cohort_with_their_source():
    source = Source("digital patient", "seed 7")
    people = Cohort.of([Case("a", source=source), Case("b", source=source)], name="two")
    assert repr(people) == "Cohort('two', 2 patients; digital patient: seed 7)"
    assert people["b"].id == "b"


def test_text_from_outside_is_escaped():
    table = pd.DataFrame({"x": ["<script>"]}, index=pd.Index(["p0"], name="id"))
    html = Cohort(["p0"], Case, name="<script>", source=Source("own file", "<script>"), table=table)._repr_html_()
    assert "<script" not in html


def test_small_cohorts_are_split_as_evenly_as_whole_patients_allow():
    assert [len(part) for part in cohort(5).split(0.3, 0.3, 0.3)] == [2, 1, 1, 1]
    assert [len(part) for part in cohort(1).split(0.5)] == [0, 1]
    assert [len(part) for part in cohort(0).split(0.5)] == [0, 0]


def test_a_cohort_without_patients_has_a_table_and_says_who_is_missing():
    nobody = cohort(0)
    assert nobody.table().shape == (0, 0)
    assert list(nobody) == []
    with pytest.raises(KeyError, match="has no patient 'p1'; it has no patients"):
        nobody.subset(["p1"])


def test_a_table_of_cases_keeps_a_label_called_id():
    people = Cohort.of([Case("a", labels={"id": 7}), Case("b", labels={"id": 8})])
    assert people.table().id.to_dict() == {"a": 7, "b": 8}
