#!/usr/bin/env python3
"""Checks that the sources include one another in one direction only.

    base -> {kernels, io, tree, comm} -> {text, model} -> {data, infer} -> train -> cli

A layer may include the public headers (include/cso) of earlier groups and its own, and no others; the layers in one brace do not know each
other. A public header belongs to the layer that implements it (HEADERS below: a new header needs a line there) and follows the same rule.
Private headers ("name.h" without a folder) stay inside their layer. Exit status 1 if anything is against that.
"""
import pathlib
import re
import sys

ORDER = [["base"], ["kernels", "io", "tree", "comm"], ["text", "model"], ["data", "infer"], ["train"], ["cli"]]

HEADERS = {
    "base": "status clock memory arena sort file io_calls rng log parallel profile signals utf8",
    "kernels": "dtype tensor kernels gemm",
    "io": "json json_walk toml gguf gguf_write safetensors safetensors_stream weights",
    "tree": "tree",
    "comm": "comm",
    "text": "tokenizer chat spm",
    "model": "model lora engine random_model",
    "data": "dataset record",
    "infer": "generate",
    "train": "loss optim train_batch train_plan reference_cache metrics_log checkpoint trainer",
    "cli": "args run_config",
}

# (layer, header) pairs that go against the order, each for a reason: files hold tensors of stored types, so io knows what these are,
# but computes nothing with them; the trainer is told what to do by the configuration's struct, but calls none of cli's functions.
EXCEPTIONS = {("io", "dtype"), ("io", "tensor"), ("train", "run_config")}

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
OWNER = {header: layer for layer, names in HEADERS.items() for header in names.split()}
RANK = {layer: rank for rank, group in enumerate(ORDER) for layer in group}


def layer_files():
    """Every source file with its layer."""
    for layer in RANK:
        folder = ROOT / "kernels" if layer == "kernels" else ROOT / "src" / layer
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".c", ".h", ".cpp", ".hpp", ".inc"):
                yield path, layer, folder
    for path in sorted((ROOT / "include" / "cso").glob("*.h")):
        yield path, OWNER.get(path.stem), None


def problem_with(name, path, layer, folder):
    """Why this file may not include `name`; None if it may."""
    if not name.startswith("cso/"):
        if folder is None:
            return "a public header includes a private one"
        found = (path.parent / name).resolve() if (path.parent / name).exists() else (folder / name).resolve()
        return None if found.exists() and folder in found.parents else "private header outside this layer"
    header = pathlib.PurePath(name).stem
    owner = OWNER.get(header)
    if owner is None:
        return "header without a layer (scripts/check_layers.py has the table)"
    if owner == layer or RANK[owner] < RANK[layer] or (layer, header) in EXCEPTIONS:
        return None
    return f"{layer} may not know {owner}"


def main():
    problems, files = [], 0
    for path, layer, folder in layer_files():
        files += 1
        place = path.relative_to(ROOT)
        if layer is None:
            problems.append(f"{place}: header without a layer (scripts/check_layers.py has the table)")
            continue
        text = path.read_text(encoding="utf-8")
        for match in INCLUDE.finditer(text):
            problem = problem_with(match.group(1), path, layer, folder)
            if problem:
                line = text.count("\n", 0, match.start(1)) + 1
                problems.append(f'{place}:{line}: "{match.group(1)}": {problem}')
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"check_layers: {files} files, {len(problems)} includes against the order")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
