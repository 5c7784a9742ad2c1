"""Each mapped checkpoint, written small and random in its published layout, is read into the class it was made with."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

import ipiu
from ipiu import atlas
from ipiu.errors import IpiuError
from ipiu.models import published as mapped
from tests.models import layouts

ALL = mapped.published()
PICTURES = [name for name, entry in ALL.items() if entry.family == "encoder" and entry.layout != "monai"]
PROMPTED = [name for name, entry in ALL.items() if entry.family == "promptable"]
VOLUMES = [name for name, entry in ALL.items() if entry.layout in ("monai", "bundle")]


@pytest.fixture
def entry_of(monkeypatch):
    """A mapping whose own widths are replaced by small ones, where it states them."""

    def made(name):
        entry = ALL[name]
        if name in layouts.SMALL and entry.network:
            decoder = entry.decoder and entry.decoder | {"network": entry.decoder["network"] | layouts.DECODER}
            entry = dataclasses.replace(entry, network=entry.network | layouts.SMALL[name], decoder=decoder)
            for home in ("ipiu.models.published", "ipiu.models.load"):
                monkeypatch.setattr(f"{home}.published", lambda: ALL | {name: entry})
        return entry

    return made


@pytest.fixture
def checkpoint(tmp_path, entry_of):
    """Writes a checkpoint and loads it from its folder."""

    def made(name):
        entry = entry_of(name)
        expected = layouts.write(entry, tmp_path)
        return ipiu.load(name, folder=tmp_path, pickle=entry.pickled), expected

    return made


@pytest.fixture
def network_of(tmp_path, entry_of):
    """Writes a checkpoint and reads its network and contract, without the verbs of an adapter."""

    def made(name):
        entry = entry_of(name)
        expected = layouts.write(entry, tmp_path)
        network, contract, _ = mapped.read(entry, tmp_path, pickle=entry.pickled)
        return network, expected, contract

    return made


def picture(contract, seed=0):
    """A picture of eight bits that needs no resizing, and what the network should be given of it."""
    source = torch.Generator().manual_seed(seed)
    side = contract.shorter or contract.size[0]
    image = torch.randint(0, 256, (3, side, side), generator=source, dtype=torch.uint8)
    edge = (side - contract.size[0]) // 2
    values = image[:, edge : side - edge, edge : side - edge].float() / 255
    if contract.mean:
        values = (values - torch.tensor(contract.mean)[:, None, None]) / torch.tensor(contract.std)[:, None, None]
    return image, values[None]


def test_at_least_25_models_of_the_atlas_are_mapped():
    assert sum(name in atlas.models for name in ALL) >= 25
    for name, entry in ALL.items():
        assert entry.source, f"{name} has no source"
        assert all(page.startswith("https://") for page in entry.source)


def test_every_mapping_names_a_file_and_who_may_use_it():
    for name, entry in ALL.items():
        assert entry.hub.count("/") == 1
        if name in atlas.models:
            assert atlas.models[name].card is not None
            assert not atlas.models[name].checkpoint.remote_code


@pytest.mark.parametrize("name", PICTURES)
def test_an_encoder_of_pictures_sees_what_its_makers_network_sees(checkpoint, name):
    model, expected = checkpoint(name)
    image, pixels = picture(model.contract)
    with torch.inference_mode():
        if isinstance(expected, dict) and "visual.proj" in expected:
            truth = layouts.clip_features(expected, pixels)
        elif isinstance(expected, dict):
            truth = layouts.timm_tokens(expected, pixels, ALL[name].heads)[:, 0]
        elif hasattr(expected, "vision_model"):
            truth = expected.vision_model(pixels).pooler_output
        else:
            truth = expected(pixels).last_hidden_state[:, 0]
    assert model.family == "encoder"
    np.testing.assert_allclose(model.encode(image), truth.numpy(), rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("name", PROMPTED)
def test_a_promptable_network_has_its_weights(checkpoint, name):
    model, expected = checkpoint(name)
    assert type(model.network).__name__ == ALL[name].kind
    assert model.contract.size[0] in (1008, 1024)
    found = model.network.state_dict()
    for key, value in expected.state_dict().items():
        if key in found:
            assert torch.equal(found[key], value), key
    assert set(found) <= set(expected.state_dict())


@pytest.mark.parametrize("name", VOLUMES)
def test_a_network_of_monai_computes_what_it_did(network_of, name):
    network, expected, _ = network_of(name)
    assert type(network) is type(expected)
    torch.manual_seed(1)
    side = 64 if name in ("voco", "swin_unetr_btcv_segmentation") else 32  # as often as they halve it
    image = torch.randn(1, 1, side, side, side)
    with torch.inference_mode():
        if ALL[name].family == "diffusion":
            told = {
                "x": torch.randn(1, 4, 8, 8, 8),
                "timesteps": torch.tensor([5.0]),
                "spacing_tensor": torch.ones(1, 3),
            }
            if expected.include_top_region_index_input:
                told |= {"top_region_index_tensor": torch.ones(1, 4), "bottom_region_index_tensor": torch.ones(1, 4)}
            if expected.num_class_embeds:
                told["class_labels"] = torch.tensor([1])
            results = [form(**told) for form in (network, expected)]
        elif name == "suprem":
            results = [form.swinViT(image, form.normalize)[-1] for form in (network, expected)]
        elif name == "vista3d":
            classes = torch.tensor([[1], [3]])
            results = [form(image, class_vector=classes) for form in (network, expected)]
        else:
            results = [form(image) for form in (network, expected)]
    first, second = (result[-1] if isinstance(result, (list, tuple)) else result for result in results)
    torch.testing.assert_close(first, second)


@pytest.mark.parametrize("name", ["medicalnet-med3d", "ct-fm", "fm-cib", "suprem"])
def test_an_encoder_of_volumes_sees_what_its_makers_network_sees(checkpoint, name):
    model, expected = checkpoint(name)
    contract = model.contract
    side = (contract.size or (64,))[0]
    width = (contract.spacing or (1.5,))[0]
    affine = torch.diag(torch.tensor([width, width, width, 1.0])).double()
    source = torch.Generator().manual_seed(2)
    image = MetaTensor(torch.randn(1, side, side, side, generator=source) * 300, affine=affine)
    image.meta["unit"] = "HU"
    turned = image.as_tensor()
    if contract.axcodes == "SPL":  # k from the feet up, j backwards, i to the left
        turned = turned.permute(0, 3, 2, 1).flip(2, 3)
    if contract.window:
        low, high = contract.window
        pixels = (turned - low) / (high - low)
        pixels = pixels.clamp(0, 1) if contract.clip else pixels
    else:
        pixels = (turned - turned.mean()) / turned.std(correction=0)
    with torch.inference_mode():
        truth = expected.swinViT(pixels[None], True)[-1] if name == "suprem" else expected(pixels[None])
    truth = truth[-1] if isinstance(truth, list) else truth
    truth = truth.flatten(2).mean(2) if truth.ndim > 2 else truth
    np.testing.assert_allclose(model.encode(image), truth.numpy(), rtol=1e-3, atol=1e-4)


def test_a_generator_of_latents_draws_a_volume(checkpoint):
    model, _ = checkpoint("maisi-v2")
    volume = model.sample(1, steps=2, size=(32, 32, 32), progress=False)
    assert volume.shape == (1, 1, 32, 32, 32)
    assert model.sampler.scale_factor == 1.25
    assert volume.meta["unit"] == "HU"
    assert -1000 <= volume.min() <= volume.max() <= 1000


@pytest.mark.parametrize("name", ["spleen_ct_segmentation", "wholeBody_ct_segmentation"])
def test_a_volume_is_segmented_through_its_contract(checkpoint, name):
    pytest.importorskip("ipiu.models.volumetric")
    model, _ = checkpoint(name)
    image = MetaTensor(torch.randn(1, 40, 40, 30) * 200, affine=torch.diag(torch.tensor([1.5, 1.5, 2.0, 1.0])).double())
    image.meta["unit"] = "HU"
    labels = model.segment(image)
    assert labels.shape == (1, 40, 40, 30)
    assert set(labels.unique().int().tolist()) <= {0, *model.contract.labels}


def test_a_bundle_says_unit_window_spacing_and_labels(network_of):
    contract = network_of("spleen_ct_segmentation")[2]
    assert (contract.unit, contract.window, contract.spacing) == ("HU", (-57, 164), (1.5, 1.5, 2.0))
    assert (contract.roi, contract.labels) == ((96, 96, 96), {1: "spleen"})


def test_what_a_bundle_computes_is_taken_from_the_mapping(network_of):
    contract = network_of("wholeBody_ct_segmentation")[2]
    assert (contract.spacing, contract.scaling, contract.span) == ((1.5, 1.5, 1.5), "nonzero", (-1.0, 1.0))
    assert len(contract.labels) == 104


def test_intensities_of_a_bundle_are_those_of_monai(network_of):
    from monai.transforms import Compose, NormalizeIntensity, ScaleIntensity

    contract = network_of("wholeBody_ct_segmentation")[2]
    image = torch.randint(-300, 300, (1, 12, 12, 12)).float()
    steps = Compose([NormalizeIntensity(nonzero=True), ScaleIntensity(-1.0, 1.0)])
    torch.testing.assert_close(contract.intensities(image), torch.as_tensor(steps(image)))


@pytest.mark.parametrize("name", ["rad-dino", "plip", "sam"])
def test_a_picture_is_prepared_as_by_the_processor_of_transformers(network_of, name):
    """A smooth picture, since PIL rounds to eight bits after resizing and torch does not."""
    kinds = {"rad-dino": "BitImageProcessorPil", "plip": "CLIPImageProcessorPil", "sam": "SamImageProcessorPil"}
    import transformers

    rows, columns = np.mgrid[0:300, 0:400]
    image = np.stack([rows / 300, columns / 400, (rows + columns) / 700]) * 255
    image = image.astype(np.uint8)
    contract = network_of(name)[2]
    told = layouts.processor(**layouts.PROCESSORS[name])
    truth = getattr(transformers, kinds[name])(**told)(image, return_tensors="pt", input_data_format="channels_first")
    found = contract.picture(torch.from_numpy(image))
    assert found.shape == truth["pixel_values"][0].shape
    assert (found - truth["pixel_values"][0]).abs().max() < 0.03


def test_a_published_pickle_is_refused_with_the_call_that_opens_it(tmp_path):
    layouts.write(ALL["uni"], tmp_path)
    with pytest.raises(IpiuError, match=r"ipiu.load\('uni', pickle=True\)"):
        ipiu.load("uni")
    with pytest.raises(
        IpiuError, match=r"is a pickle, which could run code; if you trust it: ipiu.load\('uni', folder="
    ):
        ipiu.load("uni", folder=tmp_path)


def test_weights_with_a_foreign_name_are_refused(tmp_path):
    layouts.write(ALL["kaiko-pathology"], tmp_path)
    from safetensors.torch import load_file, save_file

    state = load_file(tmp_path / "model.safetensors")
    state["blocks.0.attn.q_norm.weight"] = torch.ones(4)
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(IpiuError, match="not those of a vision transformer of timm"):
        ipiu.load("kaiko-pathology", folder=tmp_path)


def test_a_folder_that_transformers_saved_needs_no_mapping(tmp_path):
    expected = layouts.write(ALL["plip"], tmp_path)
    model = ipiu.load(tmp_path)
    image, pixels = picture(model.contract)
    with torch.inference_mode():
        truth = expected.vision_model(pixels).pooler_output
    np.testing.assert_allclose(model.encode(image), truth.numpy(), rtol=1e-3, atol=2e-4)


def test_the_contract_of_a_processor_is_kept_as_json(tmp_path):
    layouts.write(ALL["rad-dino"], tmp_path)
    contract = ipiu.load(tmp_path).contract
    contract.write(tmp_path / "contract.json")
    assert type(contract).read(tmp_path / "contract.json") == contract
    assert json.loads((tmp_path / "contract.json").read_text())["fit"] == "crop"
