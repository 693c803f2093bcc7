#!/usr/bin/env python3
"""Times cso-generate against a llama-server on the same turns of dialogues: the probabilities of the strategies, and a greedy reply.

    scripts/compare_server.py --model FILE.gguf --data TREES.jsonl --strategies FILE.toml --server 'LLAMA-SERVER [OPTIONS]'
                              [--max-tokens 64] [--slots 16] [--rounds 1] [--turns N] [--bin build/bin] [--json]

LLAMA-SERVER was built from source with this processor's instructions. Each turn of the supporter in TREES is a prompt, the dialogue before it under
the system prompt that lists the strategies; both sides get its token ids.

cso-generate answers the file with --strategy-probabilities and --max-tokens. The server is asked by as many clients as it has slots, with its
prompt cache: for the reply once, and once for each token of the strategies' names, "(NAME)" as the tokenizer has it, beginnings that names share
once. Such a question has the name's beginning behind the prompt and asks for one token, which a bias forces; its log-probability, of the model's own
distribution, is what is wanted. The server's interface has no cheaper exact way: a grammar spells names in other tokens, and the
log-probabilities of prompts are not given.

Times are wall times. That of cso-generate has the loading of the model; the server is up before its time begins. In a round cso comes first.
Nothing else should run.
"""
import argparse
import concurrent.futures
import http.client
import json
import math
import pathlib
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent


def fail(message):
    sys.exit(f"compare_server: {message}")


def lines_of(command, text=None):
    done = subprocess.run([str(word) for word in command], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        fail(f"{command[0]} ended with {done.returncode}: {(done.stderr.strip().splitlines() or ['it printed nothing'])[-1]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def read_prompts(options):
    """The token ids of every turn's prompt, and its rows for cso-generate."""
    dialogues = lines_of([options.bin / "cso-data", "convert", "--quiet", "--to", "sft", "--strategies", options.strategies, options.data])
    turns = []
    for dialogue in dialogues:
        messages = dialogue["messages"]
        turns += [messages[:i] for i, message in enumerate(messages) if message["role"] == "assistant"]
    turns = turns[:options.turns] if options.turns else turns
    rows = "".join(json.dumps({"messages": turn, "add_generation_prompt": True}) + "\n" for turn in turns)
    return [row["ids"] for row in lines_of([options.bin / "cso-data", "tokenize", "--model", options.model], rows)]


def run_cso(options, prompts, folder):
    rows, out = folder / "rows.jsonl", folder / "replies.jsonl"
    rows.write_text("".join(json.dumps({"ids": ids}) + "\n" for ids in prompts), encoding="utf-8")
    out.unlink(missing_ok=True)
    began = time.monotonic()
    lines_of([options.bin / "cso-generate", "--model", options.model, "--file", rows, "--out", out, "--strategies", options.strategies,
              "--strategy-probabilities", "--max-tokens", options.max_tokens, "--leaves", options.slots])
    seconds = time.monotonic() - began
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    return seconds, [(line["text"], line["strategies"]) for line in lines]


class Server:
    def __init__(self, options):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        words = shlex.split(options.server)
        self.process = subprocess.Popen([*words, "-m", str(options.model), "--port", str(self.port), "-np", str(options.slots), "-c",
                                         str(options.slots * options.slot_context), "--no-webui"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            if self.process.poll() is not None:
                fail(f"{words[0]} ended with {self.process.returncode}")
            try:
                if self.get("/health"):
                    return
            except OSError:
                pass
            time.sleep(0.1)
        fail("the server does not answer")

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        return connection.getresponse().status == 200

    def complete(self, ids, **more):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=3600)
        body = {"prompt": ids, "temperature": 0.0, "top_k": 1, "cache_prompt": True, **more}
        connection.request("POST", "/completion", json.dumps(body), {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        if "content" not in answer:
            fail(f"the server answers {str(answer)[:200]}")
        return answer

    def close(self):
        self.process.terminate()
        self.process.wait(30)


def ask(server, options, names, ids):
    """names: {name: token ids}."""
    reply = server.complete(ids, n_predict=options.max_tokens)["content"]
    logp_of = {}
    for name_ids in names.values():
        for i, token in enumerate(name_ids):
            beginning = tuple(name_ids[:i + 1])
            if beginning not in logp_of:
                answer = server.complete(ids + name_ids[:i], n_predict=1, n_probs=1, logit_bias=[[token, 1000.0]])["completion_probabilities"][0]
                if answer["id"] != token:
                    fail("the server does not take a forced token")
                logp_of[beginning] = answer["logprob"]
    logps = [sum(logp_of[tuple(name_ids[:i + 1])] for i in range(len(name_ids))) for name_ids in names.values()]
    highest = max(logps)
    weights = [math.exp(logp - highest) for logp in logps]
    return reply, {name: weight / sum(weights) for name, weight in zip(names, weights)}


def run_server(options, prompts, names):
    server = Server(options)
    try:
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(options.slots) as pool:
            answers = list(pool.map(lambda ids: ask(server, options, names, ids), prompts))
        return time.monotonic() - began, answers
    finally:
        server.close()


def top(strategies):
    return max(strategies, key=strategies.get)


def compare(options):
    names = [row["name"] for row in tomllib.loads(options.strategies.read_text(encoding="utf-8"))["strategy"]]
    rows = lines_of([options.bin / "cso-data", "tokenize", "--model", options.model], "".join(json.dumps({"text": f"({name})"}) + "\n" for name in names))
    names = {name: row["ids"] for name, row in zip(names, rows)}
    prompts = read_prompts(options)
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            cso_seconds, own = run_cso(options, prompts, pathlib.Path(folder))
            server_seconds, theirs = run_server(options, prompts, names)
            row = {"cso_seconds": cso_seconds, "server_seconds": server_seconds, "ratio": server_seconds / cso_seconds,
                   "same_top": sum(top(a[1]) == top(b[1]) for a, b in zip(own, theirs)),
                   "same_reply": sum(a[0].strip() == b[0].strip() for a, b in zip(own, theirs)),
                   "largest_difference": max(abs(a[1][name] - b[1][name]) for a, b in zip(own, theirs) for name in names)}
            rounds.append(row)
            print(f"round {number + 1}: cso {cso_seconds:.1f} s, server {server_seconds:.1f} s, {row['ratio']:.2f} times; of {len(prompts)} turns "
                  f"the likeliest strategy is the same in {row['same_top']}, the reply in {row['same_reply']}", file=sys.stderr, flush=True)
    return {"turns": len(prompts), "prompt_tokens": sum(map(len, prompts)), "ratio": statistics.median(row["ratio"] for row in rounds), "rounds": rounds}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, type=pathlib.Path)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--strategies", required=True, type=pathlib.Path)
    parser.add_argument("--server", required=True)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--slot-context", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--turns", type=int, default=0, help="only the first N; 0: all")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build" / "bin")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = compare(options)
    if options.json:
        print(json.dumps(result))
    else:
        print(f"{result['turns']} turns, {result['prompt_tokens']} prompt tokens: cso-generate is {result['ratio']:.2f} times as fast (median of "
              f"{options.rounds})")


if __name__ == "__main__":
    main()
