#!/usr/bin/env bash
# Kills a training run of a tiny model with SIGKILL at random moments, in saves too, until it is done, and compares it with one that was never
# killed; flips bits of checkpoints; and watches memory and open files of a long run. docs/reliability.md says what must hold.
#   scripts/torture.sh [ROUNDS] [--seed N] [--every N] [--soak STEPS] [--flips N] [--matrix] [--stages] [--keep]
# ROUNDS: kills, 200 if not given. --matrix: nothing but kills, over all families, packings, with and without evaluation, keep_last 1 and 2, one
# process and several (54 cases). --stages: nothing but kills over runs of two stages, SFT and CSO; without options a quarter of ROUNDS is for these.
# The programs are those of build/, or of the folder in $CSO_BUILD. Exit status 0 only if all holds.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=${CSO_BUILD:-$top/build}
[ -x "$build/bin/cso-train" ] || "$top/scripts/build.sh" "$build" -DCMAKE_BUILD_TYPE=Release
exec python3 "$top/scripts/torture.py" --programs "$build/bin" "$@"
