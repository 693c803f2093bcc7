#!/usr/bin/env python3
"""Writes src/text/unicode_ranges.h from a table of the classes that Hugging Face's regular expressions use.

usage: make_unicode_ranges.py CLASSES.json > src/text/unicode_ranges.h

CLASSES.json is a copy of tests/golden/tokenizer/unicode_classes.json: {"letters": [[first, last], ...], "numbers": ...,
"whitespace": ...}, found by asking the tokenizers library about every code point. ASCII is left out: pretokenize.c
knows it by heart.
"""
import json
import sys

HEADER = """/* unicode_ranges.h - what \\p{L}, \\p{N} and \\s match beyond ASCII in the regular expressions of Hugging Face's tokenizers (%s).
 * Made by scripts/make_unicode_ranges.py: do not edit. The table is newer than that of most PCRE2 and utf8proc packages,
 * which is why it is here. tests/text/test_pretokenize.c checks every code point. */
#ifndef CSO_UNICODE_RANGES_H
#define CSO_UNICODE_RANGES_H

#include <stdint.h>

typedef struct cso_unicode_range {
    uint32_t first, last; /* inclusive */
} cso_unicode_range;
"""


def array(name, ranges):
    items = ["{0x%X, 0x%X}" % (max(first, 128), last) for first, last in ranges if last >= 128]
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > 130:
            lines.append(line)
            line = "   "
        line += " " + item + ","
    lines.append(line)
    return "\nstatic const cso_unicode_range %s[] = {\n%s\n};\n" % (name, "\n".join(lines))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        classes = json.load(file)
    print(HEADER % classes["made_with"], end="")
    print("/* clang-format off */", end="")
    for name, key in (("cso_unicode_letters", "letters"), ("cso_unicode_numbers", "numbers"), ("cso_unicode_spaces", "whitespace")):
        print(array(name, classes[key]), end="")
    print("/* clang-format on */\n\n#endif")


if __name__ == "__main__":
    main()
