"""IPIU: the executable research book on medical foundation models, and the verbs its chapters use.

>>> import ipiu
>>> case = ipiu.open("sample:mni152")     # a file, a folder, or a real sample
>>> ipiu.view(case.images["t1"])          # three planes and a volume to turn

Names are resolved on first use, so importing the package costs neither torch nor MONAI.
"""

from importlib import import_module

# public name -> where it lives; a name equal to its module's last word is the module itself
_HOMES = {
    "Case": "ipiu.cases.case",
    "Cohort": "ipiu.cases.cohort",
    "IpiuError": "ipiu.errors",
    "Signal": "ipiu.cases.case",
    "open": "ipiu.cases.open",
    "samples": "ipiu.cases.samples",
    "view": "ipiu.view",
}

__all__ = ["Case", "Cohort", "IpiuError", "Signal", "__version__", "open", "samples", "view"]


def __getattr__(name: str):
    if name == "__version__":
        return import_module("importlib.metadata").version("ipiu")
    if name not in _HOMES:
        msg = f"module 'ipiu' has no attribute {name!r}; it offers {', '.join(__all__)}"
        raise AttributeError(msg)
    module = import_module(_HOMES[name])
    value = module if name == "view" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
