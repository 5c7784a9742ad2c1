"""Which public benchmarks can be loaded, on what terms, and one function that loads them all."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from ipiu.cases.public.terms import Terms
from ipiu.errors import IpiuError
from ipiu.names import nearest, plain

if TYPE_CHECKING:
    import pandas as pd

    from ipiu.cases.cohort import Cohort


class Benchmark(NamedTuple):
    """One loader.

    Attributes
    ----------
    loader
        module and function below ``ipiu.cases.public``
    shows
        what its cases have
    terms
        id of the record in the atlas, or the terms themselves where there is none
    comes
        how the files get here: "fetched", "own folder" or "installed"
    call
        an example
    """

    loader: str
    shows: str
    terms: str | Terms
    comes: str
    call: str

    def load(self) -> Callable[..., Cohort]:
        """The function, imported when it is asked for."""
        module, _, name = self.loader.partition(":")
        return getattr(import_module(f"ipiu.cases.public.{module}"), name)


IDC = Terms(
    "Imaging Data Commons", "of each series, in its index", "open", "https://portal.imaging.datacommons.cancer.gov"
)
NNUNET = Terms("nnU-Net raw layout", "of the data set in it", "not stated", "https://github.com/MIC-DKFZ/nnUNet")
SURVIVAL = Terms(
    "scikit-survival's cohorts", "of each cohort, see ipiu.samples()", "open", "https://scikit-survival.readthedocs.io"
)

BENCHMARKS = {
    "medmnist": Benchmark(
        "medmnist:medmnist",
        "small pictures and volumes, classes",
        "medmnist",
        "fetched",
        'benchmark("medmnist", "bloodmnist")',
    ),
    "decathlon": Benchmark(
        "decathlon:decathlon", "CT and MR, label maps", "msd", "fetched", 'benchmark("decathlon", "Task09_Spleen")'
    ),
    "nnunet": Benchmark(
        "nnunet:read_nnunet", "images, label maps", NNUNET, "own folder", 'benchmark("nnunet", "Dataset009_Spleen")'
    ),
    "totalsegmentator": Benchmark(
        "totalsegmentator:totalsegmentator",
        "CT, 117 structures",
        "totalsegmentator",
        "fetched",
        'benchmark("totalsegmentator")',
    ),
    "btcv": Benchmark("btcv:btcv", "CT, 13 organs", "btcv", "own folder", 'benchmark("btcv", "RawData")'),
    "idc": Benchmark(
        "idc:idc", "DICOM series of a collection", IDC, "fetched", 'benchmark("idc", "rider_pilot", patients=2)'
    ),
    "chexpert": Benchmark(
        "chexpert:chexpert",
        "chest radiographs, 14 findings",
        "chexpert",
        "own folder",
        'benchmark("chexpert", "CheXpert-v1.0")',
    ),
    "rocov2": Benchmark(
        "rocov2:rocov2", "figures, captions, concepts", "rocov2", "fetched", 'benchmark("rocov2", split="test")'
    ),
    "vqa-rad": Benchmark(
        "vqa_rad:vqa_rad",
        "pictures, questions and answers",
        "vqa-rad",
        "own folder",
        'benchmark("vqa-rad", "osfstorage-archive")',
    ),
    "ptb-xl": Benchmark(
        "ptb_xl:ptb_xl", "ECGs, reports, statements", "ptb-xl", "fetched", 'benchmark("ptb-xl", split="test")'
    ),
    "mimic-iv-demo": Benchmark(
        "mimic_iv:mimic_iv_demo", "records of 100 patients", "mimic-iv-demo", "fetched", 'benchmark("mimic-iv-demo")'
    ),
    "mimic-iv": Benchmark(
        "mimic_iv:mimic_iv", "records", "mimic-iv", "own folder", 'benchmark("mimic-iv", "mimiciv/3.1")'
    ),
    "ehrshot": Benchmark(
        "ehrshot:ehrshot", "records, 15 tasks", "ehrshot", "own folder", 'benchmark("ehrshot", "EHRSHOT_ASSETS")'
    ),
    "tcga": Benchmark(
        "tcga:tcga",
        "expression, follow-up",
        "tcga",
        "own folder",
        'benchmark("tcga", "data_mrna.txt", "data_clinical_patient.txt")',
    ),
    "survival": Benchmark(
        "survival:survival", "measures, follow-up", SURVIVAL, "installed", 'benchmark("survival", "flchain")'
    ),
}


def benchmark(name: str, *where, **options) -> Cohort:
    """A public benchmark as a cohort.

    Parameters
    ----------
    name
        one of those in :func:`catalogue`
    where, options
        for the loader of that name: mostly ``folder`` with the files and ``split``; ``help(BENCHMARKS[name].load())``
        tells all of them

    Returns
    -------
    Cohort
        lazy, with ``source.kind`` "public benchmark", licence and address

    Raises
    ------
    IpiuError
        Where there is no such benchmark, or its files have to be asked for; the message says where.

    Examples
    --------
    >>> from ipiu.cases import public
    >>> public.benchmark("survival", "whas500")
    Cohort('whas500', 500 patients; public benchmark: whas500)
    """
    known = {plain(known): known for known in BENCHMARKS}
    if plain(name) not in known:
        msg = f"there is no benchmark {name!r}; {nearest(name, list(BENCHMARKS))}"
        raise IpiuError(msg)
    return BENCHMARKS[known[plain(name)]].load()(*where, **options)


def catalogue() -> pd.DataFrame:
    """One row a benchmark: what it shows, licence, access, how its files come here, and an example.

    Examples
    --------
    >>> from ipiu.cases import public
    >>> public.catalogue().loc["btcv", "comes"]
    'own folder'
    """
    import pandas as pd

    rows = []
    for known in BENCHMARKS.values():
        terms = Terms.of(known.terms) if isinstance(known.terms, str) else known.terms
        rows.append(
            {
                "title": terms.name,
                "shows": known.shows,
                "licence": terms.licence,
                "access": terms.meaning,
                "comes": known.comes,
                "url": terms.url,
                "call": known.call,
            }
        )
    return pd.DataFrame(rows, index=pd.Index(list(BENCHMARKS), name="name"))
