"""Generators: solvers against closed forms, conditions, label maps and latents."""

import json

import numpy as np
import pytest
import torch
from monai.apps.generation.maisi.networks.controlnet_maisi import ControlNetMaisi
from monai.data import MetaTensor

import ipiu
from ipiu import IpiuError
from ipiu.models.asked import labels_as_channels, told
from ipiu.models.contract import Contract
from ipiu.models.diffusion import Diffusion
from ipiu.models.sampler import Sampler
from ipiu.models.stock import build
from ipiu.models.weights import save_network

FLOW = {"_target_": "monai.networks.schedulers.RFlowScheduler"}
DDPM = {
    "_target_": "monai.networks.schedulers.DDPMScheduler",
    "schedule": "scaled_linear_beta",
    "beta_start": 0.0015,
    "beta_end": 0.0195,
    "clip_sample": False,
}
SMALL = {
    "_target_": "monai.networks.nets.DiffusionModelUNet",
    "spatial_dims": 2,
    "in_channels": 1,
    "out_channels": 1,
    "num_res_blocks": 1,
    "channels": [8, 8],
    "attention_levels": [False, True],
    "norm_num_groups": 4,
    "num_head_channels": 4,
}
NAMED = {**SMALL, "with_conditioning": True, "cross_attention_dim": 2}
# the classes and arguments of MAISI-v2 (config_maisi3d-rflow.json of NV-Generate-CTMR), with fewer channels
MAISI = {
    "_target_": "monai.apps.generation.maisi.networks.diffusion_model_unet_maisi.DiffusionModelUNetMaisi",
    "spatial_dims": 3,
    "in_channels": 4,
    "out_channels": 4,
    "num_channels": [8, 8, 8, 16],
    "attention_levels": [False, False, True, True],
    "num_head_channels": [0, 0, 4, 4],
    "num_res_blocks": 1,
    "norm_num_groups": 4,
    "use_flash_attention": False,
    "include_spacing_input": True,
    "num_class_embeds": 128,
    "resblock_updown": True,
    "include_fc": True,
}
MAISI_DECODER = {
    "_target_": "monai.apps.generation.maisi.networks.autoencoderkl_maisi.AutoencoderKlMaisi",
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 1,
    "latent_channels": 4,
    "num_channels": [4, 8, 8],
    "num_res_blocks": [1, 1, 1],
    "norm_num_groups": 4,
    "attention_levels": [False, False, False],
    "with_encoder_nonlocal_attn": False,
    "with_decoder_nonlocal_attn": False,
    "num_splits": 2,
    "dim_split": 1,
}
MAISI_CONTROL = {
    **{name: MAISI[name] for name in MAISI if name not in ("_target_", "out_channels", "include_spacing_input")},
    "conditioning_embedding_in_channels": 8,
    "conditioning_embedding_num_channels": [4, 8, 8],
}
MAISI_SAMPLER = Sampler(
    {**FLOW, "use_discrete_timesteps": False, "use_timestep_transform": True, "sample_method": "uniform"},
    span=(0, 1),
    scale_factor=0.9,
    reduction=4,
    label_code="bits",
    class_label=1,
)


def stirred(network: torch.nn.Module) -> torch.nn.Module:
    """Random weights everywhere; MONAI begins with a last layer of zeros, which would hide everything before it."""
    source = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=source) * 0.2
    return network


def small(config=SMALL, *, size=(16, 16), contract=(), **sampler) -> Diffusion:
    told = {"window": (0, 4095), "size": size, **dict(contract)}
    return Diffusion(stirred(build(config)), Contract("diffusion", dims=2, **told), sampler=Sampler(FLOW, **sampler))


def end(walk):
    """The last state of a walk."""
    *_, (_, state, _) = walk
    return state


