"""A second search, written from the description of the published procedure alone, and the comparison of cso-search's run with it.

    search_model.py --config FILE [--set KEY=VALUE]... RUN

compares every tree of RUN/trees and RUN/esc-pro.jsonl with what this model makes of the same seeds, prompts and roles (roles.py, called
directly): all of it exactly, but q and prior to 1e-12. It also checks what holds in every tree. Numbers are doubles, in the order of the
procedure. Exit status 1 and a line for each difference.
"""
import argparse
import json
import math
import pathlib
import re
import sys
import tomllib

import roles

ROLES = ("strategy", "supporter", "seeker", "judge")
MARKS = ("</end/>", "/end/", "<end>")
BLANKS = " \t\r\n\v\f"
GOLDEN_VISITS, GOLDEN_SCORE, LEFT_OUT_PRIOR = 100, 4.0, 0.1
TOLERANCE = 1e-12

DEFAULTS = {
    "search": {"mode": "default", "iterations_min": 100, "iterations_max": 200, "ended_min": 1, "ended_max": 25, "rounds": 4, "c": 1.0,
               "prior_temperature": 5.0, "reward_weights": [0.1, 0.1, 0.1, 0.7], "reward_bias": -3.0, "fill_negatives": False},
    "extract": {"ended_q_min": 0.5, "ended_n_min": 2, "negative_q_max": 0.5},
    "role": {name: {"max_tokens": 512, "context": 0} for name in ROLES},
}


class Node:
    def __init__(self, parent, strategy, prior):
        self.parent, self.strategy, self.prior = parent, strategy, prior
        self.children = []
        self.q, self.n, self.seed = 0.0, 0, 0
        self.generated = self.ended = self.simulated = self.filled = False
        self.reply = self.answer = None
        self.rewards = []  # that passed: for the check of q
        self.number = None
        if parent:
            parent.children.append(self)


class Turn:
    """A supporter's reply and the seeker's answer to it."""

    def __init__(self, strategy, reply, answer):
        self.strategy, self.reply, self.answer = strategy, reply, answer


# The roles

class Prompts:
    def __init__(self, path):
        with open(path, "rb") as file:
            data = tomllib.load(file)
        self.greeting = data["greeting"]
        self.strategies = {item["name"]: item["description"] for item in data["strategy"]}
        self.texts = data["prompt"]

    def history(self, role, turns, left_out):
        shown = role in ("strategy", "judge")
        lines = []
        for i, turn in enumerate(turns):
            if i < left_out:
                continue
            if not (i == 0 and role == "judge"):
                name = "start" if i == 0 else turn.strategy
                lines.append("supporter: " + (f"({name}) " if shown else "") + turn.reply)
            if turn.answer:
                lines.append("seeker: " + turn.answer)
        return "\n".join(line.replace("\n", " ").replace("\r", " ") for line in lines)

    def render(self, role, values, turns, left_out):
        values = dict(values, history=self.history(role, turns, left_out),
                      strategies="\n".join(f"- {name}: {text}" for name, text in self.strategies.items()))

        def value(match):
            return values.get(match[1], match[0])
        return [re.sub(r"\{(\w+)\}", value, self.texts[role][part]) for part in ("system", "user")]


