"""The encoder against the forward passes of transformers and MONAI, on small networks with random weights."""

import copy

import numpy as np
import pytest
import torch
import transformers as tf
from monai.data import MetaTensor
from monai.networks import nets
from PIL import Image

from ipiu.errors import IpiuError
from ipiu.models.contract import Contract
from ipiu.models.encoder import Encoder
from ipiu.models.pictures import pictures

SIDE, PATCH = 32, 8
SMALL = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
LOOK = {"image_size": SIDE, "patch_size": PATCH, "num_channels": 3}
TEXT = {**SMALL, "vocab_size": 50, "eos_token_id": 1, "bos_token_id": 0, "pad_token_id": 1}
WINDOW = Contract("encoder", dims=2, window=(0, 255), size=(SIDE, SIDE), channels=3, mean=(0.5,) * 3, std=(0.25,) * 3)
NETWORKS = {
    "ViT": lambda: tf.ViTModel(tf.ViTConfig(**SMALL, **LOOK)),
    "DINOv2": lambda: tf.Dinov2Model(tf.Dinov2Config(**SMALL, **LOOK)),
    "DINOv2 with registers": lambda: tf.Dinov2WithRegistersModel(
        tf.Dinov2WithRegistersConfig(**SMALL, **LOOK, num_register_tokens=4)
    ),
    "DINOv3": lambda: tf.DINOv3ViTModel(tf.DINOv3ViTConfig(**SMALL, **LOOK, num_register_tokens=4)),
    "CLIP vision": lambda: tf.CLIPVisionModel(tf.CLIPVisionConfig(**SMALL, **LOOK)),
    "CLIP": lambda: tf.CLIPModel(tf.CLIPConfig(text_config=TEXT, vision_config={**SMALL, **LOOK})),
    "SigLIP vision": lambda: tf.SiglipVisionModel(tf.SiglipVisionConfig(**SMALL, **LOOK)),
    "SigLIP": lambda: tf.SiglipModel(tf.SiglipConfig(text_config=TEXT, vision_config={**SMALL, **LOOK})),
    "ConvNeXt": lambda: tf.ConvNextModel(tf.ConvNextConfig(hidden_sizes=[8, 8, 16, 24], depths=[1, 1, 1, 1])),
}
POOLED = ("CLIP vision", "CLIP", "SigLIP vision", "SigLIP", "ConvNeXt")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def some_pictures(n=5, side=SIDE):
    return [torch.randint(0, 256, (3, side, side), dtype=torch.uint8) for _ in range(n)]


def own(network, images):
    """What the network of transformers says of the pictures, prepared by the contract one by one."""
    tower = getattr(network, "vision_model", network).eval()
    with torch.inference_mode():
        return tower(torch.stack([WINDOW.picture(image) for image in images]))


def autoencoder(**options):
    config = tf.ViTMAEConfig(
        **SMALL,
        **LOOK | {"num_channels": 1},
        decoder_hidden_size=16,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=32,
        **options,
    )
    return tf.ViTMAEForPreTraining(config)


