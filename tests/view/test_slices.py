import base64
import io
import re

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from PIL import Image

import ipiu
from ipiu.errors import IpiuError
from ipiu.view import live, planes, sliders
from ipiu.view.slices import slices


def volume(shape=(6, 8, 10), affine=None, **meta) -> MetaTensor:
    """Values that name their voxel: i + 10 j + 100 k."""
    i, j, k = np.meshgrid(*map(np.arange, shape), indexing="ij")
    values = torch.tensor((i + 10 * j + 100 * k)[None], dtype=torch.float32)
    affine = np.diag([2.0, 3.0, 4.0, 1.0]) if affine is None else affine
    return MetaTensor(values, affine=affine, meta={"unit": "arbitrary", "modality": "MR", **meta})


def picture(shape=(1, 20, 30), spacing=None, **meta) -> MetaTensor:
    values = torch.arange(np.prod(shape)).remainder(256).reshape(shape).to(torch.uint8)
    affine = np.diag([*(spacing or (1, 1)), 1, 1])
    meta = {"unit": "RGB" if shape[0] == 3 else "grey level", "spacing_stated": spacing is not None, **meta}
    return MetaTensor(values, affine=affine, meta=meta)


def pixels(html: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/\w+;base64,([^"]+)"', html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")) for data in found]


def bright_corner(affine) -> MetaTensor:
    """A volume whose only bright voxels are the patient's most right, anterior and superior ones."""
    image = MetaTensor(torch.zeros(1, 8, 8, 8), affine=affine, meta={"unit": "arbitrary"})
    index = np.stack(np.meshgrid(*[np.arange(8)] * 3, indexing="ij"), axis=-1) @ np.asarray(affine)[:3, :3].T
    index = index + np.asarray(affine)[:3, 3]
    last = index.reshape(-1, 3).max(axis=0)
    image[0] = torch.tensor((index > last - 1.5).all(axis=-1), dtype=torch.float32)
    return image


FLIPS = [np.diag([a, b, c, 1.0]) for a in (1, -1) for b in (1, -1) for c in (1, -1)]
TURNED = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]], dtype=float)


@pytest.mark.parametrize("affine", [*FLIPS, TURNED])
@pytest.mark.parametrize(("axis", "corner"), [("axial", "RA"), ("coronal", "RS"), ("sagittal", "AS")])
def test_right_is_left_whatever_the_order_of_the_voxels(affine, axis, corner):
    stack = planes.stack(bright_corner(affine), axis=axis, window=(0.5, 1))
    drawn = stack.pixels(len(stack) - 1)
    assert drawn[0, 0].tolist() == [255, 255, 255]
    assert drawn[-1, -1].tolist() == [0, 0, 0]
    left, top, right, bottom = stack.letters
    assert left + top == corner
    assert (right, bottom) == ({"R": "L", "A": "P"}[left], {"A": "P", "S": "I"}[top])


def test_orientation_agrees_with_nibabel_and_an_index_by_hand():
    image = volume(affine=np.diag([-2.0, -3.0, 4.0, 1.0]))  # voxels run to the left and to the back
    stack = planes.stack(image, window=(500, 1000))
    # stored so, the first voxel is the most right and anterior: rows are j, columns are i
    expected = np.clip((image[0, :, :, 4].numpy().T - 0) / 1000, 0, 1) * 255
    np.testing.assert_allclose(stack.pixels(4)[..., 0], np.rint(expected))


def test_positions_are_millimetres_of_the_affine():
    affine = np.diag([2.0, 3.0, -4.0, 1.0])
    affine[:3, 3] = (10, 20, 30)
    stack = planes.stack(volume(affine=affine))
    assert [stack.position(n) for n in (0, 9)] == [30 - 36, 30]
    assert stack.place(0) == "z = −6 mm"
    assert planes.stack(volume(affine=affine), axis="sagittal").place(0) == "x = 10 mm"
    assert stack.nearest(1.5) == 2
    with pytest.raises(IpiuError, match=r"no axial slice at 99 mm; the volume reaches from -6\.0 to 30\.0 mm"):
        stack.nearest(99)


