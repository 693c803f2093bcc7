#!/usr/bin/env bash
# Two engines in two threads, users of libcso in three, endpoints asked by eight, and roles on the own engine by twenty, under ThreadSanitizer, with products in plain C:
# scripts/test_threads.sh [FOLDER [CMAKE_OPTION...]].
# Builds with clang in build-tsan/ (or the folder named). GCC's OpenMP hides from ThreadSanitizer how its threads wait for each
# other; LLVM's tells it, through Archer (Debian: libomp-dev). ignore_noninstrumented_modules leaves out what that runtime locks
# for itself, as Archer asks. There are no suppressions: every access of the project's own code is checked.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-$top/build-tsan}
[ $# -eq 0 ] || shift

archer=$(clang -print-resource-dir)/../../libarcher.so
if [ ! -e "$archer" ]; then
    echo "test_threads: clang has no libarcher.so (Debian: libomp-dev)" >&2
    exit 1
fi
cmake -S "$top" -B "$folder" -G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DCSO_SANITIZE=thread -DCSO_ONEDNN=OFF -DCSO_MPI=OFF "$@" >"$folder.log" 2>&1 || { cat "$folder.log" >&2; exit 1; }
cmake --build "$folder" --target test_two_engines test_parallel test_api_threads test_endpoint test_endpoint_ends test_engine_answers test_engine_ends >"$folder.log" 2>&1 || { tail -n 60 "$folder.log" >&2; exit 1; }
rm -f "$folder.log"

export OMP_WAIT_POLICY=passive # three teams of threads on few cores
export CSO_GEMM=plain OMP_TOOL_LIBRARIES=$archer ARCHER_OPTIONS=verbose=1 TSAN_OPTIONS="ignore_noninstrumented_modules=1 ${TSAN_OPTIONS:-}"
for test in test_parallel test_two_engines test_api_threads test_endpoint test_endpoint_ends test_engine_answers test_engine_ends; do
    "$folder/tests/$test" 2>&1 | tee "$folder/$test.log"
    # Without Archer there would be false alarms, or, worse, none at all.
    grep -q "Archer detected OpenMP application with TSan" "$folder/$test.log" || { echo "test_threads: Archer is not at work" >&2; exit 1; }
done
