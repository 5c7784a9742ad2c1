"""The promptable adapter against the forward passes and the processor of transformers, on small random networks."""

import numpy as np
import pytest
import torch
import transformers as tf
from monai.data import MetaTensor
from torch.nn.functional import interpolate

from ipiu.errors import IpiuError
from ipiu.models.contract import Contract
from ipiu.models.promptable import Outline, Promptable

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
DECODER = {"hidden_size": 32, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 32}


def contract(side, **told):
    told = {"fit": "squash", "eight_bit": True, **IMAGENET, **told}
    return Contract("promptable", dims=2, size=(side, side), channels=3, **told)


def shaken(network):
    """Weights large enough for masks that are neither empty nor full."""
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.ndim > 1 and "positional_embedding" not in name:
                weight.normal_(0, 1.5 * weight[0].numel() ** -0.5)
    return network.eval()


def sam():
    vision = {
        "hidden_size": 32, "output_channels": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 64,
        "patch_size": 8, "window_size": 3, "global_attn_indexes": [1], "num_pos_feats": 16,
    }  # fmt: skip
    prompt = {"hidden_size": 32, "image_size": 64, "patch_size": 8}
    return tf.SamModel(tf.SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=DECODER))


def sam2():
    hiera = {
        "model_type": "sam2_hiera_det_model", "hidden_size": 8, "num_attention_heads": 1, "image_size": [64, 64],
        "blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 2, 4, 8], "window_size_per_stage": [4, 4, 4, 4],
        "global_attention_blocks": [3],
    }  # fmt: skip
    vision = {
        "backbone_config": hiera, "backbone_channel_list": [64, 32, 16, 8], "fpn_hidden_size": 32,
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
    }  # fmt: skip
    prompt = {"hidden_size": 32, "image_size": 64, "patch_size": 16}
    return tf.Sam2Model(tf.Sam2Config(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=DECODER))


def sam3():
    vit = {
        "model_type": "sam3_vit_model", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "image_size": 56, "patch_size": 14, "window_size": 2, "global_attn_indexes": [1],
        "pretrain_image_size": 56,
    }  # fmt: skip
    vision = {
        "model_type": "sam3_vision_model", "backbone_config": vit, "fpn_hidden_size": 32,
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]], "scale_factors": [4.0, 2.0, 1.0],
    }  # fmt: skip
    prompt = {"hidden_size": 32, "image_size": 56, "patch_size": 14}
    told = {"vision_config": vision, "prompt_encoder_config": prompt, "mask_decoder_config": DECODER}
    return tf.Sam3TrackerModel(tf.Sam3TrackerConfig(**told))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    return {"sam": (shaken(sam()), 64), "sam2": (shaken(sam2()), 64), "sam3": (shaken(sam3()), 56)}


@pytest.fixture(scope="module")
def model(networks):
    return Promptable(networks["sam"][0], contract(64, fit="corner"))


def picture(*shape):
    """Blobs of colour, so that masks have a form."""
    coarse = torch.rand(1, 3, 6, 6)
    return (interpolate(coarse, size=shape, mode="bicubic").clamp(0, 1)[0] * 255).round().to(torch.uint8)


def said(network, processor, image, **prompts):
    """Masks and scores of transformers alone, from picture file to mask on the picture's grid."""
    told = processor(image.permute(1, 2, 0).numpy(), return_tensors="pt", **prompts)
    sizes = [told.pop(name) for name in ("original_sizes", "reshaped_input_sizes")]
    for name in ("input_points", "input_boxes"):
        if name in told:
            told[name] = told[name].float()
    with torch.no_grad():
        answer = network(**told, multimask_output=False)
    return processor.post_process_masks(answer.pred_masks, *sizes)[0][:, 0], answer


PROMPTS = {
    "a point": ({"points": [(10, 20)]}, {"input_points": [[[[20, 10]]]], "input_labels": [[[1]]]}),
    "points of both kinds": (
        {"points": [(10, 20)], "negative": [(33, 41)]},
        {"input_points": [[[[20, 10], [41, 33]]]], "input_labels": [[[1, 0]]]},
    ),
    "a box": ({"boxes": [(4, 8, 30, 40)]}, {"input_boxes": [[[8, 4, 40, 30]]]}),
    "several boxes": (
        {"boxes": [(4, 8, 30, 40), (20, 0, 45, 31)]},
        {"input_boxes": [[[8, 4, 40, 30], [0, 20, 31, 45]]]},
    ),
}


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("shape", [(48, 64), (64, 50), (90, 67)])
def test_masks_of_sam_are_those_of_its_processor(model, prompt, shape):
    image, (ours, theirs) = picture(*shape), PROMPTS[prompt]
    sized = tf.SamImageProcessorPil(size={"longest_edge": 64}, pad_size={"height": 64, "width": 64})
    masks, answer = said(model.network, tf.SamProcessor(sized), image, **theirs)
    outline = model.segment(image, **ours)
    assert 0.02 < masks.float().mean() < 0.98
    assert outline.masks.shape == masks.shape
    # where nothing is resized, to the bit; else PIL rounds to whole grey levels on the way
    least = 1.0 if max(shape) == 64 else 0.98
    assert (outline.masks.numpy() == masks.numpy()).mean() >= least
    np.testing.assert_allclose(outline.scores, answer.iou_scores.flatten(), atol=1e-4 if least == 1 else 5e-2)


