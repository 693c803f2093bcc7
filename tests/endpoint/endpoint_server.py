#!/usr/bin/env python3
"""A server for tests that plays an OpenAI-compatible endpoint (POST .../chat/completions) on 127.0.0.1, with faults on request.

    endpoint_server.py [--roles FILE.py] [--faults LIST --rate 0.2 --seed N --most N] [--delay SECONDS] [--log FILE]
                       [--key-env NAME] [--tls CERT KEY] [--redirect-to URL] [--until-eof]

It prints its port and a newline, and serves until it is killed; with --until-eof until standard input ends, so that it never outlives a
test that holds the other end.

--roles     a Python file with answer(model, system, user) -> text; without it an answer is "[DIGEST] " and the beginning of the question
--faults    names below with commas between them, or "all"; --rate: how often one of them happens, decided by a hash of (seed, request, how
            often that request came before), so that a run can be repeated; --most: at most so many faults in a row for one request
--delay     seconds that every answer takes
--log       appends a JSON line for each good answer, once it is sent: digest (of model and messages), model, authorization ("expected",
            "other", "none"). The key is never written
--key-env   the environment variable with the key that is expected; another one gets 401
--tls       serves https
--redirect-to: where "redirect" (302) and "moved" (308) point

A model named "fault:NAME" always gets that fault, "fault:NAME*2" for the first two times that a request comes.
GET /stats: requests, answered (good answers sent), most_at_once, faults by name, repeated (good answers sent for a request that had one
before), authorization, users (the beginnings of the user messages in the order in which they came). GET /reset forgets all of it.
"""
import argparse
import hashlib
import importlib.util
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Faults after which a good answer comes all the same, those of "all" (each is one after which another try may succeed), and the rest.
GOOD_OF_ALL = ["slow", "drip", "no-usage"]
GOOD = GOOD_OF_ALL + ["length"]
TRANSIENT = ["429-0", "429-1", "429-past", "500", "503", "cut", "reset", "hang", "not-json", "truncated-json", "deep-json", "no-choices",
             "error-200", "wrong-role", "empty", "huge", "redirect"]
BY_NAME = ["429-huge", "429-quota", "400", "401", "403", "404", "408", "moved", "echo-key", "echo-key-200", "big-body", "endless-headers",
           "stall", "many-values"]
MEGABYTE = 1 << 20


