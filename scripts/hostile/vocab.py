"""Tokenizers: tokenizer.json with the files beside it, tokenizer.model, and those in GGUF."""
import json
import struct

import fixtures
import gguf
import models
import values

PROGRAMS = ["cso-data"] * 6 + ["cso-inspect"] * 2 + ["cso-eval"] * 2 + ["cso-generate"] + ["cso-train"] * 2


def _use(case, path):
    """Runs a program with a tokenizer that does not come from its model; for cso-data and cso-inspect no model is needed."""
    rng = case.rng
    program = rng.choice(PROGRAMS)
    case.more_names = ["the chat template "]  # lacks a special token
    if program == "cso-inspect":
        case.run(program, "-t", 1, *(["--json"] if rng.random() < 0.5 else []), path)
    elif program == "cso-data":
        command = rng.choice(["tokenize", "tokenize", "stats"])
        flags = rng.choice([[], [], ["--parse-special"], ["--chat-template", rng.choice(["llama3", "gemma2", "chatml", "smollm2"])]])
        case.more_names += ["chats.jsonl:", "words.jsonl:"] if "--chat-template" in flags else []
        case.run(program, command, "--tokenizer", path, *flags, case.fixtures.path("chats.jsonl" if command == "stats" else rng.choice(["words.jsonl", "chats.jsonl"])))
    else:
        models.use(case, case.fixtures.path(rng.choice(fixtures.FAMILIES) + "/hf"), tokenizer=path, programs=[program])


# tokenizer.json

def _source(case):
    family = case.rng.choice(fixtures.FAMILIES)
    return family, case.rng.choice([family + "/bytes", "golden/models/" + family + "-tiny"])


def json_structure(case):
    """One to three places of tokenizer.json, most often of what is not vocabulary."""
    rng = case.rng
    _, source = _source(case)
    root = case.fixtures.json(source + "/tokenizer.json")
    model = values.find(root, "model")
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        part = None
        choice = rng.randrange(10)
        if choice < 5:
            part = values.Pairs(pair for pair in root if pair[0] != "model")
            name = rng.choice([pair[0] for pair in part] or ["model"])
            part = values.find(root, name)
            part = part if isinstance(part, list) and part else root
        elif choice < 7:
            part = values.Pairs(pair for pair in model if pair[0] not in ("vocab", "merges")) if isinstance(model, values.Pairs) else None
        elif choice < 9 and isinstance(model, values.Pairs):
            part = rng.choice([values.find(model, "vocab"), values.find(model, "merges")])
            part = part if isinstance(part, list) and part else None
        case.note(values.change_json(rng, root, part))
    data = values.encode(values.dump(root))
    if rng.random() < 0.1:
        data, what = values.change_bytes(rng, data)
        case.note(what)
    _write_json(case, source, data)


def _write_json(case, source, data):
    if case.rng.random() < 0.5:
        case.take(source, "tok", without=["tokenizer.json", "tokenizer.model", "model.safetensors"])
    case.write("tok/tokenizer.json", data)
    _use(case, case.rng.choice(["tok", "tok/tokenizer.json"]))


def json_vocabulary(case):
    """Tokens, ids, merges and added tokens that do not go together."""
    rng = case.rng
    _, source = _source(case)
    root = case.fixtures.json(source + "/tokenizer.json")
    model = values.find(root, "model")
    vocabulary, merges, added = values.find(model, "vocab"), values.find(model, "merges"), values.find(root, "added_tokens")
    for _ in range(rng.choice([1, 1, 2, 4])):
        case.note(rng.choice([_ids, _ids, _tokens, _merges, _merges, _added, _added, _flags])(rng, vocabulary, merges, added, model))
    _write_json(case, source, values.encode(values.dump(root)))


def _ids(rng, vocabulary, _merges_, _added_, _model):
    for _ in range(rng.choice([1, 1, 5])):
        pair = rng.choice(vocabulary)
        pair[1] = rng.choice([values.integer(rng, pair[1]), rng.choice(vocabulary)[1], len(vocabulary), len(vocabulary) - 1, values.Raw("1.5"), values.Raw("1e2"), "1", None])
    return "ids"


def _tokens(rng, vocabulary, _merges_, _added_, _model):
    choice = rng.randrange(4)
    if choice == 0:
        vocabulary.append([values.text(rng), len(vocabulary)])
    elif choice == 1:
        del vocabulary[rng.randrange(len(vocabulary))]
    elif choice == 2:
        rng.choice(vocabulary)[0] = values.text(rng)
    else:
        vocabulary.extend(["t%d" % i, len(vocabulary) + i] for i in range(rng.choice([1, 1000, 20000])))
    return "tokens"


def _merges(rng, vocabulary, merges, _added_, _model):
    words = [rng.choice(vocabulary)[0] for _ in range(4)] + ["nowhere", "", " ", values.text(rng)]
    for _ in range(rng.choice([1, 1, 10])):
        merge = rng.choice([[rng.choice(words), rng.choice(words)], "%s %s" % (rng.choice(words), rng.choice(words)), rng.choice(words), [rng.choice(words)],
                            [rng.choice(words)] * 3, [], None, 1, [1, 2], " ", "  ", "a b c"])
        merges.insert(rng.randrange(len(merges) + 1), merge)
    if rng.random() < 0.2:
        merges[:] = [rng.choice([["a", "b"], merges[0], "a b"])] * rng.choice([2, 1000]) if rng.random() < 0.5 else merges[::-1]
    return "merges"


