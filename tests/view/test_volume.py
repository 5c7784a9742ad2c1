"""What ipiu.view accepts, refuses and shows."""

import json
import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

import ipiu
from ipiu.view import layers, still

AFFINE = np.array([[-2.0, 0, 0, 20], [0, 1.5, 0, -10], [0, 0, 4.0, 5], [0, 0, 0, 1]])


def volume(values, affine=AFFINE, **meta):
    return MetaTensor(torch.as_tensor(values)[None], affine=torch.as_tensor(affine), meta=meta)


@pytest.fixture
def image():
    values = np.arange(12 * 10 * 8, dtype=np.float32).reshape(12, 10, 8) - 300
    return volume(values, unit="HU", name="a chest", window=(40, 400))


@pytest.fixture
def labels():
    values = np.zeros((12, 10, 8), np.int16)
    values[3:6, 4:7, 2:4] = 1
    values[8, 2, 6] = 9
    return volume(values, labels={1: "nodule", 9: "vessel"})


@pytest.fixture
def pages(tmp_path, monkeypatch):
    monkeypatch.setenv("IPIU_PAGES", str(tmp_path))
    return tmp_path


class Reader(HTMLParser):
    """Tags with their attributes, and the text, as a browser reads them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)


def settings(html):
    figure = next(attrs for tag, attrs in Reader(html).tags if tag == "figure")
    return json.loads(figure["data-ipiu-view"])


def test_the_module_is_the_verb_and_loads_its_others_on_use(image):
    assert callable(ipiu.view)
    assert repr(ipiu.view(image)) == "Viewer(12 x 10 x 8)"
    assert {"slices", "ecg", "survival"} <= set(dir(ipiu.view))


def test_hostile_header_text_stays_text(image, labels, pages):
    image.meta["name"] = "<script>alert(1)</script>"
    labels.meta["labels"] = {1: '"><img src=x onerror=alert(2)>', 9: "&lt;b&gt;"}
    html = ipiu.view(image, labels)._repr_mimebundle_()["text/html"]
    read = Reader(html)
    assert {tag for tag, _ in read.tags} == {"figure", "div", "img", "ul", "li", "span", "figcaption", "small"}
    assert sum(tag == "img" for tag, _ in read.tags) == 1
    assert "<script>alert(1)</script>" in "".join(read.words)
    assert settings(html)["overlays"][0]["labels"][1][1] == "&lt;b&gt;"


def test_a_page_holds_a_described_still_picture_and_no_widget(image, labels, pages):
    bundle = ipiu.view(image, labels, title="A thorax")._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    picture = next(attrs for tag, attrs in Reader(bundle["text/html"]).tags if tag == "img")
    assert picture["alt"] == (
        "A thorax: coronal, sagittal and axial planes and a surface rendering, overlaid with nodule, vessel"
    )
    assert re.match(r"data:image/(webp|jpeg);base64,", picture["src"])
    assert len(bundle["text/html"]) < 130_000


def test_outside_a_page_the_picture_brings_nothing_to_load(image, monkeypatch):
    monkeypatch.delenv("IPIU_PAGES", raising=False)
    assert "data-ipiu-view" not in ipiu.view(image)._repr_mimebundle_()["text/html"]


def test_the_window_is_asked_for_stated_or_fits_the_values(image):
    assert ipiu.view(image).window == (40, 400)
    assert ipiu.view(image, window=(10, 20)).window == (10, 20)
    assert ipiu.view(image, window="lung").window == (-600, 1500)
    image.meta["window"] = None
    assert ipiu.view(image).window == layers.PRESETS["abdomen"]
    centre, width = ipiu.view(image, unit="arbitrary").window
    inside = np.asarray(image).ravel()[1:]
    assert np.allclose([centre - width / 2, centre + width / 2], np.percentile(inside, [1, 99.5]), atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": "liver"}, "window 'liver' is unknown; choose one of lung"),
        ({"window": "lung", "unit": "Bq/ml"}, "preset for HU and the image's unit is 'Bq/ml'"),
        ({"window": (40, 0)}, "a width above 0"),
        ({"window": 40}, "a width above 0"),
        ({"backend": "vtk"}, "backend 'vtk' is unknown"),
        ({"mode": "oblique"}, "mode 'oblique' is unknown"),
    ],
)
def test_unknown_options_are_refused(image, options, message):
    with pytest.raises(ipiu.IpiuError, match=message):
        ipiu.view(image, **options)


def test_pictures_and_other_shapes_are_sent_elsewhere(image):
    with pytest.raises(ipiu.IpiuError, match=r"is a picture and not a volume .* ipiu.view.slices"):
        ipiu.view(MetaTensor(torch.zeros(3, 8, 8)))
    with pytest.raises(ipiu.IpiuError, match=r"ipiu.view.slices"):
        ipiu.view(MetaTensor(torch.zeros(1, 8, 8, 5), meta={"frame_axis": True}))
    with pytest.raises(ipiu.IpiuError, match=r"must be \(1, i, j, k\)"):
        ipiu.view(MetaTensor(torch.zeros(8, 8)))


def test_values_that_are_not_finite_are_said_and_all_of_them_refused(image):
    image[0, 0, 0, 0] = float("nan")
    viewer = ipiu.view(image)
    assert "1 voxels that are not finite" in viewer.to_html()
    assert viewer.image.voxels.min() == -299
    with pytest.raises(ipiu.IpiuError, match="no finite value"):
        ipiu.view(image * float("nan"))


def test_of_several_channels_or_frames_the_first_is_shown_and_said():
    two = MetaTensor(torch.stack([torch.zeros(4, 4, 4), torch.ones(4, 4, 4)]))
    viewer = ipiu.view(two)
    assert "channel 1 of 2 is shown" in viewer.to_html()
    assert viewer.image.voxels.max() == 0


def test_a_mask_elsewhere_is_refused_and_another_grid_in_the_same_space_is_not(image):
    apart = AFFINE.copy()
    apart[:3, 3] += 100
    with pytest.raises(ipiu.IpiuError, match=r"mask covers \[.*they lie apart"):
        ipiu.view(image, volume(np.ones((12, 10, 8), np.uint8), apart))
    coarse = AFFINE @ np.diag([2, 2, 2, 1])
    assert ipiu.view(image, volume(np.ones((6, 5, 4), np.uint8), coarse)).overlays[0].voxels.shape == (6, 5, 4)


def test_a_mask_without_an_affine_must_have_the_images_size(image):
    assert ipiu.view(image, torch.ones(1, 12, 10, 8)).overlays[0].affine[0, 0] == -2
    with pytest.raises(ipiu.IpiuError, match="has no affine and its shape"):
        ipiu.view(image, torch.ones(1, 6, 5, 4))


@pytest.mark.parametrize(
    ("value", "message"), [(1.5, "neither a label map nor"), (float("nan"), "not finite"), (-3.0, "-3")]
)
def test_masks_of_other_values_are_refused(image, value, message):
    values = np.zeros((12, 10, 8), np.float32)
    values[0, 0, 0] = value
    with pytest.raises(ipiu.IpiuError, match=message):
        ipiu.view(image, volume(values))


def test_several_masks_take_their_names_and_colours(image):
    grey = volume(np.full((12, 10, 8), 0.25, np.float32))
    white = volume(np.full((12, 10, 8), 0.5, np.float32))
    first, second = ipiu.view(image, {"grey matter": grey, "white matter": white}).overlays
    assert (first.kind, first.labels, second.labels) == ("probability", {1: "grey matter"}, {1: "white matter"})
    assert first.colours != second.colours


def test_labels_are_named_by_the_caller_then_by_the_mask(image, labels):
    assert ipiu.view(image, labels).overlays[0].labels == {1: "nodule", 9: "vessel"}
    assert ipiu.view(image, labels, labels={1: "tumour"}).overlays[0].labels == {1: "tumour", 9: "label 9"}


def test_canonical_axes_agree_with_nibabel_and_keep_every_place():
    import nibabel as nib

    turned = np.array([[0, 0, 3.0, -7], [-2, 0.1, 0, 9], [0, 1.5, 0, 2], [0, 0, 0, 1]])
    values = np.random.default_rng(0).normal(size=(5, 6, 7)).astype(np.float32)
    mine = still.canonical(layers.image_layer(volume(values, turned)))
    other = nib.as_closest_canonical(nib.Nifti1Image(values, turned))
    assert np.array_equal(mine.voxels, other.get_fdata(dtype=np.float32))
    assert np.allclose(mine.affine, other.affine)


def test_the_planes_cross_where_the_mask_is(image, labels):
    viewer = ipiu.view(image, labels)
    voxel = np.linalg.solve(AFFINE, [*viewer.point, 1])[:3]
    assert np.allclose(voxel, np.rint(voxel), atol=1e-3)
    assert np.asarray(labels)[0][tuple(np.rint(voxel).astype(int))] == 1


def test_the_still_picture_is_in_radiological_convention():
    """A bright block in the patient's right, front and top is left, and up, in the picture."""
    values = np.zeros((40, 40, 40), np.float32)
    values[28:36, 28:36, 28:36] = 100  # identity affine: right, anterior, superior
    picture = still.draw(*[layers.image_layer(volume(values, np.eye(4))), []], (50, 100), (31, 31, 31))
    pixels = np.asarray(_decoded(picture)).mean(axis=2)
    middle = pixels.shape[0] // 2
    coronal, sagittal, axial = pixels[:middle, :middle], pixels[:middle, middle:], pixels[middle:, :middle]
    for tile in (coronal, sagittal, axial):
        rows, columns = np.nonzero(tile > 200)
        assert rows.mean() < 0.35 * tile.shape[0]
        assert columns.mean() < 0.35 * tile.shape[1]


def test_a_single_slice_is_shown_alone(pages):
    flat = volume(np.random.default_rng(0).normal(size=(30, 20, 1)).astype(np.float32))
    html = ipiu.view(flat).to_html()
    assert settings(html)["planes"] == ["axial"]
    assert "axial slice" in unescape(html)


def test_noise_stays_below_the_limit_of_a_still_picture():
    noise = volume(np.random.default_rng(0).normal(size=(256, 256, 256)).astype(np.float32), np.eye(4))
    assert len(ipiu.view(noise).still.data) <= still.LIMIT


def _decoded(picture):
    from io import BytesIO

    from PIL import Image

    return Image.open(BytesIO(picture.data)).convert("RGB")
