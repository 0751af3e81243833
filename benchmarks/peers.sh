#!/bin/sh
# Runs a benchmark beside the libraries that it is measured against: benchmarks/peers.sh attacks|alignment [options].
# Makes .venv-peers if it is missing (0.1 GB, seconds).
set -eu
cd "$(dirname "$0")/.."
if ! cmp -s benchmarks/requirements-peers.txt .venv-peers/installed; then
    .venv/bin/python -m venv --clear .venv-peers
    # Everything that is not in the list comes from .venv: the same torch for all, and no second 5 GB of it.
    .venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
        > "$(.venv-peers/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/main.pth"
    .venv-peers/bin/python -m pip install --quiet --no-deps -r benchmarks/requirements-peers.txt
    cp benchmarks/requirements-peers.txt .venv-peers/installed
fi
name="benchmarks.$1"
shift
exec .venv-peers/bin/python -m "$name" "$@"
