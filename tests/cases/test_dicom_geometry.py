"""Voxels and geometry of DICOM series against SimpleITK and dcm2niix, and every geometry that is refused."""

import subprocess

import dcm2niix
import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_factory import AXIAL, dataset, example_voxels, oblique, save, write_enhanced, write_series

from ipiu.cases.dicom import read_dicom
from ipiu.errors import IpiuError

FLIP = np.diag([-1, -1, 1, 1])


def sitk_series(folder):
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(files)
    return reader.Execute()


def sitk_affine(image):
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return FLIP @ affine


def assert_as_sitk(image, reference):
    voxels = sitk.GetArrayFromImage(reference).transpose(2, 1, 0)
    np.testing.assert_array_equal(image.numpy()[0], voxels)
    np.testing.assert_allclose(image.affine.numpy(), sitk_affine(reference), atol=1e-5)


def only_image(path, **options):
    (case,) = read_dicom(path, **options)
    (image,) = case.images.values()
    return image


@pytest.mark.parametrize("axes", [AXIAL, oblique(), oblique(-70, 15), (0, 1, 0, 0, 0, -1)])
@pytest.mark.parametrize("names", [None, ["d", "a", "e", "c", "b"], [f"{9 - k}.dcm" for k in range(5)]])
def test_a_series_equals_simpleitk_whatever_its_file_names(tmp_path, axes, names):
    write_series(tmp_path, axes=axes, names=names)
    assert_as_sitk(only_image(tmp_path), sitk_series(tmp_path))


def test_slices_written_against_the_normal_are_put_along_it(tmp_path):
    write_series(tmp_path, axes=oblique(), step=-2.5, SliceThickness="2.5")
    assert_as_sitk(only_image(tmp_path), sitk_series(tmp_path))


def test_voxels_come_back_as_written_in_hounsfield_units(tmp_path):
    voxels, _ = write_series(tmp_path)
    image = only_image(tmp_path)
    np.testing.assert_array_equal(image.numpy()[0], voxels.transpose(2, 1, 0) - 1024.0)
    assert image.meta["unit"] == "HU"
    assert image.meta["space"] == "RAS"
    assert str(image.dtype) == "torch.float32"


@pytest.mark.parametrize("axes", [AXIAL, oblique(), oblique(60, -10)])
def test_every_voxel_lies_where_dcm2niix_puts_it(tmp_path, axes):
    write_series(tmp_path / "in", axes=axes, names=["d", "a", "e", "c", "b"])
    (tmp_path / "out").mkdir()
    command = [dcm2niix.bin, "-f", "ct", "-o", str(tmp_path / "out"), str(tmp_path / "in")]
    subprocess.run(command, check=True, capture_output=True)
    reference = nib.load(next((tmp_path / "out").glob("*.nii")))
    ours, theirs = only_image(tmp_path / "in"), np.asarray(reference.dataobj)
    ijk = np.stack(np.meshgrid(*map(np.arange, ours.shape[1:]), indexing="ij"), -1).reshape(-1, 3)
    world = nib.affines.apply_affine(ours.affine.numpy(), ijk)
    there = nib.affines.apply_affine(np.linalg.inv(reference.affine), world)
    np.testing.assert_allclose(there, np.rint(there), atol=2e-3)
    values = theirs[tuple(np.rint(there).astype(int).T)]
    np.testing.assert_array_equal(ours.numpy()[0][tuple(ijk.T)], values)


def test_one_slice_is_a_volume_of_its_thickness(tmp_path):
    write_series(tmp_path, shape=(1, 7, 6), axes=oblique())
    image = only_image(tmp_path)
    assert image.shape == (1, 6, 7, 1)
    np.testing.assert_allclose(image.pixdim, [0.5, 0.75, 2.5], rtol=1e-6)
    assert image.meta["spacing_stated"] is True


def test_an_enhanced_object_equals_simpleitk(tmp_path):
    axes, voxels = oblique(), example_voxels((4, 7, 6))
    normal = np.cross(axes[:3], axes[3:])
    path = write_enhanced(
        tmp_path / "e.dcm", voxels, positions=[[1, 2, 3] + 2.5 * k * normal for k in range(4)], axes=axes
    )
    assert_as_sitk(only_image(path), sitk.ReadImage(str(path)))


