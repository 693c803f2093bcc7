#!/usr/bin/env python3
"""Checks of cso-search from outside, with the test server and scripted roles: run_checks.py --program FILE NAME...

    model       runs of several configurations equal search_model.py, tree by tree
    trees N     N random small trees do, and hold the invariants
and the checks of long_runs.py and own_runs.py by their names. Prints a line for each; exit status 1 if one fails.
"""
import argparse
import pathlib
import random
import shutil
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True

import long_runs
import own_runs
import roles
import search_model
from search_runs import Case, Failed, Server, check, make_seeds

ESC_PROMPTS = pathlib.Path(__file__).resolve().parents[2] / "configs" / "esc-prompts.toml"

# Each: number of seeds, tables of the configuration, and the roles' settings.
CONFIGURATIONS = {
    "published": (14, {"search": {"mode": "published", "iterations_min": 15, "iterations_max": 25, "c": 3.0, "reward_bias": -2.0,
                                  "parallel": 5}}, {}),
    "default": (10, {"search": {"iterations_min": 25, "iterations_max": 40, "rounds": 1, "ended_min": 2, "fill_negatives": True,
                                "reward_bias": -2.5}}, {"ROLES_LEVELS": "01234"}),
    "published, filled": (12, {"search": {"mode": "published", "iterations_min": 6, "iterations_max": 14, "rounds": 2, "c": 2.0,
                                          "fill_negatives": True}, "extract": {"ended_n_min": 1, "negative_q_max": 0.25}},
                          {"ROLES_ENDS": "0.5"}),
    "no rounds": (12, {"search": {"mode": "published", "iterations_min": 10, "iterations_max": 30, "rounds": 0, "ended_max": 3,
                                  "prior_temperature": 0.75, "reward_weights": [1.0, 0.5, 0.25, 0.125], "reward_bias": -5.5},
                       "extract": {"ended_q_min": -1.0, "ended_n_min": 3, "negative_q_max": 0.0}}, {"ROLES_LEVELS": "01234"}),
    "priors alone": (10, {"search": {"iterations_min": 8, "iterations_max": 12, "c": 50.0, "rounds": 0, "ended_min": 0,
                                     "ended_max": 2}}, {"ROLES_LEVELS": "24"}),
    "values alone": (8, {"search": {"iterations_min": 8, "iterations_max": 12, "c": 0.0, "mode": "published"}},
                     {"ROLES_LEVELS": "13", "ROLES_ENDS": "0.1"}),
    "one iteration": (6, {"search": {"iterations_min": 1, "iterations_max": 1}}, {"ROLES_ENDS": "0.9"}),
    "short context": (8, {"search": {"iterations_min": 12, "iterations_max": 20, "rounds": 3, "c": 2.0},
                          "role": {"max_tokens": 40, "context": 400, "judge": {"context": 180}, "supporter": {"context": 330}}},
                      {"ROLES_ENDS": "0.05", "ROLES_LEVELS": "01234"}),
    "long prompts, wrong answers": (8, {"search": {"iterations_min": 10, "iterations_max": 16, "c": 2.0},
                                        "prompts": ESC_PROMPTS.read_text(encoding="utf-8")},
                                    {"ROLES_WRONG": "0.3", "ROLES_LEVELS": "0123444"}),
}


def set_roles(settings):
    """As the server's process has them."""
    for name in ("ENDS", "WRONG", "LEVELS"):
        value = settings.get(f"ROLES_{name}", {"ENDS": "0.25", "WRONG": "0", "LEVELS": "0123444444"}[name])
        setattr(roles, name, value if name == "LEVELS" else float(value))


def compare_run(program, folder, configuration, number, facts):
    """Runs one configuration and returns the differences from the model."""
    count, tables, settings = configuration
    case = Case(folder, make_seeds(number, count), **tables)
    with Server(**settings) as server:
        case.go(program, server.port, "--quiet")
        answered = server.stats()["answered"]
    check(settings.get("ROLES_WRONG") or answered == case.calls(), f"{answered} answers for {case.calls()} calls")
    set_roles(settings)
    return list(search_model.compare(search_model.read_config(case.config), case.run, facts))


def said(facts):
    return ", ".join(f"{value} {name}" for name, value in facts.items())


def model(program, work, _):
    facts = {}
    for number, (name, configuration) in enumerate(CONFIGURATIONS.items()):
        found = compare_run(program, work / str(number), configuration, number, facts)
        check(not found, f"{name}: {len(found)} differences, first: {found[:1]}")
    for name in ("records", "negatives", "filled", "golden strategies left out", "generated without a visit"):
        check(facts[name] > 0, f"no {name} in all of this: the check shows nothing")
    return said(facts)


def random_configuration(draw, count):
    least = draw.randint(1, 8)
    ended_min = draw.randint(0, 2)
    search = {"mode": draw.choice(["published", "default"]), "iterations_min": least, "iterations_max": least + draw.randint(0, 7),
              "rounds": draw.choice([0, 0, 1, 1, 2, 4]), "c": draw.choice([0.0, 0.5, 1.0, 2.0, 3.0, 5.0]), "ended_min": ended_min,
              "ended_max": max(1, ended_min) + draw.randint(0, 5), "prior_temperature": draw.choice([0.5, 1.0, 5.0, 50.0]),
              "reward_weights": [0.1, 0.1, 0.1, 0.7] if draw.random() < 0.5 else [round(draw.random(), 3) + 0.001 for _ in range(4)],
              "reward_bias": draw.choice([-3.0, -2.0, -1.0, -2.125]), "fill_negatives": draw.random() < 0.3, "parallel": 8}
    extract = {"ended_q_min": draw.choice([0.5, 0.0, -1.0]), "ended_n_min": draw.choice([1, 2, 2, 3]),
               "negative_q_max": draw.choice([0.5, 0.0, 1.0])}
    settings = {"ROLES_ENDS": str(draw.choice([0.05, 0.25, 0.25, 0.5])), "ROLES_LEVELS": draw.choice(["01234", "0123444444", "24", "3"])}
    return count, {"search": search, "extract": extract}, settings


def trees(program, work, count):
    facts = {}
    draw = random.Random(16)
    for number in range(-(-count // 250)):
        configuration = random_configuration(draw, min(250, count - 250 * number))
        found = compare_run(program, work / str(number), configuration, 1000 + number, facts)
        check(not found, f"configuration {number}, {configuration}: {len(found)} differences, first: {found[:1]}")
        shutil.rmtree(work / str(number))
    return said(facts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, type=pathlib.Path)
    parser.add_argument("--keep", action="store_true", help="leaves the folder with the runs, and says where it is")
    parser.add_argument("--count", type=int, default=10000, help="of random trees")
    parser.add_argument("names", nargs="+")
    options = parser.parse_args()
    checks = {"model": model, "trees": trees, **long_runs.CHECKS, **own_runs.CHECKS}
    failed = 0
    for name in options.names:
        if name not in checks:
            parser.error(f"no check {name!r} (expected {', '.join(checks)})")
    for name in options.names:
        work = pathlib.Path(tempfile.mkdtemp(prefix="cso-search-check-"))
        began = time.monotonic()
        try:
            print(f"{name}: {checks[name](options.program.resolve(), work, options.count)} ({time.monotonic() - began:.1f} s)", flush=True)
        except Exception as error:  # the other checks still run
            failed += 1
            print(f"{name}: FAILED after {time.monotonic() - began:.1f} s: {error}", flush=True)
            if not isinstance(error, Failed):
                traceback.print_exc()
        if options.keep:
            print(f"{name}: {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
