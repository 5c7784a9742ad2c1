#!/bin/sh
# Resolve pyproject.toml anew in a fresh environment and write the versions found to requirements.lock.
# Run it with the oldest Python the book supports (PYTHON=python3.11; Debian 12 has 3.11.2): some packages ask for a later
# patch release than that, and a lock made with a newer Python would name versions that do not install there.
set -eu
cd "$(dirname "$0")/.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"${PYTHON:-python3}" -m venv "$fresh"
# torch first and exactly: a range may take a build that brings several GB of CUDA packages (see requirements.lock)
"$fresh/bin/pip" install --quiet "torch==2.13.0"
"$fresh/bin/pip" install --quiet -e ".[all]"
{
  sed -n '/^#/p' requirements.lock
  "$fresh/bin/pip" freeze --exclude-editable | sed 's/+cpu$//'
} > requirements.lock.new
mv requirements.lock.new requirements.lock
