#!/usr/bin/env python3
"""Writes src/text/unicode_ranges.h from what Hugging Face's tokenizers library takes characters for.

usage: make_unicode_ranges.py tests/golden/tokenizer/unicode_classes.json tests/golden/tokenizer/unicode_nfc.json
           > src/text/unicode_ranges.h

The first file is {"letters": [[first, last], ...], "numbers": ..., "whitespace": ...}, found by asking the library about
every code point; ASCII is left out: pretokenize.c knows it by heart. The second is made by ask_normalization.py.
"""
import json
import sys

HEADER = """/* unicode_ranges.h - what Hugging Face's tokenizers (%s) take characters beyond ASCII for.
 *
 * Made by scripts/make_unicode_ranges.py: do not edit. Letters, numbers and spaces are what \\p{L}, \\p{N} and \\s match in its
 * expressions, by a Unicode newer than that of most PCRE2 packages. cso_unicode_normalized is what its form C knows, from
 * U+0300 on: Unicode 9, older than utf8proc's. tests/text checks every code point. */
#ifndef CSO_UNICODE_RANGES_H
#define CSO_UNICODE_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cso_unicode_range {
    uint32_t first, last; /* inclusive */
} cso_unicode_range;

/* Whether one of the ranges, which ascend, has the point. */
static inline bool cso_unicode_in(const cso_unicode_range *ranges, size_t count, uint32_t point) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (point > ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && point >= ranges[low].first;
}

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
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        classes = json.load(file)
    with open(sys.argv[2], encoding="utf-8") as file:
        classes["normalized"] = json.load(file)["known"]
    print(HEADER % classes["made_with"], end="")
    print("/* clang-format off */", end="")
    for name, key in (("cso_unicode_letters", "letters"), ("cso_unicode_numbers", "numbers"), ("cso_unicode_spaces", "whitespace"),
                      ("cso_unicode_normalized", "normalized")):
        print(array(name, classes[key]), end="")
    print("/* clang-format on */\n\n#endif")


if __name__ == "__main__":
    main()
