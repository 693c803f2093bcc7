#!/bin/sh
# Fuzzes the parsers: scripts/fuzz.sh [seconds for each = 60] [parser ...]
# Builds with clang, libFuzzer, AddressSanitizer and UBSan in build-fuzz. What a run learns is kept in build-fuzz/corpus; an input that
# fails is left in build-fuzz/findings and makes the script fail. Repeat one with: build-fuzz/fuzz/fuzz_PARSER FILE
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
build=build-fuzz
cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER="${CC:-clang}" -DCMAKE_CXX_COMPILER="${CXX:-clang++}" \
  -DCSO_FUZZ=ON -DCSO_SANITIZE=address,undefined -DCSO_ONEDNN=OFF >/dev/null
cmake --build "$build" --parallel "$(nproc)" --target fuzz
mkdir -p "$build/findings"
failed=""
for program in "$build"/fuzz/fuzz_*; do
  parser=${program##*/fuzz_}
  if [ $# -gt 0 ]; then
    case " $* " in *" $parser "*) ;; *) continue ;; esac
  fi
  mkdir -p "$build/corpus/$parser"
  dictionary=tests/fuzz/dictionaries/$parser.dict
  [ -f "$dictionary" ] && dictionary="-dict=$dictionary" || dictionary="-max_len=65536"
  echo "== $parser, $seconds s"
  # Five seconds for one input (one without sanitizers), or any large allocation for so small ones, is a defect, too.
  "$program" -max_total_time="$seconds" -max_len=65536 -timeout=5 -rss_limit_mb=1024 -malloc_limit_mb=128 -print_final_stats=1 \
    -verbosity=0 -use_value_profile=1 "$dictionary" -artifact_prefix="$build/findings/$parser-" \
    "$build/corpus/$parser" "tests/fuzz/corpus/$parser" || failed="$failed $parser"
done
if [ -n "$failed" ]; then
  echo "fuzz.sh: findings in$failed (see $build/findings)" >&2
  exit 1
fi
