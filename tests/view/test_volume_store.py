"""The NIfTI bytes beside the pages, read back by nibabel and SimpleITK."""

import gzip
import json
import re
from base64 import b64decode

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.data import MetaTensor

import ipiu
from ipiu.view import layers, store

TURN = sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.4).GetMatrix()
OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = np.reshape(TURN, (3, 3)) @ np.diag([-1.9, 1.5, 3.9])
OBLIQUE[:3, 3] = [20, -10, 5]


def image_layer(values, **options):
    return layers.Layer("x", values, OBLIQUE, **options)


def read_back(layer, tmp_path):
    path = tmp_path / "x.nii.gz"
    path.write_bytes(store.encode(layer).packed())
    return path, nib.load(path)


def test_hounsfield_units_come_back_exactly(tmp_path):
    values = np.random.default_rng(0).integers(-1024, 3071, (9, 8, 7)).astype(np.float32)
    path, image = read_back(image_layer(values, unit="HU"), tmp_path)
    assert image.get_data_dtype() == np.int16
    assert np.array_equal(image.get_fdata(), values)
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))).T, values)


def test_geometry_is_what_nibabel_and_simpleitk_expect(tmp_path):
    path, image = read_back(image_layer(np.arange(24.0).reshape(2, 3, 4)), tmp_path)
    assert np.allclose(image.affine, OBLIQUE, atol=1e-5)
    assert np.allclose(image.header.get_zooms(), [1.9, 1.5, 3.9])
    place = sitk.ReadImage(str(path)).TransformIndexToPhysicalPoint((1, 2, 3))
    assert np.allclose(place * np.array([-1, -1, 1]), (OBLIQUE @ [1, 2, 3, 1])[:3], atol=1e-4)


def test_a_sheared_affine_is_kept(tmp_path):
    sheared = OBLIQUE @ np.array([[1, 0.3, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    path = tmp_path / "x.nii.gz"
    path.write_bytes(store.encode(layers.Layer("x", np.zeros((2, 3, 4)), sheared)).packed())
    assert np.allclose(nib.load(path).affine, sheared, atol=1e-5)


@pytest.mark.parametrize("scale", [0.25, 1 / 255, 0.0039215684])
def test_values_of_one_step_come_back_to_rounding(tmp_path, scale):
    values = (np.random.default_rng(0).integers(0, 200, (20, 20, 20)) * np.float32(scale)).astype(np.float32)
    _, image = read_back(image_layer(values), tmp_path)
    assert image.get_data_dtype() == np.uint8
    assert np.allclose(image.get_fdata(), values, atol=1e-3 * scale)


def test_other_values_are_off_by_less_than_a_65535th_of_their_range(tmp_path):
    values = np.random.default_rng(0).normal(size=(20, 20, 20))
    _, image = read_back(image_layer(values), tmp_path)
    assert np.abs(image.get_fdata() - values).max() < np.ptp(values) / 65535


@pytest.mark.parametrize("value", [-3.0, 0.0, 7.5, 1e6])
def test_a_constant_image_keeps_its_value(tmp_path, value):
    _, image = read_back(image_layer(np.full((3, 3, 3), value, np.float32)), tmp_path)
    assert np.allclose(image.get_fdata(), value)


@pytest.mark.parametrize(("highest", "kind"), [(9, np.uint8), (2035, np.int16)])
def test_labels_keep_their_numbers(tmp_path, highest, kind):
    values = np.zeros((4, 4, 4), np.int16)
    values[1, 2, 3] = highest
    _, image = read_back(image_layer(values, kind="labels"), tmp_path)
    assert image.get_data_dtype() == kind
    assert np.array_equal(image.get_fdata(), values)


def test_probabilities_are_within_half_a_step(tmp_path):
    values = np.random.default_rng(0).random((8, 8, 8), dtype=np.float32)
    _, image = read_back(image_layer(values, kind="probability"), tmp_path)
    assert np.abs(image.get_fdata() - values).max() <= 0.5 / 255 + 1e-6


def test_a_page_writes_each_volume_once_and_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setenv("IPIU_PAGES", str(tmp_path))
    image = MetaTensor(torch.rand(1, 8, 8, 8))
    mask = MetaTensor((torch.rand(1, 8, 8, 8) > 0.5).to(torch.uint8))
    first = ipiu.view(image, mask).to_html()
    files = {path.name: path.read_bytes() for path in (tmp_path / "volumes").iterdir()}
    stamps = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "volumes").iterdir()}
    second = ipiu.view(image, mask).to_html()
    assert first == second
    assert len(files) == 2
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "volumes").iterdir()} == stamps
    for path in (tmp_path / "volumes").iterdir():
        path.unlink()
    ipiu.view(image, mask).to_html()
    assert {path.name: path.read_bytes() for path in (tmp_path / "volumes").iterdir()} == files


def test_the_packed_file_tells_no_time():
    assert store.encode(image_layer(np.zeros((2, 2, 2)))).packed()[4:8] == bytes(4)


def test_the_script_registers_the_file_under_its_key(tmp_path):
    layer = image_layer(np.arange(24.0).reshape(2, 3, 4))
    path = store.write_script(store.encode(layer), tmp_path)
    text = path.read_text()
    name, content = re.fullmatch(r'.*\)\["([0-9a-f]{16})"\]="([^"]*)";\n', text).groups()
    assert name == path.stem
    assert json.loads(f'"{content}"') == content
    read = nib.Nifti1Image.from_bytes(gzip.decompress(b64decode(content)))
    assert np.array_equal(read.get_fdata(), layer.voxels)
