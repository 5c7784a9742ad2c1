import hashlib

import numpy as np
import pytest

from ipiu.cases.public import medmnist as module
from ipiu.cases.public.medmnist import facts, medmnist
from ipiu.errors import IpiuError

COUNTS = {"train": 7, "val": 2, "test": 3}


def arrays(subset, size=28, seed=0):
    """The arrays of one npz as MedMNIST writes them."""
    info = facts()["subsets"][subset]
    draw = np.random.default_rng(seed)
    multi = "multi-label" in info["task"]
    shape = (size,) * 3 if subset.endswith("3d") else (size, size) + ((3,) if info["channels"] == 3 else ())
    made = {}
    for split, count in COUNTS.items():
        made[f"{split}_images"] = draw.integers(0, 256, (count, *shape)).astype(np.uint8)
        top, width = (2, len(info["labels"])) if multi else (len(info["labels"]), 1)
        made[f"{split}_labels"] = draw.integers(0, top, (count, width)).astype(np.uint8)
    return made


@pytest.fixture
def publish(server, monkeypatch):
    """Put a subset on the server in place of Zenodo, and its md5 into the table."""

    def put(subset, made, size=28):
        import io

        buffer = io.BytesIO()
        np.savez_compressed(buffer, **made)
        name = subset if size == 28 else f"{subset}_{size}"
        server.files[f"/{name}.npz"] = buffer.getvalue()
        table = {"url": f"{server.url}/{{file}}?download=1", "subsets": {**facts()["subsets"]}}
        digest = hashlib.md5(buffer.getvalue()).hexdigest()
        table["subsets"][subset] = table["subsets"][subset] | {"md5": {size: digest}}
        monkeypatch.setattr(module, "facts", lambda: table)
        return made

    return put


@pytest.mark.parametrize("subset", ["pathmnist", "chestmnist", "breastmnist", "retinamnist", "nodulemnist3d"])
def test_every_image_and_label_is_the_one_in_the_file(publish, subset):
    made = publish(subset, arrays(subset))
    cohort = medmnist(subset)
    assert len(cohort) == sum(COUNTS.values())
    names = facts()["subsets"][subset]["labels"]
    for split, count in COUNTS.items():
        for n in range(count):
            case = cohort[f"{subset}-{split}-{n:06d}"]
            stored = made[f"{split}_images"][n]
            image = case.images["image"]
            expected = stored.transpose(2, 0, 1) if subset in ("pathmnist", "retinamnist") else stored[None]
            np.testing.assert_array_equal(image.numpy(), expected)
            label = made[f"{split}_labels"][n]
            assert case.labels["split"] == split
            if subset == "chestmnist":
                assert [case.labels[name] for name in names] == label.tolist()
            else:
                assert (case.labels["class number"], case.labels["class"]) == (label[0], names[label[0]])


def test_one_split_has_only_its_own_images(publish):
    publish("breastmnist", arrays("breastmnist"))
    cohort = medmnist("breastmnist", split="test")
    assert len(cohort) == 3
    assert set(cohort.table()["split"]) == {"test"}


def test_licence_and_origin_stand_in_every_case(publish):
    publish("dermamnist", arrays("dermamnist"))
    source = medmnist("dermamnist")[0].source
    assert (source.kind, source.name, source.licence) == ("public benchmark", "DermaMNIST", "CC-BY-NC-4.0")
    assert source.url == "https://medmnist.github.io/"


def test_larger_sizes_have_files_of_their_own(publish, server):
    publish("nodulemnist3d", arrays("nodulemnist3d", 64), 64)
    assert medmnist("nodulemnist3d", size=64)[0].images["image"].shape == (1, 64, 64, 64)
    assert [path for path, _ in server.requests] == ["/nodulemnist3d_64.npz"]


def test_a_second_call_needs_no_server(publish, server):
    publish("breastmnist", arrays("breastmnist"))
    medmnist("breastmnist")
    medmnist("breastmnist")
    assert len(server.requests) == 1


def test_images_are_read_from_disk_one_by_one(publish, monkeypatch):
    publish("breastmnist", arrays("breastmnist"))
    loaded = []
    real = np.load

    def load(path, **options):
        loaded.append(options)
        return real(path, **options)

    monkeypatch.setattr(np, "load", load)
    medmnist("breastmnist")
    assert loaded
    assert all(options == {"mmap_mode": "r", "allow_pickle": False} for options in loaded)


def test_a_pickle_in_the_place_of_an_array_is_refused(publish):
    made = arrays("breastmnist")
    made["val_labels"] = np.array([{"a": 1}, {"b": 2}], dtype=object)
    publish("breastmnist", made)
    with pytest.raises(IpiuError, match=r"val_labels\.npy: is missing or no plain array"):
        medmnist("breastmnist")


def test_labels_that_do_not_fit_the_subset_are_refused(publish):
    made = arrays("breastmnist")
    made["train_labels"][0] = 9
    publish("breastmnist", made)
    with pytest.raises(IpiuError, match="do not fit the 2 labels of BreastMNIST"):
        medmnist("breastmnist")


def test_fewer_labels_than_images_are_refused(publish):
    made = arrays("breastmnist")
    made["test_labels"] = made["test_labels"][:2]
    publish("breastmnist", made)
    with pytest.raises(IpiuError, match=r"test has images of shape \(3, 28, 28\) and labels of \(2, 1\)"):
        medmnist("breastmnist")


def test_a_missing_array_is_named(publish):
    made = arrays("breastmnist")
    del made["test_images"]
    publish("breastmnist", made)
    with pytest.raises(IpiuError, match=r"test_images\.npy"):
        medmnist("breastmnist")


@pytest.mark.parametrize(
    ("call", "match"),
    [
        ({"subset": "pathmnis"}, "did you mean pathmnist"),
        ({"subset": "nodulemnist3d", "size": 128}, "comes in 28, 64"),
        ({"subset": "pathmnist", "split": "training"}, "none of train, val, test"),
    ],
)
def test_what_does_not_exist_is_said_before_anything_is_fetched(server, call, match):
    with pytest.raises(ValueError, match=match):
        medmnist(**call)


def test_the_table_of_facts_is_whole():
    subsets = facts()["subsets"]
    assert len(subsets) == 18
    assert sum(sum(info["samples"].values()) for info in subsets.values() if info["name"].endswith("3D")) == 9_998 - 2
    for name, info in subsets.items():
        assert set(info["md5"]) == ({28, 64} if name.endswith("3d") else {28, 64, 128, 224})
        assert all(len(digest) == 32 for digest in info["md5"].values())
        assert info["licence"].startswith("CC-BY")
        assert len(set(info["labels"])) == len(info["labels"])
