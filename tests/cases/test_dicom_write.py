"""A volume written as a DICOM series: what SimpleITK and the book's own reader make of it."""

import numpy as np
import pydicom
import pytest
import torch
from monai.data import MetaTensor

import ipiu
from ipiu.cases.dicom_write import write_dicom
from ipiu.errors import IpiuError

AFFINE = np.array([[1.5, 0, 0, -20.25], [0, 0.75, 0, 11.5], [0, 0, 4.0, -7.125], [0, 0, 0, 1]])


def turned(step=4.0):
    """A plane turned about two axes; with a negative step its third axis points to the feet."""
    a, b = np.radians([20.0, 35.0])
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    affine = AFFINE.copy()
    affine[:3, :3] = z @ x @ np.diag([1.5, 0.75, step])
    return affine


def volume(affine=AFFINE, modality="MR", shape=(1, 6, 8, 5)):
    values = torch.from_numpy(np.random.default_rng(0).uniform(0, 300, shape).astype(np.float32))
    return MetaTensor(values, affine=torch.from_numpy(affine), meta={"modality": modality})


@pytest.mark.parametrize("affine", [AFFINE, turned(), turned(-4.0)], ids=["straight", "oblique", "to the feet"])
def test_simpleitk_reads_the_same_voxels_at_the_same_places(tmp_path, affine):
    sitk = pytest.importorskip("SimpleITK")
    image = volume(affine)
    write_dicom(image, tmp_path)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    read = reader.Execute()
    array = sitk.GetArrayFromImage(read).transpose(2, 1, 0)
    for index in ((0, 0, 0), (5, 2, 1), (3, 7, 4)):
        right, front, up = (affine @ [*index, 1])[:3]
        found = read.TransformPhysicalPointToContinuousIndex((-right, -front, up))
        np.testing.assert_allclose(found, np.round(found), atol=1e-4)
        value = array[tuple(int(n) for n in np.round(found))]
        assert value == pytest.approx(float(image[(0, *index)]), abs=300 / 4095)


def test_it_is_opened_as_it_was_written_and_without_the_name(tmp_path):
    image = volume(turned())
    write_dicom(image, tmp_path, PatientName="Doe^Jane", PatientID="4711", PatientAge="074Y")
    case = ipiu.open(tmp_path)
    read = case.images["mr"]
    np.testing.assert_allclose(read.affine.numpy(), image.affine.numpy(), atol=1e-5)
    np.testing.assert_allclose(read.numpy(), image.numpy(), atol=300 / 4095)
    assert "Doe" not in repr(case) + repr(read.meta)
    assert str(pydicom.dcmread(next(tmp_path.iterdir())).PatientName) == "Doe^Jane"


def test_ct_keeps_whole_hounsfield_units(tmp_path):
    image = volume(modality="CT") * 10 - 1000
    image.meta["modality"] = "CT"
    write_dicom(image, tmp_path)
    np.testing.assert_array_equal(ipiu.open(tmp_path).images["ct"].numpy(), np.rint(image.numpy()))


def test_what_is_no_volume_of_mr_or_ct_is_refused(tmp_path):
    with pytest.raises(IpiuError, match="write a volume"):
        write_dicom(volume(modality="PT"), tmp_path)
    with pytest.raises(IpiuError, match="write a volume"):
        write_dicom(volume(shape=(3, 6, 8, 5)), tmp_path)
    sheared = AFFINE.copy()
    sheared[0, 2] = 1.0
    with pytest.raises(IpiuError, match="right angles"):
        write_dicom(volume(sheared), tmp_path)
    assert not list(tmp_path.iterdir())
