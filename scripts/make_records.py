#!/usr/bin/env python3
"""Writes many records made of a few, for measurements: make_records.py COUNT FILE > OUT

FILE has JSON Lines with a description, for example what cso-data convert makes of data/sample. The lines are repeated, each round under other
descriptions, so that its dialogues are other ones.
"""
import sys


def main():
    count, path = int(sys.argv[1]), sys.argv[2]
    with open(path, "rb") as file:
        lines = [line.split(b'"description": "', 1) for line in file if line.strip()]
    written, round_ = 0, 0
    while written < count:
        mark = b'"description": "%d: ' % round_
        part = [mark.join(line) for line in lines[: count - written]]
        sys.stdout.buffer.write(b"".join(part))
        written += len(part)
        round_ += 1


if __name__ == "__main__":
    main()
