"""Brain MR of digital patients: geometry, order of tissues, and what age, disease and scanner do to it."""

from dataclasses import replace
from functools import cache

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import pdist

pytest.importorskip("nilearn")

from ipiu.cases.digital.brain import LABELS, make_brain
from ipiu.cases.digital.brain_anatomy import draw_head
from ipiu.cases.digital.site import Site
from ipiu.cases.digital.state import draw_state
from ipiu.cases.digital.streams import stream
from ipiu.errors import IpiuError

NUMBER = {name: number for number, name in LABELS.items()}
REFERENCE = Site()
PLAIN = Site(mr_noise=0.01, mr_bias=0.0)
BRAIN = ("grey matter", "white matter", "cerebrospinal fluid", "ventricles")


@cache
def brain(index, *, change=(), do=(), spacing=4.0, site=REFERENCE, contrast="clinical"):
    state = replace(draw_state(1, index, do=dict(do)), **dict(change))
    return make_brain(state, stream(1, index, "brain"), spacing=spacing, site=site, contrast=contrast)


def array(images, name):
    return images[f"brain {name}"][0].numpy()


def volume(images, *names):
    labels = images["brain labels"]
    voxel = abs(np.linalg.det(labels.affine[:3, :3].numpy())) / 1000
    return sum((labels[0].numpy() == NUMBER[name]).sum() for name in names) * voxel


def mean(images, image, name):
    inside = ndimage.binary_erosion(array(images, "labels") == NUMBER[name])
    return array(images, image)[inside].mean()


def test_every_image_has_the_same_grid_in_ras_millimetres():
    images = brain(0)
    assert list(images) == ["brain t1", "brain t2", "brain flair", "brain labels"]
    for name, image in images.items():
        assert image.shape == (1, 48, 56, 48)
        assert nib.aff2axcodes(image.affine.numpy()) == ("R", "A", "S")
        assert nib.affines.voxel_sizes(image.affine.numpy()) == pytest.approx([4, 4, 4])
        assert image.meta["name"] == name
    assert images["brain t1"].numpy().dtype == np.float32
    assert (images["brain t1"].meta["modality"], images["brain t1"].meta["unit"]) == ("MR", "arbitrary")
    assert images["brain labels"].numpy().dtype == np.uint8
    assert images["brain labels"].meta["labels"] == LABELS


def test_the_same_patient_is_the_same_to_the_last_bit():
    again = make_brain(draw_state(1, 0), stream(1, 0, "brain"), spacing=4.0)
    for name, image in brain(0).items():
        np.testing.assert_array_equal(again[name].numpy(), image.numpy())
    assert (array(brain(1), "labels") != array(brain(0), "labels")).mean() > 0.03


@pytest.mark.parametrize("index", range(2))
def test_tissues_have_the_order_that_each_contrast_is_known_for(index):
    images = brain(index, spacing=2.5, site=PLAIN)
    grey, white, fluid = ([mean(images, c, n) for c in ("t1", "t2", "flair")] for n in BRAIN[:2] + BRAIN[3:])
    assert white[0] > grey[0] > fluid[0]
    assert fluid[1] > grey[1] > white[1]
    assert grey[2] > white[2] > fluid[2]
    assert mean(images, "t1", "scalp") > 2 * mean(images, "t1", "skull")


def test_it_looks_like_the_template_it_was_deformed_from():
    white = pytest.importorskip("nilearn.datasets").load_mni152_wm_template(resolution=4)
    sure = nib.affines.apply_affine(white.affine, np.argwhere(white.get_fdata() > 0.9))
    images = brain(0)
    to_voxel = np.linalg.inv(images["brain labels"].affine.numpy())

    def share(points):
        index = nib.affines.apply_affine(to_voxel, points * 0.92).round().astype(int)
        return (array(images, "labels")[tuple(index.T)] == NUMBER["white matter"]).mean()

    assert share(sure) > 0.7
    assert share(sure * (1, -1, 1)) < 0.5


def test_left_and_right_differ_though_the_template_is_symmetric():
    labels = array(brain(0), "labels")
    inside = (labels > 0) & (labels < 5)
    assert (labels != labels[::-1])[inside].mean() > 0.1


def test_the_anatomy_does_not_depend_on_the_spacing():
    heads = [draw_head(draw_state(1, 2), stream(1, 2, "brain"), s) for s in ((2.0,) * 3, (4.0,) * 3, (2.0, 2.0, 6.0))]
    for name in BRAIN[:3]:
        shares = [x.fractions[name] for x in heads]
        volumes = [share.sum() * np.linalg.det(x.affine) for share, x in zip(shares, heads, strict=True)]
        assert volumes[1:] == pytest.approx([volumes[0]] * 2, rel=0.04)
        # the middle of the tissue stays where it was
        middles = [nib.affines.apply_affine(x.affine, ndimage.center_of_mass(x.fractions[name])) for x in heads]
        assert middles[1] == pytest.approx(middles[0], abs=0.5)
        assert middles[2] == pytest.approx(middles[0], abs=0.5)


def test_a_thick_slice_is_the_mean_of_thin_ones():
    thin, thick = (draw_head(draw_state(1, 2), stream(1, 2, "brain"), s) for s in ((2.0,) * 3, (2.0, 2.0, 4.0)))
    white = thin.fractions["white matter"]
    means = (white[:, :, ::2] + white[:, :, 1::2]) / 2
    np.testing.assert_allclose(thick.fractions["white matter"], means, atol=1e-5)
    assert sum(thick.fractions.values()).min() == pytest.approx(1, abs=1e-4)
    assert sum(thick.fractions.values()).max() == pytest.approx(1, abs=1e-4)