def _added(rng, vocabulary, _merges_, added, _model):
    for _ in range(rng.choice([1, 1, 3])):
        content = rng.choice([values.text(rng), rng.choice(vocabulary)[0], "a", " ", "\n", "e", "x" * 60000, "ab" * 30000])
        identifier = rng.choice([len(vocabulary), len(vocabulary) + len(added), 0, values.integer(rng, len(vocabulary)), dict(vocabulary).get(content, 1)])
        item = [["id", identifier], ["content", content]] + [[key, rng.choice([True, False])] for key in ("single_word", "lstrip", "rstrip", "normalized", "special")]
        added.append(values.Pairs(item))
    if rng.random() < 0.3:
        item = rng.choice(added)
        values.put(item, rng.choice(["content", "id", "special", "normalized", "lstrip"]), values.json_value(rng, 1))
    return "added tokens"


def _flags(rng, _vocabulary, _merges_, _added_, model):
    key = rng.choice(["ignore_merges", "byte_fallback", "fuse_unk", "unk_token", "dropout", "type", "continuing_subword_prefix", "end_of_word_suffix"])
    values.put(model, key, rng.choice([True, False, None, "", "a", "<unk>", 0, 0.5, "WordPiece", "BPE"]))
    return key


def json_small(case):
    """The files beside tokenizer.json, and the chat template."""
    rng = case.rng
    _, source = _source(case)
    name = rng.choice(["tokenizer_config.json"] * 3 + ["special_tokens_map.json", "chat_template.jinja"])
    case.take(source, "tok", without=[name, "tokenizer.model", "model.safetensors"])
    root = case.fixtures.json(source + "/tokenizer_config.json")
    if name == "chat_template.jinja":
        text = values.find(root, "chat_template") or ""
        data = rng.choice([text, text[:-5], text * 3, "", values.text(rng), "{% for %}", "{{ '<|im_start|>' }}" * 1000, "\0", text.replace("eot_id", "x")])
        data, what = values.encode(data), "the template"
    else:
        for _ in range(rng.choice([1, 1, 2, 3])):
            what = values.change_json(rng, root)
            case.note(what)
        data = values.encode(values.dump(root))
    if rng.random() < 0.15:
        data, what = values.change_bytes(rng, data)
    case.note("%s: %s" % (name, what))
    case.write("tok/" + name, data)
    _use(case, "tok")


# tokenizer.model, a protocol buffer

def _varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(data, at):
    number = shift = 0
    while True:
        byte = data[at] if at < len(data) else 0
        at += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, at


def _fields(data):
    """[number, wire, value]: value is an integer, or bytes. What has been changed before may end too early."""
    found, at = [], 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        wire = tag & 7
        if wire == 0:
            value, at = _read_varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(wire)
            if size is None:
                size, at = _read_varint(data, at)
            value = data[at:at + size]
            at += size
        found.append([tag >> 3, wire, value])
    return found


def _message(found):
    out = []
    for number, wire, value in found:
        out.append(_varint(number << 3 | wire & 7))
        if isinstance(value, int):
            out.append(_varint(value))
        else:
            out.append((_varint(len(value)) if wire == 2 else b"") + value)
    return b"".join(out)


def _change_piece(rng, piece):
    """One field of a piece: its text, score or type."""
    found = _fields(piece)
    field = rng.choice(found)
    choice = rng.randrange(8)
    if choice == 0:
        found.remove(field)
    elif choice == 1:
        found.append(list(field))
    elif choice == 2:
        found.append([rng.choice([1, 2, 3, 4, 100, 1 << 40]), rng.choice([0, 2, 5]), rng.choice([0, 7, b"", b"abcd", 1 << 63])])
    elif field[0] == 1:
        field[2] = rng.choice([values.encode(values.text(rng)), b"\xff", b"a\0b", b"\xe2\x96\x81" * 100])
    elif field[0] == 2:
        field[2] = struct.pack("<f", rng.choice([float("nan"), float("inf"), -float("inf"), 0, 1e38, -1e38, -1, 5]))
    else:
        field[2] = rng.choice([0, 1, 2, 3, 4, 5, 6, 7, 1 << 63])
    return _message(found)


