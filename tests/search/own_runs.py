"""Checks of cso-search with roles on the own engine, each a function of (program, folder, count); run_checks.py runs them by name.

    own          parallel 1 and 5, threads 1 and 2, hardly any memory, kill -9 and SIGINT on the way: the same bytes
    own_mixed    an endpoint as the judge beside the own engine
    own_wrong    what is refused, in one line, and a model that changed between two starts
    own_plan     --dry-run measures, and leaves nothing behind
"""
import json
import pathlib
import random
import shutil
import signal
import tempfile

from search_runs import ROLES, Case, Server, check, kill, wait_until

MODEL = pathlib.Path(__file__).resolve().parents[1] / "golden" / "models" / "llama-tiny"
SEARCH = {"iterations_min": 2, "iterations_max": 3, "rounds": 1, "reward": "likelihood", "reward_bias": 0.0, "parallel": 3}
EXTRACT = {"ended_q_min": -10.0, "ended_n_min": 0, "negative_q_max": 10.0}
ANSWERS = {"strategy": 300, "supporter": 12, "seeker": 12, "judge": 40}
PROMPTS = 'greeting = "Hello."\n' + "".join(f'[[strategy]]\nname = "{name}"\ndescription = "{name}."\n' for name in ("Ask", "Praise")) + \
    "".join(f'[prompt.{role}]\nsystem = ""\nuser = "{text}"\n' for role, text in
            (("strategy", "{strategies}{history}"), ("supporter", "{history} {strategy}"), ("seeker", "{situation}{history}"),
             ("judge", "{history}")))


class OwnCase(Case):
    """Roles on a model, but for those that are endpoints."""

    def __init__(self, folder, search=None, model=MODEL, endpoints=()):
        seeds = [{"description": f"I lost my keys {i}.", "scene": "keys"} for i in range(3)]
        role = {part: {"max_tokens": ANSWERS[part], **({} if part in endpoints else {"path": str(model)})} for part in ROLES}
        super().__init__(folder, seeds, {**SEARCH, **(search or {})}, EXTRACT, role, PROMPTS)
        self.endpoints, lines, part = endpoints, [], ""
        for line in self.config.read_text(encoding="utf-8").splitlines():
            part = line[6:-1] if line.startswith("[role.") else "" if line.startswith("[") else part
            if not (part and part not in endpoints and line.startswith("model = ")):
                lines.append(line)
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def command(self, program, port, *arguments):
        sets = [word for part in self.endpoints for word in ("--set", f"role.{part}.endpoint=http://127.0.0.1:{port}/v1")]
        return [str(program), "--config", str(self.config), *sets, *arguments]


def files_of(case):
    """Trees, records and journals."""
    return {str(path.relative_to(case.run)): path.read_bytes() for path in sorted(case.run.rglob("*"))
            if path.is_file() and path.name not in (".lock", "config.toml")}


def own(program, work, _):
    first = OwnCase(work / "first", {"parallel": 1, "threads": 1})
    first.go(program, 0)
    expected = files_of(first)
    records = expected["esc-pro.jsonl"].count(b"\n")
    check(len(expected) == 7, f"files: {sorted(expected)}")
    second = OwnCase(work / "second", {"parallel": 5, "threads": 2, "memory_gib": 0.0002})
    second.go(program, 0)
    check(files_of(second) == expected, "other bytes with several searches at once, two threads and little memory")
    third, draw, killed = OwnCase(work / "third"), random.Random(3), 0
    for number in (signal.SIGKILL, signal.SIGKILL, signal.SIGINT):
        process = third.start(program, 0, "--quiet")
        had = third.journalled()
        wait_until(lambda: process.poll() is not None or third.journalled() > had + draw.randint(2, 8), 60, "progress")
        if process.poll() is None:
            killed += 1
            kill(process, number)
    third.go(program, 0)
    check(files_of(third) == expected, f"other bytes after {killed} kills")
    return f"{sum(data.count(bytes([10])) for name, data in expected.items() if 'journal' in name)} lines of journals, {records} records, {killed} kills"


def own_mixed(program, work, _):
    case = OwnCase(work / "mixed", {"reward": "judge", "reward_bias": -2.0}, endpoints=("judge",))
    with Server() as server:
        case.go(program, server.port)
        asked = server.stats()["requests"]
    check(asked > 0 and all(tree["state"] == "complete" for tree in case.trees()), f"{asked} questions to the judge")
    return f"{asked} questions to the endpoint"


def own_wrong(program, work, _):
    model = work / "model"
    shutil.copytree(MODEL, model)
    case = OwnCase(work / "wrong", model=model)
    for arguments, words, status in (
            (["role.judge.endpoint=http://127.0.0.1:1/v1"], ["role.judge has both path and endpoint"], 2),
            (["role.seeker.path=/nonexistent.gguf"], ["role.seeker: ", "/nonexistent.gguf"], 3),
            (["role.seeker.adapter=/nonexistent"], ["role.seeker: ", "/nonexistent"], 3),
            (["role.strategy.max_tokens=4"], ["role.strategy.max_tokens is 4"], 2),
            (["role.judge.chat_template=none"], ["role.judge: ", "none"], 2)):
        _, err = case.go(program, 0, *[word for value in arguments for word in ("--set", value)], status=status)
        check(err.count("\n") == 1 and all(word in err for word in words), f"{arguments}: {err}")
    case.go(program, 0)
    before = files_of(case)
    weights = next(model.glob("*.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-3] ^= 1
    weights.write_bytes(data)
    _, err = case.go(program, 0, status=2)
    check("role.strategy.path" in err, err)
    check(files_of(case) == before, "a run with another model changed files")
    return "6 refusals"


def own_plan(program, work, _):
    case = OwnCase(work / "plan")
    left = set(pathlib.Path(tempfile.gettempdir()).glob("cso-search-??????"))
    out, _ = case.go(program, 0, "--dry-run", "--json")
    plan = json.loads(out)
    check(plan["trial_calls"] > 0 and plan["hours"] > 0 and plan["hours_at_iterations_max"] > plan["hours"], out)
    check(not case.run.exists(), "a dry run made the run's folder")
    check(set(pathlib.Path(tempfile.gettempdir()).glob("cso-search-??????")) <= left, "a dry run left its temporary folder")
    return f"{plan['trial_calls']} calls in {plan['trial_seconds']:.1f} s"


CHECKS = {"own": own, "own_mixed": own_mixed, "own_wrong": own_wrong, "own_plan": own_plan}