def test_the_anatomy_does_not_depend_on_the_scanner_or_the_sequence():
    labels = array(brain(0), "labels")
    np.testing.assert_array_equal(array(brain(0, site=Site(mr_noise=0.1, mr_bias=0.6)), "labels"), labels)
    np.testing.assert_array_equal(array(brain(0, contrast="random"), "labels"), labels)


def test_fluid_takes_the_place_of_tissue_with_age():
    share = []
    for age in (25.0, 55.0, 85.0):
        images = brain(3, change=(("age", age),))
        share.append(volume(images, *BRAIN[2:]) / volume(images, *BRAIN, "white matter lesion"))
    # 19 % in the twenties and 34 % above 80 on average (Yamada et al. 2023, doi:10.1007/s00330-023-09632-x)
    assert 0.12 < share[0] < share[1] - 0.03 < share[2] - 0.06 < 0.36
    assert volume(brain(3, change=(("age", 85.0),)), "ventricles") > 1.4 * volume(
        brain(3, change=(("age", 25.0),)), "ventricles"
    )


def test_men_and_the_tall_have_more_room_in_the_skull():
    woman, tall, man = (
        volume(brain(3, change=(("sex", sex), ("height", height))), *BRAIN)
        for sex, height in (("female", 163.0), ("female", 183.0), ("male", 176.0))
    )
    assert tall - woman == pytest.approx(100, abs=30)
    assert man / woman == pytest.approx(1.115, abs=0.03)


def test_hypertension_leaves_bright_lesions_in_white_matter():
    calm, high = (brain(4, change=(("age", 75.0),), do=(("hypertension", x),), spacing=2.5) for x in (0.0, 1.0))
    assert volume(high, "white matter lesion") > 1.3 * volume(calm, "white matter lesion") > 0
    spots = array(high, "labels") == NUMBER["white matter lesion"]
    assert array(high, "flair")[spots].mean() > 1.2 * mean(high, "flair", "white matter")


@pytest.mark.parametrize("index", [5, 6])
def test_a_tumour_has_the_size_and_the_side_of_the_state(index):
    images = brain(index, do=(("brain tumour", 0.7),), spacing=2.5)
    (lesion,) = (x for x in draw_state(1, index, do={"brain tumour": 0.7}).lesions if x.kind == "brain tumour")
    voxels = np.argwhere(array(images, "labels") == NUMBER["tumour core"])
    points = nib.affines.apply_affine(images["brain labels"].affine.numpy(), voxels)
    assert 0.7 * lesion.size < pdist(points).max() < lesion.size + 3
    assert (points[:, 0].mean() > 0) == (lesion.side == "right")


def test_a_tumour_without_and_with_severity_grows_in_core_and_oedema():
    grown = [brain(7, do=(("brain tumour", x),), spacing=4.0) for x in (0.0, 0.3, 1.0)]
    for name in ("tumour core", "oedema"):
        sizes = [volume(images, name) for images in grown]
        assert sizes[0] == 0
        assert np.all(np.diff(sizes) > 0)
    assert [images["brain t1"].meta["contrast medium"] for images in grown] == [False, True, True]
    worst = grown[-1]
    assert mean(worst, "flair", "oedema") > 1.3 * mean(worst, "flair", "white matter")
    assert array(worst, "t1")[array(worst, "labels") == 7].max() > 1.1 * mean(worst, "t1", "white matter")


def test_a_tumour_leaves_the_other_hemisphere_as_it_was():
    with_, without = (array(brain(7, do=(("brain tumour", x),), spacing=3.0), "labels") for x in (0.2, 0.0))
    changed = np.argwhere(with_ != without)
    core = np.argwhere(with_ == NUMBER["tumour core"]).mean(0)
    assert np.linalg.norm(changed - core, axis=1).max() * 3 < 80
    assert len(changed) < 0.05 * (without > 0).sum()


def test_noise_in_air_is_that_of_a_magnitude_image():
    images = brain(0, site=Site(mr_noise=0.05, mr_bias=0.0))
    air = array(images, "t2")[:, -6:, -6:]
    # a Rayleigh distribution, whatever the gain
    assert air.mean() / air.std() == pytest.approx(np.sqrt(np.pi / (4 - np.pi)), rel=0.05)
    white = mean(images, "t1", "white matter")
    sigma = array(images, "t1")[:, -6:, -6:].mean() / np.sqrt(np.pi / 2)
    assert sigma / white == pytest.approx(0.05, rel=0.25)


def test_the_bias_field_of_the_site_shades_white_matter():
    flat, shaded = (brain(0, site=Site(mr_noise=0.01, mr_bias=x)) for x in (0.0, 0.5))
    inside = ndimage.binary_erosion(array(flat, "labels") == NUMBER["white matter"])
    spread = [array(x, "t1")[inside].std() / array(x, "t1")[inside].mean() for x in (flat, shaded)]
    assert spread[1] > 2 * spread[0]


def test_random_contrast_knows_no_order_of_tissues():
    brighter = []
    for index in range(5):
        images = brain(index, contrast="random")
        assert list(images) == ["brain random", "brain labels"]
        assert 0 <= array(images, "random").min() <= array(images, "random").max() <= 1
        grey, white, fluid = (mean(images, "random", name) for name in (*BRAIN[:2], BRAIN[3]))
        brighter.append((white > grey, fluid > white))
    for either in zip(*brighter, strict=True):
        assert set(map(bool, either)) == {True, False}


@pytest.mark.parametrize(("options", "message"), [({"spacing": 0.1}, "spacing=0.1"), ({"contrast": "pd"}, "'pd'")])
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(IpiuError, match=message):
        make_brain(draw_state(1, 0), stream(1, 0, "brain"), **options)
