"""Names, pickles and hostile files: one sentence each, and nothing of a checkpoint is run."""

import dataclasses
import json
import os
import pickle
import struct

import huggingface_hub
import pytest
import torch
from safetensors.torch import save_file
from transformers import ViTConfig, ViTModel

import ipiu
from ipiu import atlas
from ipiu.errors import IpiuError
from ipiu.models import published as mapped
from ipiu.models.card import ModelCard
from ipiu.models.contract import Contract
from ipiu.models.load import tiny
from ipiu.models.stock import build
from ipiu.models.weights import read_network, read_weights
from tests.models import layouts
from tests.models.test_checkpoint import hub

ALL = mapped.published()


@pytest.fixture
def saved(tmp_path):
    """A small ViT as transformers saves it, with the file of its processor."""
    torch.manual_seed(0)
    told = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    ViTModel(ViTConfig(**told, image_size=16, patch_size=8)).save_pretrained(tmp_path)
    steps = layouts.processor(layouts.IMAGENET, 2, size={"height": 16, "width": 16})
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(steps))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "told", "says"),
    [
        ("phikkon", {}, "there is no model 'phikkon'; did you mean phikon"),
        ("ipiu-tiny-sum", {}, "there is no model 'ipiu-tiny-sum'; did you mean ipiu-tiny-"),
        ("./nowhere", {}, r"there is no folder \./nowhere; check the path"),
        ("hibou", {}, "histai/hibou-L runs Python code that lies beside its weights"),
        ("hipt", {}, "hipt: the atlas knows no checkpoint of it"),
        ("biogpt", {}, "biogpt: it loads with transformers.BioGptForCausalLM, which no adapter wraps"),
        ("uni", {}, r"uni was published as a pickle only .*ipiu.load\('uni', pickle=True\)"),
        ("phikon", {"device": "gpu"}, "device='gpu' is none that torch knows"),
        ("phikon", {"device": "cuda:99"}, "device='cuda:99' is not on this machine"),
        ("phikon", {"dtype": "float8"}, "dtype='float8'; choose auto, float32, bfloat16, float16"),
        ("nobody", {"folder": "."}, "'nobody' is not mapped"),
        ("phikon", {"folder": "./nowhere"}, "there is no folder nowhere; check the path"),
    ],
)
def test_a_name_that_cannot_be_loaded_says_why(name, told, says):
    with pytest.raises(IpiuError, match=says) as found:
        ipiu.load(name, **told)
    assert "\n" not in str(found.value)


def test_a_folder_of_transformers_becomes_an_encoder(saved):
    model = ipiu.load(saved)
    assert (model.family, model.contract.size, model.contract.fit) == ("encoder", (16, 16), "squash")
    assert model.encode(torch.zeros(3, 20, 10, dtype=torch.uint8)).shape == (1, 16)


def test_the_card_of_a_model_of_the_atlas_is_its_records(tmp_path):
    layouts.write(ALL["kaiko-pathology"], tmp_path)
    assert str(ipiu.load("kaiko-pathology", folder=tmp_path).card) == str(atlas.models["kaiko-pathology"].card)


def test_a_card_shows_its_text_and_no_markup_of_it(tmp_path):
    (tmp_path / "README.md").write_text(
        "---\nlicense: Apache-2.0\ntags: [<b>]\n---\n# Model\n<script>alert(1)</script>\n"
    )
    card = ModelCard.read(tmp_path / "README.md", "small")
    assert card.facts["license"] == "Apache-2.0"
    html = card._repr_html_()
    assert "Apache-2.0" in html
    assert "&lt;script&gt;" in html
    assert "<script" not in html
    assert "<b>" not in html
    assert "# Model" in str(card)


@pytest.mark.parametrize("text", ["", "no front matter", "---\n: : :\n---\n", "---\n- a list\n---\ntext"])
def test_a_card_without_front_matter_is_read(tmp_path, text):
    (tmp_path / "README.md").write_text(text)
    assert ModelCard.read(tmp_path / "README.md", "small").facts == {}


@pytest.mark.parametrize("name", tiny())
def test_checkpoints_of_the_package_load_offline(name):
    model = ipiu.load(name)
    assert model.family == model.contract.family
    assert sum(p.numel() for p in model.network.parameters()) < 12e6


