"""Roles for tests of the search: answers that are a function of (model, system, user) alone, as varied as answers are.

answer(model, system, user): the model's name is the role: "strategy", "supporter", "seeker" or "judge" (role.X.model). Strategies are read
from the first block of lines "- NAME: DESCRIPTION" in the question.

Environment, or the module's constants:
    ROLES_ENDS    chance that an answer of the seeker ends the talk (0.25)
    ROLES_WRONG   share of questions whose first answer is not what was asked; asked again they get the right one (0)
    ROLES_FAILING words with commas between them: a question that contains one never gets a right answer
    ROLES_LEVELS  the judge's levels are drawn from these digits ("0123444444")
    ROLES_JITTER  seconds that an answer takes at most, by chance (0)
"""
import hashlib
import json
import os
import random
import re
import threading
import time

ENDS = float(os.environ.get("ROLES_ENDS", "0.25"))
WRONG = float(os.environ.get("ROLES_WRONG", "0"))
FAILING = [word for word in os.environ.get("ROLES_FAILING", "").split(",") if word]
LEVELS = os.environ.get("ROLES_LEVELS", "0123444444")
JITTER = float(os.environ.get("ROLES_JITTER", "0"))

WORDS = ("rain tea night work sister window train letter garden tired quiet bread weekend exam lamp neighbour river cold "
         "naïve Größe 雨 сад 🙂 you're maybe yes").split()
MARKS = ["</end/>", "/end/", "<end>"]

times_asked = {}
lock = threading.Lock()


class Draw:
    """A stream of numbers from a text."""

    def __init__(self, text):
        self.seed = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        self.count = 0

    def below(self, limit):
        self.count += 1
        digest = hashlib.sha256(self.seed + self.count.to_bytes(4, "big")).digest()
        return int.from_bytes(digest[:8], "big") % limit

    def chance(self, share):
        return self.below(1 << 32) < share * (1 << 32)

    def of(self, items):
        return items[self.below(len(items))]

    def shuffled(self, items):
        items = list(items)
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]
        return items


def strategies_of(text):
    """The names in the first block of lines "- NAME: DESCRIPTION"."""
    names = []
    for line in text.split("\n"):
        match = re.match(r"- (.+?): ", line)
        if match:
            names.append(match[1])
        elif names:
            break
    return names


def other_case(draw, name):
    return draw.of([name, name, name, name.upper(), name.lower(), name.title()])


def answer_strategy(draw, text):
    names = draw.shuffled(strategies_of(text))
    if draw.chance(0.7):
        names = names[:1 + draw.below(len(names))]
    few = draw.chance(0.4)  # few values: many ties
    scores = []
    for name in names:
        value = draw.of([3, 8]) if few else draw.of([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 2.5, 7.25, 9.875])
        scores.append((other_case(draw, name), value))
    if draw.chance(0.2):
        scores.insert(draw.below(len(scores) + 1), (draw.of(["Small Talk", "", "Affirmations", "strategy \"x\" {"]), draw.below(11)))
    items = [f"{json.dumps(name, ensure_ascii=draw.chance(0.5))}: {value}" for name, value in scores]
    spaces = draw.of([" ", "\n  "])
    object_ = "{" + draw.of(["", spaces]) + ("," + spaces).join(items) + draw.of(["", spaces.rstrip(" ")]) + "}"
    ticks = draw.of(["```json\n{}\n```", "```\n{}\n```", "`{}`"])
    reasoning = draw.of(["", "The seeker is {tired} and needs `Affirmation` now.\n\n", "First: listen. Then 3 of 10.\n", "Überlegung: 雨\n"])
    return reasoning + ticks.replace("{}", object_) + draw.of(["", "\n", " \n\n"])


def sentence(draw):
    if draw.chance(0.08):
        return draw.of(["I see.", "Mhm.", "{history} {strategy}", "it says \"stop\" there", "(Affirmation) Good."])
    words = " ".join(draw.of(WORDS) for _ in range(2 + draw.below(8)))
    if draw.chance(0.2):
        words = words.replace(" ", draw.of(["\n", "\n\n", " \n"]), 1)
    return words + draw.of([".", "?", "!", " …", ""])


def dressed(draw, label, text):
    """The text with what models add to it."""
    kind = draw.below(10)
    if kind == 0:
        text = f"{label}: {text}"
    elif kind == 1:
        text = f'"{text}"'
    elif kind == 2:
        text = f'{label.lower()}: "{text}"'
    elif kind == 3:
        text = f"“{text}”"
    return draw.of(["", "", " ", "\n"]) + text + draw.of(["", "", "\n", "  "])


def answer_supporter(draw, text):
    reply = sentence(draw)
    if draw.chance(0.02):
        reply += " <end>"
    return dressed(draw, "Supporter", reply)


def answer_seeker(draw, text):
    if re.search(r"^seeker: ", text, re.M) and draw.chance(ENDS):
        mark = draw.of(MARKS)
        return draw.of([mark, mark, f" {mark}\n", f"Thank you. {mark}", f"{mark} bye", f"Seeker: \"ok{mark}\""])
    return dressed(draw, "Seeker", sentence(draw))


def answer_judge(draw, text):
    lines = [f"{i + 1}: {draw.of(LEVELS)}" for i in range(4)]
    return draw.of(["", "\n"]) + draw.of(["\n", "\n\n", "  \n"]).join(lines) + draw.of(["", "\n"])


ANSWERS = {"strategy": answer_strategy, "supporter": answer_supporter, "seeker": answer_seeker, "judge": answer_judge}


def wrong_answer(role, draw, text):
    """One that must be asked again."""
    right = ANSWERS[role](draw, text)
    if role == "strategy":
        name = strategies_of(text)[0]
        return draw.of(["I cannot say.", "`{}`", "```json\n{\"Small Talk\": 4}\n```", f"`{{\"{name}\": 11}}`", f"`{{\"{name}\": -1}}`",
                        f"```json\n{{\"{name}\": 3", f"`{{\"{name}\": \"high\"}}`"])
    if role == "judge":
        return draw.of(["1: 3\n2: 4\n4: 1", "1: 3\n2: 5\n3: 1\n4: 1", "All fours.", "1: 3\n2: 4\n3: -1\n4: 0", "1: 3\n2:\n3: 1\n4: 1"])
    if role == "seeker" and not re.search(r"^seeker: ", text, re.M):
        return draw.of(["</end/>", "Hi. /end/", " ", "\"\"", "Seeker:"])
    return draw.of(["", " \n", "\"\"", f"{role}:", f"{role.title()}: \"\""]) if right else right


def answer(model, system, user):
    text = system + "\n" + user
    key = f"{model}\0{system}\0{user}"
    draw = Draw(key)
    if JITTER:
        time.sleep(random.random() * JITTER)
    if any(word in text for word in FAILING):
        return wrong_answer(model, Draw("failing" + key), text)
    if WRONG:
        with lock:
            before = times_asked[key] = times_asked.get(key, -1) + 1
        other = Draw("wrong" + key)
        if before == 0 and other.chance(WRONG):
            return wrong_answer(model, other, text)
    return ANSWERS[model](draw, text)