class Talk:
    """The roles' answers, read as the procedure reads them."""

    def __init__(self, model, seed):
        self.model, self.prompts = model, model.prompts
        self.values = {"situation": seed["description"], "emotion": seed["scene"]}
        self.calls = dict.fromkeys(ROLES, 0)

    def ask(self, role, turns, **values):
        limits = self.model.role[role]
        left_out = 0
        while True:
            system, user = self.prompts.render(role, {**self.values, **values}, turns, left_out)
            tokens = -(-(len(system.encode()) + len(user.encode())) // 3)
            bounded = limits["context"] and self.model.search["mode"] == "default"
            if not bounded or tokens + limits["max_tokens"] <= limits["context"]:
                break
            left_out += 1
            if left_out == len(turns):
                raise ValueError("the last turn alone is too long")
        self.calls[role] += 1
        return roles.answer(role, system, user).strip(BLANKS)

    def scores(self, turns):
        """[(strategy, score)] in the scorer's order."""
        text = self.ask("strategy", turns)
        spans = re.findall(r"```(?:json)?(.*?)```|`([^`]*)`", text, re.S)
        names = {name.lower(): name for name in self.prompts.strategies}
        items = json.loads(next(filter(None, spans[-1])), object_pairs_hook=list)
        known = [(names[name.lower()], float(score)) for name, score in items if name.lower() in names]
        assert known and all(0 <= score <= 10 for _, score in known), text
        return known

    @staticmethod
    def cleaned(text):
        text = text.strip(BLANKS)
        text = re.sub(r"^(supporter|seeker)\s*:", "", text, flags=re.I).strip(BLANKS)
        for opening, closing in (('"', '"'), ("“", "”")):
            if len(text) >= 2 and text.startswith(opening) and text.endswith(closing):
                if '"' not in text[1:-1] or opening != '"':  # else the first and the last are not of one pair
                    text = text[1:-1].strip(BLANKS)
                break
        assert text
        return text

    def reply(self, turns, strategy):
        return self.cleaned(self.ask("supporter", turns, strategy=strategy, strategy_description=self.prompts.strategies[strategy]))

    def answer(self, turns):
        """(text, whether the talk has ended)"""
        text = self.ask("seeker", turns)
        return ("", True) if any(mark in text for mark in MARKS) else (self.cleaned(text), False)

    def score(self, turns, rules):
        lines = [line for line in self.ask("judge", turns).split("\n") if line.strip()]
        levels = [int(re.fullmatch(r"([0-9]): ([0-4])\s*", line)[2]) for line in lines]
        assert len(levels) == 4
        total = 0.0
        for weight, level in zip(rules["reward_weights"], levels):
            total += weight * level
        return total


# The search

class Model:
    def __init__(self, config, prompts):
        self.search = {**DEFAULTS["search"], **config.get("search", {})}
        self.extract = {**DEFAULTS["extract"], **config.get("extract", {})}
        given = config.get("role", {})
        self.role = {name: {**DEFAULTS["role"][name], **given.get(name, {})} for name in ROLES}
        self.prompts = prompts

    def run(self, seed):
        search = Search(self, seed)
        search.begin()
        search.iterate()
        if self.search["fill_negatives"]:
            search.fill()
        return search


class Search:
    def __init__(self, model, seed):
        self.rules, self.extract, self.prompts = model.search, model.extract, model.prompts
        self.seed = seed
        self.talk = Talk(model, seed)
        self.nodes = []
        self.iterations = 0

    def add(self, parent, strategy, prior):
        node = Node(parent, strategy, prior)
        node.number = len(self.nodes)
        self.nodes.append(node)
        return node

    @staticmethod
    def turns_to(node):
        turns = []
        while node:
            turns.append(Turn(node.strategy, node.reply, node.answer))
            node = node.parent
        return turns[::-1]

    # The start

    def begin(self):
        root = self.add(None, None, 1.0)
        root.reply, root.generated = self.prompts.greeting, True
        messages = self.seed.get("messages")
        if not messages:
            text = self.talk.cleaned(self.talk.ask("seeker", self.turns_to(root)))
            assert not any(mark in text for mark in MARKS)
            root.answer = text
            return
        if messages[-1]["role"] == "user":
            messages = messages[:-1]
        root.answer = messages[0]["content"]
        self.make_golden(root)
        node = root
        names = {name.lower(): name for name in self.prompts.strategies}
        for i in range(1, len(messages), 2):
            node = self.golden_child(node, names[messages[i]["strategy"].lower()])
            node.reply = messages[i]["content"]
            node.generated, node.ended = True, i + 1 == len(messages)
            node.answer = "" if node.ended else messages[i + 1]["content"]
            self.make_golden(node)

    def make_golden(self, node):
        node.q, node.n, node.seed = GOLDEN_SCORE + self.rules["reward_bias"], GOLDEN_VISITS, GOLDEN_VISITS

    def golden_child(self, node, strategy):
        self.expand(node)
        for child in node.children:
            if child.strategy == strategy:
                return child
        for child in node.children:
            child.prior *= 1 - LEFT_OUT_PRIOR
        return self.add(node, strategy, LEFT_OUT_PRIOR)

    # An iteration

    def iterate(self):
        while True:
            ended = sum(node.ended for node in self.nodes)
            node = self.select()
            self.generate(node)
            if self.is_over(ended, node):
                return
            if node.ended:
                self.back_up(node, self.reward(self.turns_to(node), 0))
            else:
                self.expand(node)
                self.simulate(node)
            self.iterations += 1

    def is_over(self, ended, node):
        rules = self.rules
        if self.iterations >= rules["iterations_max"]:
            return True
        if node.ended:
            return False
        return (self.iterations >= rules["iterations_min"] and ended >= rules["ended_min"]) or ended >= rules["ended_max"]

    def puct(self, child):
        return child.q + self.rules["c"] * child.prior * math.sqrt(child.parent.n) / (1 + child.n)

    def select(self):
        node = self.nodes[0]
        while node.children:
            node = max(node.children, key=self.puct)  # the first of equals
        return node

    def generate(self, node):
        if node.generated:
            return
        before = self.turns_to(node.parent)
        node.reply = self.talk.reply(before, node.strategy)
        node.answer, node.ended = self.talk.answer(before + [Turn(node.strategy, node.reply, None)])
        node.generated = True

    def priors(self, turns):
        scores = self.talk.scores(turns)
        powers = [math.exp(score / self.rules["prior_temperature"]) for _, score in scores]
        return [(name, power / sum(powers)) for (name, _), power in zip(scores, powers)], scores

    def expand(self, node):
        for name, prior in self.priors(self.turns_to(node))[0]:
            self.add(node, name, prior)

    def simulate(self, parent):
        node = max(parent.children, key=lambda child: child.prior)
        node.simulated = True
        self.generate(node)
        self.back_up(node, self.play(node))

    def play(self, node):
        """The reward of a node after simulated rounds."""
        turns = self.turns_to(node)
        ended, rounds = node.ended, 0
        while not ended and rounds < self.rules["rounds"]:
            strategy = max(self.priors(turns)[1], key=lambda item: item[1])[0]
            reply = self.talk.reply(turns, strategy)
            answer, ended = self.talk.answer(turns + [Turn(strategy, reply, None)])
            turns.append(Turn(strategy, reply, answer))
            rounds += 1
        return self.reward(turns, rounds)

    def reward(self, turns, rounds):
        """Of the last rounds + 1 replies."""
        total = 0.0
        for count in range(len(turns) - rounds, len(turns) + 1):
            last = turns[count - 1]
            total += self.talk.score(turns[:count - 1] + [Turn(last.strategy, last.reply, None)], self.rules)
        return total / (rounds + 1) + self.rules["reward_bias"]

    @staticmethod
    def back_up(node, reward):
        while node:
            node.q = (node.q * node.n + reward) / (node.n + 1)
            node.n += 1
            node.rewards.append(reward)
            node = node.parent

    # Records

    def counted(self):
        """The ends that count, depth first, and the nodes on their paths."""
        ends, nodes = [], set()

        def visit(node):
            if node.ended and node.q >= self.extract["ended_q_min"] and node.n >= self.extract["ended_n_min"]:
                ends.append(node)
                on_path = node
                while on_path:
                    nodes.add(on_path)
                    on_path = on_path.parent
            for child in node.children:
                visit(child)
        visit(self.nodes[0])
        return ends, nodes

    def negatives(self, node, counted):
        """A generated sibling that no reward ever passed counts in the published form alone; one that was filled has its reward."""
        return [other for other in node.parent.children if other.generated and other not in counted and
                other.q <= self.extract["negative_q_max"] and (other.n >= 1 or other.filled or self.rules["mode"] == "published")]

    def fill(self):
        _, counted = self.counted()
        for node in [node for node in self.nodes if node in counted and node.parent]:
            if not self.negatives(node, counted):
                for other in node.parent.children:
                    if not other.generated:
                        self.generate(other)
                        other.q, other.filled = self.play(other), True

    def records(self):
        ends, counted = self.counted()
        records = []
        for end in ends:
            path = []
            while end.parent:
                path.append(end)
                end = end.parent
            messages = [{"role": "user", "content": end.answer}]
            for node in path[::-1]:
                messages.append({"role": "assistant", **self.said(node),
                                 "negative": [self.said(other) for other in self.negatives(node, counted)]})
                messages.append({"role": "user", "content": node.answer})
            records.append({"description": self.seed["description"], "scene": self.seed["scene"], "iter": self.iterations,
                            "messages": messages[:-1]})
        return records

    @staticmethod
    def said(node):
        return {"content": node.reply, "strategy": node.strategy, "q": node.q, "n": node.n, "prior": node.prior}


# What holds in every tree

def broken_invariants(search):
    rules = search.rules
    for node in search.nodes:
        below = sum(child.n - child.seed for child in node.children)
        if node.ended and node.children:
            yield f"node {node.number} has ended and has children"
        if not node.ended and node.n - node.seed != below + node.simulated:
            yield f"node {node.number}: n is {node.n}, its children have {below}"
        if not node.filled:
            seeded = node.seed * (GOLDEN_SCORE + rules["reward_bias"])
            mean = (seeded + math.fsum(node.rewards)) / node.n if node.n else 0.0
            if abs(node.q - mean) > 1e-9:
                yield f"node {node.number}: q is {node.q}, the mean of its rewards {mean}"
        if node.children and not any(child.seed for child in node.children):
            if abs(sum(child.prior for child in node.children) - 1) > 1e-9:
                yield f"node {node.number}: the priors of its children are not 1 together"
        if sum(child.simulated for child in node.children) > 1:
            yield f"node {node.number}: two children were simulated at its expansion"
        if node.n and not node.generated:
            yield f"node {node.number} was visited and is not generated"


# Comparison

def difference(path, expected, found):
    """The first difference of two values from JSON, or None."""
    if isinstance(expected, dict) and isinstance(found, dict):
        if set(expected) != set(found):
            return f"{path}: keys {sorted(found)} (expected {sorted(expected)})"
        pairs = [(f"{path}.{key}", expected[key], found[key]) for key in expected]
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            return f"{path}: {len(found)} items (expected {len(expected)})"
        pairs = [(f"{path}[{i}]", *pair) for i, pair in enumerate(zip(expected, found))]
    elif path.endswith((".q", ".prior")):
        return None if abs(expected - found) <= TOLERANCE else f"{path}: {found!r} (expected {expected!r})"
    else:
        return None if expected == found and type(expected) is type(found) else f"{path}: {found!r} (expected {expected!r})"
    return next(filter(None, (difference(*pair) for pair in pairs)), None)


def tree_of(search):
    """What a tree file must say, as far as the procedure fixes it."""
    names = list(search.prompts.strategies)
    nodes = [{"node": node.number, "parent": node.parent.number if node.parent else None,
              "strategy": node.strategy,
              "prior": node.prior, "q": node.q, "n": node.n, "seed": node.seed, "generated": node.generated, "ended": node.ended,
              "simulated": node.simulated, "filled": node.filled, "reply": node.reply, "answer": node.answer} for node in search.nodes]
    return {"state": "complete", "method": "mcts", "mode": search.rules["mode"], "iterations": search.iterations,
            "scene": search.seed["scene"], "description": search.seed["description"], "calls": search.talk.calls, "strategies": names,
            "nodes": nodes}


def read_seeds(paths):
    seeds = []
    for path in paths:
        text = pathlib.Path(path).read_text(encoding="utf-8")
        seeds += json.loads(text) if path.endswith(".json") else [json.loads(line) for line in text.split("\n") if line.strip()]
    return seeds


def read_config(path, overrides=()):
    text = pathlib.Path(path).read_text(encoding="utf-8")
    config = tomllib.loads(text)
    for item in overrides:
        key, _, value = item.partition("=")
        *tables, last = key.split(".")
        table = config
        for name in tables:
            table = table.setdefault(name, {})
        try:
            table[last] = tomllib.loads(f"x = {value}")["x"]
        except tomllib.TOMLDecodeError:
            table[last] = value
    base = pathlib.Path(path).parent
    for key in ("dir", "prompts"):
        config["search"][key] = str(base / config["search"][key])
    config["search"]["seeds"] = [str(base / item) for item in config["search"]["seeds"]]
    return config


def compare(config, run, facts):
    """Differences of a run's folder, a line each. facts: a dict of counts that is added to."""
    roles.WRONG, roles.JITTER = 0, 0
    model = Model(config, Prompts(config["search"]["prompts"]))
    expected_records, prompts = [], None
    for index, seed in enumerate(read_seeds(config["search"]["seeds"]), 1):
        search = model.run(seed)
        records = search.records()
        expected_records += records
        yield from (f"seed {index}: {text}" for text in broken_invariants(search))
        path = pathlib.Path(run) / "trees" / f"{index:06}.json"
        found = json.loads(path.read_text(encoding="utf-8"))
        prompts = found["prompts"]
        expected = tree_of(search)
        found = {key: found[key] for key in expected}
        text = difference(path.name, expected, found)
        if text:
            yield text
        add_facts(facts, search, records)
    lines = (pathlib.Path(run) / "esc-pro.jsonl").read_text(encoding="utf-8").split("\n")
    found = [json.loads(line) for line in lines if line]
    if {record.pop("prompts", None) for record in found} - {prompts}:  # the hash of the file, which is not in the procedure
        yield "esc-pro.jsonl: a record has not the hash that the trees have"
    text = difference("esc-pro.jsonl", expected_records, found)
    if text:
        yield text


def add_facts(facts, search, records):
    turns = [message for record in records for message in record["messages"] if message["role"] == "assistant"]
    for name, count in (("trees", 1), ("nodes", len(search.nodes)), ("iterations", search.iterations), ("records", len(records)),
                        ("negatives", sum(len(turn["negative"]) for turn in turns)),
                        ("turns without a negative", sum(not turn["negative"] for turn in turns)),
                        ("ended", sum(node.ended for node in search.nodes)), ("filled", sum(node.filled for node in search.nodes)),
                        ("golden strategies left out", sum(node.prior == LEFT_OUT_PRIOR and node.seed > 0 for node in search.nodes)),
                        ("generated without a visit", sum(node.generated and not node.n for node in search.nodes)),
                        ("calls", sum(search.talk.calls.values()))):
        facts[name] = facts.get(name, 0) + count


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--config", required=True)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("run")
    options = parser.parse_args()
    facts, count = {}, 0
    for text in compare(read_config(options.config, options.set), options.run, facts):
        print(text)
        count += 1
    print(", ".join(f"{value} {name}" for name, value in facts.items()))
    return count > 0


if __name__ == "__main__":
    sys.exit(main())