@pytest.mark.parametrize("name", ["sam2", "sam3"])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_masks_of_sam2_and_sam3_are_those_of_the_whole_network(networks, name, prompt):
    network, side = networks[name]
    image, (ours, theirs) = picture(side, side), PROMPTS[prompt]
    pixels = (image / 255 - torch.tensor(IMAGENET["mean"])[:, None, None]) / torch.tensor(IMAGENET["std"])[
        :, None, None
    ]
    told = {key: torch.tensor(v, dtype=torch.int if "label" in key else torch.float) for key, v in theirs.items()}
    with torch.no_grad():
        answer = network(pixel_values=pixels[None], multimask_output=False, **told)
    masks = interpolate(answer.pred_masks[0], size=(side, side), mode="bilinear", align_corners=False)[:, 0] > 0
    outline = Promptable(network, contract(side)).segment(image, **ours)
    assert (outline.masks.numpy() == masks.numpy()).mean() > 0.9995
    np.testing.assert_allclose(outline.scores, answer.iou_scores.flatten(), atol=1e-5)


@pytest.mark.parametrize("shape", [(45, 60), (70, 41)])
def test_prompts_of_sam2_are_scaled_as_its_processor_scales_them(networks, shape, monkeypatch):
    network, seen = networks["sam2"][0], {}
    whole = network.forward
    monkeypatch.setattr(network, "forward", lambda **told: seen.update(told) or whole(**told))
    Promptable(network, contract(64)).segment(picture(*shape), points=[(12, 31)], boxes=[(4, 8, 30, 40)])
    scale = tf.Sam2Processor._normalize_coordinates
    np.testing.assert_allclose(
        seen["input_points"][0, 0], scale(None, 64, torch.tensor([[31.0, 12.0]]), shape), rtol=1e-6
    )
    box = scale(None, 64, torch.tensor([[8.0, 4.0, 40.0, 30.0]]), shape, is_bounding_box=True)
    np.testing.assert_allclose(seen["input_boxes"][0], box, rtol=1e-6)


def test_medsam_squashes_the_picture_and_takes_its_own_least_and_greatest_value(networks, monkeypatch):
    # as MedSAM_Inference.py does: img / max, box / (W, H) * side, and one interpolation back to (H, W)
    network = networks["sam"][0]
    image = torch.rand(1, 50, 80) * 700 - 300
    small = interpolate(image[None], size=(64, 64), mode="bicubic", antialias=True)[0]
    small = ((small - image.min()) / (image.max() - image.min())).expand(3, -1, -1)
    box = torch.tensor([[[16.0, 5.0, 72.0, 40.0]]]) / torch.tensor([80.0, 50.0, 80.0, 50.0]) * 64
    with torch.no_grad():
        answer = network(pixel_values=small[None], input_boxes=box, multimask_output=False)
    mask = interpolate(answer.pred_masks[0], size=(50, 80), mode="bilinear", align_corners=False)[0, 0] > 0
    told = contract(64, mean=None, std=None, scaling="minmax", resample="bicubic", eight_bit=False)
    outline = Promptable(network, told).segment(image, boxes=[(5, 16, 40, 72)])
    assert (outline.mask == mask.numpy()).mean() > 0.995


def test_an_encoded_picture_answers_as_the_picture_itself(model):
    image = picture(48, 64)
    encoded = model.encode(image)
    for points in ([(10, 20)], [(30, 50)]):
        one, other = (model.segment(source, points=points) for source in (encoded, image))
        assert torch.equal(one.logits, other.logits)


def test_several_answers_come_best_first(model):
    outline = model.segment(picture(48, 64), points=[(10, 20)], multimask=True)
    assert outline.masks.shape == (3, 48, 64)
    assert list(outline.scores) == sorted(outline.scores, reverse=True)
    one = model.network.mask_decoder.num_mask_tokens - 1
    assert one == len(outline.scores)