def test_frames_of_an_enhanced_object_are_ordered_and_rescaled_one_by_one(tmp_path):
    voxels, order, slopes = example_voxels((4, 7, 6)), [2, 0, 3, 1], [1, 2, 3, 0.5]
    path = write_enhanced(tmp_path / "e.dcm", voxels, positions=[[0, 0, 3.0 * k] for k in order], slopes=slopes)
    image = only_image(path).numpy()[0]
    for frame, k in enumerate(order):
        np.testing.assert_allclose(image[..., k], voxels[frame].T * slopes[frame])


def test_echoes_of_an_enhanced_object_are_told_apart(tmp_path):
    voxels = example_voxels((6, 7, 6))
    positions, echoes = [[0, 0, 3.0 * (k % 3)] for k in range(6)], [80, 80, 80, 20, 20, 20]
    (case,) = read_dicom(write_enhanced(tmp_path / "e.dcm", voxels, positions=positions, extra=echoes))
    assert list(case.images) == ["mr", "mr-2"]
    assert case.images["mr"].meta["part"] == "EffectiveEchoTime 20"
    np.testing.assert_array_equal(case.images["mr"].numpy()[0], voxels[3:].transpose(2, 1, 0))
    np.testing.assert_array_equal(case.images["mr-2"].numpy()[0], voxels[:3].transpose(2, 1, 0))


def test_a_missing_slice_is_refused_with_place_and_number(tmp_path):
    _, paths = write_series(tmp_path, shape=(8, 3, 3))
    paths[3].unlink()
    paths[4].unlink()
    with pytest.raises(
        IpiuError, match=r"slice0002.* and .*slice0005.*2 slices are missing between .*17.00\) mm.*24.50"
    ):
        read_dicom(tmp_path)


def test_a_duplicate_slice_is_refused(tmp_path):
    _, paths = write_series(tmp_path)
    (tmp_path / "copy.dcm").write_bytes(paths[2].read_bytes())
    with pytest.raises(IpiuError, match=r"copy.dcm and .*slice0002.dcm: duplicate slices .*keep one"):
        read_dicom(tmp_path)


def test_mixed_slice_spacings_are_refused(tmp_path):
    where = [0, 2.5, 5, 9.1, 11.6]
    write_series(tmp_path, ImagePositionPatient=lambda k: [0, 0, where[k]])
    with pytest.raises(IpiuError, match=r"mixed slice spacings, 4.1 mm here and 2.5 mm elsewhere"):
        read_dicom(tmp_path)


def test_a_slowly_changing_spacing_is_refused(tmp_path):
    where = np.cumsum([1 + 0.00015 * k for k in range(150)])
    write_series(tmp_path, shape=(150, 2, 2), spacing=(0.5, 0.5), ImagePositionPatient=lambda k: [0, 0, where[k]])
    with pytest.raises(IpiuError, match=r"mm off the even line of its 150 slices"):
        read_dicom(tmp_path)


def test_mixed_pixel_spacings_are_refused(tmp_path):
    write_series(tmp_path, PixelSpacing=lambda k: ["0.75", "0.5" if k else "0.6"])
    with pytest.raises(IpiuError, match=r"pixel spacing of 0.75 x 0.[56] mm differs from the 0.75 x 0.[56] mm"):
        read_dicom(tmp_path)


def test_a_gantry_tilt_is_refused_with_its_angle(tmp_path):
    write_series(tmp_path, step=5.0, shear=(0, 5 * np.tan(np.radians(12)), 0))
    with pytest.raises(IpiuError, match=r"gantry tilt.* 12.00 degrees.*allow_tilt=True"):
        read_dicom(tmp_path)


def test_a_gantry_tilt_is_kept_as_a_shear_on_request(tmp_path):
    _, paths = write_series(tmp_path, step=5.0, shear=(0, 1.25, 0))
    image = only_image(tmp_path, allow_tilt=True)
    for k, path in enumerate(paths):
        position = np.array(pydicom.dcmread(path).ImagePositionPatient, float) * [-1, -1, 1]
        np.testing.assert_allclose((image.affine.numpy() @ [0, 0, k, 1])[:3], position, atol=1e-9)


