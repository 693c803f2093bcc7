#!/usr/bin/env python3
"""Times cso-train on the sample data with packing tree, pair and none, and prints a Markdown table for docs/performance.md.

    scripts/bench_packing.py [--steps N] [--batch-size N] [--config FILE] [--threads N] [--program PATH]

Each packing trains N steps from the same start in a folder of its own (removed after); the first step, which touches every page of the model
for the first time, is not counted. Rates are of the policy's passes: the reference's, done once per data set, are a column of their own. The
last line is OpenBLAS's own sgemm on the shapes of SmolLM2-135M's layers, called directly: what the machine can do. Needs nothing but Python.
"""
import argparse
import array
import ctypes
import ctypes.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent

# (outputs, inputs) of the seven projections of a layer of SmolLM2-135M.
SHAPES = [(576, 576), (192, 576), (192, 576), (576, 576), (1536, 576), (1536, 576), (576, 1536)]


def train(options, packing, folder):
    """Runs cso-train; gives its metrics (a list of dicts) and its peak resident memory in MiB."""
    command = [options.program, "--config", options.config, "--quiet", "--resume", "never",
               "--set", f"data.packing={packing}", "--set", "data.eval=[]", "--set", f"train.max_steps={options.steps}",
               "--set", f"checkpoint.dir={folder}", "--set", "checkpoint.every_steps=0",
               "--set", f"train.batch_size={options.batch_size}"]
    if options.threads:
        command += ["--threads", str(options.threads)]
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"bench_packing: {' '.join(command)} failed")
    with open(os.path.join(folder, "metrics.jsonl"), encoding="utf-8") as lines:
        return [json.loads(line) for line in lines], usage.ru_maxrss / 1024


def row(packing, batch_size, metrics, peak):
    counted = metrics[1:] or metrics
    policy_seconds = sum(m["seconds"] - m["reference_seconds"] for m in counted)
    reference_seconds = sum(m["reference_seconds"] for m in counted)
    tokens = sum(m["tokens"] for m in counted)
    rate = sum(m["gflops"] * m["seconds"] for m in counted) / sum(m["seconds"] for m in counted)
    pairs = batch_size * len(counted)
    return [packing, f"{pairs / policy_seconds:.2f}", f"{tokens / policy_seconds:.0f}", f"{tokens / pairs:.0f}", f"{rate:.0f}",
            f"{reference_seconds / len(counted):.2f}", f"{peak:.0f}"]


def sgemm_rate(tokens, seconds=2.0):
    """GFLOP/s of y[tokens, out] = x[tokens, in] W[out, in]^T over SHAPES, by OpenBLAS with all its threads."""
    # A library older than the processor takes its slowest kernels (kernels/gemm/openblas.c says more): name the right ones before it loads.
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        features = next((line.split() for line in file if line.startswith("flags")), [])
    core = "SkylakeX" if "avx512vl" in features else "Haswell" if "avx2" in features else None
    if core:
        os.environ.setdefault("OPENBLAS_CORETYPE", core)
    sgemm = ctypes.CDLL(ctypes.util.find_library("openblas") or "libopenblas.so.0").cblas_sgemm
    sgemm.argtypes = [ctypes.c_int] * 6 + [ctypes.c_float, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_int,
                                           ctypes.c_float, ctypes.c_void_p, ctypes.c_int]
    sgemm.restype = None
    buffers = {}

    def address(kind, size):
        if (kind, size) not in buffers:
            buffers[kind, size] = array.array("f", [0.5]) * size
        return buffers[kind, size].buffer_info()[0]

    def once():
        for out, inputs in SHAPES:
            sgemm(101, 111, 112, tokens, out, inputs, 1.0, address("x", tokens * inputs), inputs, address("w", out * inputs), inputs,
                  0.0, address("y", tokens * out), out)

    once()
    flops, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        once()
        flops += sum(2 * tokens * out * inputs for out, inputs in SHAPES)
    return flops / (time.monotonic() - began) / 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--config", default=str(ROOT / "configs" / "smollm2.toml"))
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--program", default=str(ROOT / "build" / "bin" / "cso-train"))
    options = parser.parse_args()
    work = tempfile.mkdtemp(prefix="cso-bench-")
    try:
        print("| packing | pairs/s | tokens/s | tokens per pair | GFLOP/s | reference pass, s per step | peak memory, MiB |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for packing in ("tree", "pair", "none"):
            metrics, peak = train(options, packing, os.path.join(work, packing))
            print("| " + " | ".join(row(packing, options.batch_size, metrics, peak)) + " |", flush=True)
        for tokens in (512, 4096):
            print(f"| sgemm alone, {tokens} tokens |  |  |  | {sgemm_rate(tokens):.0f} |  |  |", flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
