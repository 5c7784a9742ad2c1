"""Published weights in the stock class that loads them: from a folder, and from a hub on loopback."""

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from transformers import ViTConfig, ViTModel

from ipiu import atlas
from ipiu.errors import IpiuError

ID = "phikon"  # a ViTModel; the tests give it weights of their own


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A tiny model of the same class in the layout of the hub: config.json and model.safetensors."""
    folder = tmp_path_factory.mktemp("published")
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=16, patch_size=8
    )
    ViTModel(config).save_pretrained(folder)
    return folder


@contextmanager
def hub(folder, *, status=200, code=None):
    """A hub with one repository, or with an answer that refuses it."""

    class Hub(BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_HEAD(self):
            self.reply(body=False)

        def do_GET(self):
            self.reply(body=True)

        def reply(self, *, body):
            path = folder / self.path.split("?")[0].rpartition("/")[2]
            if status != 200 or not path.is_file():
                self.send_response(status if status != 200 else 404)
                self.send_header("X-Error-Code", code or "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            data = path.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", f'"{sha256(data).hexdigest()}"')
            self.send_header("X-Repo-Commit", "0" * 40)
            self.end_headers()
            if body:
                self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def load_from(endpoint, home) -> dict:
    """What loading says in a process of its own, which takes the hub's address from its environment."""
    code = (
        "import json\nfrom ipiu import atlas\nfrom ipiu.errors import IpiuError\n"
        "try:\n"
        f"    model = atlas.models['{ID}'].load()\n"
        "    total = sum(p.detach().double().sum().item() for p in model.parameters())\n"
        "    said = {'class': type(model).__name__, 'sum': total}\n"
        "except IpiuError as error:\n    said = {'error': str(error)}\n"
        "print(json.dumps(said))"
    )
    own = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}
    ran = subprocess.run([sys.executable, "-c", code], env=os.environ | own, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout.splitlines()[-1])


def test_a_folder_gives_the_stock_class_with_its_weights(published):
    model = atlas.models[ID].load(published)
    assert type(model) is ViTModel
    assert not model.training
    torch.manual_seed(0)
    expected = ViTModel.from_pretrained(published).embeddings.patch_embeddings.projection.weight
    assert torch.equal(model.embeddings.patch_embeddings.projection.weight, expected)


@pytest.mark.slow
def test_the_hub_gives_the_same(published, tmp_path):
    with hub(published) as endpoint:
        said = load_from(endpoint, tmp_path)
    expected = sum(p.detach().double().sum().item() for p in ViTModel.from_pretrained(published).parameters())
    assert said == {"class": "ViTModel", "sum": pytest.approx(expected)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (403, "GatedRepo", "owkin/phikon is gated; accept its terms on https://huggingface.co/owkin/phikon"),
        (404, "RepoNotFound", "there is no owkin/phikon on the hub, or it asks for a login"),
    ],
)
def test_a_hub_that_refuses_is_told_apart(published, tmp_path, status, code, says):
    with hub(published, status=status, code=code) as endpoint:
        assert says in load_from(endpoint, tmp_path)["error"]


def test_weights_that_exist_only_as_a_pickle_are_not_loaded(published, tmp_path):
    (tmp_path / "config.json").write_bytes((published / "config.json").read_bytes())
    torch.save(ViTModel.from_pretrained(published).state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(IpiuError, match=r"no safetensors file that can be read .* a pickle could run code"):
        atlas.models[ID].load(tmp_path)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(IpiuError, match=r"phikon: .* holds no config.json; give the folder that has it"):
        atlas.models[ID].load(tmp_path)


@pytest.mark.parametrize("loader", ["timm.create_model", "open_clip.create_model_from_pretrained"])
def test_a_model_of_another_library_says_which(loader):
    model = next(m for m in atlas.models.values() if m.checkpoint and m.checkpoint.loader == loader)
    with pytest.raises(IpiuError, match=f"it loads with {loader}.*runnable=True"):
        model.load()


def test_foreign_code_is_not_run():
    model = next(m for m in atlas.models.values() if m.checkpoint and m.checkpoint.remote_code)
    with pytest.raises(IpiuError, match="runs Python code that lies beside its weights"):
        model.load()


def test_a_model_without_a_checkpoint_says_so():
    model = next(m for m in atlas.models.values() if not m.checkpoint)
    with pytest.raises(IpiuError, match="the atlas knows no checkpoint of it"):
        model.load()


def test_what_is_called_runnable_names_a_class_of_transformers():
    import transformers

    found = atlas.models.where(runnable=True)
    assert len(found) >= 20
    for model in found.values():
        assert hasattr(getattr(transformers, model.checkpoint.loader.removeprefix("transformers.")), "from_pretrained")


def test_weights_of_another_model_are_refused_and_not_filled_with_noise(tmp_path):
    from transformers import BertConfig, BertModel

    BertModel(
        BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    ).save_pretrained(tmp_path)
    with pytest.raises(IpiuError, match="it holds those of another model"):
        atlas.models[ID].load(tmp_path)


def test_parts_without_weights_are_named(published, tmp_path):
    ViTModel.from_pretrained(published, add_pooling_layer=False).save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match=r"holds no weights for pooler\.dense\.bias.* stay random"):
        atlas.models[ID].load(tmp_path)
    assert atlas.models[ID].load(tmp_path, add_pooling_layer=False).pooler is None


def test_a_torn_file_is_named(published, tmp_path):
    (tmp_path / "config.json").write_bytes((published / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes((published / "model.safetensors").read_bytes()[:100])
    with pytest.raises(IpiuError, match=r"phikon: .* cannot be loaded"):
        atlas.models[ID].load(tmp_path)


def test_a_folder_that_is_not_there_is_told_from_a_missing_network():
    with pytest.raises(IpiuError, match=r"there is no folder \./nowhere; check the path"):
        atlas.models[ID].load("./nowhere")


def test_pickles_cannot_be_asked_for():
    with pytest.raises(IpiuError, match=r"use_safetensors cannot be chosen"):
        atlas.models[ID].load(use_safetensors=False)
