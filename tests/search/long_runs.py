"""Checks of long runs of cso-search, each a function of (program, folder, count); run_checks.py runs them by name.

    faults       1,000 requests, a fifth of them with every fault of the test server: the same bytes, and no answered call asked again
    wrong        a fifth of the answers are not what was asked: the same bytes
    parallel     1, 3 and 8 searches at once, answers in any order: the same bytes
    kills        50 times kill -9 at random moments: the same bytes, nothing is asked again but what was in flight
    interrupt    SIGINT and SIGTERM end a run within a second, and the same command goes on
    failing      a role that never answers as asked ends its search alone, and the same command goes on
    damage       a damaged journal ends its search alone; a torn one costs a call
    refusals     changed prompts, changed keys, --resume never, a second process
    finished     a finished run asks nothing
    context      a talk that is too long for a model ends its search alone, in every start
    cost         search.max_cost stops a run, which goes on when it is raised
    key          the key is in no file, not even in the core of a program that was shot
"""
import json
import random
import resource
import signal
import time

from search_runs import KEY, PROMPTS, Case, Server, check, kill, make_seeds, wait_until

SEARCH = {"iterations_min": 8, "iterations_max": 14, "c": 2.0, "rounds": 2, "reward_bias": -2.0, "parallel": 4}
KEYED = ("--key-env", "CSO_CHECK_KEY")


def make_case(work, name, count, search=None, **tables):
    return Case(work / name, make_seeds(7, count), {**SEARCH, **(search or {})}, **tables)


def reference(program, work, count):
    """What a run without any trouble makes of the seeds."""
    case = make_case(work, "reference", count)
    with Server() as server:
        case.go(program, server.port, "--quiet")
    return case.results(), case.calls()


def check_same(case, expected, what):
    found = case.results()
    check(set(found) == set(expected), f"{what}: the files differ: {sorted(set(found) ^ set(expected))}")
    for name, data in expected.items():
        check(found[name] == data, f"{what}: {name} differs")


def states(case):
    return [tree["state"] for tree in case.trees()]


def faults(program, work, _):
    expected, calls = reference(program, work, 30)
    check(calls >= 1000, f"only {calls} calls")
    role = {"max_retries": 40, "timeout_seconds": 30.0, "max_parallel": 16}
    case = make_case(work, "faults", 30, {"parallel": 8}, role=role)
    with Server(*KEYED, "--faults", "all", "--rate", "0.2") as server:
        out, _ = case.go(program, server.port)
        stats = server.stats()
    check_same(case, expected, "with faults")
    bad = sum(stats["faults"].values())
    check(bad >= 0.15 * calls, f"only {bad} faults")
    check(stats["answered"] == calls == case.journalled(), f"{stats['answered']} answers for {calls} calls")
    check(str(calls) in out, "the table has not the number of calls")
    case.check_no_key()
    return f"{stats['requests']} requests, {bad} faults of {len(stats['faults'])} kinds"


def wrong(program, work, _):
    expected, calls = reference(program, work, 12)
    case = make_case(work, "wrong", 12)
    with Server(ROLES_WRONG="0.2") as server:
        case.go(program, server.port)
        answered = server.stats()["answered"]
    check_same(case, expected, "with wrong answers")
    check(answered > 1.1 * calls, "hardly an answer was wrong")
    return f"{answered} answers for {calls} calls"


def parallel(program, work, _):
    expected, calls = reference(program, work, 12)
    for count in (1, 3, 8):
        case = make_case(work, f"parallel {count}", 12, {"parallel": count})
        with Server(ROLES_JITTER="0.008") as server:
            case.go(program, server.port)
        check_same(case, expected, f"parallel = {count}")
    return f"{calls} calls"


def settled(server):
    """How many answers the server has sent once no request is on its way."""
    before = None
    while True:
        now = server.stats()
        if before and now["requests"] == before["requests"] and now["answered"] == before["answered"]:
            return now["answered"]
        before = now
        time.sleep(0.06)