def test_pixels_have_the_shape_the_spacing_gives_them():
    assert planes.stack(volume()).aspect == pytest.approx(6 * 2 / (8 * 3))
    assert planes.stack(volume(), axis="coronal").aspect == pytest.approx(6 * 2 / (10 * 4))
    assert planes.stack(volume(), axis="sagittal").aspect == pytest.approx(8 * 3 / (10 * 4))
    assert planes.stack(picture(spacing=(2, 1))).aspect == pytest.approx(30 / 40)


def test_count_spreads_slices_over_what_is_not_black():
    image = volume(shape=(6, 8, 40))
    image[...] = 0
    image[..., 10:30] = 1
    shown = slices(image, count=4, window=(0.5, 1))
    assert [tile.index for tile in shown.tiles] == [12, 17, 22, 27]
    assert len(slices(image, count=100, window=(0.5, 1)).tiles) == 20


def test_places_can_be_asked_for():
    shown = slices(volume(), at=[8, 20])
    assert [tile.words for tile in shown.tiles] == ["z = 8 mm", "z = 20 mm"]


def test_single_slice_is_shown_in_its_own_plane():
    affine = np.array(
        [[0, 0, 3.0, 5], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
    )  # i to the front, j up, k to the right
    shown = slices(volume(shape=(6, 8, 1), affine=affine))
    assert shown.alt == "sagittal slice of an MR image at x = 5 mm"


def test_sheet_marks_the_sides_and_says_so():
    html = slices(volume(), count=2).to_html()
    assert re.findall(r">([RLAPSI])</span>", html) == ["R", "A", "L", "P"] * 2
    assert "patient&#x27;s right is on the left" in html


def test_description_says_what_from_where_to_where():
    image = volume(modality="CT", unit="HU")
    assert slices(image, count=3, window=(500, 2000)).alt == "3 axial slices of a CT image, from 4 mm to 32 mm"


def test_oblique_slices_are_not_resampled_and_said_to_be_oblique():
    turn = np.deg2rad(20)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    assert "slices are turned by 20°" in slices(volume(affine=affine)).to_html()
    assert "turned" not in slices(volume()).to_html()


def test_label_map_is_washed_over_with_a_legend():
    image = volume(unit="HU")
    mask = MetaTensor(
        torch.zeros(1, 6, 8, 10, dtype=torch.uint8), affine=image.affine, meta={"labels": {2: "<b>liver"}}
    )
    mask[0, 1, 2, :] = 2
    stack = planes.stack(image, mask, window=(500, 1000))
    coloured = np.ptp(stack.pixels(5).astype(int), axis=-1) > 0
    assert np.argwhere(coloured).tolist() == [[8 - 1 - 2, 6 - 1 - 1]]
    shown = slices(image, mask)
    assert "&lt;b&gt;liver" in shown.to_html()
    assert "<b>" not in shown.to_html()
    assert shown.alt.endswith("overlaid with <b>liver")


def test_colour_picture_keeps_its_colours():
    image = torch.zeros(3, 40, 60, dtype=torch.uint8)
    image[0, :20], image[2, 20:] = 200, 100
    (drawn,) = pixels(slices(MetaTensor(image, meta={"unit": "RGB"})).to_html())
    assert drawn.shape == (40, 60, 3)
    assert np.abs(drawn[5, 5].astype(int) - [200, 0, 0]).max() < 12
    assert np.abs(drawn[35, 5].astype(int) - [0, 0, 100]).max() < 12


def test_grey_picture_is_not_turned():
    image = picture((1, 20, 30))
    np.testing.assert_array_equal(planes.stack(image).pixels(0)[..., 1], image[0].numpy())


def test_picture_bears_no_letters_and_a_bar_only_where_spacing_is_stated():
    assert ">R</span>" not in slices(picture()).to_html()
    assert " mm</span>" not in slices(picture()).to_html()
    html = slices(picture(spacing=(0.5, 2.0))).to_html()  # 60 mm wide: the longest round bar is 10 mm
    assert ">10 mm</span>" in html
    assert "width:16.667%" in html


def test_mask_lies_on_the_pixels_of_a_picture():
    mask = torch.zeros(1, 20, 30, dtype=torch.uint8)
    mask[0, 3, 4] = 1
    coloured = np.ptp(planes.stack(picture(), mask).pixels(0).astype(int), axis=-1) > 0
    assert np.argwhere(coloured).tolist() == [[3, 4]]


def test_cine_is_shown_frame_by_frame():
    image = MetaTensor(torch.zeros(1, 20, 30, 9), affine=np.eye(4), meta={"frame_axis": True, "unit": "grey level"})
    image[..., 4] = 1
    shown = slices(image, window=(0.5, 1), count=12)
    assert [tile.words for tile in shown.tiles] == ["frame 5"]


def test_several_images_bear_their_names():
    shown = slices({"fundus": picture((3, 20, 30)), "scan <i>": volume()}, at=20)
    assert [tile.words for tile in shown.tiles] == ["fundus", "scan <i>, z = 20 mm"]
    assert "scan &lt;i&gt;, z = 20 mm" in shown.to_html()
    assert shown.alt == "Images: fundus; scan <i>, z = 20 mm"


def test_each_image_takes_its_window():
    ct = volume(unit="HU", modality="CT", shape=(6, 8, 1))
    shown = slices([ct, ct], window=["lung", (40, 80)])
    assert [tile.words for tile in shown.tiles] == ["CT, lung: −1350 to 150 HU", "CT, 0 to 80 HU"]


def test_window_levels_are_what_is_drawn_black_and_white():
    ct = volume(unit="HU")
    assert planes.window_levels(ct, "lung") == (-1350, 150)
    assert planes.window_levels(ct, (40, 80)) == (0, 80)
    assert planes.window_levels(volume(window=(100, 50))) == (75, 125)
    assert planes.window_levels(picture()) == (0, 255)
    drawn = planes.stack(ct, window=(300, 200)).pixels(2)[..., 0]
    values = ct[0, :, :, 2].numpy()[::-1, ::-1].T
    assert (drawn[values <= 200] == 0).all()
    with pytest.raises(IpiuError, match="preset for HU and the image's unit is 'arbitrary'"):
        planes.window_levels(volume(), "lung")


def test_header_text_is_escaped():
    html = slices([volume(name="<script>x</script>")], title="<img onerror=x>").to_html()
    assert "<script" not in html
    assert html.count("<img") == len(pixels(html)) == 1


def test_page_form_is_html_alone(monkeypatch):
    monkeypatch.setenv("IPIU_PAGES", "anywhere")
    assert set(slices(volume())._repr_mimebundle_()) == {"text/plain", "text/html"}


def test_notebook_form_is_a_widget_with_the_sheet_behind_it(monkeypatch):
    pytest.importorskip("ipywidgets")
    monkeypatch.delenv("IPIU_PAGES", raising=False)
    monkeypatch.setattr(live, "in_kernel", lambda: True)
    bundle = slices(volume())._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "ipiu-slices" in bundle["text/html"]
    assert set(slices(picture((3, 20, 30)))._repr_mimebundle_()) == {"text/plain", "text/html"}


def test_sliders_change_slice_axis_and_window():
    pytest.importorskip("ipywidgets")
    axis, place, centre, width, shown = sliders.box(slices(volume(), count=1)).children
    assert "z = 20 mm" in shown.value
    place.value = 0
    assert "z = 0 mm" in shown.value
    before = shown.value
    centre.value, width.value = 50, 20
    assert shown.value != before
    axis.value = "sagittal"
    assert place.max == 5
    assert "x = 4 mm" in shown.value


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: slices(volume(), axis="transverse"), "axis 'transverse' is unknown; choose one of axial, coronal"),
        (lambda: slices(volume(), count=0), "must each be at least 1"),
        (lambda: slices([]), "the list holds no image"),
        (lambda: slices([volume()], picture()), "a mask belongs to one image"),
        (lambda: slices(picture(), at=3), "is a picture without one"),
        (lambda: slices([volume()] * 2, window=["lung"]), "1 windows for 2 images"),
        (lambda: slices(torch.zeros(2, 2)), "no volume"),
        (lambda: slices(volume(), window=(0, -1)), "width above 0"),
        (lambda: slices(volume() * float("nan")), "no finite value"),
    ],
)
def test_what_cannot_be_shown_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_verb_is_reached_from_the_package():
    assert ipiu.view.slices is slices