# --- pickles ----------------------------------------------------------------------------------------------------------


class Bomb:
    """What a hostile pickle would run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_malicious_pickle_is_not_run(saved, tmp_path):
    mark = tmp_path / "ran"
    (saved / "model.safetensors").unlink()
    (saved / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Bomb(mark)}, protocol=2))
    with pytest.raises(IpiuError, match=r"pytorch_model\.bin is a pickle, which could run code"):
        ipiu.load(saved)
    with pytest.raises(IpiuError, match=r"pytorch_model\.bin is not a pickle of tensors alone and was not run"):
        ipiu.load(saved, pickle=True)
    torch.save({"weight": Bomb(mark)}, saved / "pytorch_model.bin")
    with pytest.raises(IpiuError, match="was not run"):
        ipiu.load(saved, pickle=True)
    assert not mark.exists()
    torch.load(saved / "pytorch_model.bin", weights_only=False)  # it would have
    assert mark.exists()


def test_a_pickle_is_opened_where_it_is_asked_for(saved):
    weights = ViTModel.from_pretrained(saved).state_dict()
    (saved / "model.safetensors").unlink()
    torch.save(weights, saved / "pytorch_model.bin")
    ask = f"ipiu.load({str(saved)!r}, pickle=True)"
    with pytest.raises(IpiuError) as told:
        ipiu.load(saved)
    assert str(told.value).endswith(ask)
    opened = ipiu.load(saved, pickle=True).network
    key = "embeddings.patch_embeddings.projection.weight"
    assert torch.equal(opened.state_dict()[key], weights[key])


def test_safetensors_are_taken_before_a_pickle(saved):
    (saved / "pytorch_model.bin").write_bytes(b"no pickle at all")
    assert ipiu.load(saved, pickle=True).family == "encoder"


def test_arguments_kept_beside_the_weights_do_no_harm(tmp_path):
    import argparse

    entry = ALL["retfound"]
    state = layouts.timm_weights(entry.heads, **layouts.TIMM["retfound"])
    torch.save({"model": state, "args": argparse.Namespace(lr=1e-3)}, tmp_path / entry.files[0])
    assert ipiu.load("retfound", folder=tmp_path, pickle=True).encode(torch.rand(3, 64, 64)).shape == (1, 64)


def test_a_pickle_of_something_else_is_refused(tmp_path):
    torch.save(torch.zeros(3), tmp_path / "mSTAR.pth")
    with pytest.raises(IpiuError, match=r"mSTAR\.pth holds a Tensor, not weights by name"):
        ipiu.load("mstar", folder=tmp_path, pickle=True)


# --- files that lie ---------------------------------------------------------------------------------------------------


def test_a_torn_or_lying_safetensors_file_is_named(saved):
    path = saved / "model.safetensors"
    whole = path.read_bytes()
    lies = {
        "torn": whole[:100],
        "huge header": struct.pack("<Q", 2**62) + whole[8:],
        "no JSON": struct.pack("<Q", 8) + b"notjson!" + whole[-64:],
        "empty": b"",
    }
    header = json.dumps({"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    lies["terabytes"] = struct.pack("<Q", len(header)) + header
    for what, data in lies.items():
        path.write_bytes(data)
        with pytest.raises(IpiuError, match="is no safetensors file that can be read"):
            ipiu.load(saved)
        assert path.exists(), what


def test_weights_of_another_shape_are_refused(saved):
    state = read_weights(saved)
    state["layernorm.weight"] = torch.ones(99)
    save_file(state, saved / "model.safetensors")
    with pytest.raises(IpiuError, match="do not fit ViTModel"):
        ipiu.load(saved)


@pytest.mark.parametrize("shard", ["../secret.safetensors", "/etc/passwd", "a/b.safetensors", "model.py", 7])
def test_an_index_reaches_nothing_beside_it(saved, shard):
    (saved / "model.safetensors").unlink()
    (saved / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"layernorm.weight": shard}}))
    with pytest.raises(IpiuError, match="only files beside it are read"):
        ipiu.load(saved)


def test_a_sharded_checkpoint_is_read(saved):
    state = read_weights(saved)
    (saved / "model.safetensors").unlink()
    names = sorted(state)
    shards = {"model-1-of-2.safetensors": names[:4], "model-2-of-2.safetensors": names[4:]}
    for shard, held in shards.items():
        save_file({name: state[name] for name in held}, saved / shard)
    index = {"weight_map": {name: shard for shard, held in shards.items() for name in held}}
    (saved / "model.safetensors.index.json").write_text(json.dumps(index))
    assert torch.equal(ipiu.load(saved).network.layernorm.weight, state["layernorm.weight"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"auto_map": {"AutoModel": "modeling.Model"}}, "runs Python code that lies beside its weights"),
        ({"architectures": ["LlamaForCausalLM"]}, "is a LlamaForCausalLM, none of the vision models"),
        ({"architectures": ["ViTOfTomorrow"]}, "names ViTOfTomorrow, which this transformers lacks"),
        ({"architectures": []}, "is a no class, none of the vision models"),
        ({"hidden_size": 17}, "does not fit|do not fit"),
        ({"num_hidden_layers": 10**9}, "says num_hidden_layers=1000000000, above 1000; no such network is built"),
        ({"hidden_size": "many"}, "does not fit|do not fit"),
    ],
)
def test_a_configuration_that_cannot_be_used_says_why(saved, change, says):
    config = json.loads((saved / "config.json").read_text()) | change
    (saved / "config.json").write_text(json.dumps(config))
    with pytest.raises(IpiuError, match=says):
        ipiu.load(saved)


@pytest.mark.parametrize("text", ["", "{", "[]", '"config"'])
def test_json_that_is_none_is_named(saved, text):
    (saved / "config.json").write_text(text)
    with pytest.raises(IpiuError, match=r"config.json (cannot be read as JSON|holds a)"):
        ipiu.load(saved)


@pytest.mark.parametrize(
    "config",
    [
        {"_target_": "os.system", "command": "true"},
        {"_target_": "builtins.eval", "source": "1"},
        {"_target_": "monai.networks.utils.convert_to_torchscript"},
        {"_target_": "monai.networks.nets.resnet.torch"},
        {"_target_": "evil.networks.nets.UNet"},
        {"_target_": "subprocess.UNet"},
        {},
        {"_target_": "UNet", "spatial_dims": 3, "act": {"_target_": "os.system", "command": "true"}},
        {"_target_": "UNet", "spatial_dims": "$__import__('os').system('true')"},
        {"_target_": "UNet", "channels": [["@secret"]]},
        {"_target_": "resnet50", "pretrained": True},
        {"_target_": "SegResNet", "init_filters": 10**9},
        {"_target_": "SegResNet", "no_such_argument": 1},
    ],
)
def test_only_stock_classes_with_plain_arguments_are_built(config):
    with pytest.raises(IpiuError) as told:
        build(config)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("value", ["$__import__('os').system('true')", "@secret", "%other.json#network"])
def test_expressions_and_references_are_named_and_not_run(value):
    with pytest.raises(IpiuError, match="an argument of UNet is the expression"):
        build({"_target_": "UNet", "spatial_dims": 2, "act": [{"inplace": value}]})


def test_what_is_stock_is_built_whichever_way_it_is_named():
    told = {"spatial_dims": 2, "init_filters": 8, "out_channels": 2}
    for name in ("SegResNet", "monai.networks.nets.SegResNet", "monai.networks.nets.segresnet.SegResNet"):
        assert type(build({"_target_": name, **told})).__name__ == "SegResNet"


def test_a_network_file_with_other_weights_is_refused(tmp_path):
    config = {"_target_": "SegResNet", "spatial_dims": 2, "init_filters": 8, "out_channels": 2}
    (tmp_path / "network.json").write_text(json.dumps(config))
    state = {name: value.contiguous() for name, value in build(config).state_dict().items()}
    save_file(state, tmp_path / "model.safetensors")
    assert type(read_network(tmp_path)).__name__ == "SegResNet"
    state.pop("convInit.conv.weight")
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(IpiuError, match=r"are those of another network than SegResNet: lack convInit\.conv\.weight"):
        read_network(tmp_path)


def test_an_unknown_family_is_named(tmp_path):
    Contract("oracle", dims=2).write(tmp_path / "contract.json")
    with pytest.raises(IpiuError, match="names the family 'oracle'"):
        ipiu.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"network_def": "$__import__('os').system('touch ran')"}, "makes its network by .* which is not run here"),
        ({"network_def": {"_target_": "UNet", "in_channels": "@a"}, "a": "@a"}, "leads in a circle"),
        ({"network_def": {"_target_": "UNet", "in_channels": "@b"}}, "refers to '@b', which it does not hold"),
        ({"network_def": {"_target_": "scripts.networks.Unest"}}, "names the class 'scripts.networks.Unest'"),
        ({"preprocessing": "$open('/etc/passwd')"}, "prepares its images by|prepares its images with|is not run"),
        ({"preprocessing": {"transforms": [{"_target_": "Evild"}]}}, "prepares its images with Evild"),
    ],
)
def test_expressions_of_a_bundle_are_not_run(tmp_path, monkeypatch, change, says):
    monkeypatch.chdir(tmp_path)
    layouts.write(ALL["spleen_ct_segmentation"], tmp_path)
    path = tmp_path / "configs/inference.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(IpiuError, match=says):
        ipiu.load(tmp_path, pickle=True)
    assert not (tmp_path / "ran").exists()


# --- the hub ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def at(monkeypatch, tmp_path_factory):
    """Points huggingface_hub at an address, with an empty cache."""

    def pointed(endpoint):
        home = str(tmp_path_factory.mktemp("cache"))
        for name, value in {
            "ENDPOINT": endpoint,
            "HUGGINGFACE_CO_URL_TEMPLATE": endpoint + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": home,
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_OFFLINE": False,
        }.items():
            monkeypatch.setattr(huggingface_hub.constants, name, value)
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)  # between its attempts

    return pointed


def test_the_hub_gives_a_model_by_its_id_and_by_its_address(saved, at):
    with hub(saved) as endpoint:
        at(endpoint)
        models = [ipiu.load(name) for name in ("phikon", "owner/name")]
    truth = read_weights(saved)["layernorm.weight"]
    for model in models:
        assert torch.equal(model.network.layernorm.weight, truth)
    assert str(models[0].card) == str(atlas.models["phikon"].card)


def test_the_hub_gives_a_bundle_by_its_name(tmp_path, at):
    layouts.write(ALL["spleen_ct_segmentation"], tmp_path)
    for path in (*tmp_path.glob("configs/*.json"), tmp_path / "models/model.pt"):  # the loopback hub has one folder
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with hub(tmp_path) as endpoint:
        at(endpoint)
        for name in ("spleen_ct_segmentation", "some_other_bundle"):
            model = ipiu.load(name, pickle=True)
            assert (type(model.network).__name__, model.contract.labels) == ("UNet", {1: "spleen"})
        with pytest.raises(IpiuError, match=r"ipiu.load\('spleen_ct_segmentation', pickle=True\)"):
            ipiu.load("spleen_ct_segmentation")


def test_what_was_fetched_once_is_read_without_a_network(saved, at, monkeypatch):
    with hub(saved) as endpoint:
        at(endpoint)
        ipiu.load("phikon")
    assert ipiu.load("phikon").family == "encoder"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert ipiu.load("phikon").family == "encoder"


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (403, "GatedRepo", "facebook/sam3 is gated; accept its terms on https://huggingface.co/facebook/sam3"),
        (401, "GatedRepo", "facebook/sam3 is gated; accept its terms on https://huggingface.co/facebook/sam3"),
        (404, "RepoNotFound", "there is no facebook/sam3 on the hub, or it asks for a login"),
    ],
)
def test_a_hub_that_refuses_names_what_answers_offline(saved, at, status, code, says):
    with hub(saved, status=status, code=code) as endpoint:
        at(endpoint)
        with pytest.raises(IpiuError) as told:
            ipiu.load("sam3")
    assert str(told.value).startswith(says)
    assert str(told.value).endswith("; ipiu-tiny-sam answers offline")


def test_a_hub_out_of_reach_names_what_answers_offline(at):
    at("http://127.0.0.1:9")
    with pytest.raises(IpiuError) as told:
        ipiu.load("rad-dino")
    assert str(told.value).startswith("microsoft/rad-dino could not be reached")
    assert str(told.value).endswith("; ipiu-tiny-mae answers offline")


def test_mappings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ALL["uni"].heads = 3
