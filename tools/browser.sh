#!/bin/sh
# A Chromium for the page tests: the one that is there, else Debian's, else (Ubuntu has only a snap) Playwright's own.
set -eu
cd "$(dirname "$0")/.."
for browser in chromium chromium-browser google-chrome; do
  if command -v "$browser" >/dev/null; then exit 0; fi
done
sh tools/apt.sh chromium 2>/dev/null || .venv/bin/playwright install --with-deps chromium
