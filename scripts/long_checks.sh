#!/usr/bin/env bash
# Checks that take too long for every change: scripts/long_checks.sh [PART...]; without a PART all of them, about six hours on two cores.
#   packages  each package of scripts/setup.sh is needed: scripts/fresh_machine.sh --without it must fail (3 min each, two of them 10 min)
#   fuzz      every parser for FUZZ_SECONDS (1200 if not set) each
#   torture   200 kills at random moments, 1000 flipped bits, a run of 20,000 steps
#   hostile   HOSTILE_INPUTS (100000 if not set) inputs that are wrong in one to three places, to all programs under sanitizers; an hour or two
#   matrix    500 kills over families, packings, evaluation, keep_last and numbers of processes
#   search    10,000 random trees of cso-search equal a second search written from the procedure; six minutes
#   memory    every allocation of cso-train fails in turn
# Prints a row for the table in docs/reliability.md after each part. Exit status 0 only if all hold. Needs root for packages, and
# scripts/setup.sh --extra. PACKAGES="A B" tries these packages only, CACHE=FOLDER keeps the bare root (scripts/fresh_machine.sh --cache), and
# TMPDIR=/dev/shm is faster, with 4 GB of memory to spare.
set -eu -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
[ $# -gt 0 ] || set -- packages fuzz torture matrix hostile search memory
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Only exit status 1 is the failure that is expected: 77 is a machine that cannot try.
packages() {
    local package status failed=0 began cache=${CACHE:-$work/cache}
    local causes='no package .* found|could not find|unable to find|not found|no such|did not find|was not trained|not set'
    tr -s ' ' '\n' <<<"${PACKAGES:-$(scripts/setup.sh --list)}" >"$work/packages"
    while read -r package; do
        status=0 began=$SECONDS
        scripts/fresh_machine.sh --cache "$cache" --without "$package" </dev/null >"$work/log" 2>&1 || status=$?
        if [ $status -eq 1 ]; then
            echo "without $package: red after $((SECONDS - began)) s: $(grep -iE "$causes" "$work/log" | tail -n 1)"
        else
            tail -n 5 "$work/log"
            echo "without $package: exit status $status (expected 1)"
            failed=1
        fi
    done <"$work/packages"
    return $failed
}
fuzz() { scripts/fuzz.sh "${FUZZ_SECONDS:-1200}"; }
torture() { scripts/torture.sh 200 --flips 1000 --soak 20000; }
hostile() {
    scripts/build.sh "$top/build-ci-sanitize" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCSO_SANITIZE=address,undefined
    scripts/hostile.sh "${HOSTILE_INPUTS:-100000}"
}
matrix() { scripts/torture.sh 500 --matrix; }
search() {
    scripts/build.sh "$top/build" -DCSO_TESTS=ON
    tests/search/run_checks.py --program build/bin/cso-search --count 10000 trees
}
memory() {
    scripts/build.sh "$top/build" -DCSO_TESTS=ON
    build/tests/test_memory_faults all
}

rows=""
status=0
for part in "$@"; do
    case "$part" in
    packages | fuzz | torture | matrix | hostile | search | memory) ;;
    *) echo "usage: scripts/long_checks.sh [packages|fuzz|torture|matrix|hostile|search|memory]..." >&2; exit 2 ;;
    esac
done
for part in "$@"; do
    printf '\n== %s\n' "$part"
    began=$SECONDS result=held
    # In a shell of its own, so that its failure stops it and not this loop.
    bash -eu -o pipefail -c "$(declare -f "$part"); top=$top work=$work; $part" || { result=FAILED status=1; }
    rows+="| \`$part\` | $(date -u +%F) | $(git rev-parse --short HEAD) | $(((SECONDS - began + 30) / 60)) min | $result |"$'\n'
    printf '%s' "$rows"
done
exit $status