class TestRectifiedFlow:
    noise = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))

    def gaussian(self, state, times, spread=0.5):
        """The velocity towards samples of a Gaussian: E[sample - noise | state], in closed form."""
        t = (times / 1000)[:, None, None, None]
        return ((1 - t) * spread**2 - t) / ((1 - t) ** 2 * spread**2 + t**2) * state

    @pytest.mark.parametrize("steps", [1, 3, 20])
    @pytest.mark.parametrize("method", ["euler", "heun"])
    def test_a_straight_line_is_walked_exactly_in_any_number_of_steps(self, steps, method):
        target = torch.full((3, 1, 8, 8), 0.7)
        state = end(Sampler(FLOW).walk(lambda s, t: target - self.noise, self.noise, steps=steps, method=method))
        assert torch.allclose(state, target, atol=1e-5)

    @pytest.mark.parametrize("steps", [1, 7, 30])
    def test_times_of_maisi_that_are_no_whole_numbers_still_add_up_to_the_whole_way(self, steps):
        target = torch.zeros(3, 1, 8, 8)
        walk = MAISI_SAMPLER.walk(lambda s, t: target - self.noise, self.noise, steps=steps)
        assert torch.allclose(end(walk), target, atol=1e-5)

    def test_heun_comes_nearer_to_the_exact_solution_than_euler(self):
        exact = self.noise * 0.5
        errors = {}
        for method in ("euler", "heun"):
            for steps in (10, 20):
                state = end(Sampler(FLOW).walk(self.gaussian, self.noise, steps=steps, method=method))
                errors[method, steps] = float((state - exact).abs().max())
        assert errors["heun", 10] < errors["euler", 10] / 5
        assert errors["euler", 10] / errors["euler", 20] == pytest.approx(2, abs=0.5)  # first order
        assert errors["heun", 10] / errors["heun", 20] > 3  # second order

    def test_what_is_expected_at_each_step_is_the_end_of_the_straight_line(self):
        target = torch.full((3, 1, 8, 8), 0.7)
        for left, _, guess in Sampler(FLOW).walk(lambda s, t: target - self.noise, self.noise, steps=4):
            assert torch.allclose(guess, target, atol=1e-5)
            assert left in (0.75, 0.5, 0.25, 0)


class TestDDIM:
    def test_it_follows_the_exact_solution_for_gaussian_data(self):
        spread = 0.5
        betas = torch.linspace(DDPM["beta_start"] ** 0.5, DDPM["beta_end"] ** 0.5, 1000) ** 2
        kept = torch.cumprod(1 - betas, 0)
        noise = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))

        def expected_noise(state, times):
            a = kept[times.long()][:, None, None, None]
            return (1 - a).sqrt() / (a * spread**2 + 1 - a) * state

        exact = noise * spread / (kept[-1] * spread**2 + 1 - kept[-1]).sqrt()
        few, many = (end(Sampler(DDPM).walk(expected_noise, noise, steps=steps)) for steps in (50, 500))
        assert torch.allclose(many, exact, rtol=0.02)
        assert torch.allclose(few, exact, rtol=0.1)  # of first order

    @pytest.mark.parametrize("steps", [1, 6, 30])
    def test_one_possible_picture_is_reached_in_any_number_of_steps(self, steps):
        target = torch.full((2, 1, 8, 8), 0.3)
        betas = torch.linspace(DDPM["beta_start"] ** 0.5, DDPM["beta_end"] ** 0.5, 1000) ** 2
        kept = torch.cumprod(1 - betas, 0)

        def noise_of(state, times):
            a = kept[times.long()][:, None, None, None]
            return (state - a.sqrt() * target) / (1 - a).sqrt()

        assert torch.allclose(
            end(Sampler(DDPM).walk(noise_of, torch.randn(2, 1, 8, 8), steps=steps)), target, atol=1e-3
        )

    def test_a_network_of_one_kind_is_not_sampled_by_the_method_of_the_other(self):
        with pytest.raises(IpiuError, match="method='euler'; a network trained as this one is sampled by ddim"):
            Sampler(DDPM).walk(lambda s, t: s, torch.zeros(1, 1, 8, 8), steps=3, method="euler")
        with pytest.raises(IpiuError, match="steps=0 must lie between 1 and 1000"):
            Sampler(FLOW).walk(lambda s, t: s, torch.zeros(1, 1, 8, 8), steps=0)


