#!/usr/bin/env bash
# Builds cso in build/ and runs its quick tests; exits with 0 only if all pass. Further words go to ctest: scripts/test.sh -R tree -V
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
"$top/scripts/setup.sh"
python3 "$top/scripts/check_layers.py"
python3 "$top/scripts/check_sizes.py"
"$top/scripts/build.sh" "$top/build" -DCMAKE_BUILD_TYPE=Release -DCSO_TESTS=ON
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
ctest --test-dir "$top/build" -L quick --output-on-failure --no-tests=error "$@" >"$log" 2>&1 || status=$?
if [ $status -ne 0 ]; then
    cat "$log"
else
    grep -vE '^ *(Start +[0-9]+:|[0-9]+/[0-9]+ Test)' "$log" | tail -n 12
fi
exit $status
