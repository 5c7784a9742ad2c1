#!/bin/sh
# Make .venv and install what the lock says. On Debian and Ubuntu, fetch python3-venv where the system lacks it.
set -eu
cd "$(dirname "$0")/.."

# The Python asked for by name, or the first one that is new enough.
python=""
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
  if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
  echo "No Python 3.11 or newer was found; install one, or name it: make book PYTHON=/path/to/python3" >&2
  exit 1
fi

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  sh tools/apt.sh "python$version-venv"
fi

"$python" -m venv .venv
pip() { .venv/bin/python -m pip --quiet --disable-pip-version-check install "$@"; }
# First exactly what the lock names. Then the package itself with the lock as constraints, which also brings what a build of
# torch needs beyond the lock: the public one has CUDA libraries, the CPU one has none.
pip --no-deps --requirement requirements.lock
pip --constraint requirements.lock --editable ".[all]"
