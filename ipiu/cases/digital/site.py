"""Where a patient was seen: population, scanners and laboratories differ from one hospital to the next."""

from __future__ import annotations

from dataclasses import dataclass

from ipiu.errors import IpiuError
from ipiu.names import nearest


@dataclass(frozen=True)
class Site:
    """What a hospital does to its patients' data. The defaults are the reference site.

    Attributes
    ----------
    name
        what it is called
    age
        years added to the mean age of the population
    ct_noise
        standard deviation of the noise of soft tissue in a 3 mm CT (HU)
    ct_kernel
        width of the reconstruction's point spread (mm, standard deviation); small is a sharp kernel
    contrast
        share of CTs taken in the portal venous phase after contrast medium
    dose
        photons that reach the detector of a radiograph through air, relative to the reference
    portable
        share of radiographs taken at the bedside (antero-posterior, supine, short distance, no grid)
    mr_noise, mr_bias
        of the brain MR: noise relative to white matter, and log-amplitude of the bias field
    ecg_noise
        muscle and baseline noise of the ECG (mV, standard deviation)
    mains
        frequency of the mains hum (Hz)
    creatinine
        factor between this laboratory's creatinine and the reference method
    batch
        number of the batch that expression is measured in; batch 0 has no shift
    """

    name: str = "reference"
    age: float = 0.0
    ct_noise: float = 14.0
    ct_kernel: float = 0.8
    contrast: float = 0.35
    dose: float = 1.0
    portable: float = 0.25
    mr_noise: float = 0.03
    mr_bias: float = 0.2
    ecg_noise: float = 0.02
    mains: float = 50.0
    creatinine: float = 1.0
    batch: int = 0


REFERENCE = Site()
SITES = {
    "reference": REFERENCE,
    "low-dose": Site("low-dose", age=4, ct_noise=38, ct_kernel=1.6, contrast=0.0, dose=0.35, ecg_noise=0.03, batch=1),
    "bedside": Site(
        "bedside", age=8, ct_noise=18, portable=0.9, dose=0.6, mr_noise=0.05, ecg_noise=0.05, mains=60.0, batch=2
    ),
    "sharp": Site("sharp", age=-6, ct_noise=26, ct_kernel=0.3, contrast=0.8, mr_bias=0.45, creatinine=1.12, batch=3),
}


def find_site(site: str | Site) -> Site:
    """A site by its name, or the site itself.

    Raises
    ------
    IpiuError
        Where no site has that name.
    """
    if isinstance(site, Site):
        return site
    if site not in SITES:
        msg = f"there is no site {site!r}; {nearest(site, SITES)}, or give a Site of your own"
        raise IpiuError(msg)
    return SITES[site]
