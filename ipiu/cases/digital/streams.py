"""Random numbers that depend on nothing but (version, seed, patient, name)."""

from __future__ import annotations

import zlib

import numpy as np

# Part of every stream. Raise it when a change of the generator changes any patient, and say so in CHANGELOG.
VERSION = 1


def stream(seed: int, index: int, name: str) -> np.random.Generator:
    """The random numbers of one patient for one purpose.

    Streams of different names are independent, so a part can be made without the others, in any order and by any
    number of workers, and a knob that changes one part leaves the others as they were.

    Parameters
    ----------
    seed, index
        of the cohort, and of the patient in it; whole numbers from 0
    name
        what the numbers are for, such as ``"torso"``

    Examples
    --------
    >>> from ipiu.cases.digital.streams import stream
    >>> bool(stream(0, 7, "torso").random() == stream(0, 7, "torso").random())
    True
    """
    entropy = np.random.SeedSequence([VERSION, seed, index], spawn_key=(zlib.crc32(name.encode()),))
    return np.random.Generator(np.random.PCG64(entropy))
