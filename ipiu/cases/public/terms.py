"""On what terms a public data set is given out, said before anything of it is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from ipiu.cases.case import Source
from ipiu.errors import IpiuError

# the access of the very files a loader reads, where the atlas does not settle it: Synapse asks for a sign-in before it
# gives BTCV out, though others have put copies elsewhere
CHOSEN = {"btcv": {"access": "registration"}}
_SAID: set[Terms] = set()


@dataclass(frozen=True)
class Terms:
    """The terms of one data set.

    Attributes
    ----------
    name
        what the data set is called
    licence
        as its papers state it; "not stated" where they are silent
    access
        a word of the atlas: open, registration (terms are accepted after signing in), request (decided case by case),
        credentialed (training and a data use agreement)
    url
        its own page, where terms are signed
    citation
        the work to cite

    Examples
    --------
    >>> from ipiu.cases.public.terms import Terms
    >>> Terms.of("ptb-xl").licence
    'CC-BY-4.0'
    """

    name: str
    licence: str
    access: str
    url: str
    citation: str = ""

    @classmethod
    def of(cls, record: str, **changes: str) -> Terms:
        """The terms that the atlas has on record; ``changes`` replaces fields that differ for the files in question.

        Parameters
        ----------
        record
            id of a data set in :data:`ipiu.atlas.datasets`
        changes
            such as ``licence="CC-BY-NC-4.0"`` of one subset, or ``access`` where the record leaves it open
        """
        from ipiu import atlas

        known = atlas.datasets[record]
        facts = {
            "name": known.name,
            "licence": _licence(known.license, known.license_note),
            "access": known.access or "not stated",
            "url": known.homepage or known.link or "",
            "citation": known.cite(),
        }
        return cls(**(facts | CHOSEN.get(record, {}) | changes))

    @property
    def source(self) -> Source:
        """What every case of it says about its origin."""
        return Source("public benchmark", self.name, licence=self.licence, url=self.url)

    @property
    def meaning(self) -> str:
        """The word of :attr:`access` in the atlas's own explanation."""
        from ipiu.atlas.vocabulary import ACCESS

        return ACCESS.get(self.access, ("terms not stated",))[0]

    def say(self) -> None:
        """Print the terms, once in a process."""
        if self not in _SAID:
            _SAID.add(self)
            cite = f"\n  to cite: {self.citation}" if self.citation else ""
            print(f"{self.name}: licence {self.licence}; {self.meaning}; {self.url}{cite}", flush=True)

    def refuse(self, layout: str = "") -> NoReturn:
        """Say that these files are not fetched from here, where to get them or sign, and what the loader then expects.

        Parameters
        ----------
        layout
            the folder a loader reads, such as ``"RawData/Training/img/img0001.nii.gz"``

        Raises
        ------
        IpiuError
            Always.
        """
        expects = f", then pass folder= with the folder that holds {layout}" if layout else ", then pass folder="
        signed = "" if self.access == "open" else "accept its terms and "
        msg = (
            f"{self.name} is not fetched from here (access: {self.meaning}; licence {self.licence}); {signed}download "
            f"it yourself on {self.url}{expects}"
        )
        raise IpiuError(msg)


def _licence(name: str | None, note: str | None) -> str:
    """An SPDX name as people read it, with the record's note."""
    text = (name or "not stated").removeprefix("LicenseRef-")
    text = text.replace("-", " ") if name and name.startswith("LicenseRef-") else text
    return f"{text} ({note})" if note else text
