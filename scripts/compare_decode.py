#!/usr/bin/env python3
"""Times decoding with cso-bench against other engines' llama-batched-bench, in turns on this machine.

    scripts/compare_decode.py --model FILE.gguf --engine 'NAME=PROGRAM [OPTIONS]' [--engine ...] [--prompt 512] [--tokens 128]
                              [--leaves 1] [--prefix 0] [--threads 2] [--rounds 5] [--program build/bin/cso-bench] [--json]

PROGRAM is a llama-batched-bench that was built from source with this processor's instructions (of llama.cpp, ik_llama.cpp or another
fork). One NAME may come several times with different options: of its medians the best counts, for prefill and for decode by itself.
With --prefix each of the --leaves shares a beginning of so many tokens (-pps), else each has a prompt of its own of --prompt tokens.

    scripts/compare_decode.py --model models/SmolLM2-135M-Instruct.Q4_1.gguf --engine 'llama.cpp=L/llama-batched-bench -fa on' \\
        --engine 'ik_llama.cpp=I/llama-batched-bench -fa on -rtr' --engine 'ik_llama.cpp=I/llama-batched-bench -fa on'

In a round every engine runs once, cso first. An engine's figures are medians over the rounds; the ratio is the median of the rounds'
ratios, so that a machine that grows slower with time favours nobody. Nothing else should run.
"""
import argparse
import json
import pathlib
import shlex
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
KINDS = ("prefill", "decode")


def fail(message):
    sys.exit(f"compare_decode: {message}")


def output_of(command):
    """What a program prints, standard error after standard output."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        fail(f"{command[0]}: {error.strerror}")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        fail(f"{command[0]} ended with {done.returncode}: {last}")
    return done.stdout, done.stderr


def run_cso(options):
    command = [options.program, "decode", "--json", "--model", options.model, "--tokens", str(options.tokens),
               "--leaves", str(options.leaves), "--threads", str(options.threads), "--seconds", "1"]
    command += ["--prefix", str(options.prefix)] if options.prefix else ["--prompt", str(options.prompt)]
    found = json.loads(output_of(command)[0])
    return {kind: found[f"{kind}_tokens_per_second"] for kind in KINDS}, found


def table_rows(text):
    """The rows of llama-batched-bench's table: PP, TG, B, N_KV, T_PP, S_PP, T_TG, S_TG, T, S."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        try:
            numbers = [float(cell) for cell in cells]
        except ValueError:
            continue
        if len(numbers) == 10:
            yield numbers


def run_other(command, options):
    """The last of the repetitions in one process: the first one pays for memory that is touched for the first time."""
    prompt, repeats = options.prefix or options.prompt, 2
    context = options.leaves * (prompt + options.tokens)  # without a unified cache, a prefix is in each sequence's own
    command = command + ["-m", options.model, "-c", str(context + 256), "-b", "2048", "-ub", "512", "-t", str(options.threads),
                         "-tb", str(options.threads), "-npp", ",".join([str(prompt)] * repeats), "-ntg", str(options.tokens),
                         "-npl", str(options.leaves)] + (["-pps"] if options.prefix else [])
    rows = list(table_rows("\n".join(output_of(command))))
    if len(rows) != repeats:
        fail(f"{command[0]}: its table has {len(rows)} rows (expected {repeats})")
    return {"prefill": rows[-1][5], "decode": rows[-1][7]}


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--engine", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--leaves", type=int, default=1)
    parser.add_argument("--prefix", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--program", default=str(ROOT / "build" / "bin" / "cso-bench"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.variants = []
    for engine in options.engine:
        name, found, command = engine.partition("=")
        if not found or not shlex.split(command):
            fail(f"--engine {engine}: expected NAME=PROGRAM [OPTIONS]")
        options.variants.append((name, shlex.split(command)))
    return options


def measure(options):
    """Rates by engine (0: cso, then the variants) and kind, one for each round."""
    rates, last = [{kind: [] for kind in KINDS} for _ in range(1 + len(options.variants))], None
    for turn in range(options.rounds):
        for i in range(1 + len(options.variants)):
            if i == 0:
                found, last = run_cso(options)
            else:
                found = run_other(options.variants[i - 1][1], options)
            for kind in KINDS:
                rates[i][kind].append(found[kind])
        print(f"compare_decode: round {turn + 1} of {options.rounds}", file=sys.stderr)
    return rates, last


def summary(options, rates, last):
    out = {"model": options.model, "kernels": last["kernels"], "threads": options.threads, "leaves": options.leaves,
           "prompt": options.prefix or options.prompt, "shared": bool(options.prefix), "tokens": options.tokens,
           "rounds": options.rounds, "of_read": last["of_read"],
           "cso": {kind: statistics.median(rates[0][kind]) for kind in KINDS}, "engines": []}
    for name in dict.fromkeys(name for name, _ in options.variants):
        entry = {"name": name}
        for kind in KINDS:
            own = [i + 1 for i, (other, _) in enumerate(options.variants) if other == name]
            best = max(own, key=lambda i: statistics.median(rates[i][kind]))
            ratios = [a / b for a, b in zip(rates[0][kind], rates[best][kind])]
            entry[kind] = {"rate": statistics.median(rates[best][kind]), "ratio": statistics.median(ratios),
                           "lowest": min(ratios), "highest": max(ratios),
                           "options": " ".join(options.variants[best - 1][1][1:])}
        out["engines"].append(entry)
    return out


def show(out):
    prompt = f"{out['prompt']} tokens that all share" if out["shared"] else f"{out['prompt']} tokens each"
    print(f"{out['model']}: {out['leaves']} at once, {prompt}, then {out['tokens']}; {out['threads']} threads, {out['kernels']}")
    print(f"{'':16}{'prefill':>10}{'ratio':>8}{'':14}{'decode':>10}{'ratio':>8}")
    print(f"{'cso':16}{out['cso']['prefill']:10.0f}{'':22}{out['cso']['decode']:10.1f}")
    for entry in out["engines"]:
        cells = [entry[kind] for kind in KINDS]
        text = "".join(f"{cell['rate']:10.{digits}f}{cell['ratio']:8.2f}{cell['lowest']:7.2f}-{cell['highest']:<6.2f}"
                       for cell, digits in zip(cells, (0, 1)))
        print(f"{entry['name']:16}{text}   [{cells[0]['options']}; {cells[1]['options']}]")


def main():
    options = read_options()
    rates, last = measure(options)
    out = summary(options, rates, last)
    if options.json:
        print(json.dumps(out))
    else:
        show(out)


if __name__ == "__main__":
    main()
