"""Hostile inputs for all programs; called by hostile.sh, which says more."""
import argparse
import collections
import multiprocessing
import os
import random
import resource
import shlex
import shutil
import sys
import tempfile
import time

import adapters
import configs
import fixtures
import judge
import large
import models
import options as command_lines
import records
import runs
import vocab
from case import Case

# What is made, and how often.
KINDS = {
    "models": [(models.gguf_structure, 14), (models.gguf_bytes, 4), (models.gguf_shape, 4), (models.gguf_parts, 2), (models.folder_tensors, 7), (models.folder_config, 6),
               (models.folder_rope, 2), (models.folder_shards, 4), (models.folder_files, 2)],
    "tokenizers": [(vocab.json_structure, 7), (vocab.json_vocabulary, 5), (vocab.json_small, 2), (vocab.model_structure, 5), (vocab.in_gguf, 6), (vocab.texts, 2)],
    "adapters": [(adapters.config, 3), (adapters.weights, 4), (adapters.together, 2), (adapters.in_gguf, 1), (adapters.files, 1)],
    "records": [(records.lines, 12), (records.messages, 2), (records.odd_files, 1), (records.system_prompt, 1)],
    "configurations": [(configs.keys, 7), (configs.sets, 3), (configs.syntax, 4), (configs.stages, 3)],
    "options": [(command_lines.wrong, 4), (command_lines.make_model, 1)],
    "large": [(large.records, 1), (large.texts, 1), (large.vocabulary, 0.5), (large.containers, 0.5), (large.pieces, 0.3), (large.folders, 0.3), (large.configuration, 0.2)],
    "runs": [(runs.state, 3), (runs.contents, 4), (runs.metrics, 2), (runs.cache, 2), (runs.names, 3), (runs.config, 1)],
}
MAKERS = [(kind, make, weight) for kind, makers in KINDS.items() for make, weight in makers]


def make_case(index, options, made, folder):
    """Input `index`, in a folder of its own: the same for the same seed."""
    rng = random.Random("%d/%d" % (options.seed, index))
    makers = [maker for maker in MAKERS if not options.kind or options.kind in ("%s" % maker[0], maker[1].__name__)]
    kind, make, _ = rng.choices(makers, [maker[2] for maker in makers])[0]
    case = Case(os.path.join(folder, "%d" % index, "in"), rng, made)
    os.makedirs(case.folder)
    make(case)
    case.kind, case.maker = kind, make.__name__
    return case


def one(index):
    """Makes, runs and judges an input; leaves its folder only if something is wrong with the answer."""
    options, made, folder = STATE
    try:
        case = make_case(index, options, made, folder)
    except Exception as error:  # a fault of the generator's own
        return index, "generator", "", "", 0, 0, ["%s: %s" % (type(error).__name__, error)]
    answer = judge.run(case, options.programs)
    found = judge.faults(case, answer)
    if found or options.only is not None:
        leave(case, answer, found)
    else:
        shutil.rmtree(os.path.dirname(case.folder), ignore_errors=True)
    return index, case.kind, case.maker, case.program, answer.code, answer.seconds, found


def leave(case, answer, found):
    """What one needs to look at a finding."""
    words = " ".join(shlex.quote(word) for word in [case.program] + case.arguments)
    with open(os.path.join(os.path.dirname(case.folder), "report"), "wb") as file:
        file.write(("what: %s\nfaults: %s\ncommand, in the folder in: %s\nexit code: %s, %.2f s\nstderr:\n" %
                    ("; ".join(case.what), found, words, answer.code, answer.seconds)).encode("utf-8", "backslashreplace") + answer.err[:20000])
    if case.stdin:
        with open(os.path.join(os.path.dirname(case.folder), "stdin"), "wb") as file:
            file.write(case.stdin)


STATE = None


def start(options, made, folder):
    global STATE
    STATE = options, made, folder
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 28, 1 << 28))


