"""Live viewers of notebooks, without a browser."""

import gzip
import socket
import sys
import threading
import time
from types import ModuleType, SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

import ipiu
from ipiu.view import live


@pytest.fixture
def viewer():
    image = MetaTensor(torch.arange(60.0).reshape(1, 3, 4, 5), meta={"unit": "HU", "name": "ct"})
    mask = MetaTensor(torch.zeros(1, 3, 4, 5, dtype=torch.uint8), meta={"labels": {2: "<b>nodule</b>"}})
    mask[0, 1, 2, 3] = 2
    return ipiu.view(image, mask, window=(30, 60))


@pytest.fixture
def kernel(monkeypatch):
    monkeypatch.delenv("IPIU_PAGES", raising=False)
    monkeypatch.setattr(live, "in_kernel", lambda: True)


def fake_itk(monkeypatch, address):
    shown = []
    package, module = ModuleType("itkwidgets"), ModuleType("itkwidgets.viewer")
    package.view = lambda **options: shown.append(options)
    module.ITK_VIEWER_SRC = address
    monkeypatch.setitem(sys.modules, "itkwidgets", package)
    monkeypatch.setitem(sys.modules, "itkwidgets.viewer", module)
    ngff = ModuleType("ngff_zarr")
    ngff.to_ngff_image = lambda data, **options: SimpleNamespace(data=data, **options)
    monkeypatch.setitem(sys.modules, "ngff_zarr", ngff)
    return shown


def test_without_a_kernel_there_is_no_widget(viewer, monkeypatch):
    monkeypatch.delenv("IPIU_PAGES", raising=False)
    assert set(viewer._repr_mimebundle_()) == {"text/html", "text/plain"}


def test_the_widget_holds_the_volumes(viewer, kernel):
    bundle = viewer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "<img" in bundle["text/html"]
    image, mask = viewer.widget.volumes
    read = nib.Nifti1Image.from_bytes(gzip.decompress(image.get_state()["data"]))
    assert np.array_equal(read.get_fdata(), np.arange(60.0).reshape(3, 4, 5))
    assert (image.cal_min, image.cal_max) == (0, 60)
    assert mask.colormap_label.labels[2] == "<b>nodule</b>"


def test_the_legend_of_the_widget_is_escaped(viewer, kernel):
    html = live._framed(viewer, None).children[1].value
    assert "&lt;b&gt;nodule&lt;/b&gt;" in html
    assert "<b>" not in html


def test_without_ipyniivue_the_picture_says_how_to_get_it(viewer, kernel, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipyniivue", None)
    bundle = viewer._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    assert "ipiu[lab]" in bundle["text/html"]


def test_itk_that_cannot_be_imported_is_named_and_niivue_shown(viewer, kernel, monkeypatch):
    monkeypatch.setitem(sys.modules, "itkwidgets", None)
    viewer.backend = "itk"
    bundle = viewer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "itkwidgets cannot be used here" in bundle["text/html"]
    assert "the NiiVue viewer is shown instead" in bundle["text/html"]


def test_itk_whose_web_page_never_answers_is_given_up_within_seconds(viewer, kernel, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        fake_itk(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        viewer.backend = "itk"
        start = time.monotonic()
        bundle = viewer._repr_mimebundle_()
        assert time.monotonic() - start < live.PATIENCE + 2
    assert "which cannot be reached from here" in bundle["text/html"]


def test_a_name_look_up_that_hangs_is_left_behind(monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(live, "PATIENCE", 0.1)

    def hang(*args, **options):
        released.wait(10)
        raise OSError

    monkeypatch.setattr(live, "urlopen", hang)
    start = time.monotonic()
    assert not live.reachable("https://nowhere.example/")
    assert time.monotonic() - start < 2
    released.set()


def test_itk_gets_the_image_in_its_own_space(viewer, kernel, monkeypatch):
    shown = fake_itk(monkeypatch, "http://127.0.0.1/")
    monkeypatch.setattr(live, "reachable", lambda address: True)
    viewer.backend = "itk"
    assert set(viewer._repr_mimebundle_()) == {"text/plain"}
    image = shown[0]["image"]
    # the identity affine puts voxel (2, 3, 0) at R 2 A 3, which ITK calls (-2, -3)
    assert image.translation == {"x": -2, "y": -3, "z": 0}
    assert image.data[0, 0, 0] == viewer.image.voxels[2, 3, 0]
    assert (shown[0]["vmin"], shown[0]["vmax"]) == (0, 60)


def test_on_a_page_itk_is_the_page_viewer(viewer, tmp_path, monkeypatch):
    monkeypatch.setenv("IPIU_PAGES", str(tmp_path))
    viewer.backend = "itk"
    assert "data-ipiu-view" in viewer._repr_mimebundle_()["text/html"]