class TestSample:
    def test_the_same_seed_gives_the_same_pictures_however_many_are_drawn(self):
        model = small()
        three, five = (model.sample(n, steps=3, seed=4, batch=2, progress=False) for n in (3, 5))
        assert torch.allclose(three, five[:3], atol=0.1)  # of 4095
        assert not torch.allclose(three, model.sample(3, steps=3, seed=5, progress=False), atol=10)

    def test_pictures_lie_within_the_window_and_know_their_unit(self):
        drawn = small(contract={"unit": "HU", "window": (-1000, 1000)}).sample(2, steps=2, progress=False)
        assert isinstance(drawn, MetaTensor)
        assert drawn.shape == (2, 1, 16, 16)
        assert drawn.min() >= -1000
        assert drawn.max() <= 1000
        assert drawn.meta["unit"] == "HU"

    def test_patches_are_unfolded_as_they_were_folded(self):
        model = small({**SMALL, "in_channels": 4, "out_channels": 4}, patch=2)
        picture = torch.rand(1, 1, 16, 16)
        folded = torch.nn.functional.pixel_unshuffle(picture * 2 - 1, 2)
        assert torch.allclose(model._picture(folded) / 4095, picture, atol=1e-5)
        assert model.sample(1, steps=1, progress=False).shape == (1, 1, 16, 16)

    def test_the_way_from_noise_ends_at_the_sample(self):
        model = small(NAMED, conditions=("one", "two"))
        times, states, guesses = model.trajectory({"one": 1}, steps=5, seed=2)
        assert times == [1.0, 0.8, 0.6, 0.4, 0.2, 0.0]
        assert states.shape == (6, 1, 16, 16)
        assert guesses.shape == (5, 1, 16, 16)
        assert torch.allclose(states[5], model.sample(1, {"one": 1}, steps=5, seed=2, progress=False)[0], atol=0.1)
        assert torch.allclose(states[5], guesses[4], atol=0.1)

    @pytest.mark.parametrize(
        ("told", "sentence"),
        [
            ({"n": 0}, "n=0 must be at least 1"),
            ({"n": 1, "size": (15, 16)}, r"size=\(15, 16\) must be 2 numbers, each a multiple of 2"),
            ({"n": 1, "size": (16, 16, 16)}, "must be 2 numbers"),
            ({"n": 1, "condition": {"effusion": 1}}, "no condition 'effusion'; it was trained without conditions"),
            ({"n": 1, "condition": torch.zeros(1, 16, 16)}, "this model reads no label map"),
        ],
    )
    def test_what_cannot_be_drawn_is_refused(self, told, sentence):
        with pytest.raises(IpiuError, match=sentence):
            small().sample(**told, progress=False)


class TestConditions:
    def test_there_not_there_and_unsaid_are_told_apart(self):
        context = Sampler(FLOW, conditions=("a", "b", "c")).context(2, {"a": 1, "b": [0, 1]})
        assert context.tolist() == [[[1, -1, 0]], [[1, 1, 0]]]

    def test_an_unknown_name_or_value_is_refused_with_what_is_near(self):
        sampler = Sampler(FLOW, conditions=("cardiomegaly", "pleural effusion"))
        with pytest.raises(IpiuError, match="no condition 'effusion'; did you mean pleural effusion"):
            sampler.context(2, {"effusion": 1})
        with pytest.raises(IpiuError, match="cardiomegaly=2 must be 1"):
            sampler.context(2, {"cardiomegaly": 2})
        with pytest.raises(IpiuError, match="one for each of the 2"):
            sampler.context(2, {"cardiomegaly": [0, 1, 1]})

    def test_each_sample_follows_its_own_condition(self):
        model = small(NAMED, conditions=("one", "two"))
        mixed = model.sample(2, {"one": [1, 0]}, steps=2, progress=False)
        for place, value in enumerate((1, 0)):
            alike = model.sample(2, {"one": value}, steps=2, progress=False)
            assert torch.allclose(mixed[place], alike[place], atol=0.1)
        assert not torch.allclose(mixed[1], model.sample(2, {"one": 1}, steps=2, progress=False)[1], atol=1)

    def test_guidance_goes_beyond_the_condition_from_the_answer_without(self):
        model = small(NAMED, conditions=("one", "two"))
        context = torch.tensor([[[1.0, 0.0]]])

        def ask(state, times, context):
            return context.sum(-1, keepdim=True)[..., None].expand(1, 1, 4, 4)

        found = [float(model._guided(ask, context, g, torch.zeros(1, 1, 4, 4), None)[0, 0, 0, 0]) for g in (0, 1, 2.5)]
        assert found == [0, 1, 2.5]


