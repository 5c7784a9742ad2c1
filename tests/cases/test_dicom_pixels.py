"""Stored numbers, units, grey scales, colour and compression against SimpleITK and Pillow; claims refused in time."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_factory import dataset, example_voxels, save, write_enhanced, write_segmentation, write_series
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.sequence import Sequence

from ipiu.cases.dicom import read_dicom
from ipiu.errors import IpiuError

RAMP = np.arange(64, dtype=np.uint16).reshape(8, 8)


def only_image(path):
    (case,) = read_dicom(path)
    (image,) = case.images.values()
    return image


def shipped(name):
    return get_testdata_file(name, download=False)


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",
        "693_J2KI.dcm",
        "J2K_pixelrep_mismatch.dcm",
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "examples_overlay.dcm",
        "rtdose.dcm",
        "rtdose_rle.dcm",
    ],
)
def test_volumes_equal_simpleitk(name):
    ours, theirs = only_image(shipped(name)), sitk.ReadImage(shipped(name))
    voxels = sitk.GetArrayFromImage(theirs).transpose(2, 1, 0)
    # SimpleITK leaves doses as stored
    scale = float(pydicom.dcmread(shipped(name)).get("DoseGridScaling", 1))
    np.testing.assert_allclose(ours.numpy()[0], voxels * scale, rtol=1e-6)
    np.testing.assert_allclose(ours.pixdim[:2], theirs.GetSpacing()[:2], rtol=1e-4)


@pytest.mark.parametrize("name", ["SC_rgb_rle.dcm", "SC_rgb_jpeg_gdcm.dcm", "ExplVR_BigEnd.dcm", "examples_jpeg2k.dcm"])
def test_lossless_colour_equals_simpleitk(name):
    theirs = sitk.GetArrayFromImage(sitk.ReadImage(shipped(name)))
    np.testing.assert_array_equal(only_image(shipped(name)).numpy(), np.moveaxis(theirs.squeeze(), -1, 0))


@pytest.mark.parametrize("name", ["SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_dcmtk_+eb+cy+n1.dcm", "SC_rgb_jpeg_lossy_gdcm.dcm"])
def test_jpeg_colour_equals_pillow(name):
    ds = pydicom.dcmread(shipped(name))
    picture = Image.open(io.BytesIO(next(generate_frames(ds.PixelData, number_of_frames=1))))
    picture.draft("YCbCr", picture.size)
    theirs = np.asarray(picture.convert("RGB"), int)
    ours = np.moveaxis(only_image(shipped(name)).numpy(), 0, -1).astype(int)
    assert np.abs(ours - theirs).max() <= 3


def test_a_palette_gives_the_colours_of_its_table():
    ds = pydicom.dcmread(shipped("examples_palette.dcm"))
    tables = [np.frombuffer(ds[f"{c}PaletteColorLookupTableData"].value, "<u2") for c in ("Red", "Green", "Blue")]
    indices = np.frombuffer(ds.PixelData, np.uint8).reshape(ds.Rows, ds.Columns)
    expected = np.stack([np.rint(table[indices] / 65535 * 255) for table in tables])
    np.testing.assert_array_equal(only_image(shipped("examples_palette.dcm")).numpy(), expected)


def test_colour_of_sixteen_bits_is_scaled_to_eight():
    ours = only_image(shipped("SC_rgb_rle_16bit.dcm"))
    np.testing.assert_array_equal(ours.numpy(), only_image(shipped("SC_rgb_rle.dcm")).numpy())


def test_an_inverted_grey_scale_is_turned_round_in_its_stored_range(tmp_path):
    elements = {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12, "HighBit": 11}
    window = {"WindowCenter": "1000", "WindowWidth": "500"}
    path = save(dataset("CR", RAMP, **elements, **window), tmp_path / "a.dcm")
    (case,) = read_dicom(path)
    image = case.images["cr"]
    np.testing.assert_array_equal(image.numpy()[0], 4095.0 - RAMP)
    assert image.meta["inverted"] is True
    assert image.meta["window"] == (3095.0, 500.0)
    assert any("MONOCHROME1" in note for note in case.notes)


def test_an_inverted_grey_scale_of_a_physical_unit_is_kept(tmp_path):
    write_series(tmp_path, shape=(1, 3, 3), PhotometricInterpretation="MONOCHROME1", RescaleType="HU")
    image = only_image(tmp_path)
    np.testing.assert_array_equal(image.numpy()[0, ..., 0].T, example_voxels((1, 3, 3))[0] - 1024.0)
    assert image.meta["inverted"] is False


def test_bits_outside_the_stored_ones_are_cleared_and_signs_extended(tmp_path):
    stored = np.array([[0xF005, 0x0FFE], [0x0801, 0x17FF]], np.uint16)
    elements = {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 1}
    image = only_image(save(dataset("SC", stored, **elements), tmp_path / "a.dcm"))
    np.testing.assert_array_equal(image.numpy()[0], [[5, -2], [-2047, 2047]])


@pytest.mark.parametrize(("slope", "intercept"), [("0.1234567", "-1e4"), ("100003", "77777")])
def test_a_rescale_that_single_precision_would_round_twice_is_computed_in_double(tmp_path, slope, intercept):
    stored = np.arange(64, 65536, 64, dtype=np.uint16).reshape(3, 341)
    image = only_image(save(dataset("SC", stored, RescaleSlope=slope, RescaleIntercept=intercept), tmp_path / "a"))
    np.testing.assert_array_equal(image.numpy()[0], (stored * float(slope) + float(intercept)).astype(np.float32))
    assert image.meta["unit"] == "arbitrary"


def test_each_slice_has_its_own_rescale(tmp_path):
    voxels, _ = write_series(tmp_path, RescaleSlope=lambda k: str(k + 0.5), RescaleIntercept="0", Units="BQML")
    image = only_image(tmp_path)
    for k in range(5):
        np.testing.assert_allclose(image.numpy()[0, ..., k], voxels[k].T * (k + 0.5), rtol=1e-6)
    assert image.meta["unit"] == "Bq/ml"


def test_a_modality_table_is_applied(tmp_path):
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [64, 0, 16], "OD"
    table.add_new("LUTData", "US", [int(k) ** 2 for k in range(64)])
    ds = dataset("CR", RAMP, ModalityLUTSequence=Sequence([table]))
    image = only_image(save(ds, tmp_path / "a.dcm"))
    np.testing.assert_array_equal(image.numpy()[0], RAMP.astype(float) ** 2)
    assert image.meta["unit"] == "OD"


def test_a_dose_grid_is_in_gray_and_lies_where_its_offsets_say(tmp_path):
    dose = np.arange(3 * 4 * 5, dtype=np.uint32).reshape(3, 4, 5)
    geometry = {
        "ImagePositionPatient": [1, 2, 30],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [2, 3],
    }
    for offsets in ([0, 2.5, 5], [30, 32.5, 35], [0, -2.5, -5]):
        elements = {"DoseGridScaling": "0.25", "DoseUnits": "GY", "GridFrameOffsetVector": offsets, **geometry}
        image = only_image(save(dataset("RTDOSE", dose, **elements), tmp_path / "dose.dcm"))
        expected = dose.transpose(2, 1, 0)[..., :: -1 if offsets[1] < 0 else 1] * 0.25
        np.testing.assert_array_equal(image.numpy()[0], expected)
        assert image.affine[2, 3] == (25 if offsets[1] < 0 else 30)
        assert image.meta["unit"] == "Gy"


def test_absolute_dose_offsets_of_a_grid_seen_from_above_run_down(tmp_path):
    dose = np.arange(3 * 4 * 5, dtype=np.uint32).reshape(3, 4, 5)
    elements = {
        "ImagePositionPatient": [1, 2, 30],
        "ImageOrientationPatient": [1, 0, 0, 0, -1, 0],
        "PixelSpacing": [2, 3],
        "GridFrameOffsetVector": [30, 32.5, 35],
    }
    image = only_image(save(dataset("RTDOSE", dose, **elements), tmp_path / "dose.dcm"))
    for k, plane in enumerate(dose[::-1]):
        np.testing.assert_array_equal(image.numpy()[0, ..., k], plane.T)
        assert (image.affine.numpy() @ [0, 0, k, 1])[2] == 35 - 2.5 * k


def test_a_dose_grid_without_offsets_is_refused(tmp_path):
    dose = np.zeros((3, 4, 5), np.uint32)
    with pytest.raises(IpiuError, match=r"this dose grid does not say where its 3 planes lie"):
        read_dicom(save(dataset("RTDOSE", dose, DoseGridScaling="1"), tmp_path / "dose.dcm"))


def test_a_cine_without_geometry_has_its_frames_last(tmp_path):
    frames = example_voxels((4, 6, 5))
    image = only_image(save(dataset("SC", frames, PixelSpacing=["0.5", "0.25"]), tmp_path / "a.dcm"))
    np.testing.assert_array_equal(image.numpy()[0], np.moveaxis(frames, 0, -1))
    assert image.meta["frame_axis"] is True
    np.testing.assert_array_equal(image.affine, np.diag([0.5, 0.25, 1, 1]))


@pytest.mark.parametrize(("keyword", "stated"), [("PixelSpacing", True), ("ImagerPixelSpacing", True), (None, False)])
def test_a_picture_says_whether_its_spacing_is_stated(tmp_path, keyword, stated):
    elements = {keyword: ["0.2", "0.1"]} if keyword else {}
    image = only_image(save(dataset("CR", RAMP, **elements), tmp_path / "a.dcm"))
    assert image.shape == (1, 8, 8)
    assert image.meta["spacing_stated"] is stated
    np.testing.assert_array_equal(image.affine, np.diag([0.2, 0.1, 1, 1] if stated else [1.0, 1, 1, 1]))


def test_a_segmentation_is_a_label_map_with_empty_planes_and_names(tmp_path):
    masks = np.zeros((3, 8, 8), np.uint8)
    masks[0, 1:3, 2:6], masks[1, 4:6, 4:6], masks[2, 0, 0] = 1, 1, 1
    path = write_segmentation(tmp_path / "s.dcm", masks, [1, 2, 1], [(0, 0, 10), (0, 0, 10), (0, 0, 16)])
    image = only_image(path)
    assert image.shape == (1, 8, 8, 4)
    expected = np.zeros((8, 8, 4), np.uint8)
    expected[..., 0], expected[..., 3] = masks[0].T + 2 * masks[1].T, masks[2].T
    np.testing.assert_array_equal(image.numpy()[0], expected)
    assert image.meta["labels"] == {0: "background", 1: "liver", 2: "spleen"}
    np.testing.assert_allclose(image.affine[:3, 2], [0, 0, 2])


def test_overlapping_segments_have_a_channel_each(tmp_path):
    masks = np.zeros((2, 8, 8), np.uint8)
    masks[0, :4], masks[1, 2:] = 1, 1
    image = only_image(write_segmentation(tmp_path / "s.dcm", masks, [1, 2], [(0, 0, 10)] * 2))
    np.testing.assert_array_equal(image.numpy()[..., 0], masks.transpose(0, 2, 1))
    assert image.meta["channels"] == ("liver", "spleen")


def test_pixels_cut_off_are_refused(tmp_path):
    _, (path,) = write_series(tmp_path, shape=(1, 64, 64))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(IpiuError, match=r"truncated pixel data, the header claims 8192 bytes and the file holds 8092"):
        read_dicom(path)


@pytest.mark.parametrize(
    "name", ["693_J2KI.dcm", "MR_small_RLE.dcm", "SC_rgb_jpeg_gdcm.dcm", "MR_small_jpeg_ls_lossless.dcm"]
)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_compressed_pixels_cut_off_are_refused(tmp_path, name, share):
    data = Path(shipped(name)).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(IpiuError, match=name):
        read_dicom(path)


@pytest.mark.parametrize(
    "name", ["693_J2KI.dcm", "SC_rgb_jpeg_gdcm.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_RLE.dcm"]
)
def test_compressed_frames_cut_off_inside_their_fragment_are_refused(tmp_path, name):
    ds = pydicom.dcmread(shipped(name))
    (frame,) = generate_frames(ds.PixelData, number_of_frames=1)
    ds.PixelData = encapsulate([frame[: len(frame) // 2]])
    ds.save_as(tmp_path / name)
    with pytest.raises(IpiuError, match=r"cut off or damaged|cannot be decoded"):
        read_dicom(tmp_path / name)


def test_a_compressed_picture_of_another_size_than_its_header_is_refused(tmp_path):
    ds = pydicom.dcmread(shipped("MR_small_jp2klossless.dcm"))
    ds.Rows = ds.Columns = 32
    ds.save_as(tmp_path / "a.dcm")
    with pytest.raises(IpiuError, match=r"says 32 x 32 pixels but the compressed picture has 64 x 64"):
        read_dicom(tmp_path / "a.dcm")


def test_a_compressed_picture_of_more_bits_than_its_header_is_refused(tmp_path):
    ds = pydicom.dcmread(shipped("MR_small_jp2klossless.dcm"))
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.save_as(tmp_path / "a.dcm")
    with pytest.raises(IpiuError, match=r"says 1 samples of up to 8 bits but the compressed picture has 1 of 16"):
        read_dicom(tmp_path / "a.dcm")


def test_a_header_that_claims_more_than_the_limit_is_refused_before_decoding(tmp_path):
    ds = pydicom.dcmread(shipped("MR_small_RLE.dcm"))
    ds.Rows = ds.Columns = 65535
    ds.save_as(tmp_path / "a.dcm")
    with pytest.raises(IpiuError, match=r"a.dcm: its header asks for 16.0 GiB.* IPIU_MAX_GIB"):
        read_dicom(tmp_path / "a.dcm")


def test_a_header_that_claims_more_frames_than_could_be_there_is_refused(tmp_path):
    ds = pydicom.dcmread(shipped("MR_small_RLE.dcm"))
    ds.Rows = ds.Columns = 1
    ds.NumberOfFrames = 10**9
    ds.save_as(tmp_path / "a.dcm")
    with pytest.raises(IpiuError, match="the header claims 8000000000 bytes"):
        read_dicom(tmp_path / "a.dcm")


def test_a_series_above_the_limit_is_refused_as_a_whole(tmp_path, monkeypatch):
    write_series(tmp_path, shape=(5, 64, 64))
    monkeypatch.setenv("IPIU_MAX_GIB", str(4 * 64 * 64 * 4 / 2**30))
    with pytest.raises(IpiuError, match=r"slice0000.dcm: its series of 5 slices asks for"):
        read_dicom(tmp_path)


def test_several_series_above_the_limit_together_are_refused(tmp_path, monkeypatch):
    for uid in ("1.1", "1.2"):
        write_series(tmp_path / uid, shape=(5, 64, 64), SeriesInstanceUID=uid)
    monkeypatch.setenv("IPIU_MAX_GIB", str(6 * 64 * 64 * 4 / 2**30))
    with pytest.raises(IpiuError, match="the sum of its images asks for"):
        read_dicom(tmp_path)


def test_a_deflate_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("IPIU_MAX_GIB", "0.01")
    ds = dataset("SC", RAMP)
    path = save(ds, tmp_path / "a.dcm", pydicom.uid.DeflatedExplicitVRLittleEndian)
    data = path.read_bytes()
    start = 144 + struct.unpack("<I", data[140:144])[0]
    bomb = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    path.write_bytes(data[:start] + bomb.compress(bytes(50_000_000)) + bomb.flush())
    with pytest.raises(IpiuError, match=r"a.dcm: inflating it asks for"):
        read_dicom(path)


def test_an_element_that_claims_four_gigabytes_is_not_allocated(tmp_path):
    _, (path,) = write_series(tmp_path, shape=(1, 3, 3), SeriesDescription="x")
    data = path.read_bytes()
    at = data.index(b"\x08\x00\x3e\x10LO")
    path.write_bytes(data[:at] + b"\x09\x00\x10\x10OB\0\0" + struct.pack("<I", 0xFFFFFFF0) + data[at:])
    with pytest.raises(IpiuError, match=r"slice0000\.dcm"):
        read_dicom(path)


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"Rows": 0}, "claims 1 frames of 0 x 8 pixels"),
        ({"BitsStored": 17}, "stores 17 bits in 16 allocated"),
        ({"HighBit": 3}, "its HighBit is 3 with 16 bits stored"),
        ({"SamplesPerPixel": 3}, "its SamplesPerPixel is 3, but MONOCHROME2 has 1"),
        ({"PhotometricInterpretation": "CMYK"}, "its PhotometricInterpretation is CMYK, not one of"),
        ({"RescaleSlope": "0", "RescaleIntercept": "1"}, "its rescale slope 0 and intercept 1 cannot be right"),
        ({"RescaleSlope": "1e300"}, "its rescale slope 1e[+]300"),
    ],
)
def test_an_impossible_pixel_header_is_refused(tmp_path, elements, message):
    path = save(dataset("SC", RAMP, **elements), tmp_path / "a.dcm")
    with pytest.raises(IpiuError, match=message):
        read_dicom(path)


def test_a_number_of_the_wrong_length_is_refused(tmp_path):
    path = save(dataset("SC", RAMP), tmp_path / "a.dcm")
    rows = b"\x28\x00\x10\x00US"
    path.write_bytes(path.read_bytes().replace(rows + b"\x02\x00\x08\x00", rows + b"\x03\x00\x08\x00\x00"))
    with pytest.raises(IpiuError, match=r"a.dcm: its Rows is not written as DICOM demands") as caught:
        read_dicom(path)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "kind", ["slice", "enhanced", "segmentation", "rle", "jpeg 2000", "colour", "deflated", "jpeg lossless", "jpeg-ls"]
)
def test_flipped_bytes_give_an_image_or_one_sentence(tmp_path, kind):
    original = damageable(tmp_path / "whole.dcm", kind)
    random = np.random.default_rng(7)
    for _ in range(150):
        data = bytearray(original)
        for at in random.integers(0, len(data), 3):
            data[at] = random.integers(256)
        (tmp_path / "flipped.dcm").write_bytes(data)
        try:
            read_dicom(tmp_path / "flipped.dcm")
        except IpiuError as error:
            assert "flipped.dcm" in str(error)  # noqa: PT017


def damageable(path, kind):
    """Bytes of a small file, most of which are header."""
    geometry = {
        "ImagePositionPatient": [0, 0, 0],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [1, 1],
    }
    match kind:
        case "slice":
            save(dataset("CT", RAMP, RescaleSlope="1", RescaleIntercept="-1024", **geometry), path)
        case "deflated":
            save(dataset("SC", RAMP), path, pydicom.uid.DeflatedExplicitVRLittleEndian)
        case "enhanced":
            write_enhanced(path, example_voxels((3, 3, 3)), positions=[(0, 0, k) for k in range(3)], slopes=[1, 2, 3])
        case "segmentation":
            write_segmentation(path, np.eye(8, dtype=np.uint8)[None].repeat(2, 0), [1, 2], [(0, 0, 0), (0, 0, 2)])
        case _:
            names = {
                "rle": "SC_rgb_rle_2frame.dcm",
                "jpeg 2000": "JPEG2000.dcm",
                "colour": "SC_rgb_small_odd_jpeg.dcm",
                "jpeg lossless": "SC_rgb_jpeg_gdcm.dcm",
                "jpeg-ls": "JPEGLSNearLossless_08.dcm",
            }
            return Path(shipped(names[kind])).read_bytes()
    return path.read_bytes()


def test_a_frame_count_that_the_groups_contradict_is_refused(tmp_path):
    path = write_enhanced(tmp_path / "a.dcm", example_voxels((4, 3, 3)), positions=[(0, 0, k) for k in range(3)])
    with pytest.raises(IpiuError, match="claims 4 frames but describes 3"):
        read_dicom(path)


def test_the_tiles_of_a_whole_slide_picture_are_refused(tmp_path):
    tiles = np.zeros((4, 8, 8, 3), np.uint8)
    ds = dataset("SC", tiles, TotalPixelMatrixColumns=16, TotalPixelMatrixRows=16)
    with pytest.raises(IpiuError, match="whole-slide picture has 4 tiles"):
        read_dicom(save(ds, tmp_path / "a.dcm"))