def test_an_outline_is_refined_from_its_own_logits(model, monkeypatch):
    encoded, seen, whole = model.encode(picture(48, 64)), {}, model.network.forward
    monkeypatch.setattr(model.network, "forward", lambda **told: seen.update(told) or whole(**told))
    first = model.segment(encoded, points=[(10, 20)])
    assert "input_masks" not in seen
    model.segment(encoded, points=[(10, 20)], negative=[(40, 60)], mask=first)
    assert torch.equal(seen["input_masks"][0, 0], first.logits[0])


@pytest.mark.parametrize("fit", ["corner", "squash"])
def test_a_mask_given_by_hand_lies_where_the_picture_lies(networks, fit, monkeypatch):
    model, seen = Promptable(networks["sam"][0], contract(64, fit=fit)), {}
    whole = model.network.forward
    monkeypatch.setattr(model.network, "forward", lambda **told: seen.update(told) or whole(**told))
    drawn = np.zeros((48, 96), bool)
    drawn[12:36, 48:] = True
    model.segment(picture(48, 96), points=[(20, 60)], mask=drawn)
    logits = seen["input_masks"][0, 0]
    assert logits.shape == (32, 32)
    assert np.unique(logits.sign()).tolist() == [-1, 1]
    rows, columns = np.nonzero(logits.numpy() > 0)
    # 48 x 96 fills 16 x 32 of the decoder's grid from the upper left corner, or all of it
    tall = 16 if fit == "corner" else 32
    assert (rows.min(), rows.max() + 1) == (tall // 4, tall * 3 // 4)
    assert (columns.min(), columns.max() + 1) == (16, 32)


def test_the_picture_says_what_is_black_and_white(networks):
    told = contract(64, fit="corner", eight_bit=False)
    model = Promptable(networks["sam"][0], told)
    wide = torch.rand(1, 64, 64) * 3000 - 1000
    stated = MetaTensor(wide, meta={"window": (40.0, 400.0)})
    clipped = ((wide + 160) / 400).clamp(0, 1)
    same = Promptable(networks["sam"][0], contract(64, fit="corner", eight_bit=False, window=(0, 1))).encode(clipped)
    torch.testing.assert_close(model.encode(stated).features, same.features, atol=1e-3, rtol=1e-3)
    assert not torch.allclose(model.encode(wide).features, same.features, atol=0.1)


def test_masks_lie_where_the_picture_lies(model):
    affine = np.diag([0.5, 0.7, 1, 1])
    masks = model.segment(MetaTensor(picture(48, 64), affine=affine), points=[(10, 20)]).masks
    assert masks.dtype == torch.uint8
    np.testing.assert_allclose(masks.affine, affine)


GREY = torch.zeros(1, 40, 60)
BAD = {
    "a point below the picture": (
        {"points": [(40, 20)]},
        r"point \(row 40, column 20\) is outside: .* 40 rows and 60 co",
    ),
    "row and column mixed up": ({"points": [(20, 20), (50, 20)]}, r"row 50, column 20\) is outside"),
    "a negative point outside": ({"points": [(1, 1)], "negative": [(-3, 2)]}, r"row -3, column 2\) is outside"),
    "a point that is no number": ({"points": [(float("nan"), 3)]}, "is outside"),
    "a point of three numbers": ({"points": [(1, 2, 3)]}, r"points has the shape \(1, 3\); give \(row, column\) each"),
    "a point in words": ({"points": ["here"]}, "no list of 2 numbers"),
    "a box outside": ({"boxes": [(0, 0, 41, 10)]}, "bottom 41, right 10.* reaches outside: the picture has 40 rows"),
    "a box inside out": ({"boxes": [(20, 10, 10, 30)]}, "is empty; the order is top, left, bottom, right"),
    "nothing": ({}, "nothing is asked for"),
    "a mask of another size": ({"points": [(1, 1)], "mask": np.zeros((60, 40))}, r"mask has the shape \(60, 40\) and"),
    "a mask with a channel": ({"points": [(1, 1)], "mask": np.zeros((1, 40, 60))}, r"give one mask \(row, column\)"),
    "several boxes and a point": ({"points": [(1, 1)], "boxes": [(0, 0, 9, 9)] * 2}, "2 boxes are as many things"),
}


@pytest.mark.parametrize("case", BAD)
def test_prompts_that_do_not_fit_are_refused_in_a_sentence_before_anything_is_computed(model, case, monkeypatch):
    monkeypatch.setattr(model.network, "get_image_embeddings", lambda _: pytest.fail("computed"))
    prompts, message = BAD[case]
    with pytest.raises(IpiuError, match=message) as error:
        model.segment(GREY, **prompts)
    assert "\n" not in str(error.value)


def test_an_outline_of_another_picture_is_no_mask_for_this_one(model):
    other = model.segment(picture(30, 30), points=[(3, 3)])
    assert isinstance(other, Outline)
    with pytest.raises(IpiuError, match=r"mask has the shape \(1, 30, 30\)"):
        model.segment(GREY, points=[(1, 1)], mask=other)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(1, 8, 8, 8), "this model reads a picture"),
        (torch.full((1, 8, 8), float("nan")), "64 values of the image are NaN"),
    ],
)
def test_a_picture_that_breaks_the_contract_is_refused(model, image, message):
    with pytest.raises(IpiuError, match=message):
        model.encode(image)


