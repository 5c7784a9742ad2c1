"""How long the atlas takes to answer: import and a first query together, a search, and a check of all records.

All are timed inside fresh processes, since that is how a reader meets them. The peer reads the same YAML files with
PyYAML's C loader and filters with a list comprehension, as one would without the atlas.
Run ``python benchmarks/ask_atlas.py``.
"""

import statistics
import subprocess
import sys
from pathlib import Path

from results import keep

RECORDS = Path(__file__).parents[1] / "ipiu" / "atlas" / "records"
CLOCK = "import time; start = time.perf_counter()\n{}\nprint(time.perf_counter() - start)"

QUERY = "import ipiu.atlas as a; a.models.where(task='segmentation', modality='ct', prompt='text', open_weights=True)"
SEARCH = "import ipiu.atlas as a; a.find('3D promptable CT')"
CHECK = "from ipiu.atlas.check import check; check()"
PEER = f"""import yaml
files = ('pretrained', 'vision', 'vision-language', 'multimodal')
rows = [r for f in files for r in yaml.load(open('{RECORDS}/' + f + '.yaml'), yaml.CSafeLoader)]
wanted = (('tasks', 'segmentation'), ('modalities', 'ct'), ('prompts', 'text'))
[r for r in rows if all(word in r.get(field, []) for field, word in wanted)]"""


def seconds(code: str, runs: int = 15) -> float:
    """Median time that the code takes in a fresh process, after one run that is not counted."""
    command = [sys.executable, "-c", CLOCK.format(code)]
    times = [float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(runs + 1)]
    return statistics.median(times[1:])


def main() -> None:
    query, peer = seconds(QUERY), seconds(PEER)
    result = {
        "what": "import ipiu.atlas and a first query; a first search; reading the YAML each time instead; a check",
        "query_s": round(query, 3),
        "search_s": round(seconds(SEARCH), 3),
        "peer_s": round(peer, 3),
        "query_over_peer": round(query / peer, 2),
        "check_s": round(seconds(CHECK, runs=3), 2),
    }
    keep("ask_atlas", result, packages=("ipiu", "pyyaml", "pydantic"))


if __name__ == "__main__":
    main()
