"""Models of the atlas, run through the stock classes that load their published weights."""