def test_a_network_of_another_kind_and_a_contract_of_another_size_are_refused(networks):
    with pytest.raises(IpiuError, match="is a SamVisionModel; a promptable model is one of SamModel"):
        Promptable(tf.SamVisionModel(networks["sam"][0].config.vision_config), contract(64))
    with pytest.raises(IpiuError, match=r"makes \(32, 32\) \(squash\) of a picture; the network reads \(64, 64\)"):
        Promptable(networks["sam"][0], contract(32))


class Bright(Promptable):
    """Outlines what is bright inside the box or beside the point, and is sure of itself where there is something."""

    def __init__(self):
        self.asked = []

    def segment(self, image, *, points=(), negative=(), boxes=(), mask=None):
        self.asked.append((points, boxes, mask))
        found = image[0].numpy() > 0.5
        if len(boxes):
            inside = np.zeros_like(found)
            top, left, bottom, right = (round(n) for n in boxes[0])
            inside[top:bottom, left:right] = True
            found = found & inside
        score = np.array([0.9 if found.any() else 0.1])
        return Outline(MetaTensor(torch.from_numpy(found[None].astype(np.uint8))), score, torch.zeros(1, 4, 4))


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("turn", ["RAS", "LPS", "SAR"])
def test_a_ball_is_followed_through_the_volume_to_both_of_its_ends(plane, turn):
    from monai.transforms import Orientation

    grid = np.stack(np.meshgrid(np.arange(20), np.arange(22), np.arange(24), indexing="ij"), -1)
    ball = (((grid - [9, 12, 11]) ** 2).sum(-1) < 36).astype(np.float32)
    far = (((grid - [9, 12, 21]) ** 2).sum(-1) < 4).astype(np.float32)
    volume = MetaTensor(torch.from_numpy(ball + far)[None], affine=np.eye(4))
    volume = Orientation(turn, labels=None)(volume)
    middle = {"axial": 11, "coronal": 12, "sagittal": 9}[plane]
    found = Bright().propagate(volume, plane, middle, boxes=[(2, 2, 20, 18)] if plane == "axial" else ())
    truth = Orientation(turn, labels=None)(MetaTensor(torch.from_numpy(ball)[None], affine=np.eye(4)))
    assert found.shape == volume.shape
    np.testing.assert_allclose(found.affine, volume.affine)
    overlap = 2 * (found.numpy() * truth.numpy()).sum() / (found.numpy().sum() + truth.numpy().sum())
    assert overlap == 1.0 if plane == "axial" else overlap > 0.9


def test_each_slice_is_asked_for_with_what_was_found_on_the_one_before():
    volume = MetaTensor(torch.zeros(1, 30, 30, 3), affine=np.eye(4))
    volume[0, 8:20, 10:22] = 1
    model = Bright()
    found = model.propagate(volume, "axial", 1, points=[(15, 15)])
    assert np.array_equal(found.numpy(), volume.numpy().astype(np.uint8))
    (points, boxes, mask) = model.asked[1]
    rows = np.nonzero(mask)[0]
    assert (boxes[0][0] < rows.min(), boxes[0][2] > rows.max() + 1) == (True, True)
    assert mask[points[0]]


def test_a_slice_that_is_not_there_is_refused(model):
    volume = MetaTensor(torch.zeros(1, 8, 8, 4), affine=np.eye(4))
    with pytest.raises(IpiuError, match="there is no axial slice 4; the volume has 0 to 3"):
        model.propagate(volume, "axial", 4, points=[(1, 1)])
    with pytest.raises(IpiuError, match=r"there is no plane 'axia'; .*axial"):
        model.propagate(volume, "axia", 0, points=[(1, 1)])
