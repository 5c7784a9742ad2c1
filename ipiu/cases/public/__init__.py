"""Public benchmarks behind the same door as everything else: each loader gives a :class:`ipiu.cases.cohort.Cohort`.

>>> from ipiu.cases import public
>>> public.catalogue()                                           # which there are, and on what terms
>>> public.benchmark("medmnist", "breastmnist", split="test")    # fetched, checked, and opened lazily
>>> public.benchmark("btcv", "RawData")                          # from a folder of your own

Licence and access are said before anything is fetched, and what asks for a signature is never fetched. Files are kept
in the folder that the environment variable ``IPIU_DATA`` names, else in the platform's cache of the user.
"""

from ipiu.cases.public.catalogue import benchmark, catalogue

__all__ = ["benchmark", "catalogue"]
