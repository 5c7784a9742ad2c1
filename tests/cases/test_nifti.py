import gzip
import struct
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from ipiu.cases.nifti import read_nifti
from ipiu.errors import IpiuError

NIBABEL_DATA = Path(nib.__file__).parent / "tests" / "data"
IMAGE_LIKE = {".nii", ".hdr", ".img", ".mgz", ".mgh", ".mnc", ".par", ".rec", ".head", ".brik", ".v", ".gz"}
CORPUS = sorted(file for file in NIBABEL_DATA.iterdir() if file.suffix.lower() in IMAGE_LIKE)


def oblique(seed=0, flip=False):
    """A rotation with unequal spacing and an origin."""
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    if (np.linalg.det(rotation) < 0) != flip:
        rotation[:, 0] *= -1
    affine = np.eye(4)
    affine[:3, :3] = rotation * [0.7, 1.3, 2.5]
    affine[:3, 3] = [-40.5, 12.25, 7.0]
    return affine


def volume(shape=(5, 6, 7), dtype=np.int16):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def save(path, values, affine=None, kind=nib.Nifti1Image, **header):
    image = kind(values, oblique() if affine is None else affine)
    for key, value in header.items():
        image.header[key] = value
    nib.save(image, path)
    return path


def patch(path, offset, data):
    """Overwrite bytes of an uncompressed file, as damage or an attacker would."""
    content = bytearray(path.read_bytes())
    content[offset : offset + len(data)] = data
    path.write_bytes(content)
    return path


def image_of(path, **options):
    (case,) = read_nifti(path, **options)
    return case.images["image"], case


def attempt(path):
    """The case and "", or None and what the reader said."""
    try:
        return read_nifti(path)[0], ""
    except IpiuError as error:
        return None, str(error)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        (".nii", nib.Nifti1Image),
        (".nii.gz", nib.Nifti1Image),
        (".nii", nib.Nifti2Image),
        (".img", nib.Nifti1Pair),
        (".mgz", nib.MGHImage),
    ],
)
def test_voxels_stand_where_simpleitk_puts_them(tmp_path, suffix, kind, flip):
    path = save(tmp_path / f"oblique{suffix}", volume(), oblique(1, flip), kind)
    image, _ = image_of(path)
    assert image.shape == (1, 5, 6, 7)
    if kind in (nib.MGHImage, nib.Nifti2Image):  # SimpleITK reads neither: the same volume as NIfTI-1 is the reference
        path = save(tmp_path / "reference.nii", volume(), oblique(1, flip))
    reference = sitk.ReadImage(str(path))
    voxels = sitk.GetArrayFromImage(reference)  # (k, j, i)
    for index in [(0, 0, 0), (4, 0, 0), (0, 5, 0), (0, 0, 6), (3, 2, 5)]:
        lps = np.array(reference.TransformIndexToPhysicalPoint(index))
        ras = (image.affine.numpy() @ [*index, 1.0])[:3]
        np.testing.assert_allclose(ras, lps * [-1, -1, 1], atol=1e-4)
        assert image[0][index] == voxels[index[::-1]]


def test_units_of_metre_and_micron_become_mm(tmp_path):
    affine = np.diag([0.002, 0.003, 0.004, 1.0])
    image = nib.Nifti1Image(volume(), affine)
    image.header.set_xyzt_units("meter")
    nib.save(image, tmp_path / "metre.nii")
    assert image_of(tmp_path / "metre.nii")[0].pixdim.tolist() == pytest.approx([2, 3, 4])
    image = nib.Nifti1Image(volume(), np.diag([500.0, 500, 1000, 1]))
    image.header.set_xyzt_units("micron")
    nib.save(image, tmp_path / "micron.nii")
    assert image_of(tmp_path / "micron.nii")[0].pixdim.tolist() == pytest.approx([0.5, 0.5, 1])


def test_an_unstated_unit_is_noted(tmp_path):
    _, case = image_of(save(tmp_path / "a.nii", volume()))
    assert any("does not state the unit of length" in note for note in case.notes)


def test_scaled_values_equal_nibabels(tmp_path):
    path = save(tmp_path / "a.nii", volume())
    patch(path, 112, struct.pack("<ff", 0.5, -1024.0))  # scl_slope, scl_inter
    image, _ = image_of(path)
    np.testing.assert_allclose(image[0].numpy(), nib.load(path).get_fdata(), rtol=1e-6)
    np.testing.assert_allclose(image[0].numpy(), volume() * 0.5 - 1024, rtol=1e-6)


def test_a_series_stands_along_the_channel_axis(tmp_path):
    values = volume((4, 5, 6, 3))
    image = nib.Nifti1Image(values, oblique())
    image.header.set_xyzt_units("mm", "msec")
    image.header["pixdim"][4] = 2500
    nib.save(image, tmp_path / "series.nii.gz")
    found, case = image_of(tmp_path / "series.nii.gz")
    assert found.shape == (3, 4, 5, 6)
    np.testing.assert_array_equal(found[2].numpy(), values[..., 2])
    assert found.meta["repetition_time"] == pytest.approx(2.5)
    assert "3 volumes stand along the channel axis" in case.notes