@pytest.mark.parametrize("spacing", ["0.00", "-0.5", "nan ", "inf "])
def test_an_impossible_pixel_spacing_is_refused(tmp_path, spacing):
    write_series(tmp_path, shape=(1, 3, 3), PixelSpacing=["1.25", "0.75"])
    path = tmp_path / "slice0000.dcm"
    path.write_bytes(path.read_bytes().replace(b"1.25\\0.75", spacing.encode() + b"\\0.75"))
    with pytest.raises(IpiuError, match=r"slice0000.dcm: its PixelSpacing is "):
        read_dicom(tmp_path)


def test_a_position_that_is_not_a_number_is_refused(tmp_path):
    write_series(tmp_path, shape=(1, 3, 3), ImagePositionPatient=["0", "0", "12345"])
    path = tmp_path / "slice0000.dcm"
    path.write_bytes(path.read_bytes().replace(rb"0\0\12345", rb"0\0\nan  "))
    with pytest.raises(IpiuError, match=r"its ImagePositionPatient is .*nan.*not 3 finite numbers"):
        read_dicom(tmp_path)


def test_a_position_beyond_any_patient_is_refused(tmp_path):
    write_series(tmp_path, shape=(1, 3, 3), ImagePositionPatient=["0", "0", "1e300"])
    with pytest.raises(IpiuError, match="farther than any patient"):
        read_dicom(tmp_path)


def test_an_orientation_that_is_not_orthonormal_is_refused(tmp_path):
    write_series(tmp_path, ImageOrientationPatient=["1", "0", "0", "0.2", "1", "0"])
    with pytest.raises(IpiuError, match=r"not two perpendicular unit vectors"):
        read_dicom(tmp_path)


@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_half_a_geometry_is_refused(tmp_path, keyword):
    _, (path,) = write_series(tmp_path, shape=(1, 3, 3))
    ds = pydicom.dcmread(path)
    delattr(ds, keyword)
    ds.save_as(path)
    with pytest.raises(IpiuError, match=rf"states a place in the patient but no {keyword}"):
        read_dicom(tmp_path)


def test_a_slice_without_place_among_placed_ones_is_refused(tmp_path):
    write_series(tmp_path)
    save(dataset("CT", example_voxels((7, 6))), tmp_path / "stray.dcm")
    with pytest.raises(IpiuError, match=r"stray.dcm: it states no ImagePositionPatient"):
        read_dicom(tmp_path)


def test_series_echoes_and_orientations_in_one_folder_are_told_apart(tmp_path):
    a, _ = write_series(tmp_path / "a", SeriesInstanceUID="1.2.1", SeriesNumber=2)
    b, _ = write_series(tmp_path / "b", axes=oblique(), SeriesInstanceUID="1.2.2", SeriesNumber=1)
    c, _ = write_series(tmp_path / "c", axes=(0, 1, 0, 0, 0, -1), SeriesInstanceUID="1.2.2", SeriesNumber=1)
    d, _ = write_series(tmp_path / "d", SeriesInstanceUID="1.2.3", EchoTime="30", SeriesNumber=3)
    e, _ = write_series(tmp_path / "e", voxels=a + 1, SeriesInstanceUID="1.2.3", EchoTime="9.5", SeriesNumber=3)
    (case,) = read_dicom(tmp_path)
    assert list(case.images) == ["ct", "ct-2", "ct-3", "ct-4", "ct-5"]
    for voxels, image in zip([b, c, a, d, e], case.images.values(), strict=True):
        np.testing.assert_array_equal(np.sort(image.numpy().ravel()), np.sort(voxels.ravel()) - 1024)
    assert case.images["ct-4"].meta["part"] == "EchoTime 30"
    assert case.images["ct-5"].meta["part"] == "EchoTime 9.5"


def test_an_attribute_that_leaves_incomplete_stacks_explains_nothing(tmp_path):
    write_series(tmp_path / "a", EchoTime="30")
    write_series(tmp_path / "b", shape=(4, 7, 6), EchoTime="10")
    with pytest.raises(IpiuError, match="no header attribute splits the series"):
        read_dicom(tmp_path)
