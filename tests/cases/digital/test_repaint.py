"""One head in contrasts that no sequence has: what changes, and what stays."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy import stats

pytest.importorskip("nilearn")

import ipiu
from ipiu.cases.digital.brain import LABELS
from ipiu.cases.digital.repaint import CLASSES, noise, paint, repaint
from ipiu.errors import IpiuError

PATIENT = ipiu.DigitalCohort(3, seed=4, parts=("brain",)).patient("digital-000001")
IMAGES = PATIENT.brain(spacing=4.0)
HEAD = IMAGES["brain labels"]


def shares():
    return torch.nn.functional.one_hot(HEAD.as_tensor()[0].long(), CLASSES).movedim(-1, 0).float()


def test_the_same_numbers_give_the_same_image_and_others_another():
    one, two, other = (repaint(HEAD, np.random.default_rng(seed), voxel=4.0) for seed in (0, 0, 1))
    assert torch.equal(one, two)
    assert one.shape == HEAD.shape
    assert torch.equal(one.affine, HEAD.affine)
    assert 0 <= float(one.min()) < float(one.max()) <= 1
    assert abs(np.corrcoef(one.numpy().ravel(), other.numpy().ravel())[0, 1]) < 0.99


def test_grey_and_white_matter_change_their_order_from_contrast_to_contrast():
    grey, white = (HEAD[0] == n for n in (1, 2))
    brighter = [
        bool(image[0][white].mean() > image[0][grey].mean())
        for image in (repaint(HEAD, np.random.default_rng(n), voxel=4.0) for n in range(16))
    ]
    assert stats.binomtest(sum(brighter), len(brighter)).pvalue > 0.01


def test_labels_explain_the_image():
    image = repaint(HEAD, np.random.default_rng(2), voxel=4.0)[0].numpy()
    groups = [image[HEAD[0].numpy() == n] for n in (0, 1, 2, 3)]
    assert stats.f_oneway(*groups).pvalue < 1e-6


def test_about_a_third_of_the_images_lose_the_skull_and_say_where():
    kept = [paint(shares(), np.random.default_rng(n), voxel=4.0) for n in range(24)]
    stripped = [(image, where) for image, where in kept if not where.all()]
    assert 2 <= len(stripped) <= 16
    bone, brain = (torch.isin(HEAD.as_tensor()[0], torch.tensor(some)) for some in ((5, 6), (1, 2, 4)))
    for _, where in stripped:
        assert where[brain].float().mean() > 0.97
        assert where[bone].float().mean() < 0.6


def test_the_noise_has_about_unit_variance_and_changes_over_its_step():
    rng = np.random.default_rng(0)
    fields = [noise((40, 40, 40), rng, 8).numpy() for _ in range(20)]
    assert np.std(fields) == pytest.approx(1, abs=0.3)
    near = np.mean([np.corrcoef(f[1:].ravel(), f[:-1].ravel())[0, 1] for f in fields])
    far = np.mean([np.corrcoef(f[20:].ravel(), f[:-20].ravel())[0, 1] for f in fields])
    assert near > 0.9 > 0.3 > abs(far)


def test_labels_of_something_else_are_refused():
    with pytest.raises(IpiuError, match="labels 0 to 10"):
        repaint(MetaTensor(torch.full((1, 4, 4, 4), max(LABELS) + 1)), np.random.default_rng(0))


def test_a_patient_in_a_random_contrast_has_the_anatomy_of_the_case():
    assert torch.equal(PATIENT.brain(spacing=4.0, contrast="random")["brain labels"], HEAD)
    case = ipiu.DigitalCohort(3, seed=4, parts=("brain",))["digital-000001"]
    part = PATIENT.brain()
    assert list(part) == list(case.images)
    assert all(torch.equal(part[name], case.images[name]) for name in part)
