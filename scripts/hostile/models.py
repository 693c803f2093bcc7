"""Models: GGUF files, and folders and files with safetensors. Any program may be given one."""
import os

import fixtures
import gguf
import tensors
import values

PROGRAMS = ["cso-inspect"] * 4 + ["cso-eval"] * 4 + ["cso-train"] * 3 + ["cso-generate"] * 2 + ["cso-data"] * 2 + ["cso-bench"]


def use(case, model, adapter=None, tokenizer=None, programs=None):
    """Runs one of the programs on a model."""
    rng = case.rng
    program = rng.choice(programs or PROGRAMS)
    more = (["--tokenizer", tokenizer] if tokenizer else []) + (["--adapter", adapter] if adapter else [])
    if program == "cso-inspect":
        flags = [flag for flag in ("--json", "--tensors", "--keys", "--verify") if rng.random() < 0.5]
        case.run(program, "-t", 1, *flags, adapter or model)
    elif program == "cso-eval":
        data = rng.choice(["chats.jsonl", "chats.jsonl", "texts.jsonl"])
        flags = rng.choice([[], [], ["--summary"], ["--max-length", 500], ["--parse-special"]])
        case.run(program, "score", "-t", 1, "-m", model, *more, *flags, case.fixtures.path(data))
    elif program == "cso-generate":
        case.run(program, "-t", 1, "-m", model, *more, "-n", 3, "-p", "I feel 12 lost")
    elif program == "cso-data":
        command = rng.choice(["tokenize", "stats"])
        case.run(program, command, *(["--tokenizer", tokenizer] if tokenizer else ["-m", model]),
                 case.fixtures.path("chats.jsonl" if command == "stats" else "words.jsonl"))
    elif program == "cso-bench":
        case.run(program, "step", "-t", 1, "-m", model, "--tokens", 16, "-s", 0.001, "--rank", 1)
    else:
        train(case, model, adapter=adapter, tokenizer=tokenizer)


def train(case, model, data=None, adapter=None, tokenizer=None, keys=()):
    """A run of one step, or what is printed before it."""
    rng = case.rng
    data = data or case.fixtures.path("chats.jsonl")
    keys = ["model.path=" + model, "data.train=" + data, "lora.rank=2", "train.max_steps=1", "train.batch_size=2", "train.memory_gib=0.25",
            "checkpoint.dir=run", *keys]
    if tokenizer:
        keys.append("model.tokenizer=" + tokenizer)
    if adapter:
        keys.append(rng.choice(["lora.init=", "loss.reference="]) + adapter)
    if rng.random() < 0.3:
        keys.append("loss.type=sft")
    case.more_names += ["lora.rank"]
    with open(case.path("empty.toml"), "w", encoding="utf-8"):
        pass
    sets = [word for key in keys for word in ("--set", key)]
    case.run("cso-train", "-q", "-t", 1, "-c", "empty.toml", *sets, *(["--dry-run"] if rng.random() < 0.4 else []))


def _gguf_name(case):
    family = case.rng.choice(fixtures.FAMILIES)
    names = ["%s/%s.gguf" % (family, kind) for kind in fixtures.TYPES + ["words"]] + ["llama/Q4_K.gguf", "llama/Q6_K.gguf"]
    return case.rng.choice(names)


def _write_gguf(case, data):
    """As a file, or alone in a folder; the path of the model."""
    if case.rng.random() < 0.15:
        case.write("model/model.gguf", data)
        return "model"
    case.write("model.gguf", data)
    return "model.gguf"


def gguf_structure(case):
    """A GGUF file of which one to three things are wrong, and the rest is right."""
    file = case.fixtures.gguf(_gguf_name(case))
    if case.rng.random() < 0.2:
        file.version = 2
    gguf.change(case, file, gguf.MODEL_CHANGES)
    use(case, _write_gguf(case, gguf.write(file)))


def gguf_bytes(case):
    data = case.fixtures.bytes(_gguf_name(case))
    if case.rng.random() < 0.7:  # the head, where everything is said
        head, what = values.change_bytes(case.rng, data[:20000])
        data = head + data[20000:]
    else:
        data, what = values.change_bytes(case.rng, data)
    case.note(what)
    case.numbers_may_fail()
    case.more_names = ["the chat template "]  # lacks a special token whose name was changed
    use(case, _write_gguf(case, data))