def digest_of(model, messages):
    text = json.dumps([model, messages], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class State:
    """What all requests share."""

    def __init__(self, options):
        self.options = options
        self.lock = threading.Lock()
        self.seen, self.sent, self.faults = {}, {}, {}
        self.requests = self.answered = self.repeated = self.now = self.most = 0
        self.sending = 0  # good answers that are not counted yet
        self.authorization = {"expected": 0, "other": 0, "none": 0}
        self.users = []
        self.log = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if options.log else None
        self.answer = None
        if options.roles:
            spec = importlib.util.spec_from_file_location("roles", options.roles)
            module = importlib.util.module_from_spec(spec)
            sys.dont_write_bytecode = True
            spec.loader.exec_module(module)
            self.answer = module.answer

    def begin(self, user):
        with self.lock:
            self.requests += 1
            self.now += 1
            self.most = max(self.most, self.now)
            if len(self.users) < 10000:
                self.users.append(user[:60])

    def choose(self, model, digest):
        """The fault of this request, None: none."""
        with self.lock:
            before = self.seen[digest] = self.seen.get(digest, -1) + 1
        fault = None
        if model.startswith("fault:"):
            fault, _, times = model[6:].partition("*")
            if times and before >= int(times):
                fault = None
        elif self.options.faults and not (self.options.most and before >= self.options.most):
            number = hashlib.sha256(f"{self.options.seed} {digest} {before}".encode()).digest()
            if int.from_bytes(number[:8], "big") / 2**64 < self.options.rate:
                fault = self.options.faults[int.from_bytes(number[8:16], "big") % len(self.options.faults)]
        if fault:
            with self.lock:
                self.faults[fault] = self.faults.get(fault, 0) + 1
        return fault

    def note_answer(self, digest, model, authorization):
        with self.lock:
            self.answered += 1
            self.repeated += digest in self.sent
            self.sent[digest] = True
            if self.log is not None:
                line = json.dumps({"digest": digest, "model": model, "authorization": authorization})
                os.write(self.log, (line + "\n").encode())

    def stats(self):
        for _ in range(100):
            if self.sending:
                time.sleep(0.01)
        with self.lock:
            return {"requests": self.requests, "answered": self.answered, "repeated": self.repeated, "most_at_once": self.most,
                    "faults": self.faults, "authorization": self.authorization, "users": self.users}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state = None
    running = False

    def log_message(self, *args):
        pass

    # Sending

    def send(self, status, body, headers=()):
        """A whole response."""
        if isinstance(body, dict):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode("utf-8", "surrogatepass")
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers)
        self.wfile.write(head.encode() + b"\r\n" + body)
        self.wfile.flush()

    def send_error_body(self, status, message, headers=(), code=None):
        self.send(status, {"error": {"message": message, "type": "test", "code": code}}, headers)

    def cut(self, body):
        """Half of a body, then the connection closes."""
        body = body.encode()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:len(body) // 2])
        self.wfile.flush()
        self.close_connection = True

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def drip(self, body):
        body = body.encode()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        for at in range(0, len(body), 16):
            if at + 16 >= len(body):
                self.leave()
            self.wfile.write(body[at:at + 16])
            self.wfile.flush()
            time.sleep(0.01)

    def stall(self, body):
        """A byte in 50 ms, for longer than anyone waits."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(400):
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(0.05)
        self.close_connection = True

    def endless_headers(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(100000):
            self.wfile.write(b"X-%d: %s\r\n" % (number, b"x" * 1000))

    # What comes instead of a plain answer, by name

    def play_good(self, fault, response):
        if fault == "slow":
            time.sleep(0.3)
        elif fault == "no-usage":
            del response["usage"]
        elif fault == "length":
            response["choices"][0]["finish_reason"] = "length"
        if fault == "drip":
            self.drip(json.dumps(response))
        else:
            self.leave()
            self.send(200, response)

    def play(self, fault, good):
        """good: the response that would have been right."""
        message = good["choices"][0]["message"]
        text = json.dumps(good)
        key = self.headers.get("Authorization", "")
        if fault == "hang":
            time.sleep(2)
        self.leave()
        if fault == "hang":
            self.close_connection = True
        elif fault.startswith("429-"):
            after = {"0": "0", "1": "1", "past": formatdate(time.time() - 86400, usegmt=True), "huge": "1000000000", "quota": "1"}[fault[4:]]
            self.send_error_body(429, "too many requests", [("Retry-After", after)], "insufficient_quota" if fault == "429-quota" else None)
        elif fault.isdigit():
            self.send_error_body(int(fault), f"the server says {fault}\nand more\x1b[31m")
        elif fault == "cut":
            self.cut(text)
        elif fault == "reset":
            self.reset()
        elif fault == "stall":
            self.stall(text)
        elif fault == "not-json":
            self.send(200, "<html>it works</html>")
        elif fault == "truncated-json":
            self.send(200, text[:len(text) // 2])
        elif fault == "deep-json":
            self.send(200, '{"choices":' + "[" * 100000)
        elif fault == "many-values":
            self.send(200, "[" + "0," * 2000000 + "0]")
        elif fault == "no-choices":
            self.send(200, {"id": "x", "object": "list", "data": []})
        elif fault == "error-200":
            self.send(200, {"error": {"message": "overloaded", "type": "server_error", "code": "overloaded"}})
        elif fault == "wrong-role":
            message["role"] = "user"
            self.send(200, good)
        elif fault == "empty":
            message["content"] = ""
            self.send(200, good)
        elif fault == "huge":
            message["content"] = "x" * MEGABYTE
            self.send(200, good)
        elif fault == "big-body":
            self.send(200, b" " * (20 * MEGABYTE))
        elif fault == "endless-headers":
            self.endless_headers()
        elif fault in ("redirect", "moved"):
            self.send(302 if fault == "redirect" else 308, "", [("Location", self.state.options.redirect_to)])
        elif fault == "echo-key":
            self.send_error_body(401, f"wrong header: {key} ({key[:-3]}) {key[7:20]}")
        elif fault == "echo-key-200":
            message["content"] = f"you sent {key}"
            self.send(200, good)
        else:
            self.send_error_body(400, f"the test server knows no fault {fault!r}")

    # Requests

    def authorization(self):
        given, name = self.headers.get("Authorization"), self.state.options.key_env
        expected = f"Bearer {os.environ[name]}" if name else None
        kind = "none" if given is None else "expected" if given == expected else "other"
        with self.state.lock:
            self.state.authorization[kind] += 1
        return kind

    def read_request(self):
        """(model, system, user, digest), or None after an answer that says what is wrong."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            request = json.loads(body)
            messages = request["messages"]
            roles = [message["role"] for message in messages]
            good = (set(request) == {"model", "messages", "temperature", "max_tokens", "stream"} and request["stream"] is False and
                    roles in (["user"], ["system", "user"]) and all(set(m) == {"role", "content"} for m in messages))
        except (ValueError, KeyError, TypeError):
            good = False
        if not good or not self.path.endswith("/chat/completions"):
            self.send_error_body(404 if good else 400, "no such address" if good else "not the request that was expected")
            return None
        system = messages[0]["content"] if len(messages) == 2 else ""
        return request["model"], system, messages[-1]["content"], digest_of(request["model"], messages)

    def do_GET(self):
        if self.path == "/reset":
            Handler.state = State(Handler.state.options)
        self.state = Handler.state
        self.send(200 if self.path in ("/stats", "/reset") else 404, self.state.stats())

    def do_POST(self):
        self.state = Handler.state
        asked = self.read_request()
        if asked is None:
            return
        model, system, user, digest = asked
        self.running = True
        self.state.begin(user)
        try:
            self.reply(model, system, user, digest)
        except (OSError, ValueError):  # the other side has gone, or the socket was reset by a fault
            self.close_connection = True
        finally:
            self.leave()

    def reply(self, model, system, user, digest):
        kind = self.authorization()
        fault = self.state.choose(model, digest)
        if self.state.options.key_env and kind != "expected":
            fault = "401"
        if self.state.options.delay:
            time.sleep(self.state.options.delay)
        text = self.state.answer(model, system, user) if self.state.answer else f"[{digest[:8]}] {user[:200]}"
        response = {"id": "chatcmpl-" + digest[:8], "object": "chat.completion", "model": model,
                    "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": (len(system) + len(user)) // 4 + 1, "completion_tokens": len(text) // 4 + 1}}
        if fault and fault not in GOOD:
            self.play(fault, response)
            return
        with self.state.lock:
            self.state.sending += 1
        try:
            self.play_good(fault, response)
            self.state.note_answer(digest, model, kind)
        finally:
            with self.state.lock:
                self.state.sending -= 1

    def leave(self):
        """The request no longer runs: before the last byte of its answer, since the next one may come before this thread goes on."""
        if self.running:
            self.running = False
            with self.state.lock:
                self.state.now -= 1


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--roles")
    parser.add_argument("--faults", default="")
    parser.add_argument("--rate", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0)
    parser.add_argument("--log")
    parser.add_argument("--key-env")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    parser.add_argument("--redirect-to", default="http://redirected.invalid/v1/chat/completions")
    parser.add_argument("--until-eof", action="store_true")
    options = parser.parse_args()
    options.faults = GOOD_OF_ALL + TRANSIENT if options.faults == "all" else [name for name in options.faults.split(",") if name]
    for name in options.faults:
        if name not in GOOD + TRANSIENT + BY_NAME:
            parser.error(f"no fault {name!r} (expected all, or some of {' '.join(GOOD + TRANSIENT + BY_NAME)})")
    if options.key_env and options.key_env not in os.environ:
        parser.error(f"the environment variable {options.key_env} is not set")
    return options


def end_with_input():
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


def main():
    options = read_options()
    Handler.state = State(options)
    server = Server(("127.0.0.1", 0), Handler)
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*options.tls)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    if options.until_eof:
        threading.Thread(target=end_with_input, daemon=True).start()
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