@pytest.mark.parametrize("name", NETWORKS)
def test_vectors_are_those_of_the_network_itself(name):
    network, images = NETWORKS[name](), some_pictures()
    told, model = own(network, images), Encoder(network, WINDOW)
    whole = told.pooler_output if name in POOLED else told.last_hidden_state[:, 0]
    np.testing.assert_allclose(model.encode(images, batch=2), whole, atol=1e-5)
    patches = model.encode(images, level="patch", batch=2)
    tokens = told.last_hidden_state
    if name == "ConvNeXt":
        assert tokens.shape[2:] == (1, 1)
        np.testing.assert_allclose(patches[:, 0], tokens[..., 0, 0], atol=1e-5)
    else:
        assert patches.shape[1] == (SIDE // PATCH) ** 2
        np.testing.assert_allclose(patches, tokens[:, -patches.shape[1] :], atol=1e-5)


@pytest.mark.parametrize("name", ["ViT", "DINOv2", "DINOv2 with registers", "DINOv3", "SigLIP"])
def test_patches_come_in_rows_from_the_top_left(name):
    """One bright patch in a black picture is the patch whose vector differs most from that of the black picture."""
    model = Encoder(NETWORKS[name](), WINDOW)
    black, spot = torch.zeros(3, SIDE, SIDE), torch.zeros(3, SIDE, SIDE)
    row, column = 1, 3
    spot[:, row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH] = 255
    apart = np.abs(np.subtract(*model.encode([black, spot], level="patch"))).sum(-1)
    assert apart.argmax() == row * (SIDE // PATCH) + column


def test_a_masked_autoencoder_sees_all_patches_in_their_order():
    network = autoencoder(mask_ratio=0.75)
    grey = Contract("encoder", dims=2, size=(SIDE, SIDE), channels=1)
    model = Encoder(network, grey)
    picture = torch.rand(1, SIDE, SIDE)
    patches = model.encode(picture, level="patch")[0]
    # by hand: patches and their places, then the layers and the norm, nothing left out and nothing shuffled
    vit = network.vit
    with torch.inference_mode():
        x = vit.embeddings.patch_embeddings(grey.picture(picture)[None]) + vit.embeddings.position_embeddings[:, 1:]
        first = vit.embeddings.cls_token + vit.embeddings.position_embeddings[:, :1]
        x = torch.cat([first, x], 1)
        for layer in vit.layers:
            x = layer(x)
        by_hand = vit.layernorm(x)[0, 1:]
    np.testing.assert_allclose(patches, by_hand, atol=1e-5)
    np.testing.assert_allclose(model.encode(picture)[0], by_hand.mean(0), atol=1e-5)
    np.testing.assert_array_equal(patches, model.encode(picture, level="patch")[0])


def test_the_network_of_a_masked_autoencoder_still_hides_patches():
    model = Encoder(autoencoder(mask_ratio=0.75), Contract("encoder", dims=2, size=(SIDE, SIDE)))
    model.encode(torch.rand(1, SIDE, SIDE))
    told = model.network(torch.rand(1, 1, SIDE, SIDE))
    assert told.mask.mean() == 0.75
    assert model._tower.layers is model.network.vit.layers


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"window": (0, 255)},
        {"window": (-50, 5000)},
        {"window": (0, 5000), "fit": "squash"},
        {"eight_bit": True, "fit": "squash", "channels": 3},
        {"window": (10, 200), "fit": "crop", "shorter": 28, "resample": "bicubic"},
        {"scaling": "minmax", "span": (-1, 1), "fit": "corner"},
        {"window": (0, 100), "clip": False, "size": (24, 36), "fit": "squash"},
    ],
    ids=str,
)
def test_pictures_prepared_together_are_those_prepared_one_by_one(told):
    channels = told.get("channels", 1)
    told = {"size": (24, 24), "mean": (0.4,) * channels, "std": (0.3,) * channels} | told
    contract = Contract("encoder", dims=2, **told)
    draw = np.random.default_rng(0)
    shapes = [(1, 40, 30), (3, 64, 64), (1, 40, 30), (1, 24, 24), (3, 27, 50), (1, 40, 30)]
    images = [torch.from_numpy(draw.integers(0, 255, shape).astype(np.uint8)) for shape in shapes]
    images += [
        MetaTensor(torch.rand(1, 30, 30) * 200),
        torch.from_numpy(draw.integers(0, 4000, (1, 29, 29), np.uint16)),
    ]
    alone = torch.stack([contract.picture(image) for image in images])
    found = pictures(contract, images)
    assert found.shape == (len(images), channels, *told["size"])
    # bytes may be rounded after resizing, by at most half a level in each direction
    torch.testing.assert_close(found[:6], alone[:6], atol=1.05 / told.get("window", (0, 255))[1] / 0.3, rtol=0)
    torch.testing.assert_close(found[6:], alone[6:], atol=1e-4, rtol=1e-5)


def test_a_list_a_generator_an_array_and_one_picture_are_encoded_alike():
    model, images = Encoder(NETWORKS["ViT"](), WINDOW), some_pictures(7)
    expected = model.encode(images)
    assert expected.shape == (7, 24)
    assert expected.dtype == np.float32
    for same in ((image for image in images), torch.stack(images), torch.stack(images).numpy()):
        np.testing.assert_allclose(model.encode(same, batch=3), expected, atol=1e-5)
    np.testing.assert_allclose(model.encode(images[4]), expected[4:5], atol=1e-5)


