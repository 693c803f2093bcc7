#!/usr/bin/env python3
"""Checks that functions, parameter lists and files stay readable.

No function over 60 lines, no file over 500, no function with more than 7 parameters outside kernels/. A function's lines are counted from
the first line of its head to its closing brace. scripts/size_exceptions.txt lists the exceptions: path, function (or "file"), reason. Exit
status 1 if anything is over a limit, an exception is no longer needed, or a file's braces do not match.
"""
import pathlib
import re
import sys

LINES, FILE_LINES, PARAMETERS = 60, 500, 7
ROOT = pathlib.Path(__file__).resolve().parent.parent
EXCEPTIONS = ROOT / "scripts" / "size_exceptions.txt"

# Comments, literals, and preprocessor lines with their continuations: none of their braces and parentheses count.
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<!\w)\'(?:\\.|[^\'\\\n])*\'|^[ \t]*#(?:\\\n|[^\n])*',
                   re.DOTALL | re.MULTILINE)
ATTRIBUTE = re.compile(r"__attribute__|__declspec|_Alignas|alignas|_Static_assert|static_assert|decltype|noexcept")
CONTAINER = re.compile(r'\b(?:namespace|class|struct|union)\b[^()=]*$|\bextern\s*(?:"")?\s*$')


def read_exceptions():
    """{(path, function or 'file'): reason}"""
    found = {}
    if EXCEPTIONS.exists():
        for line in EXCEPTIONS.read_text(encoding="utf-8").splitlines():
            if line.strip() and not line.startswith("#"):
                path, name, reason = line.split(None, 2)
                found[path, name] = reason
    return found


def blank(match):
    """The same number of lines with nothing in them; a string stays visible as one."""
    text = match.group(0)
    return '""' if text.startswith('"') else "\n" * text.count("\n") or " "


def closing(text, at):
    """Index of the bracket that closes the one at text[at]; len(text) if none does."""
    pairs, depth = {"(": ")", "{": "}"}, 0
    left, right = text[at], pairs[text[at]]
    for i in range(at, len(text)):
        depth += (text[i] == left) - (text[i] == right)
        if depth == 0:
            return i
    return len(text)


def signature(head):
    """(name, parameters) of a function's head, which ends before its brace; None if it is no function's."""
    at = 0
    while (match := re.compile(r"([~\w]+)\s*\(").search(head, at)):
        end = closing(head, match.end() - 1)
        if ATTRIBUTE.fullmatch(match.group(1)):
            at = end + 1
            continue
        if "=" in head[: match.start()] and "operator" not in head[: match.start()]:
            return None
        inside, depth, count = head[match.end() : end], 0, 1
        for letter in inside:
            depth += (letter in "([{<") - (letter in ")]}>")
            count += letter == "," and depth == 0
        return match.group(1), 0 if inside.strip() in ("", "void") else count
    return None


def functions(text):
    """(name, first line, lines, parameters) of each function; raises ValueError where braces do not match."""
    text = NOISE.sub(blank, text)
    begin = at = 0  # of the declaration that is being read
    while at < len(text):
        letter = text[at]
        if letter == "(":
            at = closing(text, at)
        elif letter in ";}":
            begin = at + 1
        elif letter == "{":
            head = text[begin:at]
            begin += len(head) - len(head.lstrip())
            if CONTAINER.search(head.rstrip()) and "(" not in head:
                begin = at + 1  # read on inside it
            else:
                end = closing(text, at)
                if end == len(text):
                    raise ValueError(text.count("\n", 0, at) + 1)
                found = signature(head)
                if found:
                    first = text.count("\n", 0, begin) + 1
                    yield found[0], first, text.count("\n", 0, end) + 2 - first, found[1]
                    begin = end + 1
                at = end
        at += 1


def main():
    exceptions, used, problems = read_exceptions(), set(), []

    def over(path, name, what, line):
        if (path, name) in exceptions:
            used.add((path, name))
        else:
            problems.append(f"{path}:{line}: {what}")

    for folder in ("src", "kernels", "tests", "include", "examples"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix not in (".c", ".h", ".cpp", ".inc"):
                continue
            place = str(path.relative_to(ROOT))
            text = path.read_text(encoding="utf-8")
            if len(text.splitlines()) > FILE_LINES:
                over(place, "file", f"{len(text.splitlines())} lines (at most {FILE_LINES})", 1)
            try:
                for name, first, count, arguments in functions(text):
                    if count > LINES:
                        over(place, name, f"{name} has {count} lines (at most {LINES})", first)
                    if arguments > PARAMETERS and folder != "kernels":
                        over(place, name, f"{name} has {arguments} parameters (at most {PARAMETERS})", first)
            except ValueError as line:
                problems.append(f"{place}:{line}: a brace that nothing closes")
    problems += [f"{EXCEPTIONS.name}: {path} {name}: no longer needed" for path, name in sorted(set(exceptions) - used)]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"check_sizes: {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