def test_a_single_slice_and_a_vector_volume_keep_four_axes(tmp_path):
    flat, _ = image_of(save(tmp_path / "flat.nii", volume((5, 6))))
    assert flat.shape == (1, 5, 6, 1)
    vectors = volume((4, 5, 6, 1, 3)).astype(np.float32)
    image, _ = image_of(save(tmp_path / "vector.nii", vectors))
    assert image.shape == (3, 4, 5, 6)
    np.testing.assert_array_equal(image[2].numpy(), vectors[..., 0, 2])


def test_a_label_map_keeps_whole_numbers_and_their_names(tmp_path):
    values = (volume() % 3).astype(np.int32)
    image, _ = image_of(save(tmp_path / "labels.nii", values), labels={1: "grey matter", 2: "white matter"})
    assert str(image.dtype) == "torch.uint8"
    assert image.meta["labels"] == {1: "grey matter", 2: "white matter"}
    np.testing.assert_array_equal(image[0].numpy(), values)
    negative, _ = image_of(save(tmp_path / "negative.nii", values.astype(np.int16) - 1), labels={})
    assert str(negative.dtype) == "torch.int16"


def test_labels_of_a_map_with_fractions_are_refused(tmp_path):
    path = save(tmp_path / "soft.nii", volume().astype(np.float32) / 2)
    with pytest.raises(IpiuError, match=r"soft\.nii: labels were given, but it holds the value 0\.5"):
        read_nifti(path, labels={1: "lesion"})


