"""Configurations of cso-train: TOML that is wrong as text, values that are wrong for their keys, and --set."""
import os
import re

import fixtures
import values

NUMBERS = ["0", "1", "-1", "2", "3", "1.5", "0.1", "-0.1", "1e-3", "1e300", "-1e300", "1e-300", "5e-324", "1e309", "nan", "inf", "-inf", "+nan", "9223372036854775807",
           "9223372036854775808", "-9223372036854775808", "18446744073709551616", "0x7fffffffffffffff", "0o17", "0b1", "1_000", "1__0", "_1", "-0x1", "01", "1.", ".5",
           "1e5", "+1", "-0", "4096", "65536", "4294967296", "2147483648"]
OTHERS = ["true", "false", "True", "\"\"", "''", "\"x\"", "[]", "{}", "[1, 2]", "[0.9]", "[0.9, 0.999, 1]", "[1.0, 1.0]", "[-1, 2]", "[nan, 0.5]", "[\"a\", 1]", "[[1]]", "{a = 1}",
          "1979-05-27", "1979-05-27T07:32:00Z", "07:32:00", "\"\"\"a\nb\"\"\"", "'''a\nb'''", "\"\\u001b[31m\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\q\"", "\"a\nb\"", "\"", "[", "",
          "x", "1 2", "[1,,2]", "\"\\u009b31m\"", "\"\\U0010ffff\"", "\"\\U00110000\"", "'\\'"]
WORDS = ["cso", "sft", "dpo", "base", "initial", "default", "none", "tree", "pair", "dialogue", "left", "drop", "error", "constant", "linear", "cosine", "f32", "bf16", "fp16",
         "auto", "llama3", "gemma2", "chatml", "smollm2", "", "TREE", "a\\u001b[31m", "x" * 300, "x" * 70000]
PATHS = ["", ".", "..", "run.toml", "missing", "missing/deep/x", "/dev/null", "/dev/null/x", "/proc/self/x", "a\\u001b[2Jb", "a\\nb", "a\\u0000b", "x" * 256, "x" * 5000, "loop", "dangling",
         "fifo", "folder", "file", "~", "-", "chats.jsonl", "file/x", "loop/x", "s p a c e", "\\u00e9", "hf-internal/tiny-model", "data.csv", "data.parquet", "data.jsonl.gz", "*.jsonl"]
SECTIONS = ["model", "data", "lora", "loss", "train", "checkpoint", "log"]
UNKNOWN = ["lr", "train.lr", "lora.r", "lora.lora_alpha", "train.gradient_accumulation_steps", "model", "train", "x", "\"\"", "\"a.b\"", "\"\\u001b[31m\"", "train.\"seed\"",
           "model.path.x", "lora.rank.y", "train . seed", "a.b.c.d.e", "train.seed\\", "-", "1", "train.", ".train"]


def _parse(text):
    """[section, key, value as text] of a configuration as cso-train writes it."""
    found, section = [], ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif " = " in line and not line.startswith("#"):
            key, value = line.split(" = ", 1)
            found.append([section, key, value])
    return found


def _good(case):
    """A configuration whose run is of one step."""
    family = case.rng.choice(fixtures.FAMILIES)
    rows = _parse(case.fixtures.bytes(family + "/run/config.toml").decode())
    if case.rng.random() < 0.5:  # only some of the keys
        rows = [row for row in rows if row[1] in ("path", "train", "rank", "dir", "max_steps", "batch_size", "memory_gib") or case.rng.random() < 0.3]
    for row in rows:
        if row[1] == "max_steps":
            row[2] = "1"
        elif row[1] == "dir":
            row[2] = '"run"'
    return rows


def _value(case, row):
    """A value for a key, often of the right type, and often in its range."""
    rng, old = case.rng, row[2]
    choice = rng.randrange(10)
    if choice == 0:
        return rng.choice(OTHERS)
    if choice == 1:
        return rng.choice(NUMBERS)
    if choice == 2:
        depth = rng.choice([10, 64, 65, 1000, 20000])
        return rng.choice(["[" * depth + "]" * depth, "{a=" * depth + "1" + "}" * depth, "[" * depth])
    if old.startswith("[\"") or old.startswith("[]"):
        return "[%s]" % ", ".join('"%s"' % rng.choice(PATHS + WORDS[:3]) for _ in range(rng.choice([0, 1, 1, 2, 300])))
    if old.startswith("["):
        return "[%s, %s]" % (rng.choice(NUMBERS), rng.choice(NUMBERS))
    if old.startswith("\""):
        is_path = row[1] in ("path", "tokenizer", "dir", "system_prompt", "strategies", "init", "reference")
        return '"%s"' % rng.choice(PATHS if is_path else WORDS)
    if old in ("true", "false"):
        return rng.choice(["true", "false"])
    return rng.choice(NUMBERS)


