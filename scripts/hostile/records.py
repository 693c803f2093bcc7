"""Records of all forms, for all programs that read them."""
import fixtures
import models
import values

PROGRAMS = ["cso-data"] * 5 + ["cso-tools"] * 4 + ["cso-eval"] * 3 + ["cso-train"] * 2 + ["cso-generate"]
ROLES = ["user", "assistant", "system", "tool", "supporter", "", "USER", "user\n", "<|im_end|>", 1, None]
CONTENTS = ["", " ", "\n", "a", "a" * 5000, "ab " * 3000, "<|eot_id|>", "<end_of_turn>", "\u0000", "\ufeff", None, [], values.Raw("\"\\ud800\""), 1, ["a"],
            values.Pairs([["type", "text"], ["text", "a"]])]


def _record(case, name=None):
    rng = case.rng
    name = name or rng.choice(list(fixtures.RECORDS))
    return values.load(values.dump(fixtures.RECORDS[name]))


def _messages(rng):
    """A dialogue whose roles and contents need not make sense."""
    if rng.random() < 0.6:
        roles = [("user", "assistant")[i % 2] for i in range(rng.choice([0, 1, 2, 3, 8, 40]))]
        if rng.random() < 0.3:
            roles.insert(0, "system")
    else:
        roles = [rng.choice(ROLES) for _ in range(rng.choice([0, 1, 2, 5]))]
    found = []
    for role in roles:
        message = values.Pairs([["role", role], ["content", "b" if rng.random() < 0.8 else rng.choice(CONTENTS)]])
        if rng.random() < 0.1:
            message.append(rng.choice([["content", "c"], ["role", "user"], ["strategy", "Affirmation"], ["negative", rng.choice([[], [1], None, {}])], ["name", 1]]))
        found.append(message)
    return found


def _shaped(case):
    """A record of a form whose fields are dialogues of all sorts."""
    rng = case.rng
    form = rng.choice(["preference", "implicit", "chat", "tree", "pair", "texts"])
    if form == "chat":
        return values.Pairs([["messages", _messages(rng)], ["add_generation_prompt", rng.choice([True, False, None, 1])]])
    if form == "tree":
        turns = _messages(rng)
        for turn in turns:
            turn.append(["strategy", rng.choice(["Affirmation", "", "Unknown", 1, None])])
            count = rng.choice([0, 1, 3, 100])
            turn.append(["negative", [values.Pairs([["content", rng.choice(CONTENTS[:8])], ["strategy", "Affirmation"]]) for _ in range(count)]])
        return values.Pairs([["messages", turns], ["scene", "s"], ["description", rng.choice(["d", None, 1])], ["iter", rng.choice([1, -1, "x", None])]])
    if form == "pair":
        record = _record(case, "pair")
        values.put(record, rng.choice(["messages", "chosen", "reject"]), _messages(rng))
        return record
    reply = [values.Pairs([["role", "assistant"], ["content", rng.choice(CONTENTS)]])]
    if form == "preference":
        return values.Pairs([["prompt", rng.choice([_messages(rng), "p", ""])], ["chosen", rng.choice([reply, _messages(rng), "c"])],
                             ["rejected", rng.choice([reply, _messages(rng), "r", reply[0]])]])
    if form == "implicit":
        begin = _messages(rng)
        return values.Pairs([["chosen", begin + reply], ["rejected", begin + _messages(rng)]])
    return values.Pairs([["prompt", rng.choice(CONTENTS)], ["chosen", rng.choice(CONTENTS)], ["rejected", rng.choice(CONTENTS)]])


def _ids(case):
    rng = case.rng
    ids = [rng.choice([0, 1, 2, 100, 255, 256, 300, 511, values.integer(rng), values.Raw(rng.choice(["1.5", "1e2", "-1", "NaN", "\"1\"", "null"]))]) for _ in range(rng.choice([0, 1, 2, 10, 2000]))]
    return values.Pairs([["ids", ids if rng.random() < 0.9 else values.json_value(rng)]])


def _line(case):
    rng = case.rng
    choice = rng.randrange(12)
    if choice < 3:
        return _record(case)
    if choice < 7:
        return _shaped(case)
    if choice == 7:
        return _ids(case)
    if choice == 8:
        return rng.choice([values.json_value(rng), values.Pairs([["text", rng.choice(CONTENTS)]]), values.Pairs([["label", True], ["messages", []]]), values.Pairs([["prompt", 1], ["completion", 2]]),
                           values.Pairs([["conversations", [values.Pairs([["from", "human"], ["value", "x"]])]]]), values.Pairs([["instruction", "a"], ["input", ""], ["output", "b"]])])
    record = _record(case)
    for _ in range(rng.choice([1, 1, 2, 3])):
        case.note(values.change_json(rng, record))
    return record


