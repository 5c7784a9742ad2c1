"""IPIU: the executable research book on medical foundation models, and the verbs its chapters use.

>>> import ipiu
>>> case = ipiu.open("sample:mni152")     # a file, a folder, or a real sample
>>> ipiu.view(case.images["t1"])          # three planes and a volume to turn

Names are resolved on first use, so importing the package costs neither torch nor MONAI.
"""

from importlib import import_module

# public name -> where it lives; a name that is a module of the package is that module
_HOMES = {
    "Case": "ipiu.cases.case",
    "Cohort": "ipiu.cases.cohort",
    "DigitalCohort": "ipiu.cases.digital.cohort",
    "IpiuError": "ipiu.errors",
    "Signal": "ipiu.cases.case",
    "atlas": "ipiu.atlas",
    "load": "ipiu.models.load",
    "open": "ipiu.cases.open",
    "samples": "ipiu.cases.samples",
    "view": "ipiu.view",
}

__all__ = [
    "Case",
    "Cohort",
    "DigitalCohort",
    "IpiuError",
    "Signal",
    "__version__",
    "atlas",
    "load",
    "open",
    "samples",
    "view",
]


def __getattr__(name: str):
    if name == "__version__":
        return import_module("importlib.metadata").version("ipiu")
    if name not in _HOMES:
        msg = f"module 'ipiu' has no attribute {name!r}; it offers {', '.join(__all__)}"
        raise AttributeError(msg)
    module = import_module(_HOMES[name])
    value = module if _HOMES[name] == f"ipiu.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