def test_arrays_that_may_not_be_written_are_read_without_a_warning():
    model = Encoder(NETWORKS["ViT"](), WINDOW)
    locked = some_pictures(1)[0].numpy()
    locked.flags.writeable = False
    assert model.encode([locked]).shape == (1, 24)


def test_pictures_of_many_sizes_keep_their_order():
    model = Encoder(NETWORKS["ViT"](), WINDOW)
    images = [image for side in (32, 50, 32, 41, 50) for image in some_pictures(1, side)]
    alone = np.concatenate([model.encode(image) for image in images])
    np.testing.assert_allclose(model.encode(images, batch=4), alone, atol=1e-5)


def test_a_folder_of_files_is_read_in_the_order_of_the_names(tmp_path):
    model, images = Encoder(NETWORKS["ViT"](), WINDOW), some_pictures(4)
    for name, image in zip("bdac", images, strict=True):
        Image.fromarray(image.movedim(0, -1).numpy()).save(tmp_path / f"{name}.png")
    (tmp_path / "notes.txt").write_text("not a picture")
    expected = model.encode([images[2], images[0], images[3], images[1]])
    np.testing.assert_allclose(model.encode(tmp_path), expected, atol=1e-5)
    np.testing.assert_allclose(model.encode(str(tmp_path / "a.png")), expected[:1], atol=1e-5)


def test_a_volume_is_the_mean_of_its_axial_slices_as_they_are_read():
    contract = Contract("encoder", dims=2, window=(0, 1), size=(SIDE, SIDE), channels=3)
    model = Encoder(NETWORKS["ViT"](), contract)
    values = torch.rand(1, 20, 30, 3)
    slices = [values[..., k].flip(1, 2).transpose(1, 2) for k in range(3)]
    volume = MetaTensor(values, affine=torch.diag(torch.tensor([2.0, 2.0, 5.0, 1.0])))
    np.testing.assert_allclose(model.encode(volume), model.encode(slices).mean(0, keepdims=True), atol=1e-5)
    patches = model.encode([volume, volume], level="patch")
    np.testing.assert_allclose(patches[0], model.encode(slices, level="patch").reshape(-1, 24), atol=1e-5)


def test_a_volume_stored_in_another_orientation_gives_the_same_vector():
    contract = Contract("encoder", dims=2, window=(0, 1), size=(SIDE, SIDE), channels=3)
    model, values = Encoder(NETWORKS["ViT"](), contract), torch.rand(1, 20, 30, 40)
    straight = MetaTensor(values, affine=torch.eye(4))
    affine = torch.eye(4)
    affine[0, 0], affine[0, 3] = -1, 19
    np.testing.assert_allclose(
        model.encode(straight), model.encode(MetaTensor(values.flip(1), affine=affine)), atol=1e-5
    )


@pytest.mark.parametrize(
    ("network", "features", "patches"),
    [
        (lambda: nets.SegResNet(init_filters=8, in_channels=1, blocks_down=(1, 1, 1), blocks_up=(1, 1)), 32, 8**3),
        (lambda: nets.SwinUNETR(in_channels=1, out_channels=2, feature_size=12), 192, 1),
        (lambda: nets.ViT(1, (32, 32, 32), (16, 16, 16), hidden_size=24, mlp_dim=48, num_layers=2, num_heads=2), 24, 8),
        (lambda: nets.DenseNet(3, 1, 2, init_features=8, growth_rate=4, block_config=(2, 2, 2)), 16, 2**3),
    ],
    ids=["SegResNet", "SwinUNETR", "ViT", "DenseNet"],
)
def test_networks_of_monai_encode_volumes(network, features, patches):
    contract = Contract("encoder", dims=3, window=(0, 1), spacing=(2.0, 2.0, 2.0), size=(32, 32, 32))
    model = Encoder(network(), contract)
    volumes = [MetaTensor(torch.rand(1, n, 32, 28), affine=torch.diag(torch.tensor([2.0, 2, 2, 1]))) for n in (30, 32)]
    tokens = model.encode(volumes, level="patch")
    assert tokens.shape == (2, patches, features)
    np.testing.assert_allclose(model.encode(volumes), tokens.mean(1), atol=1e-5)