def model_structure(case):
    """Pieces and settings of a SentencePiece model."""
    rng = case.rng
    source = "golden/models/gemma2-tiny"
    found = _fields(case.fixtures.bytes(source + "/tokenizer.model"))
    for _ in range(rng.choice([1, 1, 2, 5])):
        choice = rng.randrange(9)
        at = rng.randrange(len(found))
        if choice < 4:
            pieces = [field for field in found if field[0] == 1 and field[1] == 2]
            field = rng.choice(pieces[:10] if rng.random() < 0.4 else pieces)
            field[2] = _change_piece(rng, field[2])
        elif choice == 4:
            del found[at:at + rng.choice([1, 1, 100])]
        elif choice == 5:
            found.insert(at, list(rng.choice(found)))
        elif choice == 6:
            settings = [field for field in found if field[0] in (2, 3)]
            if settings:
                field = rng.choice(settings)
                inner = [item for item in _fields(field[2]) if rng.random() < 0.95]
                inner.append([rng.choice([1, 2, 3, 4, 5, 24, 35, 40, 41, 42]), rng.choice([0, 2]), rng.choice([0, 1, 2, 3, 1 << 40, b"", b"identity", b"\0" * 100])])
                field[2] = _message(inner)
        elif choice == 7:
            found.insert(at, [1, 2, _message([[1, 2, values.encode(rng.choice(["x" * 100000, "a" * 5000, values.text(rng), "<unk>", "\u2581"]))],
                                              [2, 5, struct.pack("<f", -rng.random())], [3, 0, rng.choice([1, 2, 3, 4, 5, 6])]])])
        else:
            rng.shuffle(found)
        found = found or [[1, 2, b""]]
        case.note("change %d" % choice)
    data = _message(found)
    if rng.random() < 0.2:
        data, what = values.change_bytes(rng, data)
        case.note(what)
    if rng.random() < 0.3:
        case.take(source, "tok", without=["tokenizer.json", "tokenizer.model", "model.safetensors"])
    case.write("tok/tokenizer.model", data)
    _use(case, rng.choice(["tok", "tok/tokenizer.model"]))


# In GGUF

def in_gguf(case):
    """Keys tokenizer.* of a GGUF file with or without a model."""
    rng, family = case.rng, case.rng.choice(fixtures.FAMILIES)
    file = case.fixtures.gguf("%s/%s.gguf" % (family, rng.choice(["words", "words", "F32"])))
    for _ in range(rng.choice([1, 1, 2, 3])):
        keys = [value for value in file.values if value.key.startswith("tokenizer.")]
        if not keys:
            break
        value = rng.choice(keys)
        choice = rng.randrange(8)
        if choice < 5:
            case.note(gguf._new_value(case, value))
        elif choice == 5:
            file.values.remove(value)
            case.note("without " + value.key)
        elif choice == 6:
            case.note(_together(rng, file))
        else:
            case.note(gguf.value_type(case, file))
    alone = rng.random() < 0.4
    if alone:
        file.tensors = []
    case.write("tok.gguf", gguf.write(file))
    case.numbers_may_fail()
    if alone or rng.random() < 0.5:
        _use(case, "tok.gguf")
    else:
        models.use(case, "tok.gguf")


def _together(rng, file):
    """More or fewer tokens, with types and scores of the same number."""
    arrays = [file.find("tokenizer.ggml." + name) for name in ("tokens", "token_type", "scores")]
    tokens = arrays[0]
    if not tokens or not isinstance(tokens.value, list) or not tokens.value:
        return "nothing"
    at, count = rng.randrange(len(tokens.value)), rng.choice([1, 1, 10, len(tokens.value)])
    insert = rng.random() < 0.5
    for array in arrays:
        if array and isinstance(array.value, list):
            items = list(array.value)
            if insert:
                new = values.encode(rng.choice([values.text(rng), "x" * 70000, "t"])) if array is tokens else rng.choice([1, 2, 3, 4, 5, 6, -1])
                items[at:at] = [new] * count
            else:
                del items[at:at + count]
            array.value = items
    return "%d tokens %s at %d" % (count, "more" if insert else "fewer", at)


def texts(case):
    """A good tokenizer, and texts that are hard for it."""
    rng = case.rng
    _, source = _source(case)
    case.take(source, "tok", without=["model.safetensors"])
    pieces = ["a", "1", " ", "\n", "'s", "\u0301", "e\u0301", "\u1100\u1161\u11a8", "\u4f60", "\U0001f600", "\u200d", "\u2581", "<|eot_id|>", "<bos>", "\ufb01", "\u0345", "<",
              "\u00a0", "\u2028", "\u0085", "\u0000", "ab", "\uac00\u11a8", "\u0f71\u0f72\u0f74"]
    lines = []
    for _ in range(rng.choice([1, 1, 5])):
        some = [rng.choice(pieces) for _ in range(rng.choice([1, 2, 3, 8]))]
        text = "".join(some) * rng.choice([1, 10, 1000, 20000]) if rng.random() < 0.5 else "".join(rng.choice(pieces) for _ in range(rng.choice([10, 1000, 30000])))
        lines.append(json.dumps({"text": text[:100000]}, ensure_ascii=rng.random() < 0.5))
    case.write("texts.jsonl", "\n".join(lines) + "\n")
    case.note("texts")
    flags = rng.choice([[], ["--parse-special"]])
    path = rng.choice(["tok", "tok/tokenizer.model"]) if "gemma2" in source and source.startswith("golden") else "tok"
    case.run("cso-data", "tokenize", "--tokenizer", path, *flags, "texts.jsonl")
