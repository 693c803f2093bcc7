"""Command lines: values that are wrong for their options, and options that there are not."""
import fixtures
import values

NUMBERS = ["0", "1", "-1", "1.5", "1e3", "1e300", "", " ", "x", "0x10", "99999999999999999999", "18446744073709551615", "18446744073709551616", "9223372036854775807", "2147483648",
           "4294967296", "4097", "nan", "inf", "-inf", "+1", "1 ", " 1", "1\n", "\x1b[31m"]
THREADS = [number for number in NUMBERS if number not in ("18446744073709551615", "9223372036854775807")]
WORDS = ["", "auto", "llama3", "LLAMA3", "chatml", "f32", "bf16", "F32", "x" * 3000, "\x1b[31m", "\u009b", "--", "-", "-x", "a\nb", "left", "drop", "error", "\u00e9", "../x", "%s%n"]
UNKNOWN = ["--nothing", "--mod", "--model=", "-", "--", "-Z", "--\x1b[2J", "--help=x", "--version", "--help", "-hq", "--set=", "--verify", "x", "", "--thread", "--json", "\u202e"]


def _programs(case):
    """Each program with its good arguments, as [option, value] and words."""
    model, chats = case.fixtures.path(case.rng.choice(fixtures.FAMILIES) + "/hf"), case.fixtures.path("chats.jsonl")
    adapter = model[:-2] + "adapter"
    return {
        "cso-eval": (["score", chats], [["--model", model], ["--adapter", adapter], ["--chat-template", "auto"], ["--compute", "f32"], ["--threads", "1"], ["--max-length", "512"],
                                        ["--beta", "0.1"], ["--summary"], ["--parse-special"], ["--tokenizer", model]]),
        "cso-generate": ([], [["--model", model], ["--prompt", "hi"], ["--max-tokens", "2"], ["--threads", "1"], ["--chat-template", "auto"], ["--compute", "exact"], ["--adapter", adapter],
                              ["--temperature", "0.7"], ["--top-k", "3"], ["--top-p", "0.9"], ["--seed", "1"], ["--n", "2"], ["--stop", "x"], ["--prefix", "I"], ["--logprobs", "2"],
                              ["--logit-bias", "3=1"], ["--strategies", "esc-pro"]]),
        "cso-data": (["stats", chats], [["--model", model], ["--max-length", "100"], ["--truncation", "left"], ["--json"], ["--chat-template", "auto"]]),
        "cso-inspect": ([model], [["--threads", "1"], ["--json"], ["--tensors"], ["--keys"], ["--verify"]]),
        "cso-train": ([], [["--config", model[:-2] + "run.toml"], ["--dry-run"], ["--quiet"], ["--threads", "1"], ["--resume", "never"], ["--set", "checkpoint.dir=run"]]),
        "cso-bench": (["step"], [["--model", model], ["--tokens", "16"], ["--rank", "1"], ["--seconds", "0.001"], ["--threads", "1"], ["--compute", "f32"], ["--memory", "0.2"]]),
    }


def wrong(case):
    rng = case.rng
    program = rng.choice(["cso-eval", "cso-generate", "cso-data", "cso-inspect", "cso-train", "cso-bench"])
    words, options = _programs(case)[program]
    needed = {"--model", "--config", "--prompt", "--set", "--tokens", "--seconds", "--rank", "--max-tokens", "--threads", "--dry-run", "--quiet"}
    options = [list(option) for option in options if option[0] in needed or rng.random() < 0.4]
    for _ in range(rng.choice([1, 1, 2])):
        choice = rng.randrange(8)
        option = rng.choice(options)
        if choice < 5 and len(option) == 2:
            number = option[1].replace(".", "").isdigit()
            option[1] = rng.choice((THREADS if option[0] == "--threads" else NUMBERS) if number else WORDS) if rng.random() < 0.9 else values.text(rng).replace("\0", "")
            if option[0] in ("--seconds", "--tokens", "--max-tokens") and option[1].strip().isdigit() and int(option[1]) > 100:
                option[1] = "x"  # good, and very long
            if option[0] == "--seconds" and option[1] in ("1e3", "1e300", "inf", "0x10"):
                option[1] = "1e-3"
            case.note("%s %r" % tuple(option))
        elif choice == 5:
            options.append([rng.choice(UNKNOWN)])
            case.note("%r" % options[-1])
        elif choice == 6:
            words = words + [rng.choice(UNKNOWN + WORDS)]
            case.note("one more word %r" % words[-1])
        else:
            options = [other for other in options if other is not option or option[0] == "--quiet" or (program, option[0]) in (("cso-bench", "--model"), ("cso-bench", "--seconds"))]
            options = options or [["--help"]]
            case.note("without %s" % option[0])
    rng.shuffle(options)
    flat = [word for option in options for word in option]
    case.names = None
    case.any_name = True
    case.numbers_may_fail()
    case.run(program, *(words[:1] + flat + words[1:] if program in ("cso-eval", "cso-data", "cso-bench") else flat + words))


def make_model(case):
    """cso-inspect --make-model with shapes that cannot be."""
    rng = case.rng
    case.any_name = True
    words = ["--make-model", rng.choice(["llama", "qwen2", "gemma2", "llama", "gpt2", "", "\x1b[31m"]), "--out", rng.choice(["m", "m.gguf", "", "missing/m", "missing/m.gguf", "/dev/null/x", "folder"])]
    for name, good in (("--layers", "1"), ("--hidden", "32"), ("--heads", "2"), ("--kv-heads", "1"), ("--head-dim", "16"), ("--ffn", "32"), ("--vocab", "300"), ("--context", "64"),
                       ("--seed", "1"), ("--type", "F32"), ("--max-shard-size", "5GB"), ("--preset", "tiny")):
        if rng.random() < 0.15 or name in ("--layers", "--hidden", "--ffn"):
            value = good
            if rng.random() < 0.3:
                value = rng.choice([number for number in NUMBERS if len(number) < 4] + ["3", "7", "33", "48", "1025"]) if good.isdigit() else \
                    rng.choice(["Q4_0", "Q8_0", "Q4_K", "BF16", "F64", "q4_0", "1KB", "0", "1", "-1GB", "99999999TB", "1KB", "x", "tiny", "TINY", ""])
            words += [name, value]
            case.note("%s %r" % (name, value))
    case.codes = case.codes | {4}  # folders that cannot be made
    case.run("cso-inspect", "-q", "-t", 1, *words)
