import pandas as pd
import pytest

from ipiu.cases.case import Case
from ipiu.cases.grouped import GroupedCohort

PATIENTS = [f"p{n // 3}" for n in range(60)]
IDS = [f"study-{n}" for n in range(60)]


def cohort():
    table = pd.DataFrame({"patient": PATIENTS}, index=pd.Index(IDS, name="id"))
    return GroupedCohort(IDS, Case, patients=PATIENTS, name="studies", table=table)


@pytest.mark.parametrize("seed", range(4))
def test_a_patient_is_never_in_two_parts(seed):
    parts = cohort().split(0.6, 0.2, seed=seed)
    people = [set(part.patients) for part in parts]
    assert [len(part) for part in people] == [12, 4, 4]
    assert sum(len(part) for part in parts) == 60
    assert sum(len(part) for part in people) == len(set().union(*people))


def test_parts_of_parts_know_their_patients_and_keep_the_order():
    part = cohort()[10:40].split(0.5, seed=1)[0]
    assert isinstance(part, GroupedCohort)
    assert list(part.ids) == sorted(part.ids, key=IDS.index)
    assert part.table()["patient"].tolist() == list(part.patients)
    assert cohort().split(0.5, seed=7)[0].ids == cohort().split(0.5, seed=7)[0].ids


def test_it_says_what_its_cases_are():
    class Opener:
        each = "recordings"

        def __call__(self, name):
            return Case(name)

    assert repr(cohort()).startswith("Cohort('studies', 60 cases; ")
    recordings = GroupedCohort(IDS, Opener(), patients=PATIENTS)
    assert "12 recordings" in repr(recordings[:12])
    assert "12 recordings" in recordings[:12]._repr_html_()


def test_one_patient_a_case_is_needed():
    with pytest.raises(ValueError, match="shorter"):
        GroupedCohort(["a", "b"], Case, patients=["p"])
