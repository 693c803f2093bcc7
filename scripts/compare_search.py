#!/usr/bin/env python3
"""Times a search whose roles are played by the own engine against the same calls sent to a llama-server, in turns on this machine.

    scripts/compare_search.py --config CONFIG.toml --server 'LLAMA-SERVER [OPTIONS]' [--model FILE.gguf] [--slots 16]
                              [--slot-context 4096] [--rounds 1] [--program build/bin/cso-search] [--keep FOLDER] [--json]

LLAMA-SERVER was built from source with this processor's instructions. The configuration has roles with `path`; --model is what the server
loads, by default the path of role.supporter.

In a round the search runs first with its own roles, then again with endpoint roles behind a small relay. The relay knows each question from
the first run's journal. It has the server write as many tokens as the first run's answer has, whatever they say (ignore_eos), with prompt
cache, and hands back the first run's answer. So both runs make the same calls, as many at once, with the same tokens to read and to write,
and the ratio of their wall times is that of the engines. Answers of the own engine are constrained, those of the server are not: that spares
the server the work of a grammar, and the own engine the steps for text that its form leaves no choice about.

The two runs must have written the same records. Nothing else should run.
"""
import argparse
import collections
import ctypes
import ctypes.util
import http.client
import http.server
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROLES = ("strategy", "supporter", "seeker", "judge")
ROLE_KEYS = ("temperature", "max_tokens", "context", "max_retries")  # that both kinds of roles have
SEARCH_KEYS_OF_ENGINE = ("memory_gib", "threads")


def fail(message):
    sys.exit(f"compare_search: {message}")


# ---- the first run's answers ----

