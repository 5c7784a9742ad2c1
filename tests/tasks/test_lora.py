import pytest
import torch
from transformers import ConvNextConfig, ConvNextModel

from ipiu import IpiuError
from ipiu.models.contract import Contract
from ipiu.models.encoder import Encoder
from ipiu.tasks.lora import adapt, lora
from ipiu.tasks.training import own_copy


@pytest.fixture(scope="module")
def adapted(model, patients):
    return lora(model, patients, "spot", epochs=15, rate=5e-3, rank=2, progress=False)


def test_lora_finds_what_can_be_seen(adapted):
    assert adapted.table.loc["AUROC", "low"] > 0.8


def test_only_queries_values_and_the_head_are_trained(adapted):
    # two layers, each with A (2, 48) and B (48, 2) beside queries and values; a head of 48 x 2 and 2
    trained, every = adapted.fitted.counted()
    assert trained == 2 * 2 * (2 * 48 + 48 * 2) + 48 * 2 + 2
    assert trained < every / 20
    names = {name for name, p in adapted.fitted.named_parameters() if p.requires_grad}
    assert all("lora_" in name or name.startswith("head.") for name in names)


def test_the_base_weights_stay(model, adapted):
    before = dict(model.network.named_parameters())
    after = {n.replace(".base_layer", ""): p for n, p in adapted.fitted.encoder.network.named_parameters()}
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any("lora" in name for name in before)


def test_an_adapted_network_starts_as_the_network_it_adapts(model, patients):
    changed = own_copy(model)
    adapt(changed._tower)
    picture = patients[0].images["radiograph"]
    torch.testing.assert_close(
        torch.from_numpy(changed.encode(picture)), torch.from_numpy(model.encode(picture)), atol=1e-5, rtol=0
    )


def test_the_change_is_a_product_of_low_rank(adapted):
    part = next(m for m in adapted.fitted.encoder.network.modules() if hasattr(m, "lora_A"))
    change = part.get_delta_weight("default")
    assert torch.linalg.matrix_rank(change) == 2
    torch.testing.assert_close(change, 2 * part.lora_B["default"].weight @ part.lora_A["default"].weight)


def test_a_network_without_attention_is_refused(patients):
    config = ConvNextConfig(num_channels=1, hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], image_size=32)
    model = Encoder(ConvNextModel(config), Contract("encoder", dims=2, size=(32, 32)))
    with pytest.raises(IpiuError, match="ConvNextModel has no queries and values"):
        lora(model, patients, "spot")
