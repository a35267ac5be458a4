#!/usr/bin/env bash
# Replays recorded kubectl sessions on a fresh cluster with one node:
#   replay.sh DIRECTORY [--cli kubesim|kubectl] [arguments of its replay.py]
# With --cli kubectl it is the real one that is driven, and the cluster is served to it over HTTPS.
set -euo pipefail
if [ $# -lt 1 ] || [ ! -x "$1/replay.py" ]; then
    echo "usage: make golden GOLDEN=DIRECTORY [CLI=kubectl]   (a directory with replay.py and its recorded cases)" >&2
    exit 2
fi
recordings=$(cd "$1" && pwd)
shift
cli=kubesim
if [ "${1:-}" = --cli ]; then
    cli=$2
    shift 2
fi
cd "$(dirname "$0")/../.."
if [ "$cli" = kubectl ]; then
    # It lives in memory, without a home.
    .venv/bin/python tests/golden/kubectl.py "$recordings" "$@"
    exit
fi
KUBESIM_HOME=$(mktemp -d)
export KUBESIM_HOME
trap 'kubesim down >/dev/null; rm -rf "$KUBESIM_HOME"' EXIT
export PATH="$PWD/.venv/bin:$PATH"
kubesim sim create golden --nodes 1 >/dev/null
python3 "$recordings/replay.py" --cli "$cli" "$@"
