import pytest
import torch
from transformers import ViTMAEConfig, ViTMAEForPreTraining

from ipiu import Case, Cohort, IpiuError
from ipiu.models.contract import Contract
from ipiu.models.encoder import Encoder
from ipiu.tasks.finetune import finetune, untrained
from ipiu.tasks.training import Classifier, moved


@pytest.fixture(scope="module")
def tuned(model, patients):
    return finetune(model, patients, "spot", epochs=15, rate=2e-3, progress=False)


def weights(encoder):
    return {name: value.clone() for name, value in encoder.network.state_dict().items()}


def test_training_finds_what_can_be_seen(tuned):
    assert tuned.table.loc["AUROC", "low"] > 0.8
    assert tuned.trained_on == 40


def test_all_weights_moved_and_the_model_stayed_as_it_was(model, patients, tuned):
    before, after = weights(model), weights(tuned.fitted.encoder)
    assert not any(torch.equal(before[name], after[name]) for name in before)
    assert not any(p.requires_grad for p in model.network.parameters())
    again = finetune(model, patients, "spot", epochs=1, progress=False)
    assert all(torch.equal(before[name], value) for name, value in weights(model).items())
    assert again.fitted.counted()[0] == again.fitted.counted()[1]


def test_a_seed_gives_the_same_predictions(model, patients):
    one, two, other = (
        finetune(model, patients, "spot", epochs=1, share=0.5, seed=seed, progress=False).predictions["True"]
        for seed in (0, 0, 1)
    )
    assert one.equals(two)
    assert not one.equals(other)


def test_from_scratch_is_the_same_architecture_with_other_weights(model, patients):
    blank = untrained(model, seed=1)
    assert {n: v.shape for n, v in weights(blank).items()} == {n: v.shape for n, v in weights(model).items()}
    assert not torch.equal(*(weights(one)["embeddings.patch_embeddings.projection.weight"] for one in (blank, model)))
    result = finetune(model, patients, "spot", start="scratch", epochs=1, progress=False)
    assert len(result.predictions) == 40


def test_from_scratch_a_masked_autoencoder_still_knows_the_places_of_its_patches():
    config = ViTMAEConfig(
        image_size=32, patch_size=8, num_channels=1, hidden_size=24, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=48, decoder_hidden_size=24, decoder_num_hidden_layers=1, decoder_num_attention_heads=2,
        decoder_intermediate_size=48,
    )  # fmt: skip
    network = ViTMAEForPreTraining(config)
    torch.nn.init.normal_(network.vit.embeddings.position_embeddings)
    model = Encoder(network, Contract("encoder", dims=2, size=(32, 32)))
    before, after = weights(model), weights(untrained(model, seed=3))
    places, patches = "vit.embeddings.position_embeddings", "vit.embeddings.patch_embeddings.projection.weight"
    assert torch.equal(before[places], after[places])
    assert not torch.equal(before[patches], after[patches])


def test_a_network_of_monai_starts_from_scratch_too():
    from monai.networks.nets import SegResNet

    network = SegResNet(spatial_dims=2, init_filters=8, in_channels=1, out_channels=2)
    model = Encoder(network, Contract("encoder", dims=2, size=(32, 32)))
    first, second = (next(iter(weights(one).values())) for one in (model, untrained(model)))
    assert first.shape == second.shape
    assert not torch.equal(first, second)


def test_the_head_sees_standardised_vectors(model, patients):
    pictures = torch.stack([model.contract.picture(case.images["radiograph"]) for case in patients])
    classifier = Classifier(model, 2, pictures)
    seen = (torch.from_numpy(model.encode(list(pictures))) - classifier.middle) / classifier.spread
    assert seen.mean(0).abs().max() < 0.2
    assert torch.equal(classifier(pictures[:3]), torch.zeros(3, 2))


def test_moved_pictures_keep_their_size_and_their_sides():
    torch.manual_seed(0)
    pictures = torch.zeros(50, 1, 32, 32)
    pictures[..., :16] = 1
    seen = moved(pictures)
    assert seen.shape == pictures.shape
    assert (seen[..., :8].mean((1, 2, 3)) > seen[..., 24:].mean((1, 2, 3))).all()


def test_what_cannot_be_trained_is_refused(model, patients):
    with pytest.raises(IpiuError, match="no start 'random'"):
        finetune(model, patients, "spot", start="random")
    volumes = Cohort.of([Case(f"p{n}", images={"ct": torch.zeros(1, 4, 4, 4)}, labels={"x": n > 1}) for n in range(8)])
    with pytest.raises(IpiuError, match=r"the image 'ct' of patient 'p\d' is a volume"):
        finetune(model, volumes, "x", image="ct")
