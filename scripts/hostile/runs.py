"""Run folders: checkpoints with their state, metrics, the reference cache, the configuration. Most of the
time the checksums are computed anew, so that the code behind the check is reached."""
import ctypes
import ctypes.util
import os
import re

import fixtures
import models
import tensors
import values


class _Hash(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


def _library():
    library = ctypes.CDLL(ctypes.util.find_library("xxhash") or "libxxhash.so.0")
    library.XXH3_128bits.restype = _Hash
    library.XXH3_128bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    return library


_LIBRARY = _library()


def checksum(data):
    found = _LIBRARY.XXH3_128bits(data, len(data))
    return found.high.to_bytes(8, "big") + found.low.to_bytes(8, "big")


SEAL = b'"checksum": "'


def _sealed(case, below="run"):
    """The JSON files that have checksums of others, and end with one of themselves."""
    found = []
    for at, _, names in os.walk(case.path(below)):
        for name in names:
            path = os.path.join(at, name)
            if name.endswith(".json") and os.path.isfile(path):
                data = _read(path)
                if SEAL in data and data.rstrip().endswith(b'"\n}'):
                    found.append(os.path.relpath(path, case.folder))
    return sorted(found)


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _seal(path):
    """Writes the checksums of the files beside it anew, and at the end its own."""
    folder, text = os.path.dirname(path), _read(path)

    def of_file(match):
        name = os.path.join(folder, match.group(1).decode())
        return b'"%s": "%s"' % (match.group(1), checksum(_read(name)).hex().encode()) if os.path.isfile(name) else match.group(0)

    def of_metrics(match):
        name = os.path.join(folder, "metrics.jsonl")
        return match.group(1) + match.group(2) + b', "checksum": "' + checksum(_read(name)[:int(match.group(2))]).hex().encode() if os.path.isfile(name) else match.group(0)

    text = re.sub(rb'"([A-Za-z0-9_]+\.[a-z]+)": "[0-9a-f]{32}"', of_file, text)
    text = re.sub(rb'("bytes": )([0-9]{1,9}), "checksum": "[0-9a-f]{32}', of_metrics, text)
    if os.path.isfile(os.path.join(folder, "config.toml")):
        text = re.sub(rb'"config": \["[0-9a-f]{32}"', b'"config": ["' + checksum(_read(os.path.join(folder, "config.toml"))).hex().encode() + b'"', text)
    at = text.rfind(SEAL)
    if at >= 0:
        text = text[:at] + SEAL + checksum(text[:at]).hex().encode() + b'"\n}\n'
    with open(path, "wb") as file:
        file.write(text)


def seal(case, below="run"):
    for name in _sealed(case, below):
        _seal(case.path(name))


def _any_file(case):
    found = [os.path.relpath(os.path.join(at, name), case.folder) for at, _, files in os.walk(case.path("run")) for name in files]
    return case.rng.choice(sorted(name for name in found if name.endswith((".safetensors", ".json"))) or ["run"])


def _use(case, family):
    rng = case.rng
    choice = rng.randrange(10)
    steps = [name for name in sorted(os.listdir(case.path("run"))) if name.startswith("checkpoint-")] or ["checkpoint-2"]
    if choice < 3:
        flags = [flag for flag in ("--json", "--tensors", "--verify") if rng.random() < 0.5]
        case.run("cso-inspect", "-t", 1, *flags, rng.choice(["run", "run", "run/" + rng.choice(steps + ["adapter"]), _any_file(case)]))
    elif choice < 4:
        models.use(case, case.fixtures.path(family + "/hf"), adapter="run/" + rng.choice(steps + ["adapter"]), programs=["cso-eval", "cso-generate"])
    else:
        keys = ["checkpoint.dir=run", "train.max_steps=3"]
        if rng.random() < 0.15:
            keys.append(rng.choice(["lora.rank=3", "train.seed=7", "train.epochs=2", "data.shuffle=none", "checkpoint.keep_last=1"]))
        resume = rng.choice([[], [], [], [], ["--resume", "run/" + rng.choice(steps)], ["--resume", "never"]])
        config = "run/config.toml" if os.path.isfile(case.path("run/config.toml")) and rng.random() < 0.3 else case.fixtures.path(family + "/run.toml")
        sets = [word for key in keys for word in ("--set", key)]
        case.run("cso-train", "-q", "-t", 1, "-c", config, *sets, *resume, *(["--dry-run"] if rng.random() < 0.1 else []))


def _start(case):
    family = case.rng.choice(fixtures.FAMILIES)
    case.take(family + "/run", "run")
    return family, "run/checkpoint-%d" % case.rng.choice([1, 2, 2, 2])


def state(case):
    """The state's JSON, or another file of checksums, with its own checksum right."""
    rng = case.rng
    family, checkpoint = _start(case)
    name = rng.choice((_sealed(case, checkpoint) if rng.random() < 0.6 else []) or _sealed(case))
    root = values.load(_read(case.path(name)).decode())
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        numbers = [pair for pair in root if isinstance(pair[1], (int, values.Raw))]
        if rng.random() < 0.5 and numbers:
            pair = rng.choice(numbers)
            pair[1] = values.number(rng, pair[1] if isinstance(pair[1], int) else None) if rng.random() < 0.8 else values.json_value(rng)
            case.note("%s = %s" % (pair[0], values.dump(pair[1])[:60]))
        else:
            case.note(values.change_json(rng, root))
    text = values.dump(root)
    at = text.rfind(', "checksum"')
    if at >= 0:
        text = text[:at] + ',\n  ' + text[at + 2:]
    case.write(name, text)
    if rng.random() < 0.95:
        _seal(case.path(name))
    _use(case, family)


def contents(case):
    """Adapter and moments of a checkpoint."""
    rng = case.rng
    family, checkpoint = _start(case)
    checkpoint = checkpoint if rng.random() < 0.8 else "run/adapter"
    name = rng.choice(sorted(set(os.listdir(case.path(checkpoint))) - {os.path.basename(name) for name in _sealed(case, checkpoint)}))
    data = _read(case.path(checkpoint + "/" + name))
    if rng.random() < 0.15:
        data, what = values.change_bytes(rng, data)
        case.note(what)
    elif name.endswith(".json"):
        root = values.load(data.decode())
        case.note(values.change_json(rng, root))
        data = values.dump(root)
    else:
        made = tensors.read(data) if name.endswith(".safetensors") else None
        if made:
            tensors.change(case, made)
            data = tensors.write(made)
        else:
            data, what = values.change_bytes(rng, data)
            case.note(what)
    case.write(checkpoint + "/" + name, data)
    case.numbers_may_fail()
    if rng.random() < 0.85:
        seal(case)
    _use(case, family)


def metrics(case):
    rng = case.rng
    family, _ = _start(case)
    with open(case.path("run/metrics.jsonl"), encoding="utf-8") as file:
        lines = file.read().splitlines()
    good = list(lines)
    for _ in range(rng.choice([1, 1, 2])):
        at = rng.randrange(len(lines))
        choice = rng.randrange(7)
        if choice < 4:
            root = values.load(rng.choice(good))
            case.note(values.change_json(rng, root))
            lines[at] = values.dump(root)
        elif choice == 4:
            lines[at:at] = [lines[at]] * rng.choice([1, 100, 5000])
        elif choice == 5:
            lines[at] = rng.choice(["", "x", "[]", "null", "{}", "{\"step\": 1e300}", "{\"step\": -1}", "{\"step\": \"1\"}", "\0", "{\"step\": 1" + ", \"a\": 1" * 10000 + "}", "[" * 10000])
        else:
            lines[at] = lines[at][:rng.randrange(len(lines[at]) + 1)]
    data = values.encode("\n".join(lines) + rng.choice(["\n", ""]))
    if rng.random() < 0.2:
        data, what = values.change_bytes(rng, data)
        case.note(what)
    case.note("metrics.jsonl")
    case.write("run/metrics.jsonl", data)
    if rng.random() < 0.5:
        seal(case)
    _use(case, family)


def cache(case):
    """The reference's log-probabilities, with a right checksum."""
    rng = case.rng
    family, _ = _start(case)
    folder = "run/reference-cache"
    for name in sorted(os.listdir(case.path(folder))):
        with open(case.path(folder + "/" + name), "rb") as file:
            data = file.read()
        body = data[:-16]
        choice = rng.randrange(6)
        if choice == 0:
            body, what = values.change_bytes(rng, body)
        elif choice == 1:
            body, what = body[:48] + tensors.bad_numbers(rng, body[48:], "F32"), "numbers"
        elif choice == 2:
            body, what = body[:40] + values.integer(rng, 5).to_bytes(17, "little", signed=True)[:8] + body[48:], "count"
        elif choice == 3:
            body, what = body[:48] + b"\x00\x00\x00\x00\x00\x00\xf0\x7f" * ((len(body) - 48) // 8), "infinite"
        elif choice == 4:
            body, what = body + b"\0" * 8, "one more"
        else:
            body, what = body[:rng.randrange(len(body))], "cut"
        case.note("cache: " + what)
        case.write(folder + "/" + name, body + (checksum(body) if rng.random() < 0.9 else data[-16:]))
    case.numbers_may_fail()
    _use(case, family)


def names(case):
    """More and other names in the folder, links and folders in a file's place, leftovers of a process that was killed."""
    rng = case.rng
    family, checkpoint = _start(case)
    case.write("outside/kept", b"kept")
    case.codes = case.codes | {4}  # what cannot be written
    for _ in range(rng.choice([1, 1, 2])):
        choice = rng.randrange(7)
        if choice < 2:
            files = [os.path.relpath(os.path.join(at, name), case.folder) for at, _, found in os.walk(case.path("run")) for name in found]
            name = rng.choice(sorted(files))
            models.spoil(case, name, sorted(os.path.join(os.path.dirname(name), other) for other in os.listdir(os.path.dirname(case.path(name)))) or [name])
        elif choice == 2:
            name = "run/checkpoint-%s" % rng.choice(["0", "3", "4", "00", "01", "-1", "99999999999999999999", "18446744073709551615", "2.damaged", "x", "2 ", "\x1b[31m"])
            if not os.path.lexists(case.path(name)):
                if rng.random() < 0.5:
                    case.take(family + "/run/checkpoint-2", name)
                else:
                    rng.choice([lambda path: os.mkdir(path), lambda path: os.symlink("checkpoint-2", path), lambda path: os.symlink("nowhere", path), lambda path: os.symlink("../outside", path),
                                lambda path: open(path, "wb").close()])(case.path(name))
            case.note(name)
        elif choice == 3:
            name = "run/" + rng.choice(["checkpoint-3.1-0.tmp", "adapter.12-3.tmp", "metrics.jsonl.99-1.tmp", "config.toml.1-1.tmp", "reference-cache/a.bin.1-0.tmp", "checkpoint-2.x.tmp"])
            if not os.path.lexists(case.path(name)):
                rng.choice([lambda path: os.mkdir(path), lambda path: open(path, "wb").close(), lambda path: os.symlink("../outside", path)])(case.path(name))
            case.note(name)
        elif choice == 4:
            other = "run/checkpoint-%d" % rng.choice([1, 2])
            if os.path.isdir(case.path(other)) and not os.path.islink(case.path(other)):
                os.rename(case.path(other), case.path("aside"))
                if rng.random() < 0.5:
                    os.symlink("../aside", case.path(other))
                elif not os.path.lexists(case.path("run/checkpoint-7")):
                    os.rename(case.path("aside"), case.path("run/checkpoint-7"))
                case.note(other + " is elsewhere")
                break
        elif choice == 5:
            name = "run/" + rng.choice(["reference-cache", "adapter"])
            if os.path.isdir(case.path(name)) and not os.path.islink(case.path(name)):
                os.rename(case.path(name), case.path("outside/" + os.path.basename(name)))
                os.symlink("../outside/" + os.path.basename(name), case.path(name))
            case.note(name + " is a link")
        else:
            path = case.path(checkpoint)
            found = sorted(os.listdir(path)) if os.path.isdir(path) else []
            if found:
                name = rng.choice(found)
                if os.path.isfile(os.path.join(path, name)):
                    os.remove(os.path.join(path, name))
                    case.note("without %s/%s" % (checkpoint, name))
    _use(case, family)


def config(case):
    """The configuration that a run left."""
    rng = case.rng
    family, _ = _start(case)
    with open(case.path("run/config.toml"), "rb") as file:
        data, what = values.change_bytes(rng, file.read())
    case.note("config.toml: " + what)
    case.write("run/config.toml", data)
    if rng.random() < 0.5:
        seal(case)
    case.numbers_may_fail()
    case.run(*rng.choice([("cso-train", "-q", "-t", 1, "--dry-run", "-c", "run/config.toml"), ("cso-inspect", "run"), ("cso-inspect", "--verify", "run")]))
    case.note(family)
    case.more_names = ["hf: ", "chats.jsonl", ".jsonl: ", "good"]  # what the paths in it now lead to
