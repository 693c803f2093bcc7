#!/usr/bin/env bash
# Gives the programs, built with address and undefined-behaviour sanitizers, models, tokenizers, adapters, records, configurations and run folders
# that are wrong in one to three places and right in all others. Each is answered with exit code 0, 2 or 3 (5 where numbers are no numbers), without
# a report of a sanitizer, within 10 s of CPU time, and a failure with one line that names the file and has no control characters.
#   scripts/hostile.sh [COUNT] [--seed N] [--only N] [--first N] [--kind KIND] [-j JOBS]       COUNT: inputs, 2000 if not given
# The programs are those of build-ci-sanitize/, or of the folder in $CSO_BUILD. Exit status 0 only if all holds. What a seed and a number stand for
# changes when the generator changes.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=${CSO_BUILD:-$top/build-ci-sanitize}
[ -x "$build/bin/cso-train" ] || "$top/scripts/build.sh" "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCSO_SANITIZE=address,undefined
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$top/scripts/hostile" --programs "$build/bin" --golden "$top/tests/golden" "$@"
