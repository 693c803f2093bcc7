"""Small good files, made by the project's own writers and tests/golden: what all hostile inputs start from."""
import json
import os
import shutil
import subprocess

import gguf
import tensors
import values

FAMILIES = ["llama", "qwen2", "gemma2"]
TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0"]
SMALL = ["--hidden", "32", "--ffn", "32", "--heads", "2", "--kv-heads", "1", "--head-dim", "16"]

CHATS = [{"prompt": [{"role": "user", "content": "d%d" % (i // 2)}], "chosen": [{"role": "assistant", "content": "yes, %d" % i}],
          "rejected": [{"role": "assistant", "content": "no %d" % i}]} for i in range(5)]
TREE = {"description": "A flat.", "scene": "Friends", "iter": 3, "messages": [
    {"role": "user", "content": "He left."},
    {"role": "assistant", "content": "That hurts.", "strategy": "Emotional Validation",
     "negative": [{"content": "So?", "strategy": "Share Information"}, {"content": "A list.", "strategy": "Collaborative Planning"}]},
    {"role": "user", "content": "I know."},
    {"role": "assistant", "content": "Other reasons?", "strategy": "Reframe Negative Thoughts", "negative": [{"content": "Hm.", "strategy": "Affirmation"}]}]}
RECORDS = {
    "preference": CHATS[0],
    "texts": {"prompt": "Once", "chosen": " there was", "rejected": " never"},
    "implicit": {"chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
                 "rejected": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "c"}]},
    "tree": TREE,
    "pair": {"messages": [{"role": "user", "content": "a"}], "scene": "s", "description": "d", "chosen": {"role": "assistant", "content": "(Affirmation) b"},
             "reject": {"role": "assistant", "content": "(Affirmation) c"}},
    "chat": {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
             "add_generation_prompt": False},
    "text": {"text": "Hello there, 12345 you'll see\n\n  caf\u00e9 \u4f60\u597d \U0001f600"},
    "ids": {"ids": [1, 2, 3, 100, 200]},
}
WORDS = ["Hello there,  12345 you'll\r\n\n\tsee", "caf\u00e9 cafe\u0301 \u1100\u1161\u11a8 \u4f60\u597d \U0001f600\u200d\U0001f600 \u2581\u2581 \ufeff", "<|im_start|>user<|im_end|><bos><start_of_turn>",
         " " * 300, "ab" * 2000, "\u0000\u0001\u007f", ""]


class Fixtures:
    """Paths of good files by name; parsed ones are kept."""

    def __init__(self, programs, golden, folder):
        self.programs, self.golden, self.folder = programs, golden, folder
        self._parsed = {}

    def path(self, name):
        return os.path.join(self.golden, name[7:]) if name.startswith("golden/") else os.path.join(self.folder, name)

    def bytes(self, name):
        if ("bytes", name) not in self._parsed:
            with open(self.path(name), "rb") as file:
                self._parsed["bytes", name] = file.read()
        return self._parsed["bytes", name]

    def _get(self, kind, name, parse):
        if (kind, name) not in self._parsed:
            self._parsed[kind, name] = parse(self.bytes(name))
        return self._parsed[kind, name]

    def gguf(self, name):
        return self._get("gguf", name, gguf.read).copy()

    def safetensors(self, name):
        return self._get("safetensors", name, tensors.read).copy()

    def json(self, name):
        return values.copy(self._get("json", name, lambda data: values.load(data.decode())))

    # Making them

    def _call(self, program, *arguments):
        done = subprocess.run([os.path.join(self.programs, program), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise RuntimeError("%s %s: %s" % (program, " ".join(arguments), done.stderr))

    def _model(self, family, out, *more):
        self._call("cso-inspect", "-q", "--make-model", family, "--preset", "tiny", "--out", self.path(out), *more)

    def make(self):
        os.makedirs(self.folder, exist_ok=True)
        with open(self.path("chats.jsonl"), "w", encoding="utf-8") as file:
            file.write("".join(json.dumps(record) + "\n" for record in CHATS))
        with open(self.path("words.jsonl"), "w", encoding="utf-8") as file:
            file.write("".join(json.dumps({"text": text}) + "\n" for text in WORDS) + json.dumps(RECORDS["chat"]) + "\n")
        with open(self.path("texts.jsonl"), "w", encoding="utf-8") as file:
            file.write("".join(json.dumps({"text": text}) + "\n" for text in WORDS[:3]) + json.dumps(RECORDS["ids"]) + "\n")
        for family in FAMILIES:
            os.makedirs(self.path(family), exist_ok=True)
            golden = os.path.join(self.golden, "models", family + "-tiny")
            self._model(family, family + "/bytes", *SMALL, "--layers", "1")
            self._model(family, family + "/hf", *SMALL, "--tokenizer", golden)
            self._model(family, family + "/sharded", *SMALL, "--layers", "1", "--max-shard-size", "20KB")
            for kind in TYPES:
                self._model(family, "%s/%s.gguf" % (family, kind), *SMALL, "--layers", "1", "--type", kind)
            self._model(family, family + "/words.gguf", *SMALL, "--layers", "1", "--tokenizer",
                        os.path.join(self.golden, "gguf", family + "-tiny-Q8_0.gguf"))
            self._run(family)
        for kind in ("Q4_K", "Q6_K"):
            self._model("llama", "llama/%s.gguf" % kind, "--hidden", "256", "--ffn", "256", "--heads", "2", "--kv-heads", "1", "--layers", "1", "--type", kind)

    def _run(self, family):
        """A run with two checkpoints, an evaluation and a reference cache; its last adapter is the adapter of the family."""
        with open(self.path(family + "/run.toml"), "w", encoding="utf-8") as file:
            file.write(RUN % {"model": self.path(family + "/hf"), "data": self.path("chats.jsonl")})
        self._call("cso-train", "-q", "-t", "1", "-c", self.path(family + "/run.toml"))
        shutil.copytree(self.path(family + "/run/adapter"), self.path(family + "/adapter"))


RUN = """[model]
path = "%(model)s"
[data]
train = ["%(data)s"]
eval = ["%(data)s"]
[lora]
rank = 2
alpha = 4.0
[train]
batch_size = 2
max_steps = 2
learning_rate = 1e-3
threads = 1
memory_gib = 0.25
[checkpoint]
dir = "run"
every_steps = 1
"""
