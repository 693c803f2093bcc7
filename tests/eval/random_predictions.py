#!/usr/bin/env python3
"""Compares cso-eval metrics with scikit-learn, rouge-score and sacrebleu on random predictions of made-up words.

    random_predictions.py PROGRAM [COUNT]     compares COUNT random files (default 500), prints the largest differences
    random_predictions.py --write FOLDER      writes the cases that tests/eval/test_metrics.c reads

Needs: pip install scikit-learn rouge_score sacrebleu. B is a loop of its own here.
"""
import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile

WORDS = ["sun", "Rain", "tree", "river", "STONE", "it's", "don't", "3,000", "4.5", "5.", ".5", "7-8", "a-b", "-9", "10-", "wind", "cloud", "moon",
         "e.g.", "hm...", "(yes)", "[no]", "{x}", "a/b", "&amp;", "&quot;so&quot;", "&lt;b&gt;", "&", "<skipped>", "50%", "#1", "~", "`", "“so”", "naïve",
         "ΣΟΦΟΣ", "ΣΑΣ", "Σ", "ΑΣ.", "Α'Σ", "İstanbul", "K", "ǅ", "日本", "語。", "🙂", "e\u0301", "x\u00a0y", "a\u2003b", "c\u001cd", "ﬁ", "ẞ", "end-\nof", "\n", "\t", "!", ",", ".", "-"]
NAMES = ["Calm", "Ask", "Name", "Offer", "Plan", "Zeal", "Ähren", "plan"]


def random_text(rng):
    words = rng.choice([WORDS, WORDS[:6], WORDS[:20]])
    count = rng.choice([0, 1, 2, 3, 4, 5, rng.randint(6, 40)])
    return rng.choice(["", "", " ", "\n"]) + rng.choice([" ", " ", "  "]).join(rng.choice(words) for _ in range(count)) + rng.choice(["", "", " ", "\u3000"])


def random_rows(rng):
    names = rng.sample(NAMES, rng.randint(1, len(NAMES)))
    rows, count = [], rng.choice([1, 2, 5, rng.randint(3, 60)])
    none, right = rng.choice([0, 0, 0.2, 1]), rng.random()
    for _ in range(count):
        true = rng.choice(names)
        guess = None if rng.random() < none else true if rng.random() < right else rng.choice(names)
        reference = random_text(rng)
        content = reference if rng.random() < 0.2 else random_text(rng)
        if rng.random() < 0.3 and reference:
            cut = rng.randint(0, len(reference))
            content = reference[:cut] + content
        rows.append({"reference": {"strategy": true, "content": reference}, "prediction": {"strategy": guess, "content": content}})
    return rows


def bias(pairs, names):
    w = {(i, j): 0 for i in names for j in names}
    for true, guess in pairs:
        if guess is not None:
            w[guess, true] += 1
    p = {i: 1.0 for i in names}
    for _ in range(20):
        for i in names:
            others = [j for j in names if j != i and p[i] + p[j] > 0]
            up = sum(w[i, j] * p[j] / (p[i] + p[j]) for j in others)
            down = sum(w[j, i] / (p[i] + p[j]) for j in others)
            if down > 0:
                p[i] = up / down
        positive = [x for x in p.values() if x > 0]
        mean = math.exp(sum(math.log(x) for x in positive) / len(positive)) if positive else 1
        p = {i: x / mean for i, x in p.items()}
    scale = len(names) / sum(p.values())
    p = {i: x * scale for i, x in p.items()}
    mean = sum(p.values()) / len(names)
    never = sum(all(w[j, i] == 0 for j in names if j != i) for i in names)
    return math.sqrt(sum((x - mean) ** 2 for x in p.values()) / len(names)), p, never


def distinct(texts, n):
    grams = []
    for text in texts:
        words = text.lower().split()
        grams += [tuple(words[i:i + n]) for i in range(len(words) - n + 1)]
    return len(set(grams)) / len(grams) if grams else None


def scores(pairs, names):
    from sklearn.metrics import accuracy_score, f1_score
    if not pairs:
        return None, None, None
    true, guess = [a for a, _ in pairs], [b if b is not None else "\0" for _, b in pairs]
    f1 = [f1_score(true, guess, labels=names, average=how, zero_division=0) for how in ("macro", "weighted")]
    return accuracy_score(true, guess), *f1


def expected(rows):
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics import BLEU
    pairs = [(r["reference"]["strategy"], r["prediction"]["strategy"]) for r in rows]
    names = sorted({name for pair in pairs for name in pair if name is not None})
    references, texts = [r["reference"]["content"] for r in rows], [r["prediction"]["content"] for r in rows]
    rouge = RougeScorer(["rougeL"], use_stemmer=False)
    b, preferences, never = bias(pairs, names)
    result = {"n": len(rows), "strategies": names, "preference_bias": b, "preferences": preferences, "never_missed": never,
              "invalid": sum(guess is None for _, guess in pairs),
              "rouge_l": sum(rouge.score(a, b)["rougeL"].fmeasure for a, b in zip(references, texts)) / len(rows),
              "distinct_1": distinct(texts, 1), "distinct_2": distinct(texts, 2),
              "reply_words": sum(len(t.split()) for t in texts) / len(rows), "reference_words": sum(len(t.split()) for t in references) / len(rows)}
    for kind, chosen in (("strategy", pairs), ("valid", [p for p in pairs if p[1] is not None])):
        for key, value in zip(("accuracy", "macro_f1", "weighted_f1"), scores(chosen, names)):
            result[f"{kind}_{key}"] = value
    for n in range(1, 5):
        result[f"bleu_{n}"] = BLEU(max_ngram_order=n).corpus_score(texts, [references]).score / 100
    return result


def difference(found, wanted):
    """The largest of all keys of wanted; infinite where something else is different."""
    if isinstance(wanted, dict):
        return max([difference(found[k], v) for k, v in wanted.items()] or [0])
    if isinstance(wanted, list) or wanted is None or isinstance(wanted, str):
        return 0 if found == wanted else math.inf
    return abs(found - wanted) if found is not None else math.inf


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def compare(program, count):
    worst = {}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "predictions.jsonl"
        for seed in range(count):
            rows = random_rows(random.Random(seed))
            write_rows(path, rows)
            found = json.loads(subprocess.run([program, "metrics", "--json", path], check=True, capture_output=True, text=True).stdout)
            for key, value in expected(rows).items():
                off = difference(found[key], value)
                if off > worst.get(key, (-1,))[0]:
                    worst[key] = off, seed
                if off > 1e-9:
                    print(f"seed {seed}: {key}: {found[key]} instead of {value}")
    for key, (off, seed) in worst.items():
        print(f"{key}: {off:.3g} (seed {seed})")
    return max(off for off, _ in worst.values()) <= 1e-9


def write(folder):
    """One file of cases: {"rows", "expected"} each. Small ones, chosen for what they have."""
    cases = []
    for seed in (3, 5, 8, 13, 21, 34, 55, 89):
        rows = random_rows(random.Random(seed))[:12]
        cases.append({"seed": seed, "rows": rows, "expected": expected(rows)})
    lines = [json.dumps(case, ensure_ascii=False) for case in cases]
    (pathlib.Path(folder) / "cases.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "--write":
        write(sys.argv[2])
    else:
        sys.exit(0 if compare(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 500) else 1)