def test_colours_become_three_channels(tmp_path):
    rgb = np.zeros((4, 5, 6), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    rgb["G"][1, 2, 3] = 200
    image, _ = image_of(save(tmp_path / "rgb.nii", rgb))
    assert image.shape == (3, 4, 5, 6)
    assert image[:, 1, 2, 3].tolist() == [0, 200, 0]
    assert image.meta["unit"] == "RGB"


def test_disagreeing_sform_and_qform_are_noted_and_the_sform_used(tmp_path):
    image = nib.Nifti1Image(volume(), oblique())
    image.set_qform(np.diag([2.0, 2, 2, 1]), code=1)
    image.set_sform(oblique(3), code=2)
    nib.save(image, tmp_path / "two.nii")
    found, case = image_of(tmp_path / "two.nii")
    np.testing.assert_allclose(found.affine.numpy(), oblique(3), atol=1e-5)
    assert any("sform and qform disagree" in note for note in case.notes)


def test_agreeing_forms_are_not_noted(tmp_path):
    image = nib.Nifti1Image(volume(), oblique())
    image.set_qform(oblique(), code=1)
    image.header.set_xyzt_units("mm")
    nib.save(image, tmp_path / "one.nii")
    assert image_of(tmp_path / "one.nii")[1].notes == []


def test_unset_forms_are_noted(tmp_path):
    image = nib.Nifti1Image(volume(), None)
    nib.save(image, tmp_path / "none.nii")
    assert any("neither sform nor qform" in note for note in image_of(tmp_path / "none.nii")[1].notes)


def test_nan_voxels_are_kept_and_counted(tmp_path):
    values = volume().astype(np.float32)
    values[0, 0, :2] = np.nan
    image, case = image_of(save(tmp_path / "nan.nii", values))
    assert int(np.isnan(image.numpy()).sum()) == 2
    assert "2 values are not finite (NaN or infinite) and were kept" in case.notes


@pytest.mark.parametrize("size", [0.0, -1.5, np.nan, np.inf])
def test_impossible_voxel_sizes_are_refused(tmp_path, size):
    path = patch(save(tmp_path / "a.nii", volume()), 80, struct.pack("<f", size))  # pixdim[1]
    with pytest.raises(IpiuError, match=r"a\.nii: its voxel size is .*above 0"):
        read_nifti(path)


@pytest.mark.parametrize(
    ("row", "message"),
    [([np.nan, 0, 0, 0], "affine has values that are not finite"), ([0, 0, 0, 0], "affine cannot be inverted")],
)
def test_a_broken_sform_is_refused(tmp_path, row, message):
    path = patch(save(tmp_path / "a.nii", volume()), 280, struct.pack("<4f", *row))  # srow_x
    with pytest.raises(IpiuError, match=message):
        read_nifti(path)


def test_a_header_that_claims_more_than_the_file_is_refused(tmp_path):
    path = patch(save(tmp_path / "a.nii", volume()), 42, struct.pack("<3h", 50, 60, 70))
    with pytest.raises(IpiuError, match=r"claims 420352 bytes but a\.nii has 772"):
        read_nifti(path)


def test_a_truncated_file_is_refused(tmp_path):
    path = save(tmp_path / "a.nii", volume())
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(IpiuError, match=r"claims 772 bytes but a\.nii has 762"):
        read_nifti(path)


@pytest.mark.parametrize("keep", [40, 200, -8])
def test_a_truncated_gzip_is_refused(tmp_path, keep):
    values = np.random.default_rng(0).integers(0, 1000, (9, 9, 9)).astype(np.int16)
    path = save(tmp_path / "a.nii.gz", values)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(IpiuError, match=r"a\.nii\.gz: .*copy it again"):
        read_nifti(path)


def test_a_gzip_with_wrong_bytes_inside_is_refused(tmp_path):
    values = np.random.default_rng(0).integers(0, 1000, (9, 9, 9)).astype(np.int16)
    path = save(tmp_path / "a.nii.gz", values)
    patch(path, 900, b"\xff" * 60)
    with pytest.raises(IpiuError, match=r"a\.nii\.gz"):
        read_nifti(path)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    header = nib.Nifti1Header()
    header.set_data_shape((2000, 2000, 2000))
    header.set_data_dtype(np.uint8)
    header.set_sform(np.eye(4), 1)
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(gzip.compress(header.binaryblock + b"\0" * 2000))
    with pytest.raises(IpiuError, match=r"above the limit of 4\.0 GiB"):
        read_nifti(path)
    monkeypatch.setenv("IPIU_MAX_GIB", "1000")
    with pytest.raises(IpiuError, match="claims 8000000352 bytes"):
        read_nifti(path)


def test_a_header_far_away_from_its_voxels_is_refused(tmp_path):
    path = patch(save(tmp_path / "a.nii", volume()), 108, struct.pack("<f", np.nan))
    with pytest.raises(IpiuError, match="puts the voxels at byte nan"):
        read_nifti(path)
    with pytest.raises(IpiuError, match="above the limit"):
        read_nifti(patch(path, 108, struct.pack("<f", 1e20)))


def test_complex_values_are_refused(tmp_path):
    with pytest.raises(IpiuError, match=r"a\.nii: its values are complex numbers"):
        read_nifti(save(tmp_path / "a.nii", volume(dtype=np.complex64)))


def test_analyze_is_refused_because_left_and_right_are_unknown(tmp_path):
    nib.save(nib.AnalyzeImage(volume(), np.eye(4)), tmp_path / "a.img")
    with pytest.raises(IpiuError, match=r"does not state its orientation; convert it to NIfTI"):
        read_nifti(tmp_path / "a.img")


def test_a_header_without_its_voxels_is_refused(tmp_path):
    save(tmp_path / "a.img", volume(), kind=nib.Nifti1Pair)
    (tmp_path / "a.img").unlink()
    with pytest.raises(IpiuError, match=r"its voxels should be in a\.img"):
        read_nifti(tmp_path / "a.hdr")


def test_text_of_the_header_never_reaches_the_case(tmp_path):
    path = save(tmp_path / "scan.nii", volume(), descrip=b"DOE^JANE 1970-01-02", db_name=b"JANE", aux_file=b"DOE")
    image, case = image_of(path)
    shown = repr(case) + case._repr_html_() + repr(dict(image.meta)) + repr(case.notes)
    assert "JANE" not in shown
    assert "DOE" not in shown
    assert case.id == "scan"


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_every_file_of_nibabels_own_tests_opens_or_gets_one_sentence(path):
    case, said = attempt(path)
    if case is None:
        assert path.name in said
        assert "\n" not in said
    else:
        image = case.images["image"]
        reference = nib.load(path)
        assert np.isfinite(image.affine.numpy()).all()
        np.testing.assert_allclose(image.affine.numpy(), reference.affine, atol=1e-6)
        first = np.asarray(reference.dataobj, dtype=np.float32).reshape(*image.shape[1:], -1)[..., 0]
        np.testing.assert_allclose(image[0].numpy(), first, rtol=1e-6)


def test_the_readable_files_of_the_corpus_are_read():
    readable = {
        "anatomical.nii",
        "functional.nii",
        "example4d.nii.gz",
        "example_nifti2.nii.gz",
        "standard.nii.gz",
        "test.mgz",
    }
    for name in readable:
        read_nifti(NIBABEL_DATA / name)


@pytest.mark.parametrize("seed", range(60))
def test_random_damage_to_the_header_gives_an_image_or_one_sentence(tmp_path, seed):
    rng = np.random.default_rng(seed)
    path = save(tmp_path / "a.nii", volume())
    for _ in range(rng.integers(1, 8)):
        patch(path, int(rng.integers(0, 348)), rng.bytes(int(rng.integers(1, 5))))
    case, said = attempt(path)
    assert "a.nii" in said if case is None else np.isfinite(case.images["image"].affine.numpy()).all()


def test_gzip_without_a_volume_is_refused(tmp_path):
    path = tmp_path / "a.nii.gz"
    path.write_bytes(zlib.compress(b"no volume"))
    with pytest.raises(IpiuError, match=r"a\.nii\.gz"):
        read_nifti(path)


def test_a_gzip_name_in_capitals_is_unpacked(tmp_path):
    path = save(tmp_path / "a.nii.gz", volume()).rename(tmp_path / "A.NII.GZ")
    assert image_of(path)[0].shape[0] == 1
