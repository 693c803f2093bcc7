#!/usr/bin/env python3
"""Checks that the sources include one another in one direction only.

    base -> {kernels, io, tree, comm, loss} -> {text, model, endpoint} -> {engine, data, synth} -> {decode, records} -> score -> {train, eval, export, search} -> {report, config} -> api -> programs

A header stands beside its source. Inside its own folder a file includes it as "x.h". From elsewhere it is "<layer>/x.h", which only the headers
in EXPORTED allow: they say what a layer offers to those after it; all others are its own. The layers in one brace do not know each other, nor do
the programs, which share programs/common alone. include/cso.h is the public header of the library and includes nothing of the project. Exit
status 1 if anything is against that.
"""
import pathlib
import re
import sys

ORDER = [["base"], ["kernels", "io", "tree", "comm", "loss"], ["text", "model", "endpoint"], ["engine", "data", "synth"], ["decode", "records"], ["score"], ["train", "eval", "export", "search"],
         ["report", "config"], ["api"], ["programs/common"], ["programs"]]

# What other layers may include.
EXPORTED = {
    "base": "arena clock did_you_mean digest file folder_lock foreign_names hub identity io_calls log memory option parallel printable profile rng signals sort status text utf8",
    "kernels": "context dtype tensor kernels gemm qgemm",
    "io": "gguf gguf_write json json_each json_walk safetensors safetensors_stream toml weights",
    "tree": "tree",
    "comm": "comm",
    "loss": "loss objective",
    "text": "chat chat_series spm tokenizer",
    "model": "base_name family hparams_source lora model trainables",
    "engine": "engine engine_work",
    "data": "dataset hash messages record strategies",
    "records": "check convert record_sink record_view split",
    "synth": "random_model",
    "decode": "choices constraint decoder generate sampling",
    "score": "score",
    "export": "importance",
    "train": "checkpoint example_weights log_history metrics_log optim reference_cache run_check run_config run_objective stage_folder train_batch train_plan train_progress train_rates "
             "trainer verify",
    "eval": "bootstrap measures predictions python_text",
    "endpoint": "endpoint",
    "search": "extract journal policy policy_endpoint policy_engine prompts search search_options search_tree searches seeds tree_file",
    "report": "tree_page",
    "config": "config search_config",
    "api": "open_model train_open train_stages",
    "programs/common": "amounts args busy_line dtype_option name_ids open_context prompt_turns reply_file reply_origin report start word_option",
}

# (layer, header) pairs against the order, each for a reason: files hold tensors of stored types, so io knows what these are, but computes
# nothing with them.
EXCEPTIONS = {("io", "dtype"), ("io", "tensor")}

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
RANK = {layer: rank for rank, group in enumerate(ORDER) for layer in group}


def layer_of(path):
    """The layer of a file, by its path from the root; a program's folder is a layer of its own."""
    parts = path.parts
    if parts[0] == "kernels":
        return "kernels"
    if parts[0] == "src" and parts[1] == "programs":
        return "/".join(parts[1:3])
    return parts[1] if parts[0] == "src" else None


def rank(layer):
    return RANK["programs"] if layer.startswith("programs/") and layer not in RANK else RANK.get(layer)


def problem_with(name, path, layer):
    """Why this file may not include `name`; None if it may."""
    for folder in (path.parent, ROOT / "src", ROOT, ROOT / "include"):
        if (folder / name).exists():
            found = (folder / name).resolve().relative_to(ROOT)
            break
    else:
        return "there is no such header"
    if found.parts[0] == "include":
        return None if layer == "api" or layer.startswith("programs") else "the public header is for the library and its users"
    owner = layer_of(found)
    if owner == layer:
        return None
    if found.stem not in EXPORTED.get(owner, "").split():
        return f"a header of {owner}'s own (EXPORTED in scripts/check_layers.py lists those that others may include)"
    if rank(owner) < rank(layer) or (layer, found.stem) in EXCEPTIONS:
        return None
    return f"{layer} may not know {owner}"


def main():
    problems, files, names = [], 0, {}
    for path in sorted([*(ROOT / "kernels").rglob("*"), *(ROOT / "src").rglob("*"), *(ROOT / "include").rglob("*")]):
        if path.suffix not in (".c", ".h", ".cpp", ".hpp", ".inc"):
            continue
        files += 1
        place = path.relative_to(ROOT)
        if names.setdefault(path.name, place) != place:
            problems.append(f"{place}: {names[path.name]} has the same name")
        layer = layer_of(place)
        if place.parts[0] == "include":
            if place != pathlib.Path("include/cso.h"):
                problems.append(f"{place}: include/cso.h is the only public header")
            continue
        if rank(layer) is None:
            problems.append(f"{place}: a layer without a rank (ORDER in scripts/check_layers.py)")
            continue
        text = path.read_text(encoding="utf-8")
        for match in INCLUDE.finditer(text):
            problem = problem_with(match.group(1), path, layer)
            if problem:
                line = text.count("\n", 0, match.start(1)) + 1
                problems.append(f'{place}:{line}: "{match.group(1)}": {problem}')
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"check_layers: {files} files, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
