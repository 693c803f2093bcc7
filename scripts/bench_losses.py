#!/usr/bin/env python3
"""Times a step of every loss on the same dialogues against a step of cso, and prints a Markdown table for docs/performance.md.

    scripts/bench_losses.py [--rounds N] [--steps N] [--records N] [--model PATH] [--losses NAME,NAME...] [--threads N]

The data are the first records of data/sample, all in one step and in one tree, so that losses on pairs have the same tree; lists hold the
replies of the same turns. kto and apo_zero_unpaired take the same replies with labels, made by cso-data. Loss and cso alternate; each gives
the fastest of its steps but the first, and a loss's figure is the median of the rounds' ratios. Without --model a random model of the shape
of SmolLM2-135M with 12 layers and a small vocabulary is made. Needs nothing but Python.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = ROOT / "build" / "bin"
LABELED = ("kto", "apo_zero_unpaired")
MIXES = {"mix of cso bco_pair sft": ["cso", "bco_pair", "sft"]}
OPTIONS = {"exo_pair": ["loss.label_smoothing=0.001"]}
VARIANTS = {"cso with ld_alpha": ["loss.ld_alpha=0.5"], "cso with strategy_weight": ["loss.strategy_weight=2"],
            "cso with use_weighting": ["loss.use_weighting=true"]}


def run(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"bench_losses: {' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


def names():
    listed = run([BIN / "cso-train", "--help-loss", "all"]).split("\n")
    return [line for line in listed if line and not line.startswith((" ", "cso-train"))]


def configure(options, work, name):
    data = work / ("kto.jsonl" if name in LABELED else "trees.jsonl")
    folder = work / "run"
    text = f'[model]\npath = "{options.model}"\nchat_template = "llama3"\n[data]\ntrain = ["{data}"]\n[lora]\nrank = 16\n'
    text += f'[checkpoint]\ndir = "{folder}"\nevery_steps = 0\n[train]\nmax_steps = {options.steps}\nbatch_size = 100000\n'
    text += f"threads = {options.threads}\n[loss]\n"
    sets = OPTIONS.get(name, [])
    if name in MIXES:
        text += f"types = {json.dumps(MIXES[name])}\n"
    elif name in VARIANTS:
        sets = VARIANTS[name]
    else:
        text += f'type = "{name}"\n'
    config = work / "run.toml"
    config.write_text(text, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    return [BIN / "cso-train", "-q", "-c", config] + [word for s in sets for word in ("--set", s)], folder


def once(options, work, name):
    """The fastest step's seconds without the reference's pass, that pass's seconds, tokens of the tree, trees."""
    command, folder = configure(options, work, name)
    run(command)
    steps = [json.loads(line) for line in open(folder / "metrics.jsonl", encoding="utf-8")]
    best = min(s["seconds"] - s["reference_seconds"] for s in steps[1:])
    return best, steps[0]["reference_seconds"], steps[0]["tokens"], steps[0]["trees"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--records", type=int, default=1)
    parser.add_argument("--model")
    parser.add_argument("--losses")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix="cso-bench-losses-"))
    try:
        if not options.model:
            options.model = work / "model"
            run([BIN / "cso-inspect", "--make-model", "llama", "--preset", "135m", "--layers", "12", "--type", "BF16", "-q", "--out",
                 options.model, "--tokenizer", ROOT / "tests" / "golden" / "models" / "llama-tiny"])
        with open(ROOT / "data" / "sample" / "train.tree.jsonl", encoding="utf-8") as lines:
            (work / "trees.jsonl").write_text("".join(next(lines) for _ in range(options.records)), encoding="utf-8")
        (work / "kto.jsonl").write_text(run([BIN / "cso-data", "convert", "--to", "kto", work / "trees.jsonl"]), encoding="utf-8")
        wanted = options.losses.split(",") if options.losses else names() + list(MIXES) + list(VARIANTS)
        print("| loss | step of cso, s | this loss | ratio | spread | reference pass, s | tokens | trees |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        for name in wanted:
            ratios, mine, base = [], [], []
            for _ in range(options.rounds):
                cso, loss = once(options, work, "cso"), once(options, work, name)
                ratios.append(loss[0] / cso[0])
                mine.append(loss)
                base.append(cso[0])
            print(f"| {name} | {statistics.median(base):.3f} | {statistics.median(m[0] for m in mine):.3f} "
                  f"| {statistics.median(ratios):.3f} | {max(ratios) - min(ratios):.3f} | {mine[0][1]:.3f} | {mine[0][2]} "
                  f"| {mine[0][3]} |", flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
