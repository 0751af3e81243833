#!/bin/sh
# Makes .venv-peers if it is missing (0.1 GB, seconds) and runs benchmarks/attacks.py in it; options are handed on.
set -eu
cd "$(dirname "$0")/.."
if ! [ -e .venv-peers/complete ]; then
    .venv/bin/python -m venv --clear .venv-peers
    # Everything that is not in the list comes from .venv: the same torch for all, and no second 5 GB of it.
    .venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
        > "$(.venv-peers/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/main.pth"
    .venv-peers/bin/python -m pip install --quiet --no-deps -r benchmarks/requirements-peers.txt
    touch .venv-peers/complete
fi
exec .venv-peers/bin/python -m benchmarks.attacks "$@"
