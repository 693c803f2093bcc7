"""Inputs of a megabyte that are good or nearly so: what takes their size squared is noticed as a hang."""
import json
import os
import struct

import fixtures
import gguf
import models
import tensors
import values
import vocab


def _count(case, most):
    return case.rng.choice([most, most // 3, most // 10])


def records(case):
    """One long record, or many short ones."""
    rng = case.rng
    count = _count(case, 20000)
    choice = rng.randrange(9)
    turns = [{"role": ("user", "assistant")[i % 2], "content": "b%d" % i} for i in range(count // 20 * 2 + 1)]
    reply = [{"role": "assistant", "content": "x"}]
    if choice == 0:
        found = [{"messages": turns}]
    elif choice == 1:
        found = [{"prompt": turns, "chosen": reply, "rejected": [{"role": "assistant", "content": "y"}]}]
    elif choice == 2:
        some = turns[:rng.choice([40, 200])]
        for turn in some[1::2]:
            turn["strategy"], turn["negative"] = "Affirmation", [{"content": "n%d" % i, "strategy": "Affirmation"} for i in range(rng.choice([1, 20]))]
        found = [{"messages": some, "iter": 1}]
    elif choice == 3:
        found = [dict(fixtures.CHATS[i % 5]) for i in range(count)]
    elif choice == 4:
        found = [{"prompt": "p%d" % i, "chosen": "c", "rejected": "r"} for i in range(count)]
    elif choice == 5:
        found = [{"text": "a", **{"k%d" % i: i for i in range(count)}}]
    elif choice == 6:
        found = [{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "strategy": "S%d" % i, "negative": []}], "iter": 1} for i in range(count // 4)]
    elif choice == 7:
        found = [{"ids": [i % 250 for i in range(count)]}]
    else:
        found = [{"messages": [{"role": "user", "content": "<|eot_id|><|im_end|>" * count}]}]
    text = "\n".join(json.dumps(record) for record in found)
    case.write("data.jsonl", text if rng.random() < 0.7 else "[" + text.replace("\n", ",") + "]")
    case.note("records %d, %d" % (choice, count))
    model = case.fixtures.path(rng.choice(fixtures.FAMILIES) + "/" + rng.choice(["hf", "bytes"]))
    if rng.random() < 0.3:
        models.train(case, model, data="data.jsonl", keys=["data.max_length=64", "train.epochs=0.001"])
        case.arguments.append("--dry-run")
    else:
        command = rng.choice(["stats", "tokenize"])
        case.run("cso-data", command, "-m", model, "data.jsonl")


def texts(case):
    """A text of one character, or of few, a hundred thousand times."""
    rng = case.rng
    count = _count(case, 400000)
    piece = rng.choice(["a", " ", "\n", "1", "ab", "\u0301", "e\u0301", "\u4f60", "\u2581", "<", "<0x41>", "'s", "\u1100", "<|eot_id|>", "\U0001f600", "aA1 ", "\r\n ", "<bos>", "\u0000", "\ufffd"])
    case.write("texts.jsonl", json.dumps({"text": (piece * (count // len(piece)))[:count]}, ensure_ascii=rng.random() < 0.5) + "\n")
    case.note("%r, %d times" % (piece, count))
    family = rng.choice(fixtures.FAMILIES)
    path = rng.choice([case.fixtures.path(family + "/bytes"), case.fixtures.path("golden/models/%s-tiny" % family), case.fixtures.path("%s/words.gguf" % family)])
    if family == "gemma2" and rng.random() < 0.3:
        path = case.fixtures.path("golden/models/gemma2-tiny/tokenizer.model")
    case.run("cso-data", "tokenize", "--tokenizer", path, *rng.choice([[], ["--parse-special"]]), "texts.jsonl")


def vocabulary(case):
    """Many tokens, merges or added tokens, long ones, and such that share all but their ends."""
    rng = case.rng
    _, source = vocab._source(case)
    root = case.fixtures.json(source + "/tokenizer.json")
    model, added = values.find(root, "model"), values.find(root, "added_tokens")
    tokens, merges = values.find(model, "vocab"), values.find(model, "merges")
    count = _count(case, 20000)
    begin = len(tokens)
    choice = rng.randrange(5)
    if choice == 0:
        tokens.extend(["t%d" % i, begin + i] for i in range(count))
    elif choice == 1:
        tokens.extend(["a" * (i + 2), begin + i] for i in range(count // 20))
        merges.extend(["a" * (i + 1), "a"] for i in range(count // 20))
    elif choice == 2:
        begin = max(begin, max(values.find(item, "id") for item in added) + 1) if added else begin
        added.extend(values.Pairs([["id", begin + i], ["content", "<t%d>" % i], ["special", rng.random() < 0.5], ["normalized", False]]) for i in range(count // 5))
    elif choice == 3:
        begin = max(begin, max(values.find(item, "id") for item in added) + 1) if added else begin
        added.extend(values.Pairs([["id", begin + i], ["content", "a" * (count + i)], ["special", True], ["normalized", False]]) for i in range(3))
    else:
        merges.extend(["t%d" % i, "t"] for i in range(count))
    case.note("vocabulary %d, %d" % (choice, count))
    case.write("tok/tokenizer.json", values.dump(root))
    case.write("texts.jsonl", json.dumps({"text": rng.choice(["a" * 100000, "<t1>" * 20000, "ab " * 30000, "<" * 50000])}) + "\n")
    case.run("cso-data", "tokenize", "--tokenizer", "tok", "texts.jsonl")


def containers(case):
    """GGUF and safetensors with very many keys or tensors."""
    rng = case.rng
    count = _count(case, 30000)
    if rng.random() < 0.5:
        file = case.fixtures.gguf("llama/F32.gguf")
        choice = rng.randrange(3)
        if choice == 0:
            file.values.extend(gguf.Value("k%d" % (i if rng.random() < 0.9999 else 1), gguf.U32, i) for i in range(count))
        elif choice == 1:
            file.tensors.extend(gguf.Tensor("t%d" % i, [1], 0, b"\0" * 4, 0) for i in range(count))
        else:
            file.values.append(gguf.Value("a", gguf.ARRAY, [b"x"] * count, gguf.STRING))
        case.write("model.gguf", gguf.write(file))
        models.use(case, "model.gguf", programs=["cso-inspect", "cso-eval", "cso-data"])
    else:
        case.take("llama/bytes", "model", without=["model.safetensors"])
        file = case.fixtures.safetensors("llama/bytes/model.safetensors")
        file.tensors.extend(tensors.Tensor("t%d" % i, "F32", [1] * rng.choice([1, 2]), b"\0" * 4) for i in range(count))
        case.write("model/model.safetensors", tensors.write(file))
        models.use(case, "model", programs=["cso-inspect", "cso-eval", "cso-data"])
    case.note("%d of them" % count)


def pieces(case):
    """A SentencePiece model with many or with long pieces."""
    rng = case.rng
    data = case.fixtures.bytes("golden/models/gemma2-tiny/tokenizer.model")
    count = _count(case, 20000)
    long_one = rng.random() < 0.5
    words = ["a" * (i + 2) for i in range(count // 20)] if long_one else ["t%d" % i for i in range(count)]
    more = b"".join(vocab._message([[1, 2, vocab._message([[1, 2, word.encode()], [2, 5, struct.pack("<f", -i)], [3, 0, rng.choice([1, 1, 1, 4])]])]]) for i, word in enumerate(words))
    case.write("tok/tokenizer.model", data + more)
    case.write("texts.jsonl", json.dumps({"text": rng.choice(["a" * 100000, "t1" * 50000, "\u2581" * 50000])}) + "\n")
    case.note("%d pieces" % len(words))
    case.run("cso-data", "tokenize", "--tokenizer", "tok/tokenizer.model", "texts.jsonl")


def folders(case):
    """A run with thousands of names, or of lines of metrics."""
    rng = case.rng
    family = rng.choice(fixtures.FAMILIES)
    case.take(family + "/run", "run")
    count = _count(case, 2000)
    if rng.random() < 0.5:
        for i in range(count):
            os.mkdir(case.path("run/checkpoint-%d" % (i + 10)))
    else:
        with open(case.path("run/metrics.jsonl"), "rb") as file:
            case.write("run/metrics.jsonl", file.read() * (count // 2))
    case.note("%d names or lines" % count)
    if rng.random() < 0.5:
        case.run("cso-inspect", "run")
    else:
        case.run("cso-train", "-q", "-t", 1, "-c", case.fixtures.path(family + "/run.toml"), "--set", "checkpoint.dir=run", "--set", "train.max_steps=3")


def configuration(case):
    """Very many keys, sections or items."""
    rng = case.rng
    count = _count(case, 30000)
    line = rng.choice([lambda i: "k%d = %d" % (i, i), lambda i: "[s%d]" % i, lambda i: "[a.b%d]" % i, lambda i: "# %d" % i, lambda i: "[[t]]", lambda i: "a.k%d = 1" % i])
    case.write("run.toml", "\n".join(line(i) for i in range(count)) + "\n")
    if rng.random() < 0.3:
        case.write("run.toml", "[data]\ntrain = [%s]\n" % ", ".join("\"x\"" for _ in range(count)))
    case.note("%d lines" % count)
    case.run("cso-train", "-q", "-t", 1, "-n", "-c", "run.toml")
