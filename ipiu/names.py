"""What to say about a name that is not known."""

import difflib
import re
from collections.abc import Collection


def plain(name: str) -> str:
    """A name in the form names are compared in: small letters, with hyphens for spaces and underscores."""
    return re.sub(r"[\s_]+", "-", str(name).strip().lower())


def nearest(name: str, names: Collection[str]) -> str:
    """The half-sentence an error ends with: the names nearest to ``name``, or all where few exist."""
    by_form = {plain(known): known for known in names}
    near = [by_form[form] for form in difflib.get_close_matches(plain(name), by_form, n=3, cutoff=0.5)]
    near += [known for form, known in by_form.items() if len(plain(name)) > 2 and plain(name) in form]
    near = list(dict.fromkeys(near))[:4]
    if near:
        return f"did you mean {' or '.join(near)}?"
    listed = list(names)
    return f"there are {', '.join(listed)}" if len(listed) <= 30 else f"there are {len(listed)}, none like it"
