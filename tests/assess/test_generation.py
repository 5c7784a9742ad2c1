"""Generation measured: against closed forms, torchmetrics and distances computed another way."""

import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from scipy.spatial.distance import cdist
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as ms_ssim

from ipiu import IpiuError
from ipiu.assess.generation import copies, diversity, frechet


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def root(matrix):
    """The symmetric square root, by eigenvalues."""
    values, vectors = eigh(matrix)
    return vectors @ np.diag(np.sqrt(values.clip(0))) @ vectors.T


class TestFrechet:
    def test_it_is_the_closed_form_of_the_two_gaussians(self, rng):
        one = rng.normal(size=(200, 4)) @ rng.normal(size=(4, 4)) + 1
        two = rng.normal(size=(300, 4)) @ rng.normal(size=(4, 4))
        first, second = np.cov(one.T), np.cov(two.T)
        half = root(first)
        expected = np.square(one.mean(0) - two.mean(0)).sum()
        expected += np.trace(first + second - 2 * root(half @ second @ half))
        assert frechet(one, two, encoder="none", n=10).estimate.value == pytest.approx(expected, rel=1e-6)

    def test_many_draws_of_two_gaussians_come_near_their_true_distance(self, rng):
        # means 3 apart along one axis, standard deviations 1 and 2 along the other: 9 + (2 - 1) squared
        one = rng.normal((0, 0), (1, 1), (4000, 2))
        two = rng.normal((3, 0), (1, 2), (4000, 2))
        found = frechet(one, two, encoder="none", n=50).estimate
        assert found.value == pytest.approx(10, abs=0.4)
        assert found.low < 10 < found.high

    def test_a_set_is_no_distance_from_itself(self, rng):
        rows = rng.normal(size=(50, 3))
        assert frechet(rows, rows, encoder="none", n=10).estimate.value == pytest.approx(0, abs=1e-6)

    def test_the_interval_holds_the_value_and_shrinks_with_more_pictures(self, rng):
        few, many = (frechet(rng.normal(0.5, 1, (n, 3)), rng.normal(size=(n, 3)), encoder="e", n=50) for n in (30, 600))
        for found in (few, many):
            assert found.estimate.low < found.estimate.value < found.estimate.high
        assert many.estimate.high - many.estimate.low < few.estimate.high - few.estimate.low

    def test_it_names_its_encoder_and_its_numbers(self, rng):
        found = frechet(rng.normal(size=(20, 2)), rng.normal(size=(30, 2)), encoder="ipiu-tiny-mae", n=10)
        assert "by ipiu-tiny-mae, 20 generated against 30 real" in str(found)

    def test_the_same_seed_gives_the_same_interval(self, rng):
        sets = rng.normal(size=(20, 2)), rng.normal(size=(30, 2))
        assert frechet(*sets, encoder="e", n=10) == frechet(*sets, encoder="e", n=10)

    @pytest.mark.parametrize(
        ("one", "two", "sentence"),
        [
            (np.zeros((5, 8)), np.ones((50, 8)), "generated has 5 pictures and 8 numbers each"),
            (np.eye(9)[:, :2], np.eye(9)[:, :3], "2 and 3 numbers; make both with one encoder"),
            (np.full((9, 2), np.nan), np.eye(9)[:, :2], "generated holds numbers that are not finite"),
        ],
    )
    def test_what_cannot_be_measured_is_refused(self, one, two, sentence):
        with pytest.raises(IpiuError, match=sentence):
            frechet(one, two, encoder="e")


class TestDiversity:
    def test_one_picture_many_times_has_none(self):
        assert diversity(torch.rand(1, 1, 64, 64).expand(6, -1, -1, -1)).value == pytest.approx(1)

    def test_noise_is_as_diverse_as_can_be(self):
        noise = torch.rand(8, 1, 64, 64, generator=torch.Generator().manual_seed(0))
        assert diversity(noise).value < 0.1

    def test_it_is_the_ms_ssim_of_torchmetrics(self):
        source = torch.Generator().manual_seed(0)
        base = torch.rand(1, 1, 64, 64, generator=source)
        pictures = (base + 0.2 * torch.rand(8, 1, 64, 64, generator=source)).clamp(0, 1)
        order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
        betas = np.array([0.0448, 0.2856, 0.3001])
        expected = ms_ssim(
            pictures[order[:4]], pictures[order[4:]], data_range=1.0, betas=tuple(betas / betas.sum()), normalize="relu"
        )
        assert diversity(pictures).value == pytest.approx(float(expected), abs=0.02)

    def test_volumes_are_measured_too(self):
        assert diversity(torch.rand(1, 1, 16, 16, 16).expand(4, -1, -1, -1, -1)).value == pytest.approx(1)

    def test_too_few_or_too_small_pictures_are_refused(self):
        with pytest.raises(IpiuError, match=r"pictures of shape \(2, 1, 64, 64\)"):
            diversity(torch.rand(2, 1, 64, 64))


class TestCopies:
    def test_planted_copies_are_found_with_their_source(self, rng):
        training, fresh = rng.normal(size=(400, 16)), rng.normal(size=(200, 16))
        made = rng.normal(size=(40, 16))
        made[:10] = training[100:110] + 0.01 * rng.normal(size=(10, 16))
        found = copies(made, training, fresh)
        assert list(found.nearest[:10]) == list(range(100, 110))
        assert (found.distance[:10] < found.threshold).all()
        assert 0.25 <= found.share.value < 0.4

    def test_a_generator_as_real_pictures_are_has_about_the_share_of_the_quantile(self, rng):
        training, fresh, made = (rng.normal(size=(n, 8)) for n in (500, 1000, 1000))
        found = copies(made, training, fresh, quantile=0.05)
        assert found.share.value == pytest.approx(0.05, abs=0.02)
        assert found.share.low < 0.05 < found.share.high

    def test_distances_are_those_of_scipy(self, rng):
        training, fresh, made = (rng.normal(size=(n, 3, 4)) for n in (50, 40, 30))
        found = copies(made, training, fresh)
        table = cdist(made.reshape(30, -1), training.reshape(50, -1))
        assert np.allclose(found.distance, table.min(1))
        assert (found.nearest == table.argmin(1)).all()
        assert found.threshold == pytest.approx(
            np.quantile(cdist(fresh.reshape(40, -1), training.reshape(50, -1)).min(1), 0.05)
        )

    def test_pictures_of_other_sizes_are_refused(self, rng):
        with pytest.raises(IpiuError, match="rows of 4, 9 and 4 numbers"):
            copies(np.ones((5, 2, 2)), np.ones((5, 3, 3)), np.ones((50, 2, 2)))

    def test_a_quantile_below_one_picture_is_refused(self):
        with pytest.raises(IpiuError, match=r"quantile=0\.01 of 40 held-out pictures is less than one"):
            copies(np.ones((5, 4)), np.ones((5, 4)), np.ones((40, 4)), quantile=0.01)