class Hash128(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


def load_hash():
    name = ctypes.util.find_library("xxhash")
    if not name:
        fail("libxxhash is not installed")
    function = ctypes.CDLL(name).XXH3_128bits
    function.restype = Hash128
    function.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    return function


class Answers:
    """What the first run's journals say, by question; a question that was asked twice has its answers in the order of its calls."""

    def __init__(self, folder):
        self.hash = load_hash()
        self.lock = threading.Lock()
        self.entries = collections.defaultdict(collections.deque)
        for path in sorted((folder / "journal").glob("*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line.split(" ", 1)[1])
                if "question" in entry:
                    self.entries[entry["question"]].append(entry)
        self.calls = sum(map(len, self.entries.values()))
        self.tokens = sum(entry["completion_tokens"] for entries in self.entries.values() for entry in entries)

    def take(self, messages):
        texts = {message["role"]: message["content"] for message in messages}
        question = texts.get("system", "").encode() + b"\0" + texts["user"].encode()
        value = self.hash(question, len(question))
        with self.lock:
            found = self.entries[f"{value.high:016x}{value.low:016x}"]
            return found.popleft() if found else None


# ---- the relay ----

class Relay(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answers, port):
        self.answers, self.server_of_model = answers, port
        self.lock = threading.Lock()
        self.per_role = {role: collections.Counter() for role in ROLES}
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def reply(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        entry = self.server.answers.take(asked["messages"])
        if not entry:
            self.reply(400, {"error": {"message": "the first run did not ask this"}})
            return
        asked |= {"max_tokens": max(1, entry["completion_tokens"]), "ignore_eos": True, "cache_prompt": True}
        begin = time.monotonic()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.server.server_of_model, timeout=3600)
            connection.request("POST", "/v1/chat/completions", json.dumps(asked), {"Content-Type": "application/json"})
            response = connection.getresponse()
            found = json.loads(response.read())
            connection.close()
        except (OSError, http.client.HTTPException, json.JSONDecodeError) as error:
            self.reply(400, {"error": {"message": f"llama-server: {error}"}})
            return
        if response.status != 200:
            self.reply(400, found)
            return
        usage, timings = found["usage"], found.get("timings", {})
        with self.server.lock:
            self.server.per_role[entry["role"]].update(
                calls=1, seconds=time.monotonic() - begin, prompt=usage["prompt_tokens"], written=usage["completion_tokens"],
                computed=timings.get("prompt_n", usage["prompt_tokens"]), own_prompt=entry["prompt_tokens"])
        self.reply(200, {"choices": [{"message": {"role": "assistant", "content": entry["answer"]},
                                      "finish_reason": "length" if entry["cut"] else "stop"}],
                         "usage": {key: entry[key] for key in ("prompt_tokens", "completion_tokens")}})


# ---- the runs ----

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start_server(options, model):
    port = free_port()
    command = shlex.split(options.server) + ["--model", model, "--host", "127.0.0.1", "--port", str(port), "--parallel", str(options.slots),
                                             "--ctx-size", str(options.slots * options.slot_context)]
    log = tempfile.TemporaryFile()
    process = subprocess.Popen(command, stdout=log, stderr=log)
    for _ in range(600):
        time.sleep(0.2)
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return process, port
        except OSError:
            pass
        if process.poll() is not None:
            break
    process.kill()
    log.seek(0)
    fail(f"{command[0]} did not start: {log.read()[-2000:].decode(errors='replace')}")


def toml_value(value):
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def write_endpoint_config(config, path, base, port):
    """The same search, whose roles are endpoints; files stand where the first configuration has them."""
    search = {key: value for key, value in config["search"].items() if key not in SEARCH_KEYS_OF_ENGINE}
    search["seeds"] = [str(base / seed) for seed in search["seeds"]]
    search["prompts"] = str(base / search["prompts"])
    lines = ["[search]"] + [f"{key} = {toml_value(value)}" for key, value in search.items()]
    lines += ["[extract]"] + [f"{key} = {toml_value(value)}" for key, value in config.get("extract", {}).items()]
    for role in ROLES:
        keys = {key: config["role"][role][key] for key in ROLE_KEYS if key in config["role"][role]}
        keys |= {"endpoint": f"http://127.0.0.1:{port}/v1", "model": "m", "api_key_env": "", "max_parallel": 1024, "timeout_seconds": 3600.0,
                 "max_retries": 0}
        lines += [f"[role.{role}]"] + [f"{key} = {toml_value(value)}" for key, value in keys.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def search(options, config, folder):
    """A run's seconds, and what it said last."""
    command = [options.program, "--config", str(config), "--set", f'search.dir="{folder}"', "--resume", "never"]
    begin = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - begin
    said = done.stderr.strip().splitlines()
    if done.returncode:
        fail(f"{config}: ended with {done.returncode}: {(said or ['it said nothing'])[-1]}")
    return seconds, said


def reused_of(said):
    """The percentage of prompt tokens that the own engine reused, by its last line that tells."""
    for line in reversed(said):
        found = re.search(r"([\d.]+) % of .* prompt tokens reused", line)
        if found:
            return float(found.group(1))
    return None


def one_round(options, config, base, work):
    own, theirs = work / "own", work / "server"
    for folder in (own, theirs):
        shutil.rmtree(folder, ignore_errors=True)
    own_seconds, said = search(options, pathlib.Path(options.config).resolve(), own)
    answers = Answers(own)
    calls, tokens = answers.calls, answers.tokens
    process, port = start_server(options, options.model or str(base / config["role"]["supporter"]["path"]))
    relay = Relay(answers, port)
    threading.Thread(target=relay.serve_forever, daemon=True).start()
    try:
        write_endpoint_config(config, work / "server.toml", base, relay.server_address[1])
        server_seconds, _ = search(options, work / "server.toml", theirs)
    finally:
        relay.shutdown()
        process.terminate()
        process.wait()
    same = (own / "esc-pro.jsonl").read_bytes() == (theirs / "esc-pro.jsonl").read_bytes()
    return {"own_seconds": own_seconds, "server_seconds": server_seconds, "ratio": own_seconds / server_seconds, "calls": calls,
            "tokens": tokens, "own_reused_percent": reused_of(said), "same_records": same, "roles": relay.per_role}


def report(result):
    print(f"{result['calls']} calls, {result['tokens']} tokens written")
    for name in ("own", "server"):
        seconds = result[f"{name}_seconds"]
        print(f"  {name:6}  {seconds:8.1f} s   {1000 * seconds / result['calls']:7.1f} ms a call   {1000 * seconds / result['tokens']:6.2f} ms a token")
    prompt, computed = (sum(counts[key] for counts in result["roles"].values()) for key in ("prompt", "computed"))
    own = result["own_reused_percent"]
    print(f"  own / server: {result['ratio']:.3f}; prompt tokens reused: {'not told' if own is None else f'{own:.1f} %'} and "
          f"{100 - 100 * computed / max(1, prompt):.1f} %; records {'are the same' if result['same_records'] else 'DIFFER'}")
    for role, counts in result["roles"].items():
        if counts["calls"]:
            n = counts["calls"]
            print(f"  {role:10} {n:6} calls, prompts of {counts['own_prompt'] / n:.0f} tokens (server: {counts['prompt'] / n:.0f}), "
                  f"answers of {counts['written'] / n:.0f}; server {counts['seconds'] / n:.2f} s a call")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True)
    parser.add_argument("--server", required=True, help="llama-server, with options")
    parser.add_argument("--model", help="GGUF for the server")
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--slot-context", type=int, default=4096, help="tokens of a slot")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--program", default=str(ROOT / "build/bin/cso-search"))
    parser.add_argument("--keep", help="folder in which the last round's runs stay")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server ends, too
    path = pathlib.Path(options.config).resolve()
    try:
        config = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        fail(f"{path}: {error}")
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(options.keep or temporary)
        os.makedirs(work, exist_ok=True)
        results = [one_round(options, config, path.parent, work) for _ in range(options.rounds)]
    if options.json:
        print(json.dumps(results))
    else:
        for result in results:
            report(result)
        if len(results) > 1:
            print(f"median of own / server: {statistics.median(result['ratio'] for result in results):.3f}")
    return 0 if all(result["same_records"] for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
