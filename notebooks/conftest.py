"""nbval compares what notebooks print, and only that."""

# everything else an output may hold: displays of any kind, the error stream, errors that a cell means to raise
NOT_COMPARED = ("data", "stderr", "ename", "evalue")


def pytest_collectstart(collector):
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += NOT_COMPARED


def pytest_itemcollected(item):
    cell = getattr(item, "cell", None)
    if cell is not None and cell.execution_count is None:
        cell.execution_count = 0  # nbval compares only cells that have a number, which stored notebooks do not keep
