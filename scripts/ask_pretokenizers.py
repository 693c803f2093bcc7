#!/usr/bin/env python3
"""Asks Hugging Face's tokenizers library how the three pre-tokenizers cut random texts; writes test cases as JSON.

usage: ask_pretokenizers.py tests/golden/tokenizer/unicode_classes.json > tests/golden/tokenizer/words.json

{"llama-bpe": [[text, [word, ...]], ...], "qwen2": ..., "smollm": ...}; the words of a text, joined, are the text.
"""
import json
import random
import sys

import tokenizers
from tokenizers import Regex, pre_tokenizers

EXPRESSION = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def split(numbers):
    return pre_tokenizers.Split(Regex(EXPRESSION % numbers), "isolated")


# The byte alphabet would hide the words: what ByteLevel's own expression cuts is found by its offsets.
PRE_TOKENIZERS = {
    "llama-bpe": split("{1,3}"),
    "qwen2": split(""),
    "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                       pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]),
}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        classes = json.load(file)
    chooser = random.Random(2)

    def one(ranges):
        return chr(chooser.randint(*chooser.choice(ranges)))

    def some(pick, most):
        return "".join(pick() for _ in range(chooser.randint(1, most)))

    def any_point():
        return chr(chooser.choice((chooser.randint(0, 0xD7FF), chooser.randint(0xE000, 0x10FFFF))))

    pieces = (
        lambda: some(lambda: one(classes["letters"]), 3),
        lambda: some(lambda: one(classes["numbers"]), 5),
        lambda: some(lambda: one(classes["whitespace"]), 4),
        lambda: chooser.choice((" ", "  ", "\n", "\r\n", "\t", " \n ", "   ", "\n\n", "\r", "\x85", "\u2028")),
        lambda: chooser.choice(("'s", "'T", "'re", "'VE", "'m", "'lL", "'d", "'\u017f", "'K", "\u2019s", "''s", "'r", "'l")),
        lambda: some(lambda: chooser.choice("!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"), 4),
        lambda: some(lambda: chooser.choice("abcxyzABCsStTdD"), 5),
        lambda: some(lambda: chooser.choice("0123456789"), 5),
        lambda: some(any_point, 2),
        lambda: chooser.choice(("e\u0301", "\U0001F600", "\U0001F468\u200d\U0001F469", "\u0939\u093f\u0928\u094d\u0926\u0940",
                                "\u00b2", "\u2167")),
    )
    print('{"made_with": "tokenizers %s"' % tokenizers.__version__, end="")
    for name, pre_tokenizer in PRE_TOKENIZERS.items():
        cases = []
        for _ in range(300):
            text = some(lambda: chooser.choice(pieces)(), 8)
            words = [text[begin:end] for _, (begin, end) in pre_tokenizer.pre_tokenize_str(text)]
            if "".join(words) == text:
                cases.append(json.dumps([text, words]))
        print(',\n"%s": [\n%s\n]' % (name, ",\n".join(cases)), end="")
    print("}")


if __name__ == "__main__":
    main()
