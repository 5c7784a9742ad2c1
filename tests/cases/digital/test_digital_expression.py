"""Expression of digital patients: sexes, diseases, batches and over-dispersed counts."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, nbinom, spearmanr

from ipiu.cases.digital.expression import GENES, PATHWAYS, batch_shift, dispersion, make_expression
from ipiu.cases.digital.site import Site
from ipiu.cases.digital.state import draw_state
from ipiu.cases.digital.streams import stream

PATIENTS = 300
# pathway -> the cause that moves it most, and the direction of its genes with a positive loading
DRIVEN = {
    "inflammation": ("consolidation", 1),
    "proliferation": ("lung cancer", 1),
    "hypoxia": ("emphysema", 1),
    "insulin signalling": ("diabetes", -1),
    "cardiac stress": ("heart failure", 1),
    "smoking": ("smoking", 1),
}
FALLING = {"FOXO1", "G6PC1", "PDK4", "TXNIP", "ATP2A2", "MYH6"}  # genes that go against their pathway


@pytest.fixture(scope="module")
def states():
    return [draw_state(3, n) for n in range(PATIENTS)]


@pytest.fixture(scope="module")
def counts(states):
    return table(states, Site())


def table(states, site, name="expression"):
    """Counts, one row a patient, with the library sizes as another column."""
    samples = [make_expression(state, stream(3, n, name), site=site) for n, state in enumerate(states)]
    rows = pd.DataFrame([sample.to_numpy() for sample in samples], columns=samples[0].index)
    return rows.assign(library=[sample.attrs["library size"] for sample in samples])


def log_cpm(counts):
    """log2 counts per million with half a count added."""
    genes = counts.drop(columns="library")
    return np.log2((genes + 0.5).div(counts["library"] / 1e6, axis=0))


def test_a_sample_is_a_series_of_whole_counts():
    sample = make_expression(draw_state(0, 1), stream(0, 1, "expression"))
    assert sample.name == "counts"
    assert sample.dtype == np.int64
    assert (sample >= 0).all()
    assert list(sample.index) == sorted(set(sample.index))
    assert set(sample.index) == {gene for genes in PATHWAYS.values() for gene in genes}
    assert 150 <= len(sample) <= 250
    assert sample.attrs["unit"] == "counts"
    assert sample.sum() < sample.attrs["library size"]


def test_no_gene_is_in_two_pathways():
    genes = [gene for members in PATHWAYS.values() for gene in members]
    assert len(genes) == len(set(genes))


@pytest.mark.parametrize(
    ("gene", "sex"), [("XIST", "female"), ("RPS4Y1", "male"), ("DDX3Y", "male"), ("KDM5D", "male")]
)
def test_genes_of_the_sex_chromosomes_separate_the_sexes(states, counts, gene, sex):
    same = np.array([state.sex == sex for state in states])
    assert counts[gene][same].min() > counts[gene][~same].max()


@pytest.mark.parametrize("pathway", DRIVEN)
def test_a_pathway_rises_and_falls_with_its_cause(states, counts, pathway):
    cause, direction = DRIVEN[pathway]
    level = log_cpm(counts)[list(PATHWAYS[pathway])]
    signs = [-1 if gene in FALLING else 1 for gene in PATHWAYS[pathway]]
    score = ((level - level.mean()) / level.std() * signs).mean(axis=1)
    assert direction * spearmanr(score, [state.values[cause] for state in states]).statistic > 0.25


def test_an_intervention_moves_the_pathway_and_leaves_housekeeping():
    sick, well = (
        log_cpm(table([draw_state(3, n, do={"heart failure": value}) for n in range(60)], Site()))
        for value in (1.0, 0.0)
    )
    assert (sick["NPPB"] - well["NPPB"]).median() > 2
    assert abs((sick["ACTB"] - well["ACTB"]).median()) < 0.2


def test_a_batch_shifts_genes_and_can_be_removed(states, counts):
    other = log_cpm(table(states, Site(batch=2), name="another"))
    shift = other.mean() - log_cpm(counts).mean()
    sure = counts.mean().loc[list(GENES)] > 200
    truth = pd.Series(batch_shift(2), index=GENES)
    assert np.corrcoef(shift[sure], truth[sure])[0, 1] > 0.97
    assert shift[sure].abs().mean() > 0.2
    left = other.sub(truth, axis=1).mean() - log_cpm(counts).mean()
    assert left[sure].abs().mean() < 0.1


def test_batches_differ_and_batch_0_is_the_reference():
    assert not batch_shift(0).any()
    assert abs(np.corrcoef(batch_shift(1), batch_shift(2))[0, 1]) < 0.3
    assert batch_shift(1).std() == pytest.approx(0.4, rel=0.2)


def test_counts_are_negative_binomial_and_not_poisson():
    """Housekeeping genes of one patient, sample after sample: their ranks in scipy's distribution are uniform."""
    rows = table([draw_state(3, 0)] * 1000, Site())
    genes = list(PATHWAYS["housekeeping"])
    place = [GENES.index(gene) for gene in genes]
    rate = rows[genes].div(rows["library"], axis=0).mean()
    mean = np.outer(rows["library"], rate)
    size = 1 / np.array([dispersion(np.full(len(GENES), m))[p] for m, p in zip(mean.mean(axis=0), place, strict=True)])
    rank = nbinom.cdf(rows[genes], size, size / (size + mean))
    assert max(kstest(column, "uniform").statistic for column in rank.T) < 0.08
    excess = ((rows[genes] - mean) ** 2 - mean).sum(axis=0) / (mean**2).sum(axis=0)
    assert excess.to_numpy() == pytest.approx(1 / size, rel=0.3)
    assert (excess > 0.02).all()  # Poisson counts have none


def test_dispersion_falls_with_the_mean():
    rare, common = dispersion(np.full(len(GENES), 2.0)), dispersion(np.full(len(GENES), 2000.0))
    assert (rare > 5 * common).all()


def test_the_biological_variation_is_that_of_people(counts):
    """About 0.4 in unrelated people by the user's guide of edgeR."""
    rate = counts[list(GENES)].div(counts["library"], axis=0)
    cv = np.sqrt((rate.var() / rate.mean() ** 2 - 1 / counts[list(GENES)].mean()).clip(lower=0))
    assert 0.3 < cv[counts[list(GENES)].mean() > 50].median() < 0.55


def test_library_sizes_vary_about_twenty_million(counts):
    assert 17e6 < counts["library"].median() < 23e6
    assert np.log(counts["library"]).std() == pytest.approx(0.35, rel=0.15)


def test_a_sample_depends_on_its_stream_alone(states):
    first, second = (make_expression(states[5], stream(3, 5, "expression")) for _ in range(2))
    pd.testing.assert_series_equal(first, second)
    assert not first.equals(make_expression(states[5], stream(3, 6, "expression")))
