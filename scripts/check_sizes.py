#!/usr/bin/env python3
"""Checks that functions, parameter lists and files stay readable.

No function over 60 lines, no file over 500, no function with more than 7 parameters outside kernels/. scripts/size_exceptions.txt lists the
exceptions, each with its reason. The sources are formatted by clang-format, so a function's head begins and its end stands in column 0. Exit
status 1 if anything is over, or an exception is no longer needed.
"""
import pathlib
import re
import sys

LINES, FILE_LINES, PARAMETERS = 60, 500, 7
ROOT = pathlib.Path(__file__).resolve().parent.parent
EXCEPTIONS = ROOT / "scripts" / "size_exceptions.txt"
NAME = re.compile(r"(\w+)\(")


def read_exceptions():
    """{(path, function or 'file'): reason}"""
    found = {}
    if EXCEPTIONS.exists():
        for line in EXCEPTIONS.read_text(encoding="utf-8").splitlines():
            if line.strip() and not line.startswith("#"):
                path, name, reason = line.split(None, 2)
                found[path, name] = reason
    return found


def parameters(head):
    """The number of parameters in a function's head."""
    inside = head[head.index("(") + 1 : head.rindex(")")]
    depth, count = 0, 1
    for letter in inside:
        depth += (letter in "([") - (letter in ")]")
        count += letter == "," and depth == 0
    return 0 if inside.strip() in ("", "void") else count


def functions(lines):
    """(name, first line, lines, parameters) of each function."""
    start = 0
    for i, line in enumerate(lines):
        if line.startswith("}"):
            start = i + 1
        if not line.rstrip().endswith("{") or line[0] in " \t#/}":
            if not (line.rstrip().endswith("{") and i and re.match(r"^\s{8,}", line) and not lines[i - 1].rstrip().endswith((";", "{", "}"))):
                continue
        first = i
        while first > start and lines[first - 1].strip() and not lines[first - 1].rstrip().endswith((";", "}", "*/", ")")) and lines[first][0] in " \t":
            first -= 1
        head = " ".join(lines[first : i + 1])
        name = NAME.search(head)
        if not name or "=" in head.split("(")[0] or re.match(r"\s", lines[first]):
            continue
        end = next((j for j in range(i + 1, len(lines)) if lines[j].startswith("}")), len(lines) - 1)
        yield name.group(1), first + 1, end - first + 1, parameters(head)


def main():
    exceptions, used, problems = read_exceptions(), set(), []

    def over(path, name, what, line):
        if (path, name) in exceptions:
            used.add((path, name))
        else:
            problems.append(f"{path}:{line}: {what}")

    for folder in ("src", "kernels", "tests", "include"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix not in (".c", ".h", ".cpp"):
                continue
            place = str(path.relative_to(ROOT))
            lines = path.read_text(encoding="utf-8").splitlines()
            if len(lines) > FILE_LINES:
                over(place, "file", f"{len(lines)} lines (at most {FILE_LINES})", 1)
            for name, first, count, arguments in functions(lines):
                if count > LINES:
                    over(place, name, f"{name} has {count} lines (at most {LINES})", first)
                if arguments > PARAMETERS and folder != "kernels":
                    over(place, name, f"{name} has {arguments} parameters (at most {PARAMETERS})", first)
    problems += [f"{EXCEPTIONS.name}: {path} {name}: no longer needed" for path, name in sorted(set(exceptions) - used)]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"check_sizes: {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
