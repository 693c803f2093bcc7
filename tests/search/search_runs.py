"""What checks of cso-search need: the test server, seeds, prompts, configurations, and the program itself."""
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROLES = ("strategy", "supporter", "seeker", "judge")
KEY = "canary-5f0c-never-written-71aa"
STRATEGIES = ["Emotional Validation", "Affirmation", "Collaborative Planning", "Empathetic Statements", "Avoid Judgment and Criticism",
              "Provide Different Perspectives", "Reframe Negative Thoughts", "Share Information"]

# Short, so that many trees are quick; with braces that are text and with texts that look like placeholders.
PROMPTS = 'greeting = "Hello, {history} and {you}?"\n' + "".join(
    f'[[strategy]]\nname = "{name}"\ndescription = "About {{strategy}}: {name.lower()}."\n' for name in STRATEGIES) + '''
[prompt.strategy]
system = "Score {a: 1} these:\\n{strategies}\\n"
user = "{history}\\n{unknown}"
[prompt.supporter]
system = ""
user = "{strategies}\\n{history}|{strategy}={strategy_description}{history"
[prompt.seeker]
system = "You: {situation} ({emotion})"
user = "{history}"
[prompt.judge]
system = "Four lines."
user = "Judge:\\n{history}"
'''


class Failed(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


class Server:
    """endpoint_server.py with roles.py; environment: the roles' settings."""

    def __init__(self, *arguments, roles=True, **environment):
        command = [sys.executable, str(HERE.parent / "endpoint" / "endpoint_server.py"), "--until-eof", *arguments]
        if roles:
            command += ["--roles", str(HERE / "roles.py")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "CSO_CHECK_KEY": KEY, **environment})
        line = self.process.stdout.readline()
        self.check_alive()
        self.port = int(line)

    def check_alive(self):
        status = self.process.poll()
        check(status is None, f"somebody ended the test server: {status}")

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as response:
            return json.load(response)

    def stats(self):
        return self.get("/stats")

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.check_alive()
        self.close()


def text_of(draw, words):
    text = " ".join(draw.choice(["cold", "sister", "it's", "naïve", "雨", "{strategy}", "\"no\"", "again\nand", "<b>", "🙂", "(start)"])
                    for _ in range(words))
    return text + draw.choice([".", "?", ""])


def make_seeds(number, count, golden=0.4):
    """Records of seeds, the same for the same number."""
    draw = random.Random(f"seeds {number}")
    seeds = []
    for i in range(count):
        seed = {"description": f"seed{i}x: " + text_of(draw, 6), "scene": text_of(draw, 2)}
        if draw.random() < golden:
            seed["messages"] = messages = []
            for turn in range(draw.randint(1, 4)):
                messages.append({"role": "user", "content": f"{turn} " + text_of(draw, 4)})
                name = draw.choice(STRATEGIES)
                messages.append({"role": "assistant", "content": f"{turn} " + text_of(draw, 5),
                                 "strategy": draw.choice([name, name, name.upper()]), "negative": [], "x": turn})
            if draw.random() < 0.3:
                messages.append({"role": "user", "content": "thanks"})
            seed["unknown"] = {"a": [1]}
        seeds.append(seed)
    return seeds


class Case:
    """A folder with seeds, prompts and a configuration."""

    def __init__(self, folder, seeds, search=None, extract=None, role=None, prompts=PROMPTS):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.run = self.folder / "run"
        lines = "".join(json.dumps(seed, ensure_ascii=False) + "\n" for seed in seeds)
        (self.folder / "seeds.jsonl").write_text(lines, encoding="utf-8")
        (self.folder / "prompts.toml").write_text(prompts, encoding="utf-8")
        self.count = len(seeds)
        tables = {"search": {"seeds": ["seeds.jsonl"], "prompts": "prompts.toml", "dir": "run", **(search or {})},
                  "extract": extract or {}}
        for name in ROLES:
            tables[f"role.{name}"] = {"model": name, "api_key_env": "CSO_CHECK_KEY", "retry_seconds": 0.0, **(role or {}),
                                      **(role or {}).get(name, {})}
            for other in ROLES:
                tables[f"role.{name}"].pop(other, None)
        self.config = self.folder / "config.toml"
        self.config.write_text("".join(f"[{table}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in rows.items())
                                       for table, rows in tables.items()), encoding="utf-8")

    def command(self, program, port, *arguments):
        """port: the server's, 0: none listens there."""
        endpoints = []
        for name in ROLES:
            endpoints += ["--set", f"role.{name}.endpoint=http://127.0.0.1:{port or 1}/v1"]
        return [str(program), "--config", str(self.config), *endpoints, *arguments]

    def start(self, program, port, *arguments, **options):
        environment = {**os.environ, "CSO_CHECK_KEY": KEY}
        return subprocess.Popen(self.command(program, port, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=environment, cwd=self.folder, **options)

    def go(self, program, port, *arguments, status=0, timeout=300):
        """Runs the program to its end, which must have this exit status; what it printed."""
        process = self.start(program, port, *arguments)
        try:
            out, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Failed(f"no end after {timeout} s")
        check(process.returncode == status, f"exit status {process.returncode} (expected {status}): {errors[-2000:]}")
        check(KEY not in out + errors, "the key is in what the program prints")
        return out, errors

    def results(self):
        """All that does not depend on how a run went: records and trees, by name."""
        files = sorted((self.run / "trees").iterdir()) + [self.run / "esc-pro.jsonl"]
        return {file.name: file.read_bytes() for file in files}

    def trees(self):
        return [json.loads(file.read_text(encoding="utf-8")) for file in sorted((self.run / "trees").iterdir())]

    def calls(self):
        return sum(sum(tree["calls"].values()) for tree in self.trees())

    def journal(self, index):
        return self.run / "journal" / f"{index:06}.jsonl"

    def journalled(self):
        """Answers in all journals."""
        folder = self.run / "journal"
        return sum(max(0, file.read_bytes().count(b"\n") - 1) for file in folder.iterdir()) if folder.exists() else 0

    def check_no_key(self):
        for file in self.folder.rglob("*"):
            if file.is_file():
                check(KEY.encode() not in file.read_bytes(), f"the key is in {file}")
                check(not file.name.startswith("core"), f"there is a core: {file}")


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, f"{what}: not after {seconds} s")
        time.sleep(0.01)


def kill(process, number=signal.SIGKILL):
    """What the process printed until then, and its exit status."""
    if process.poll() is None:
        process.send_signal(number)
    out, errors = process.communicate(timeout=60)
    check(KEY not in out + errors, "the key is in what the program prints")
    return out, errors, process.returncode
