"""Measuring what a model did, with 95 % intervals over patients: classification, segmentation, generation.

Each file is one kind of answer, and the metrics are those of scikit-learn and MONAI. :mod:`ipiu.assess.bootstrap` puts
an interval around any number.
"""
