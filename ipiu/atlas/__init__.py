"""The survey as data: records of models, data sets, metrics and challenges, each fact with its source.

>>> from ipiu import atlas
>>> atlas.models["medsam"].card                                  # one record
>>> atlas.models.where(task="segmentation", modality="ct", prompt="text", open_weights=True).table()
>>> atlas.datasets.where(holds=["image", "ehr", "outcome"]).table()
>>> atlas.metrics.where(suits="small structures").table()
>>> atlas.find("3D promptable CT")                               # full text, offline
>>> atlas.show(atlas.models)                                     # a table to filter and sort

A query needs neither torch nor pandas.
"""

from __future__ import annotations

from ipiu.names import nearest

__all__ = ["challenges", "datasets", "figures", "find", "links", "metrics", "models", "show", "works"]


def __getattr__(name: str):
    if name in ("models", "datasets", "metrics", "challenges", "works"):
        from ipiu.atlas.collection import Collection

        value = Collection.of(name)
    elif name == "find":
        from ipiu.atlas.search import find as value
    elif name in ("show", "links"):
        from ipiu.atlas import listing

        value = getattr(listing, name)
    elif name == "figures":
        from importlib import import_module

        from ipiu.errors import require

        for library in ("plotly", "networkx", "scipy"):
            require(library, extra="atlas")
        value = import_module("ipiu.atlas.figures")
    else:
        msg = f"module 'ipiu.atlas' has no attribute {name!r}; {nearest(name, __all__)}"
        raise AttributeError(msg)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
