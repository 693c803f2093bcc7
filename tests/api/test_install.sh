#!/usr/bin/env bash
# Installs the build, moves the folder, and builds and runs programs against it: test_install.sh SOURCE BUILD [SANITIZERS CC CXX]
#
# With sanitizers only the build's own compiler is used. Exit code 77: skipped.
set -eu
source=$1 build=$2 sanitize=${3:-}
if ! command -v pkg-config >/dev/null; then
    echo "skipped: there is no pkg-config"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
model=$source/tests/golden/models/llama-tiny
export OMP_NUM_THREADS=2

fail() {
    echo "test_install: $*" >&2
    exit 1
}

cmake --install "$build" --prefix "$work/first" >install.log || fail "cmake --install: $(tail -n 3 install.log)"
mv first moved
prefix=$work/moved

# What is there: one header, and the programs run where they are now.
[ "$(cd "$prefix/include" && find . -type f)" = ./cso.h ] || fail "include/ has more than cso.h: $(ls -R "$prefix/include")"
for program in cso-train cso-eval cso-generate cso-data cso-inspect cso-bench; do
    "$prefix/bin/$program" --version >version.txt || fail "$program does not run"
    grep -q "$program" version.txt || fail "$program --version: $(cat version.txt)"
done
pc=$(find "$prefix" -name cso.pc)
grep -q "$work/first" "$pc" && fail "cso.pc has the folder it was installed to"
lib=$(dirname "$(dirname "$pc")")
[ "$(readlink "$lib/libcso.so")" = libcso.so.0 ] || fail "libcso.so is no link to libcso.so.0"

# The exports are the functions of cso.h, of both libraries; MPI stays out.
grep -oE '\b(cso_version|cso_lm_[a-z_]+)\(' <(grep -A1 '^CSO_API' "$source/include/cso.h") | tr -d '(' | sort -u >declared.txt
nm -D --defined-only "$lib/libcso.so" | awk '{ print $NF }' | sort -u >shared.txt
nm -g --defined-only "$lib/libcso.a" | awk 'NF == 3 { print $NF }' | sort -u >static.txt
[ "$(wc -l <declared.txt)" -gt 20 ] || fail "the functions of cso.h were not found"
diff declared.txt shared.txt || fail "libcso.so does not export exactly what cso.h declares"
diff declared.txt static.txt || fail "libcso.a does not export exactly what cso.h declares"
readelf -d "$lib/libcso.so" >dynamic.txt
grep -q 'SONAME.*\[libcso\.so\.0\]' dynamic.txt || fail "SONAME: $(grep SONAME dynamic.txt)"
grep -iE 'NEEDED.*mpi' dynamic.txt && fail "libcso.so needs MPI"

export PKG_CONFIG_PATH=$(dirname "$pc")
read -ra cflags <<<"$(pkg-config --cflags cso)"
read -ra shared <<<"$(pkg-config --libs cso) -Wl,-rpath,$lib"
read -ra static <<<"$(pkg-config --static --libs cso | sed 's/-lcso\b/-l:libcso.a/')"
[ "${#shared[@]}" -le 4 ] || fail "pkg-config --libs gives what only libcso.a needs: ${shared[*]}"
warnings=(-Wall -Wextra -Werror -pedantic)

cat >run.toml <<T
[model]
path = "$model"
chat_template = "llama3"
[data]
train = ["$source/tests/golden/pairs/pairs.jsonl"]
parse_special = true
[lora]
rank = 4
[train]
max_steps = 3
batch_size = 4
learning_rate = 1e-3
T

"$prefix/bin/cso-generate" --model "$model" --chat-template auto --prompt "I feel lost." --max-tokens 64 >expected.txt
"$prefix/bin/cso-train" --config run.toml --set "checkpoint.dir=$work/program" --quiet
version=$(sed -n '1s/.* //p' version.txt)

# check COMPILER C++COMPILER NAME LIBRARIES...: the examples and the C++ program, against one library.
check() {
    local cc=$1 cxx=$2 name=$3
    shift 3
    for example in generate choices train; do
        "$cc" -std=c17 "${warnings[@]}" "${cflags[@]}" "$source/docs/examples/$example.c" -o "$example-$name" "$@" ||
            fail "$cc cannot build $example.c ($name)"
    done
    ./generate-$name "$model" "I feel lost." >reply.txt || fail "generate ($name): exit code $?"
    cmp expected.txt reply.txt || fail "generate ($name) does not say what cso-generate says"
    ./choices-$name "$model" "I feel lost." >choices.txt || fail "choices ($name): exit code $?"
    [ "$(grep -c " % " choices.txt)" = 8 ] && grep -q "^3: \[" choices.txt || fail "choices ($name): $(cat choices.txt)"
    ./generate-$name /nowhere "I feel lost." 2>error.txt && fail "generate ($name) opens what is not there"
    grep -q '^generate: /nowhere' error.txt || fail "generate ($name): $(cat error.txt)"

    ./train-$name run.toml "checkpoint.dir=$work/run-$name" >steps.txt || fail "train ($name): exit code $?"
    [ "$(grep -c '^step . of 3: loss' steps.txt)" = 3 ] || fail "train ($name): $(cat steps.txt)"
    cmp "program/adapter/adapter_model.safetensors" "run-$name/adapter/adapter_model.safetensors" ||
        fail "train ($name) gives another adapter than cso-train"

    command -v "$cxx" >/dev/null || return 0
    "$cxx" -std=c++17 "${warnings[@]}" "${cflags[@]}" "$source/tests/api/program.cpp" -o "program-$name" "$@" ||
        fail "$cxx cannot build program.cpp ($name)"
    ./program-$name "$model" >scores.txt || fail "program ($name): exit code $?"
    [ "$(cut -d' ' -f1 scores.txt)" = "$version" ] || fail "program ($name): version $(cat scores.txt), programs have $version"
}

if [ -n "$sanitize" ]; then
    check "$4" "$5" shared "-fsanitize=$sanitize" "${shared[@]}"
    exit 0
fi
checked=0
for pair in gcc:g++ clang:clang++; do
    cc=${pair%:*} cxx=${pair#*:}
    command -v "$cc" >/dev/null || continue
    check "$cc" "$cxx" "$cc-shared" "${shared[@]}"
    check "$cc" "$cxx" "$cc-static" "${static[@]}"
    ldd "./generate-$cc-static" | grep -q libcso && fail "generate-$cc-static loads libcso.so"
    checked=$((checked + 1))
done
[ $checked -gt 0 ] || fail "there is neither gcc nor clang"
echo "test_install: $checked compilers, shared and static"