def kills(program, work, _):
    draw = random.Random(50)
    expected, calls = reference(program, work, 24)
    case = make_case(work, "kills", 24, {"parallel": 6})
    most = 6 * 4  # searches at once, and questions that each asks together: of them answers may wait for the journal
    with Server(*KEYED, ROLES_JITTER="0.03") as server:
        asked = lost = count = 0
        while count < 50:
            process = case.start(program, server.port)
            if draw.random() < 0.4:  # while it starts, or plays the journals again
                time.sleep(draw.random() * 0.1)
            else:
                had = case.journalled()
                goal = had + draw.randint(1, max(1, (calls - had) // (50 - count)))
                wait_until(lambda: process.poll() is not None or case.journalled() >= goal, 60, "progress")
                time.sleep(draw.random() * 0.01)
            check(process.poll() is None, f"the run ended before kill {count + 1}")
            kill(process)
            count += 1
            answered = settled(server)
            in_flight = answered - case.journalled() - lost
            check(0 <= in_flight <= most, f"kill {count}: {in_flight} answers came and are in no journal (expected {most} at most)")
            lost += in_flight
            asked = answered
        case.go(program, server.port)
        answered = settled(server)
    check_same(case, expected, "after kills")
    check(answered - case.journalled() == lost and case.journalled() == calls, "an answered call was asked again")
    case.check_no_key()
    return f"{count} kills, {calls} calls, {lost} answers lost in flight, {calls - asked + lost} calls left to the last start"


def interrupt(program, work, _):
    expected, calls = reference(program, work, 6)
    case = make_case(work, "interrupt", 6)
    for number in (signal.SIGINT, signal.SIGTERM):
        with Server("--delay", "0.4") as server:
            had = case.journalled()
            process = case.start(program, server.port)
            wait_until(lambda: case.journalled() >= had + 5, 30, "five answers")
            began = time.monotonic()
            out, errors, status = kill(process, number)
            took = time.monotonic() - began
        check(status == 128 + number, f"exit status {status} after signal {number}: {errors}")
        check(took < 1, f"it took {took:.2f} s to end")
        check("goes on" in errors, f"nothing says that the same command goes on: {errors}")
        check("stopped" in states(case), "no tree of a stopped search")
    had = case.journalled()
    with Server() as server:
        case.go(program, server.port)
        answered = server.stats()["answered"]
    check_same(case, expected, "after signals")
    check(answered == calls - had, f"{answered} answers after {had} of {calls}")
    return f"{took:.2f} s to end"


def failing(program, work, _):
    expected, calls = reference(program, work, 6)
    case = make_case(work, "failing", 6)
    with Server(ROLES_FAILING="seed2x:,seed4x:") as server:
        out, errors = case.go(program, server.port, status=4)
    check(states(case) == ["complete", "complete", "failed", "complete", "failed", "complete"], f"states: {states(case)}")
    check("search 3: role.seeker" in errors and "search 5: role.seeker" in errors, f"it does not say what failed: {errors}")
    check("2 of 6" in errors, f"it does not say how many failed: {errors}")
    had = case.journalled()
    with Server() as server:
        case.go(program, server.port)
        answered = server.stats()["answered"]
    check_same(case, expected, "after the role was mended")
    check(answered == case.journalled() - had, "an answered call was asked again")
    check(0 < case.journalled() - calls <= 2 * 6, f"{case.journalled()} answers in the journals for {calls} calls")
    return f"{answered} of {calls} calls were left"


def damage(program, work, _):
    expected, calls = reference(program, work, 5)
    case = make_case(work, "damage", 5)
    with Server() as server:
        case.go(program, server.port)
        whole = case.journal(2).read_bytes()
        lines = whole.split(b"\n")
        lines[4] = lines[4].replace(b'"tries":1', b'"tries":2')
        check(b"\n".join(lines) != whole, "no line was changed")
        case.journal(2).write_bytes(b"\n".join(lines))
        case.journal(4).unlink()
        (case.run / "trees" / "000004.json").unlink()
        _, errors = case.go(program, server.port, status=3)
        check("000002.jsonl:5:" in errors, f"it does not name file and line: {errors}")
        check(case.journal(2).read_bytes() == b"\n".join(lines), "the damaged journal was written to")
        found = case.results()
        check(found["000004.json"] == expected["000004.json"], "the other search did not complete")
        # A torn tail: what a machine that died left of the last line.
        case.journal(2).write_bytes(whole)
        draw = random.Random(3)
        for _ in range(6):
            whole = case.journal(1).read_bytes()
            last = len(whole) - whole.rindex(b"\n", 0, len(whole) - 1) - 1
            case.journal(1).write_bytes(whole[:len(whole) - draw.randint(1, last)])
            before = server.stats()["answered"]
            case.go(program, server.port)
            check(server.stats()["answered"] - before == 1, "a torn line costs more than its call")
            check_same(case, expected, "after a torn line")
    return "one search fails, the others do not"


def refused(case, program, port, *arguments, words=(), status=2):
    before = {file: file.read_bytes() for file in (case.run / "journal").iterdir()}
    out, errors = case.go(program, port, "--quiet", *arguments, status=status)
    check(errors.count("\n") == 1, f"not one line: {errors}")
    for word in words:
        check(word in errors, f"no {word!r} in: {errors}")
    for file, data in before.items():
        check(file.read_bytes() == data, f"{file} was changed by a run that is refused")


def refusals(program, work, _):
    expected, _ = reference(program, work, 5)
    case = make_case(work, "refusals", 5)
    with Server("--delay", "0.3") as server:
        process = case.start(program, server.port)
        wait_until(lambda: case.journalled() >= 8, 60, "some answers")
        _, errors = case.go(program, server.port, "--quiet", status=2)
        check("another process" in errors and errors.count("\n") == 1, f"the second process says: {errors}")
        kill(process, signal.SIGINT)
    with Server() as server:
        refused(case, program, server.port, "--resume", "never", words=["--resume auto"])
        refused(case, program, server.port, "--set", "role.judge.temperature=0.5", words=["role.judge.temperature", "0.5"])
        refused(case, program, server.port, "--set", "search.c=3", words=["search.c"])
        (case.folder / "prompts.toml").write_text(PROMPTS.replace("Hello", "Good day"), encoding="utf-8")
        refused(case, program, server.port, words=["prompts"])
        (case.folder / "prompts.toml").write_text(PROMPTS, encoding="utf-8")
        check(server.stats()["requests"] == 0, "something was asked")
        case.go(program, server.port, "--set", "search.parallel=2")
    check_same(case, expected, "after refusals")
    return "one line each"


def finished(program, work, _):
    expected, calls = reference(program, work, 5)
    case = make_case(work, "finished", 5)
    with Server() as server:
        first, _ = case.go(program, server.port)
    second, errors = case.go(program, 0)  # nobody listens
    check(first == second, "the table of a finished run differs")
    check("complete" in errors and "nothing is left" in errors, f"it does not say so: {errors}")
    check_same(case, expected, "started again")
    return f"{calls} calls"


def context(program, work, _):
    seeds = make_seeds(7, 5, golden=0)
    seeds[2]["description"] += " and more" * 200
    case = Case(work / "context", seeds, SEARCH, role={"max_tokens": 40, "seeker": {"context": 500}})
    with Server("--delay", "0.3") as server:
        process = case.start(program, server.port)
        wait_until(lambda: case.journalled() >= 5, 60, "some answers")
        kill(process, signal.SIGINT)
    for _ in range(2):
        with Server() as server:
            had = case.journalled()
            _, errors = case.go(program, server.port, status=2)
            answered = server.stats()["answered"]
        check("search 3: role.seeker" in errors, f"it does not say what failed: {errors}")
        check(states(case)[:2] + states(case)[-2:] == ["complete"] * 4, f"states: {states(case)}")
        check(answered == case.journalled() - had, "an answered call was asked again")
    check(answered == 0, "a run with nothing left to ask asks")
    names = {json.loads(line)["description"] for line in (case.run / "esc-pro.jsonl").read_text(encoding="utf-8").split("\n") if line}
    check(names == {seed["description"] for seed in seeds if seed is not seeds[2]}, f"records of {names}")
    return f"{had} calls"


def cost(program, work, _):
    expected, calls = reference(program, work, 6)
    case = make_case(work, "cost", 6, role={"price_in": 1000.0, "price_out": 2000.0, "max_tokens": 60})
    expected = {name: data for name, data in expected.items()}
    with Server() as server:
        _, errors = case.go(program, server.port, "--set", "search.max_cost=10", status=4)
        check("max_cost" in errors, f"it does not say why: {errors}")
        check(0 < case.journalled() < calls, f"{case.journalled()} answers of {calls}")
        spent = sum(json.loads(line.partition(b" ")[2]).get("cost", 0) for file in (case.run / "journal").iterdir()
                    for line in file.read_bytes().split(b"\n")[1:] if line)
        check(5 < spent <= 10, f"{spent} was spent of 10")
        case.go(program, server.port, "--set", "search.max_cost=10000")
        answered = server.stats()["answered"]
    check_same(case, expected, "after max_cost was raised")
    check(answered == calls, f"{answered} answers for {calls} calls")
    return f"{spent:.2f} of 10 was spent"


def key(program, work, _):
    case = make_case(work, "key", 6, role={"max_retries": 40})
    with Server(*KEYED, "--faults", "echo-key-200,error-200,500,not-json", "--rate", "0.3") as server:
        case.go(program, server.port)
        check(server.stats()["authorization"]["other"] == 0, "a wrong key was sent")
    case.check_no_key()
    case = make_case(work, "key refused", 3)
    with Server(*KEYED, "--faults", "echo-key", "--rate", "1") as server:
        case.go(program, server.port, status=2)
    case.check_no_key()
    # A crash: the program runs where cores would be written.
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    case = make_case(work, "key crash", 3)

    def allow_core():
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    with Server(*KEYED, "--delay", "0.3") as server:
        process = case.start(program, server.port, preexec_fn=allow_core)
        wait_until(lambda: case.journalled() >= 3, 30, "some answers")
        limits = open(f"/proc/{process.pid}/limits", encoding="ascii").read()
        line = next(line for line in limits.split("\n") if line.startswith("Max core file size"))
        check(line.split()[4] == "0", f"cores are allowed: {line}")
        kill(process, signal.SIGSEGV)
    case.check_no_key()
    return f"looked for {KEY}"


CHECKS = {function.__name__: function for function in (faults, wrong, parallel, kills, interrupt, failing, damage, refusals, finished,
                                                       context, cost, key)}
