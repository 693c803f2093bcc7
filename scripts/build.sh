#!/usr/bin/env bash
# Builds cso in build/ (or the folder named): scripts/build.sh [FOLDER [CMAKE_OPTION...]]. The programs are in FOLDER/bin.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-$top/build}
[ $# -eq 0 ] || shift
reused=""
[ ! -f "$folder/CMakeCache.txt" ] || reused="; $folder may be out of date: remove it and try again"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

if ! cmake -S "$top" -B "$folder" -G Ninja "$@" >"$log" 2>&1; then
    cat "$log" >&2
    missing=$("$top/scripts/setup.sh" --missing 2>/dev/null) || missing="(see scripts/setup.sh)"
    if [ -n "$missing" ]; then
        echo "build: cmake failed; packages that are not installed, which scripts/setup.sh installs: $missing" >&2
    else
        echo "build: cmake failed, although all packages of scripts/setup.sh are installed$reused" >&2
    fi
    exit 1
fi
grep -E '^-- (cso |oneDNN is not used)' "$log" || true
if ! cmake --build "$folder" >"$log" 2>&1; then
    grep -vE '^\[[0-9]+/[0-9]+\]' "$log" | tail -n 60 >&2
    echo "build: the compiler failed" >&2
    exit 1
fi
grep -E 'warning:' "$log" >&2 || true
echo "build: programs are in $folder/bin"
