"""Which digital patients the tiny checkpoints were made with: nothing reported anywhere may come from these seeds."""

TRAIN_SEED = 1000
TUNE_SEED = 1001
