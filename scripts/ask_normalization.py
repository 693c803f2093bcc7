#!/usr/bin/env python3
"""Asks Hugging Face's tokenizers library which characters its form C knows; writes the answer and test cases as JSON.

usage: ask_normalization.py > tests/golden/tokenizer/unicode_nfc.json

The library's normalization tables are those of Unicode 9: a mark that is younger keeps its place, a younger composite is
neither made nor taken apart. Of the characters that it knows nothing ever changes (Unicode's stability policy), so their list
is all that nfc.c needs. "known": ranges of characters, from U+0300 on, that are marks, have a canonical decomposition or take part
in a composition. "cases": [text, its form C].
"""
import json
import random
import unicodedata

import tokenizers
from tokenizers import normalizers

compose = normalizers.NFC().normalize_str
decompose = normalizers.NFD().normalize_str
OVERLAY, BELOW = "\u0334", "\u0345"  # marks of the lowest and of the highest class


def main():
    points = [p for p in range(0x300, 0x110000) if not 0xD800 <= p < 0xE000]
    known = set()
    for point in points:
        char = chr(point)
        parts = decompose(char)
        if len(parts) == 1 and (decompose(BELOW + char) != BELOW + char or decompose(char + OVERLAY) != char + OVERLAY):
            known.add(point)
        if parts != char:
            known.add(point)
            if compose(parts) == char:
                known.update(map(ord, parts))
        pair = unicodedata.decomposition(char)
        if " " in pair and "<" not in pair:
            first, second = (chr(int(part, 16)) for part in pair.split())
            if compose(first + second) == char:
                known.update((ord(first), ord(second)))
    known.update(range(0x1100, 0x1113), range(0x1161, 0x1176), range(0x11A8, 0x11C3))  # Hangul is composed by rule
    known.update((ord(BELOW), ord(OVERLAY)))
    ranges = []
    for point in sorted(p for p in known if p >= 0x300):
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    chooser = random.Random(1)
    relevant = [p for p in points if unicodedata.combining(chr(p)) or unicodedata.decomposition(chr(p))]
    cases = []
    for _ in range(600):
        text = ""
        for _ in range(chooser.randint(1, 8)):
            kind = chooser.randint(0, 5)
            if kind == 0:
                text += chr(chooser.choice(points))
            elif kind == 1:
                text += chooser.choice("aeAoiu x\uac00\u1100\u1161\u11a8\u3042\u0627")
            elif kind == 2:
                text += decompose(chr(chooser.choice(relevant)))
            else:
                text += chr(chooser.choice(relevant))
        cases.append([text, compose(text)])
    known = json.dumps(ranges, separators=(",", ":"))
    print('{"made_with": "tokenizers %s",\n"known": %s,\n"cases": [' % (tokenizers.__version__, known))
    print(",\n".join(json.dumps(case) for case in cases))
    print("]}")


if __name__ == "__main__":
    main()
