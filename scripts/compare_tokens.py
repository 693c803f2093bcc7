#!/usr/bin/env python3
"""Feeds cso the tokens that another engine chose, and counts how often cso would have chosen the same.

    scripts/compare_tokens.py --model FILE.gguf --server LLAMA_SERVER [--records data/sample/train.tree.jsonl] [--prompts 20]
                              [--tokens 64] [--threads 2] [--compute fast] [--bin build/bin] [--json]

LLAMA_SERVER is a llama-server built from source. It continues dialogues of the records, cut after 1, 3, 5, ... messages, always with
its most probable token; cso then gives its most probable tokens after every beginning of these replies, with their
log-probabilities. Where the two differ, the difference of cso's log-probabilities tells how near a tie it was. Dialogues that the
server ends early count with the positions they have, and more are taken until there are prompts x tokens positions.
"""
import argparse
import json
import math
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
ALTERNATIVES = 20


def fail(message):
    sys.exit(f"compare_tokens: {message}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=600) as response:
        return json.load(response)


def wait_for(url, process):
    for _ in range(600):
        if process.poll() is not None:
            fail(f"the server ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url + "/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    fail("the server does not answer")


def dialogues(path):
    """Beginnings of dialogues that end with what the seeker says."""
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            messages = [{"role": m["role"], "content": m["content"]} for m in json.loads(line)["messages"]]
            for end in range(1, len(messages) + 1):
                if messages[end - 1]["role"] == "user":
                    yield messages[:end]


def end_tokens(options):
    rows = [{"text": text} for text in ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<end_of_turn>", "<eos>")]
    found = run(f"{options.bin}/cso-data", ["tokenize", "--model", options.model, "--parse-special", "-"],
                "".join(json.dumps(row) + "\n" for row in rows))
    return {row["ids"][0] for row in found if len(row["ids"]) == 1}


def run(program, args, text):
    done = subprocess.run([program, *args], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        fail(f"{program}: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def as_ids(options, chats):
    rows = "".join(json.dumps({"messages": chat, "add_generation_prompt": True}) + "\n" for chat in chats)
    return [row["ids"] for row in run(f"{options.bin}/cso-data", ["tokenize", "--model", options.model, "-"], rows)]


def replies_of_server(options, prompts):
    port = free_port()
    command = [options.server, "-m", options.model, "--port", str(port), "-t", str(options.threads), "-c", "8192", "-np", "1"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            url, replies, left = f"http://127.0.0.1:{port}", [], options.prompts * options.tokens
            wait_for(url, process)
            for prompt in prompts:
                if left <= 0:
                    break
                body = {"prompt": prompt, "n_predict": min(options.tokens, left), "temperature": 0, "top_k": 1,
                        "return_tokens": True, "cache_prompt": False}
                tokens = post(url + "/completion", body)["tokens"]
                left -= len(tokens)
                replies.append((prompt, tokens))
            return replies
        finally:
            process.terminate()
            process.wait()


def choices_of_cso(options, replies):
    """cso's most probable tokens after each beginning: lists of (id, log-probability)."""
    rows = [{"ids": prompt + tokens[:k]} for prompt, tokens in replies for k in range(len(tokens))]
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows))
        file.flush()
        found = run(f"{options.bin}/cso-generate",
                    ["--model", options.model, "--file", file.name, "--out", "-", "--max-tokens", "1", "--logprobs",
                     str(ALTERNATIVES), "--compute", options.compute, "--threads", str(options.threads)], "")
    return found


def compare(replies, choices, ends):
    """ends: the tokens that end a reply, which the server gives and cso leaves out."""
    places = [(d, k, token) for d, (_, tokens) in enumerate(replies) for k, token in enumerate(tokens)]
    if len(places) != len(choices):
        fail(f"cso-generate gave {len(choices)} replies (expected {len(places)})")
    differences = []
    for (dialogue, k, token), choice in zip(places, choices):
        own = choice["ids"][0] if choice["ids"] else None  # none: cso would end the reply here
        if own == token or (own is None and token in ends):
            continue
        top = {entry["id"]: entry["logprob"] for entry in choice["top_logprobs"][0]} if choice.get("top_logprobs") else {}
        best = max(top.values(), default=float("nan"))
        differences.append({"dialogue": dialogue, "token": k, "own": own, "other": token,
                            "gap": best - top.get(token, float("-inf")), "probability": math.exp(best)})
    return {"positions": len(places), "agree": len(places) - len(differences),
            "largest_gap": max((place["gap"] for place in differences), default=0.0), "differences": differences}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--server", required=True)
    parser.add_argument("--records", default=str(ROOT / "data" / "sample" / "train.tree.jsonl"))
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compute", default="fast")
    parser.add_argument("--bin", default=str(ROOT / "build" / "bin"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    replies = replies_of_server(options, as_ids(options, dialogues(options.records)))
    out = compare(replies, choices_of_cso(options, replies), end_tokens(options))
    out = {"model": options.model, "compute": options.compute, "dialogues": len(replies), **out}
    if options.json:
        print(json.dumps(out))
        return
    print(f"{out['model']} ({out['compute']}): {out['agree']} of {out['positions']} tokens are cso's choice, too "
          f"({100 * out['agree'] / out['positions']:.2f} %), in {out['dialogues']} dialogues")
    for place in out["differences"]:
        print(f"  dialogue {place['dialogue']}, token {place['token']}: {place['gap']:.4f} nats apart, the choice has probability "
              f"{place['probability']:.3f}")


if __name__ == "__main__":
    main()