class TestLabelMaps:
    def test_bits_are_those_of_maisi_lowest_first(self):
        values = torch.tensor([[0, 1, 6, 132]])
        bits = labels_as_channels(values, "bits", 0)
        assert bits.shape == (1, 8, 4)
        expected = np.unpackbits(values.numpy().astype(np.uint8)[0][:, None], axis=1, bitorder="little")
        assert (bits[0].T.numpy() == expected).all()

    def test_a_label_beyond_the_known_ones_is_refused(self):
        with pytest.raises(IpiuError, match="the label map holds 0 to 3; this model knows 0 to 2"):
            labels_as_channels(torch.tensor([[0, 3]]), "one-hot", 3)

    def test_a_map_beside_the_noise_changes_the_picture(self):
        model = small({**SMALL, "in_channels": 4})  # one of noise, three of labels
        left, right = torch.zeros(1, 16, 16), torch.zeros(1, 16, 16)
        left[..., :8], right[..., 8:] = 2, 2
        one, two = (model.sample(1, labels, steps=2, progress=False) for labels in (left, right))
        assert not torch.allclose(one, two, atol=1)

    def test_a_map_of_another_size_is_refused(self):
        model = small({**SMALL, "in_channels": 4})
        with pytest.raises(
            IpiuError, match=r"the label map has the shape \(1, 8, 8\); this sample needs \(1, 16, 16\)"
        ):
            model.sample(1, torch.zeros(1, 8, 8), size=(16, 16), progress=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maisi")
    for name, config in ((".", MAISI), ("autoencoder", MAISI_DECODER), ("controlnet", MAISI_CONTROL)):
        kind = ControlNetMaisi if name == "controlnet" else None
        network = kind(**config) if kind else build(config)
        target = f"{kind.__module__}.{kind.__name__}" if kind else config["_target_"]
        save_network(stirred(network), folder / name, {**config, "_target_": target})
    Contract("diffusion", dims=3, unit="HU", window=(-1000, 1000), size=(32, 32, 32)).write(folder / "contract.json")
    MAISI_SAMPLER.write(folder / "sampler.json")
    return folder


class TestMaisi:
    def test_a_folder_with_all_three_networks_draws_volumes_in_millimetres(self, folder):
        model = ipiu.load(folder, device="cpu")
        volume = model.sample(1, steps=2, spacing=(1.5, 1.5, 2.0), progress=False)
        assert volume.shape == (1, 1, 32, 32, 32)
        assert volume.meta["unit"] == "HU"
        assert torch.equal(volume.affine.diagonal(), torch.tensor([1.5, 1.5, 2, 1], dtype=torch.float64))
        assert volume.min() >= -1000
        assert volume.max() <= 1000

    def test_a_label_map_reaches_the_network_through_the_controlnet(self, folder):
        model = ipiu.load(folder, device="cpu")
        organs = torch.zeros(1, 32, 32, 32)
        organs[:, 8:24, 8:24, 8:24] = 1
        without = model.sample(1, torch.zeros(1, 32, 32, 32), steps=2, progress=False)
        assert not torch.allclose(without, model.sample(1, organs, steps=2, progress=False), atol=1)

    def test_the_spacing_is_told_in_hundredths_of_a_millimetre_with_the_class(self, folder):
        said = told(build(MAISI), 2, spacing=(1.5, 1.5, 2.0), class_label=1)
        assert said["spacing_tensor"].tolist() == [[150, 150, 200]] * 2
        assert said["class_labels"].tolist() == [1, 1]

    def test_the_first_maisi_is_told_its_uppermost_and_lowest_region(self):
        config = {**MAISI, "include_top_region_index_input": True, "include_bottom_region_index_input": True}
        network = build(config)
        said = told(network, 1, spacing=(1, 1, 1), class_label=1, regions={"thorax": 1, "pelvis": 1})
        assert said["top_region_index_tensor"].tolist() == [[0, 100, 0, 0]]
        assert said["bottom_region_index_tensor"].tolist() == [[0, 0, 0, 100]]
        with pytest.raises(IpiuError, match="no body region 'chest'"):
            told(network, 1, spacing=(1, 1, 1), class_label=1, regions={"chest": 1})

    def test_large_latents_are_decoded_in_windows_to_the_whole_size(self, folder, monkeypatch):
        monkeypatch.setattr("ipiu.models.diffusion.WINDOW", 4)
        model = ipiu.load(folder, device="cpu")
        model.autoencoder.decode_stage_2_outputs = lambda z: torch.nn.functional.interpolate(z[:, :1], scale_factor=4)
        latents = torch.rand(1, 4, 8, 8, 8)
        whole = torch.nn.functional.interpolate(latents[:, :1], scale_factor=4)
        assert torch.allclose(model._decoded(latents), whole, atol=1e-5)

    def test_the_sampler_is_read_as_it_was_written(self, folder):
        assert Sampler.read(folder / "sampler.json") == MAISI_SAMPLER
        assert json.loads((folder / "sampler.json").read_text())["label_code"] == "bits"