def lines(case):
    rng = case.rng
    same = rng.random() < 0.7
    name = rng.choice(["preference", "tree", "pair", "chat", "text"])
    found = [_record(case, name) for _ in range(rng.choice([0, 1, 3]))] if same else []
    found.insert(rng.randrange(len(found) + 1), _line(case))
    if not same:
        found += [_line(case) for _ in range(rng.choice([0, 1, 3]))]
    end = rng.choice(["\n", "\n", "\n", "\r\n", "\n\n", "\r", " ", ""])
    if rng.random() < 0.2:
        data = values.encode("[" + ",".join(values.dump(record) for record in found) + rng.choice(["]", "]", "]\n", "", ",]", "][]"]))
    else:
        data = values.encode("".join(values.dump(record) + end for record in found))
    if rng.random() < 0.2:
        data, what = values.change_bytes(rng, data)
        case.note(what)
    case.note("records")
    name = rng.choice(["data.jsonl", "data.json", "data.jsonl", "data", "data.csv", "d\u00e9.jsonl", "a b.jsonl", "a\nb\x1b[31m.jsonl"])
    if rng.random() < 0.1:
        case.stdin, name = data, "-"
        case.names = ["standard input", "stdin"]
    else:
        case.write(name, data)
    _use(case, name)


def _use(case, name):
    rng = case.rng
    model = case.fixtures.path("%s/%s" % (rng.choice(fixtures.FAMILIES), rng.choice(["hf", "bytes"])))
    program = rng.choice(PROGRAMS)
    if program == "cso-data":
        command, flags = rng.choice(["stats", "tokenize"]), []
        if command == "stats":
            flags = rng.choice([[], ["--json"], ["--max-length", rng.choice([1, 2, 8, 20])], ["--truncation", rng.choice(["drop", "error", "left"])]])
        flags = flags + rng.choice([[], [], ["--parse-special"], ["--chat-template", rng.choice(["llama3", "gemma2", "chatml", "smollm2"])]])
        case.run(program, command, "-m", model, *flags, name)
    elif program == "cso-tools":
        to = rng.choice(["trees", "pairs", "kto", "preference", "list", "sft"])
        command = rng.choice([["check", "--tokenizer", model], ["check", "--json"], ["convert", "--to", to], ["convert", "--to", to, "--keep", "--array"], ["dedup", "--by", "content"],
                              ["sample", "-n", 2, "--by", "dialogue"], ["split", "-d", "parts", "--parts", "a=0.5,b=0.5"]])
        case.run("cso-data", *command, name)
    elif program == "cso-eval":
        flags = rng.choice([[], [], ["--summary"], ["--max-length", 20], ["--parse-special"], *([["--adapter", model[:-2] + "adapter"]] if model.endswith("hf") else [])])
        case.run(program, "score", "-t", 1, "-m", model, *flags, name)
    elif program == "cso-generate":
        case.run(program, "-t", 1, "-m", model, "-n", 2, "-f", name)
    else:
        keys = rng.choice([[], [], ["data.max_length=%d" % rng.choice([2, 8, 30])], ["data.truncation=" + rng.choice(["drop", "error"])], ["data.shuffle=pair"],
                           ["data.packing=" + rng.choice(["pair", "none"])], ["loss.type=sft"], ["data.eval=" + name]])
        models.train(case, model, data=name, keys=keys)


def messages(case):
    """A chat for cso-generate."""
    rng = case.rng
    root = _messages(rng) if rng.random() < 0.6 else values.json_value(rng)
    if rng.random() < 0.3 and isinstance(root, list) and root:
        case.note(values.change_json(rng, root))
    data = values.encode(values.dump(root))
    if rng.random() < 0.2:
        data, what = values.change_bytes(rng, data)
        case.note(what)
    case.note("messages")
    case.write("chat.json", data)
    model = case.fixtures.path("%s/%s" % (rng.choice(fixtures.FAMILIES), rng.choice(["hf", "bytes"])))
    if rng.random() < 0.3:
        case.stdin, case.names = data, ["standard input", "stdin"]
        case.run("cso-generate", "-t", 1, "-m", model, "-n", 2)
    else:
        case.run("cso-generate", "-t", 1, "-m", model, "-n", 2, "-f", "chat.json")


def odd_files(case):
    """A data file that is something else: a folder, a link to itself, a pipe, a device."""
    case.write("data.jsonl", b"")
    case.write("other.jsonl", case.fixtures.bytes("chats.jsonl"))
    models.spoil(case, "data.jsonl", ["other.jsonl"])
    _use(case, "data.jsonl")


def system_prompt(case):
    data, what = values.change_bytes(case.rng, values.encode(values.text(case.rng) * case.rng.choice([1, 10])))
    case.note("system prompt: " + what)
    case.write("system.txt", data)
    case.write("tree.jsonl", values.dump(fixtures.RECORDS["tree"]) + "\n")
    case.run("cso-data", case.rng.choice(["stats", "tokenize"]), "-m", case.fixtures.path(case.rng.choice(fixtures.FAMILIES) + "/hf"), "--system-prompt", "system.txt", "tree.jsonl")
