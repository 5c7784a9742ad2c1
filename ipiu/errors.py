"""The one error the package adds to Python's own, and the one place where optional libraries are imported."""

from importlib import import_module
from types import ModuleType


class IpiuError(ValueError):
    """Input that cannot be used as it is: one sentence with the file, the value and the remedy."""


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional ``module``, or say which extra of ipiu brings it.

    Raises
    ------
    ImportError
        Where the library is not installed; the message holds the pip command that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name and not module.startswith(error.name):
            raise
        msg = f'{module} is not installed; run: pip install "ipiu[{extra}]"'
        raise ImportError(msg) from error
