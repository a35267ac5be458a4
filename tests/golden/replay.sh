#!/usr/bin/env bash
# Replays recorded kubectl sessions on a fresh cluster with one node: replay.sh DIRECTORY [arguments of its replay.py]
set -euo pipefail
if [ $# -lt 1 ] || [ ! -x "$1/replay.py" ]; then
    echo "usage: make golden GOLDEN=DIRECTORY   (a directory with replay.py and its recorded cases)" >&2
    exit 2
fi
recordings=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/../.."
KUBESIM_HOME=$(mktemp -d)
export KUBESIM_HOME
trap 'kubesim down >/dev/null; rm -rf "$KUBESIM_HOME"' EXIT
export PATH="$PWD/.venv/bin:$PATH"
kubesim sim create golden --nodes 1 >/dev/null
python3 "$recordings/replay.py" --cli kubesim "$@"
