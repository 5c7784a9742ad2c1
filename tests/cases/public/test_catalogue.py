import inspect
import pickle
import subprocess
import sys

import pytest

from ipiu.cases import public
from ipiu.cases.public.catalogue import BENCHMARKS
from ipiu.cases.public.terms import CHOSEN, Terms
from ipiu.errors import IpiuError
from tests.cases.public.layouts import ct, write_nifti

OWN = [name for name, known in BENCHMARKS.items() if known.comes == "own folder"]


def test_every_benchmark_the_book_promises_is_there():
    table = public.catalogue()
    images = {"medmnist", "decathlon", "nnunet", "totalsegmentator", "btcv", "idc", "chexpert", "rocov2", "vqa-rad"}
    assert images | {"ptb-xl", "mimic-iv-demo", "ehrshot", "tcga", "survival"} <= set(table.index)
    assert (table[["licence", "access", "url", "call"]] != "").all(axis=None)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_loader_can_be_imported_and_has_an_example(name):
    assert "Examples" in inspect.getdoc(BENCHMARKS[name].load())


@pytest.mark.parametrize("name", BENCHMARKS)
def test_only_open_data_are_fetched(name):
    known = BENCHMARKS[name]
    terms = Terms.of(known.terms) if isinstance(known.terms, str) else known.terms
    if known.comes == "fetched":
        assert terms.access == "open"


@pytest.mark.parametrize("name", [name for name in OWN if name != "nnunet"])
def test_what_is_not_fetched_says_where_to_get_it_without_a_network(name, monkeypatch):
    import socket

    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a connection was tried"))
    with pytest.raises(IpiuError, match=r"https?://"):
        public.benchmark(name)


def test_a_name_that_is_near_is_offered():
    with pytest.raises(IpiuError, match="did you mean ptb-xl"):
        public.benchmark("ptbxl")
    assert public.benchmark("Survival", "whas500").source.kind == "public benchmark"


def test_the_table_of_benchmarks_needs_neither_torch_nor_monai():
    code = "import sys; from ipiu.cases import public; public.catalogue(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_terms_come_from_the_atlas():
    from ipiu import atlas

    for name in ("medmnist", "ptb-xl", "totalsegmentator", "msd"):
        record, terms = atlas.datasets[name], Terms.of(name)
        assert (terms.url, terms.access) == (record.homepage, record.access)
        assert terms.licence.startswith(record.license)
        assert terms.source.url == record.homepage
    assert all(atlas.datasets[name].access is None for name in CHOSEN)
    assert Terms.of("ehrshot").licence == "Stanford EHRSHOT Research Usage Agreement"


def test_a_cohort_can_be_sent_to_another_process(tmp_path):
    path = write_nifti(tmp_path / "Testing" / "img" / "img0061.nii.gz", ct())
    write_nifti(tmp_path / "Training" / "img" / "img0001.nii.gz", ct())
    cohort = pickle.loads(pickle.dumps(public.benchmark("btcv", tmp_path)))
    assert cohort["img0061"].images["ct"].shape[1:] == ct().shape
    assert path.is_file()