def test_a_volume_is_padded_where_the_contract_sets_no_size():
    network = nets.SegResNet(init_filters=8, in_channels=1, blocks_down=(1, 1), blocks_up=(1,)).eval()
    model = Encoder(network, Contract("encoder", dims=3, window=(0, 1)))
    values = torch.rand(1, 40, 32, 20)
    padded = torch.nn.functional.pad(values, (6, 6, 0, 0, 12, 12))
    with torch.inference_mode():
        expected = network.encode(padded[None])[0].mean((2, 3, 4))
    found = model.encode(
        [MetaTensor(values, affine=torch.eye(4)), MetaTensor(torch.rand(1, 9, 9, 9), affine=torch.eye(4))]
    )
    np.testing.assert_allclose(found[:1], expected, atol=1e-5)


def test_attention_is_that_of_the_last_layer_and_leaves_the_network_as_it_was():
    network = tf.ViTModel(tf.ViTConfig(**SMALL, **LOOK), add_pooling_layer=False)
    model, image = Encoder(network, WINDOW), some_pictures(1)[0]
    before = model.encode(image)
    found = model.attention(image)
    assert found.shape == (2, SIDE // PATCH, SIDE // PATCH)
    assert (found.sum((1, 2)) < 1).all()
    eager = tf.ViTModel._from_config(
        copy.copy(network.config), attn_implementation="eager", add_pooling_layer=False
    ).eval()
    eager.load_state_dict(network.state_dict())
    with torch.inference_mode():
        expected = eager(WINDOW.picture(image)[None], output_attentions=True).attentions[-1][0, :, 0, 1:]
    np.testing.assert_allclose(found.reshape(2, -1), expected, atol=1e-6)
    assert network.config._attn_implementation == "sdpa"
    np.testing.assert_array_equal(model.encode(image), before)


def test_attention_of_a_masked_autoencoder_covers_every_patch():
    network = autoencoder(mask_ratio=0.75, attn_implementation="eager")
    model = Encoder(network, Contract("encoder", dims=2, size=(SIDE, SIDE)))
    picture = torch.rand(1, SIDE, SIDE)
    for _ in range(2):
        found = model.attention(picture)
        assert found.shape == (2, 4, 4)
        assert (found > 0).all()
    np.testing.assert_array_equal(found, model.attention([picture]))


def test_attention_asks_for_a_class_token():
    with pytest.raises(IpiuError, match="SiglipVisionModel has no class token"):
        Encoder(NETWORKS["SigLIP"](), WINDOW).attention(some_pictures(1))


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        ([], "there are no images"),
        ([torch.zeros(3, 8, 8), torch.full((3, 8, 8), torch.nan)], "192 values of the image are NaN"),
        (torch.zeros(8, 8), r"the image has the shape \(8, 8\)"),
        (torch.zeros(1, 5, 8, 8, 8), r"the image has the shape \(5, 8, 8, 8\)|no affine"),
        (torch.zeros(1, 40, 8, 8), "a picture has 1 or 3 channels, not 40"),
        ("no-such-file.png", "no-such-file.png"),
        (7, "a int is no image"),
        ([{"a": 1}], "a dict is no image"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(images, sentence):
    with pytest.raises((IpiuError, FileNotFoundError), match=sentence):
        Encoder(NETWORKS["ViT"](), WINDOW).encode(images)


def test_an_unknown_level_and_a_network_that_is_no_encoder_are_refused():
    with pytest.raises(IpiuError, match="level='word'"):
        Encoder(NETWORKS["ViT"](), WINDOW).encode(some_pictures(1), level="word")
    with pytest.raises(IpiuError, match="Linear is no encoder"):
        Encoder(torch.nn.Linear(2, 2), WINDOW)
    with pytest.raises(IpiuError, match="is no vision model"):
        Encoder(tf.BertModel(tf.BertConfig(**SMALL, vocab_size=50)), WINDOW)


def test_volumes_with_other_numbers_of_slices_have_no_common_table_of_patches():
    model = Encoder(NETWORKS["ViT"](), WINDOW)
    volumes = [MetaTensor(torch.rand(1, 8, 8, depth), affine=torch.eye(4)) for depth in (2, 3)]
    with pytest.raises(IpiuError, match="different numbers of patches"):
        model.encode(volumes, level="patch")