def gguf_shape(case):
    """Hyperparameters that are wrong together: values that divide, and tensors that have the shapes which follow from them."""
    rng, family = case.rng, case.rng.choice(fixtures.FAMILIES)
    file = case.fixtures.gguf("%s/%s.gguf" % (family, rng.choice(["F32", "Q8_0"])))
    heads, kv_heads, size = rng.choice([(1, 1, 32), (32, 1, 2), (32, 32, 2), (16, 16, 2), (2, 1, 16), (4, 2, 8), (1, 1, 4096), (2, 2, 2), (4096, 1, 2), (3, 3, 16), (2, 1, 1)])
    hidden, ffn = rng.choice([32, 32, 32, 64, 1, 0]), rng.choice([32, 32, 64, 1, 0])
    vocab = rng.choice([None, None, 0, 1, 2, 100, 256, 1000])
    rows = {"attn_q": heads * size, "attn_k": kv_heads * size, "attn_v": kv_heads * size, "attn_output": hidden, "ffn_gate": ffn, "ffn_up": ffn, "ffn_down": hidden}
    columns = {"attn_output": heads * size, "ffn_down": ffn}
    for key, number in {"attention.head_count": heads, "attention.head_count_kv": kv_heads, "attention.key_length": size, "attention.value_length": size,
                        "rope.dimension_count": size, "embedding_length": hidden, "feed_forward_length": ffn}.items():
        value = file.find("%s.%s" % (family, key))
        if value:
            value.value = number
        else:
            file.values.append(gguf.Value("%s.%s" % (family, key), gguf.U32, number))
    for tensor in file.tensors:
        module = tensor.name.split(".")[-2]
        if module in rows and tensor.name.endswith("weight"):
            tensor.dims = [columns.get(module, hidden), rows[module]]
        elif module in rows:
            tensor.dims = [rows[module]]
        elif tensor.name in ("token_embd.weight", "output.weight"):
            tensor.dims = [hidden, tensor.dims[1] if vocab is None else vocab]
        elif tensor.name == "rope_freqs.weight":
            tensor.dims = [size // 2]
        else:
            tensor.dims = [hidden]
        need = gguf.size_of(tensor.kind, tensor.dims)
        tensor.data = (tensor.data * (need // len(tensor.data) + 1))[:need] if tensor.data else b"\0" * need
    case.note("heads %d, %d of %d, hidden %d, ffn %d, vocab %s" % (heads, kv_heads, size, hidden, ffn, vocab))
    if rng.random() < 0.3:
        gguf.change(case, file, gguf.MODEL_CHANGES)
    case.numbers_may_fail()
    use(case, _write_gguf(case, gguf.write(file)))


def gguf_parts(case):
    """A model in two files, of which one says something wrong."""
    rng = case.rng
    whole = case.fixtures.gguf(_gguf_name(case))
    parts = [whole, gguf.File()]
    middle = rng.randrange(len(whole.tensors) + 1)
    parts[1].tensors, whole.tensors = whole.tensors[middle:], whole.tensors[:middle]
    for number, part in enumerate(parts):
        for key, kind, value in (("split.no", gguf.U16, number), ("split.count", gguf.U16, 2), ("split.tensors.count", gguf.I32, middle + len(parts[1].tensors))):
            part.values.append(gguf.Value(key, kind, value))
    wrong = rng.choice(parts)
    if rng.random() < 0.5:
        value = rng.choice(wrong.values[-3:])
        value.value = values.integer(rng, value.value)
        case.note("%s is %d" % (value.key, value.value))
    else:
        gguf.change(case, wrong, gguf.MODEL_CHANGES)
    for number, part in enumerate(parts):
        if number == 0 or rng.random() < 0.9:
            case.write("model-%05d-of-%05d.gguf" % (number + 1, rng.choice([2] * 12 + [0, 1, 3, 99999])), gguf.write(part))
    case.more_names = ["model-%05d-of-%05d.gguf" % (number, count) for number in (2, 3) for count in (2, 3, 99999)]
    names = sorted(name for name in case.written if name.startswith("model-"))
    use(case, names[rng.random() < 0.1 and len(names) > 1])


# Hugging Face's layout

SMALL_FILES = ["config.json", "config.json", "config.json", "config.json", "tokenizer_config.json", "generation_config.json"]


def _path(case, name="model"):
    """The folder, or the one file in it."""
    single = os.path.join(name, "model.safetensors")
    return single if case.rng.random() < 0.15 and os.path.exists(case.path(single)) else name


def folder_tensors(case):
    family = case.rng.choice(fixtures.FAMILIES)
    source = "%s/%s" % (family, case.rng.choice(["bytes", "hf"]))
    file = case.fixtures.safetensors(source + "/model.safetensors")
    case.take(source, "model", without=["model.safetensors"])
    if case.rng.random() < 0.8:
        tensors.change(case, file)
        data = tensors.write(file)
    else:
        data, what = values.change_bytes(case.rng, tensors.write(file))
        case.note(what)
        case.numbers_may_fail()
    case.write("model/model.safetensors", data)
    use(case, _path(case))


def folder_config(case):
    """config.json, or one of the small files beside it."""
    rng = case.rng
    source, name = rng.choice(fixtures.FAMILIES) + "/bytes", rng.choice(SMALL_FILES)
    case.take(source, "model", without=[name])
    root = case.fixtures.json("%s/%s" % (source, name))
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        case.note(name + ": " + values.change_json(rng, root))
    data = values.encode(values.dump(root))
    if rng.random() < 0.1:
        data, what = values.change_bytes(rng, data)
        case.note(what)
    case.write("model/" + name, data)
    case.numbers_may_fail()
    use(case, _path(case))


def folder_rope(case):
    """Rotary settings in both forms, with values that do not go together."""
    rng = case.rng
    case.take("llama/bytes", "model", without=["config.json"])
    root = case.fixtures.json("llama/bytes/config.json")
    rope = values.Pairs([["rope_type", rng.choice(["llama3", "llama3", "llama3", "default", "linear", "dynamic", "yarn", 1, None])]])
    for key in ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings", "rope_theta"):
        if rng.random() < 0.9:
            rope.append([key, rng.choice([1, 2, 4, 8, 0.5, 8192, 0, -1, 1e300, 1e-300, 5e-324, 1.0000000001, values.number(rng)])])
    values.put(root, rng.choice(["rope_scaling", "rope_parameters"]), rope)
    case.write("model/config.json", values.dump(root))
    case.note("rope: " + values.dump(rope)[:200])
    case.numbers_may_fail()
    use(case, "model")


def folder_shards(case):
    """The index of a model in several files, or one of the files."""
    rng = case.rng
    source = rng.choice(fixtures.FAMILIES) + "/sharded"
    index_name = "model.safetensors.index.json"
    shards = sorted(name for name in os.listdir(case.fixtures.path(source)) if name.endswith(".safetensors"))
    if rng.random() < 0.4:
        name = rng.choice(shards)
        case.take(source, "model", without=[name])
        file = case.fixtures.safetensors(source + "/" + name)
        tensors.change(case, file)
        if rng.random() < 0.9:
            case.write("model/" + name, tensors.write(file))
    else:
        case.take(source, "model", without=[index_name])
        root = case.fixtures.json(source + "/" + index_name)
        weights = values.find(root, "weight_map")
        for _ in range(rng.choice([1, 1, 2])):
            pair = rng.choice(weights) if weights else [None, None]
            choice = rng.randrange(6)
            if choice == 0:
                pair[1] = rng.choice(shards + ["../model/" + shards[0], "/etc/passwd", "config.json", ".", "..", "", "a\0b", shards[0] + "\0x", "\x1b[31m", "x" * 5000, index_name])
            elif choice == 1:
                pair[0] = values.text(rng)
            elif choice == 2:
                values.remove(weights, pair[0])
            elif choice == 3:
                weights.append([pair[0] + "x" if pair[0] else "x", rng.choice(shards)])
            else:
                case.note(values.change_json(rng, root))
        case.write("model/" + index_name, values.dump(root))
        case.note("the index")
    use(case, rng.choice(["model", "model", "model", "model/" + index_name]))


def folder_files(case):
    """A folder in which files are missing, empty, folders, links to themselves, or something else."""
    rng = case.rng
    source = rng.choice(fixtures.FAMILIES) + "/" + rng.choice(["bytes", "sharded"])
    case.take(source, "model")
    names = sorted(os.listdir(case.path("model")))
    name = rng.choice(names)
    spoil(case, "model/" + name, ["model/" + other for other in names])
    use(case, _path(case))


def spoil(case, name, others):
    """Puts something else in a file's place."""
    rng, path = case.rng, case.path(name)
    os.remove(path)
    choice = rng.choice(["missing", "empty", "folder", "loop", "dangling", "other", "null", "zero", "fifo", "unreadable text"])
    if choice == "empty":
        case.write(name, b"")
    elif choice == "folder":
        os.mkdir(path)
    elif choice == "loop":
        os.symlink(os.path.basename(name), path)
    elif choice == "dangling":
        os.symlink("nowhere", path)
    elif choice == "other":
        os.symlink(os.path.basename(rng.choice(others)), path)
        case.numbers_may_fail()
    elif choice in ("null", "zero"):
        os.symlink("/dev/" + choice, path)
    elif choice == "fifo":
        os.mkfifo(path)
    elif choice == "unreadable text":
        case.write(name, b"\xff\xfe\x00\x1b[31m" * 100)
    case.note("%s: %s" % (name, choice))
