"""From the click to a viewer that answers: the 1 mm head with two overlays in headless Chromium with software GL.

Run ``python benchmarks/open_viewer.py`` after ``make book``. Each run is a new browser context with an empty cache.
"""

import statistics
import sys
import time
from pathlib import Path

from results import keep

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.browser import chromium, open_page, served  # noqa: E402

CHAPTER = "notebooks/0-start/2-a-brain-in-3d.html"
LIVE = "document.querySelector('figure.ipiu-view').dataset.ipiuState === 'live'"


def seconds(browser, address: str) -> float:
    """From the click on the button to the first frame."""
    with open_page(browser, f"{address}/{CHAPTER}", reduced_motion="reduce") as page:
        page.wait_for_load_state("networkidle")
        button = page.locator("figure.ipiu-view button").first
        button.scroll_into_view_if_needed()
        start = time.perf_counter()
        button.click()
        page.wait_for_function(LIVE)
        return time.perf_counter() - start


def main() -> None:
    with served(ROOT / "_build" / "html") as address, chromium() as browser:
        times = [seconds(browser, address) for _ in range(5)]
    result = {
        "what": "click to interactive, 197 x 233 x 189 voxels and two overlays, headless Chromium, software GL",
        "median_s": round(statistics.median(times), 2),
        "all_s": [round(t, 2) for t in times],
    }
    keep("open_viewer", result, packages=("ipiu", "playwright"))


if __name__ == "__main__":
    main()
