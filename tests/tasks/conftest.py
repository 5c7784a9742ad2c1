"""A tiny encoder with random weights, and patients whose label is a spot that anyone can see."""

import numpy as np
import pytest
import torch
from transformers import ViTConfig, ViTModel

from ipiu import Case, Cohort
from ipiu.models.contract import Contract
from ipiu.models.encoder import Encoder


@pytest.fixture(scope="session")
def model():
    torch.manual_seed(0)
    config = ViTConfig(
        image_size=32, patch_size=8, num_channels=1, hidden_size=48, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=96,
    )  # fmt: skip
    return Encoder(ViTModel(config, add_pooling_layer=False), Contract("encoder", dims=2, size=(32, 32)), name="random")


@pytest.fixture(scope="session")
def patients():
    return Cohort.of([patient(number) for number in range(80)], name="spots")


def patient(number):
    draw = np.random.default_rng(number)
    picture, spot = draw.normal(size=(1, 32, 32)), number % 4 == 0
    picture[0, 10:20, 10:20] += 2.5 * spot
    labels = {"spot": spot, "size": number, "site": "abc"[number % 3]}
    return Case(f"p{number}", images={"radiograph": torch.from_numpy(picture).float()}, labels=labels)