def summary(results, seconds):
    codes = sorted({result[4] for result in results})
    table = collections.Counter((result[1], result[3], result[4]) for result in results)
    print("\n%-16s%-14s%8s  exit codes:%s" % ("kind", "program", "inputs", "".join("%8d" % code for code in codes)))
    for kind, program in sorted({key[:2] for key in table}):
        counts = [table[kind, program, code] for code in codes]
        print("%-16s%-14s%8d             %s" % (kind, program, sum(counts), "".join("%8d" % count for count in counts)))
    total = [sum(table[key] for key in table if key[2] == code) for code in codes]
    print("%-30s%8d             %s" % ("all", len(results), "".join("%8d" % count for count in total)))
    slowest = max(results, key=lambda result: result[5])
    print("the slowest: input %d (%s, %s), %.1f s; %.0f s in all" % (slowest[0], slowest[2], slowest[3], slowest[5], seconds))


def show_findings(findings, options, folder):
    groups = collections.defaultdict(list)
    for index, kind, maker, program, _, _, found in findings:
        for fault in found:
            groups[program, fault].append((index, kind, maker))
    for (program, fault), inputs in sorted(groups.items(), key=lambda item: -len(item[1])):
        print("%5d  %s: %s; inputs %s (%s)" % (len(inputs), program, fault, " ".join(str(item[0]) for item in sorted(inputs)[:6]), ", ".join(sorted({item[2] for item in inputs})[:6])))
    print("hostile: %d of the inputs are answered wrongly; repeat one with --seed %d --only N; they are kept in %s" % (len(findings), options.seed, folder))


def parse():
    arguments = argparse.ArgumentParser(prog="hostile", description=__doc__)
    arguments.add_argument("count", nargs="?", type=int, default=2000, help="inputs (default 2000)")
    arguments.add_argument("--programs", required=True, help="folder of the programs, built with sanitizers")
    arguments.add_argument("--golden", required=True, help="tests/golden")
    arguments.add_argument("--seed", type=int, default=None, help="default: another each time, printed")
    arguments.add_argument("--first", type=int, default=0, help="number of the first input")
    arguments.add_argument("--only", type=int, default=None, help="this input only; its files and answer are kept")
    arguments.add_argument("--kind", help="a kind, or one of its makers; the numbers then mean other inputs")
    arguments.add_argument("-j", "--jobs", type=int, default=os.cpu_count())
    options = arguments.parse_args()
    options.programs, options.golden = os.path.abspath(options.programs), os.path.abspath(options.golden)
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    return options


def main():
    options = parse()
    fast = "/dev/shm" if "TMPDIR" not in os.environ and os.access("/dev/shm", os.W_OK) else None  # a disk takes longer than the programs
    folder = tempfile.mkdtemp(prefix="cso-hostile-", dir=fast)
    print("hostile: seed %d, in %s" % (options.seed, folder), flush=True)
    made = fixtures.Fixtures(options.programs, options.golden, os.path.join(folder, "good"))
    made.make()
    start(options, made, folder)
    if options.only is not None:
        result = one(options.only)
        print("%s/%d: %s" % (folder, options.only, result[6] or "nothing is wrong"))
        with open(os.path.join(folder, str(options.only), "report"), encoding="utf-8", errors="replace") as file:
            print(file.read())
        return 1 if result[6] else 0
    began = said = time.time()
    results, findings = [], []
    with multiprocessing.Pool(options.jobs) as pool:
        for result in pool.imap_unordered(one, range(options.first, options.first + options.count), 4):
            results.append(result)
            if result[6]:
                findings.append(result)
                print("hostile: input %d (%s, %s): %s" % (result[0], result[2], result[3], "; ".join(result[6])), flush=True)
            if time.time() - said > 30:
                said = time.time()
                print("hostile: %d of %d, %d wrong, %.0f s" % (len(results), options.count, len(findings), said - began), flush=True)
    summary(results, time.time() - began)
    if findings:
        show_findings(findings, options, folder)
        return 1
    shutil.rmtree(folder)
    print("hostile: all holds")
    return 0


sys.exit(main())
