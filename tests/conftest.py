"""What tests in several folders share."""

import pytest

from tests.browser import chromium


@pytest.fixture(scope="session")
def browser():
    """One Chromium for the whole run: Playwright starts once in a process."""
    with chromium() as running:
        yield running
