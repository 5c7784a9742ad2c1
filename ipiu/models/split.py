"""Which digital patients the tiny checkpoints were made with: nothing reported anywhere may come from these seeds."""

TRAIN_SEED = 1000
TUNE_SEED = 1001
# people whose volumes make the reference of a chart: not trained on, and not patients of a chapter
REFERENCE_SEED = 1002