def _text(rows):
    out, section = [], None
    for name, key, value in rows:
        if name != section:
            out.append("[%s]" % name)
            section = name
        out.append("%s = %s" % (key, value))
    return "\n".join(out) + "\n"


def _around(case):
    """What the paths of a configuration lead to."""
    os.symlink("loop", case.path("loop"))
    os.symlink("nowhere", case.path("dangling"))
    os.mkfifo(case.path("fifo"))
    os.mkdir(case.path("folder"))
    for name in ("file", "data.csv", "data.parquet", "data.jsonl.gz"):
        with open(case.path(name), "wb") as file:
            file.write(b"a,b\n1,2\n" if name != "data.jsonl.gz" else b"\x1f\x8b\x08\x00\x00")


def _run(case, *sets):
    """A run of no more than some steps of the tiny model."""
    more = case.rng.choice([[], [], [], ["--resume", "never"], ["--resume", "folder"], ["--resume", "missing"]])
    case.codes = case.codes | {4}  # folders that cannot be made
    words = [word for one in sets for word in ("--set", one)]
    case.run("cso-train", "-q", *(["--dry-run"] if case.rng.random() < 0.5 else []), "-t", 1, "-c", "run.toml", *more, *words)
    case.names = ["run.toml", "--set", "--resume"] + sorted(os.listdir(case.folder)) + ["/dev/null", "/proc", "missing", "run", "chats.jsonl", "..: ", "xxxx", "{a={a="] + ["%s." % name for name in SECTIONS]


def keys(case):
    """One to three values, keys too many or too few."""
    rng = case.rng
    _around(case)
    rows = _good(case)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        at = rng.randrange(len(rows))
        row = rows[at]
        choice = rng.randrange(12)
        if choice < 8:
            row[2] = _value(case, row)
        elif choice == 8:
            del rows[at]
            rows = rows or [["train", "seed", "1"]]
        elif choice == 9:
            rows.insert(rng.randrange(len(rows)), list(rng.choice(rows)))
        elif choice == 10:
            rows.insert(at, [row[0], rng.choice(UNKNOWN), rng.choice(NUMBERS)])
        else:
            row[0] = rng.choice(["", "train", "x", "model", "train.x", "[train]", "\"a\"", "\"\\u001b[31m\"", "train]", "a" * 300])
        case.note("%s.%s = %s" % (row[0], row[1], row[2][:60]))
    _limit(rows)
    case.numbers_may_fail()
    case.write("run.toml", _text(rows))
    _run(case)


def _limit(rows):
    """A run that would be good and very long is no finding: where steps could be many, there is one."""
    for row in rows:
        if row[1] == "epochs":
            row[2] = row[2] if not re.fullmatch(r"[0-9].*", row[2]) else min(row[2], "3", key=len)
    if not any(row[1] == "max_steps" and row[2] == "1" for row in rows):
        rows[:] = [row for row in rows if not (row[1] == "max_steps" and re.fullmatch(r"\+?[0-9]{2,}|0x.*|1_.*", row[2]))]


def sets(case):
    """--set: the same values on the command line."""
    rng = case.rng
    _around(case)
    rows = _good(case)
    found = []
    for _ in range(rng.choice([1, 1, 2, 5])):
        row = rng.choice(rows)
        value = _value(case, row)
        key = "%s.%s" % (row[0], row[1]) if rng.random() < 0.85 else rng.choice(UNKNOWN)
        if row[1] in ("max_steps", "epochs"):
            continue
        one = rng.choice(["%s=%s", "%s=%s", "%s=%s", "%s = %s", "%s", "=%s%s", "%s==%s", " %s=%s"])
        one = one % ((key, value) if one.count("%s") == 2 else key)
        found.append(one.replace("\0", "")[:100000])
    case.note(" ".join(found)[:200])
    case.numbers_may_fail()
    case.write("run.toml", _text(rows))
    _run(case, *found)


