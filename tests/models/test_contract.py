"""What a contract refuses in one sentence, and what it converts."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import NormalizeIntensity
from PIL import Image

from ipiu.errors import IpiuError
from ipiu.models.contract import Contract

CT = Contract("volumetric", dims=3, unit="HU", window=(-160, 240), spacing=(2.0, 2.0, 2.0))
GREY = Contract("encoder", dims=2, size=(32, 32))


def volume(width=2.0, unit="HU"):
    made = MetaTensor(torch.zeros(1, 8, 8, 8), affine=torch.diag(torch.tensor([2.0, 2.0, width, 1.0])).double())
    if unit:
        made.meta["unit"] = unit
    return made


def spoilt(value):
    image = volume()
    image[0, 1, 2, 3] = value
    return image


@pytest.mark.parametrize(
    ("contract", "image", "says"),
    [
        (CT, torch.zeros(1, 8, 8), r"the shape \(1, 8, 8\); this model reads a volume \(channel, i, j, k\)"),
        (
            GREY,
            torch.zeros(1, 8, 8, 8),
            r"the shape \(1, 8, 8, 8\); this model reads a picture \(channel, row, column\)",
        ),
        (GREY, torch.zeros(8, 8), r"the shape \(8, 8\); this model reads a picture"),
        (CT, volume(unit="furlong"), "states the unit 'furlong'; this model reads HU"),
        (CT, volume(unit=None), "states no unit; this model reads HU: convert it and set image.meta"),
        (CT, volume(width=25.4), r"voxels of 2 x 2 x 25.4 mm: slices above 10 mm leave out what lies between them"),
        (CT, spoilt(float("nan")), "1 values of the image are NaN or infinite"),
        (CT, spoilt(float("inf")), "1 values of the image are NaN or infinite"),
        (Contract("volumetric", dims=3), torch.zeros(1, 8, 8, 8), "the volume has no affine; make it a MetaTensor"),
    ],
)
def test_what_cannot_be_read_safely_is_refused_in_one_sentence(contract, image, says):
    with pytest.raises(IpiuError, match=says) as told:
        contract.check(image)
    assert "\n" not in str(told.value)


def test_what_keeps_the_contract_passes():
    CT.check(volume())
    GREY.check(torch.rand(3, 20, 10))


def test_a_window_in_hounsfield_units_becomes_0_to_1():
    image = torch.tensor([[[-1000.0, -160.0, 40.0, 240.0, 3000.0]]])
    assert CT.intensities(image).flatten().tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]


def test_without_clipping_the_window_only_scales():
    from dataclasses import replace

    image = torch.tensor([[[-160.0, 240.0, 640.0]]])
    assert replace(CT, clip=False).intensities(image).flatten().tolist() == [0.0, 1.0, 2.0]


def test_a_coloured_picture_is_averaged_for_a_grey_model():
    picture = torch.stack([torch.full((32, 32), value) for value in (0.0, 0.5, 1.0)])
    picture[:, 0, 0], picture[:, 0, 1] = 0, 1
    made = Contract("encoder", dims=2, window=(0, 1), size=(32, 32)).picture(picture)
    assert made.shape == (1, 32, 32)
    assert made[0, 5, 5] == pytest.approx(0.5)


def test_a_grey_picture_is_repeated_for_a_coloured_model():
    made = Contract("encoder", dims=2, size=(32, 32), channels=3).picture(torch.rand(1, 40, 30))
    assert made.shape == (3, 32, 32)
    assert torch.equal(made[0], made[2])


def test_eight_bits_are_fractions_of_255_where_a_processor_would_take_them_so():
    picture = torch.full((3, 32, 32), 51, dtype=torch.uint8)
    picture[0, 0, 0] = 250
    published = Contract("encoder", dims=2, size=(32, 32), channels=3, eight_bit=True)
    assert published.picture(picture)[1, 9, 9] == pytest.approx(0.2)
    # other types have no such scale: they are taken between their own percentiles
    assert published.picture(picture.float())[1, 9, 9] == pytest.approx(0.0)


def test_sixteen_bits_are_scaled_by_their_own_percentiles():
    picture = torch.linspace(1000, 3000, 1024).reshape(1, 32, 32).to(torch.int16)
    made = GREY.picture(picture)
    assert (made.min(), made.max()) == (0, 1)
    assert made.median() == pytest.approx(0.5, abs=0.01)


def test_standard_scores_leave_zeros_as_monai_does():
    image = torch.randint(0, 4, (1, 6, 6, 6)).float()
    made = Contract("encoder", dims=3, scaling="nonzero").intensities(image)
    torch.testing.assert_close(made, torch.as_tensor(NormalizeIntensity(nonzero=True, channel_wise=True)(image)))


@pytest.mark.parametrize(
    ("fit", "shorter", "place", "seen"),
    [
        ("pad", None, (30.0, 50.0), (25.0, 25.0)),
        ("corner", None, (60.0, 100.0), (30.0, 50.0)),
        ("squash", None, (30.0, 50.0), (25.0, 25.0)),
        ("crop", 60, (30.0, 50.0), (25.0, 25.0)),
    ],
)
def test_the_frame_says_where_a_place_of_the_picture_goes(fit, shorter, place, seen):
    scale, offset = Contract("promptable", dims=2, size=(50, 50), fit=fit, shorter=shorter).frame((60, 100))
    assert tuple(p * s + o for p, s, o in zip(place, scale, offset, strict=True)) == pytest.approx(seen)


@pytest.mark.parametrize("fit", ["pad", "corner", "squash", "crop"])
def test_a_spot_lands_where_the_frame_says(fit):
    picture = torch.zeros(1, 60, 100)
    picture[:, 18:22, 60:64] = 1
    contract = Contract("promptable", dims=2, size=(50, 50), fit=fit, window=(0, 1))
    made = contract.picture(picture)[0]
    rows, columns = torch.meshgrid(torch.arange(50) + 0.5, torch.arange(50) + 0.5, indexing="ij")
    found = [float((made * grid).sum() / made.sum()) for grid in (rows, columns)]
    scale, offset = contract.frame((60, 100))
    assert found == pytest.approx([20 * scale[0] + offset[0], 62 * scale[1] + offset[1]], abs=0.3)


@pytest.mark.parametrize(
    ("resample", "pil"), [("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC)]
)
def test_pictures_shrink_as_in_pil(resample, pil):
    rows, columns = np.mgrid[0:120, 0:90]
    picture = (127 + 100 * np.sin(rows / 9) * np.cos(columns / 11)).astype(np.float32)
    contract = Contract("encoder", dims=2, size=(40, 40), fit="squash", window=(0, 255), resample=resample)
    truth = np.asarray(Image.fromarray(picture, mode=None).resize((40, 40), pil)) / 255
    assert np.abs(contract.picture(torch.from_numpy(picture)[None])[0].numpy() - truth).max() < 2e-3


def test_a_contract_survives_json(tmp_path):
    contract = Contract(
        "volumetric", dims=3, unit="HU", window=(-1, 2), axcodes="SPL", roi=(8, 8, 8), labels={3: "liver"}
    )
    contract.write(tmp_path / "contract.json")
    assert Contract.read(tmp_path / "contract.json") == contract
