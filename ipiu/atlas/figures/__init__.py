"""Pictures of the atlas, each a chart that answers to hovering.

>>> from ipiu import atlas
>>> atlas.figures.taxonomy(atlas.models)
>>> atlas.figures.coverage(atlas.models)
"""

from ipiu.atlas.figures.coverage import coverage
from ipiu.atlas.figures.leakage import leakage, overlaps
from ipiu.atlas.figures.openness import openness
from ipiu.atlas.figures.people import people
from ipiu.atlas.figures.scale import scale
from ipiu.atlas.figures.taxonomy import taxonomy
from ipiu.atlas.figures.timeline import timeline

__all__ = ["coverage", "leakage", "openness", "overlaps", "people", "scale", "taxonomy", "timeline"]