def syntax(case):
    """Text that is no TOML, or that is easily taken for another."""
    rng = case.rng
    _around(case)
    rows = _good(case)
    text = _text(rows)
    for _ in range(rng.choice([1, 1, 2])):
        lines = text.split("\n")
        at = rng.randrange(len(lines))
        line = rng.choice(["[train]", "[[train]]", "[train", "train = 1", "train.seed = 1", "[a]\n[a]", "[a.b]\n[a]\nb = 1", "a = {b = 1}\na.c = 2", "= 1", "\"\" = 1", "a = 1 # \x00",
                           "# \x1b[31m", "a = 1\r", "\r", "a.b.c = 1\na.b = 2", "\ufeff", "[" + "a." * 300 + "a]", "x = [\n" * 100, "seed = 1 seed = 2", "'a\tb' = 1", "\x7f = 1", "a = 'b\x01'",
                           "[[a]]\n[a]", "[[model]]", "# " + "x" * 100000, "x = \"" + "\\u0041" * 20000 + "\"", ".".join(["a"] * 5000) + " = 1"])
        lines.insert(at, line)
        case.note("line %d: %r" % (at + 1, line[:60]))
        text = "\n".join(lines)
    data = values.encode(text)
    if rng.random() < 0.4:
        data, what = values.change_bytes(rng, data)
        case.note(what)
    case.numbers_may_fail()
    case.write("run.toml", data)
    _run(case)


NAMES = ["a", "b", "sft", "cso", "", "a/b", "..", ".", "a b", "x" * 64, "x" * 65, "\\u0000", "\\u001b[31m", "\\u00e9", "1", "-"]
STAGE_KEYS = ["loss.type = \"sft\"", "loss.type = \"cso\"", "loss.reference = \"initial\"", "loss.reference = \"stage:a\"", "loss.reference = \"stage:\"",
              "lora.init = \"stage:a\"", "lora.init = \"default\"", "lora.init = \"stage:\\u001b[31m\"", "lora.rank = 2", "train.max_steps = 1", "train.epochs = 1",
              "train.warmup_ratio = 0.5", "checkpoint.restore_best = true", "checkpoint.dir = \"x\"", "model.path = \"x\"", "loss.types = [\"sft\", \"cso\"]",
              "train.early_stopping_patience = 1", "log.eval_every_steps = 1", "data.eval = []", "loss = {beta = 1}", "loss = 1", "stage = 1", "lr = 1", "[stage.lora]",
              "[stage.los]", "[[stage.loss]]", "[stage]", "[stage.stage]", "name = \"b\""]


def stages(case):
    """One to three [[stage]] tables, with odd names and keys, and --set for them."""
    rng, found = case.rng, []
    _around(case)
    rows = _good(case)
    text = _text(rows)
    if rng.random() < 0.1:
        text = rng.choice(["stage = []", "stage = 1", "stage = [{}]", "stage = [{name = \"a\"}, {name = \"b\"}]", "stage = [1, {}]", "stage.name = \"a\"", "[stage]"]) + "\n" + text
    good = rng.random() < 0.5
    for name in NAMES[:2] if good else rng.sample(NAMES[:2], 2) if rng.random() < 0.5 else [rng.choice(NAMES) for _ in range(rng.choice([1, 2, 3, 3, 70]))]:
        keys = [rng.choice(STAGE_KEYS[:3] if good and name == "a" else STAGE_KEYS[:4] if good else STAGE_KEYS) for _ in range(rng.choice([0, 1, 1, 2, 3]))]
        keys = sorted(set(keys), key=lambda key: (key.startswith("["), key))[:rng.choice([1, 9])] if good else keys
        lines = ["name = \"%s\"" % name] * (rng.random() < 0.95) + keys
        case.note("stage %s: %s" % (name[:20], "; ".join(keys)))
        text += "[[stage]]\n" + "\n".join(lines) + "\n"
    for _ in range(rng.choice([0, 0, 1, 2])):
        row = rng.choice(rows)
        found.append("stage.%s.%s.%s=%s" % (rng.choice(NAMES).replace("\\", ""), row[0], row[1], "1" if row[1] in ("max_steps", "epochs") else _value(case, row)[:1000]))
    case.note(" ".join(found)[:200])
    case.numbers_may_fail()
    case.write("run.toml", text)
    _run(case, *[one.replace("\0", "") for one in found])
    case.names += ["stage"]
