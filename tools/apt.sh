#!/bin/sh
# Install Debian packages, as root or through sudo; elsewhere say what is missing.
set -eu
if ! command -v apt-get >/dev/null; then
  echo "This machine lacks: $*. Install it with your system's package manager, then run the same command again." >&2
  exit 1
fi
sudo=""
if [ "$(id -u)" -ne 0 ]; then sudo="sudo"; fi
$sudo apt-get update --quiet=2
DEBIAN_FRONTEND=noninteractive $sudo apt-get install --quiet=2 --yes --no-install-recommends "$@" >/dev/null
