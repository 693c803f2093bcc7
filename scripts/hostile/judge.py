"""Runs a program on one input and says what is wrong with its answer."""
import os
import re
import resource
import signal
import subprocess
import time

HANG_SECONDS = 10   # of CPU time, so that a busy machine is no hang
WALL_SECONDS = 12   # after which a process that has hardly run waits for something
BUSY_SECONDS = 120
REPORTS = re.compile(rb"AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:|stack smashing|Assertion `|terminate called")
NO_NUMBER = re.compile(rb"\": -?(?:nan|inf|null)\b|[\[ ]-?(?:nan|inf)\b")  # a null in place of a pair is one that is too long, and a warning says so
FRAME = re.compile(r"#\d+ 0x[0-9a-f]+ in (\S+) ")
SKIPPED_FRAMES = ("__", "malloc", "calloc", "realloc", "free", "mem", "str", "operator", "raise", "abort", "gsignal")


def environment():
    found = {key: value for key, value in os.environ.items() if not key.startswith(("CSO_", "OMP_", "OPENBLAS_"))}
    found.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", LC_ALL="C.UTF-8",
                 ASAN_OPTIONS="exitcode=99:detect_leaks=1:allocator_may_return_null=1:max_allocation_size_mb=2048:hard_rss_limit_mb=6144:detect_stack_use_after_return=0",
                 LSAN_OPTIONS="exitcode=99", UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:exitcode=99")
    return found


class Answer:
    def __init__(self, code, out, err, seconds, hung):
        self.code, self.out, self.err, self.seconds, self.hung = code, out, err, seconds, hung


def run(case, programs):
    began = time.monotonic()
    with subprocess.Popen([os.path.join(programs, case.program)] + case.arguments, cwd=case.folder, env=environment(), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (HANG_SECONDS, HANG_SECONDS + 2))
        out, err, hung = _wait(process, case.stdin)
    hung = hung or process.returncode in (-signal.SIGXCPU, 128 + signal.SIGXCPU)
    return Answer(process.returncode, out, err, time.monotonic() - began, hung)


def _wait(process, data):
    """(standard output, standard error, whether it had to be killed)."""
    try:
        return (*process.communicate(data, timeout=WALL_SECONDS), False)
    except subprocess.TimeoutExpired:
        if _cpu_seconds(process.pid) >= 1:
            try:
                return (*process.communicate(timeout=BUSY_SECONDS), False)
            except subprocess.TimeoutExpired:
                pass
    process.kill()
    return (*process.communicate(), True)


def _cpu_seconds(process):
    with open("/proc/%d/stat" % process, encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def unprintable(data):
    """The first bytes that a terminal may obey, or that are no text; None if all are good."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return data[error.start:error.start + 8]
    for i, char in enumerate(text):
        if (char < " " and char != "\n") or "\x7f" <= char <= "\x9f":
            return text[i:i + 8].encode()
    return None


def _frame(text):
    for name in FRAME.findall(text):
        if not name.startswith(SKIPPED_FRAMES):
            return name
    return ""


def _report(answer):
    text = answer.err.decode("utf-8", "replace")
    kind = re.search(r"(?:ERROR|WARNING): (?:\w+Sanitizer: )?([a-z][\w-]*(?: [\w-]+){0,3})|runtime error: (.{0,60})|(Assertion.{0,60}|terminate called.{0,60})", text)
    words = next((group for group in kind.groups() if group), "report") if kind else "report"
    return "sanitizer: %s in %s" % (re.sub(r"0x[0-9a-f]+|\d+", "N", words), _frame(text))


def _shown(name):
    """As an error's line shows a name."""
    return "".join(char if " " <= char != "\x7f" and not "\x7f" < char < "\xa0" else "".join("\\x%02x" % byte for byte in char.encode()) for char in name)


def _names(case):
    found = set(case.names or []) | set(case.more_names)
    if case.names is None:
        for name in case.written:
            found.update(part for part in name.split("/"))
        for at, folders, files in os.walk(case.folder):
            found.update(folders + files)
    return {_shown(name)[:200] for name in found if name} | {"standard input"}  # what "-" is called


def faults(case, answer):
    """What is wrong, as short texts that are the same for the same fault."""
    if answer.hung:
        return ["hang"]
    if REPORTS.search(answer.err):
        return [_report(answer)]
    if answer.code < 0:
        return ["signal %d" % -answer.code]
    found = []
    if answer.code not in case.codes:
        found.append("exit code %d" % answer.code)
    bad = unprintable(answer.err)
    if bad is not None:
        return found + ["control characters on stderr"]
    prefix = case.program + ": "
    lines = answer.err.decode().splitlines()
    errors = [line for line in lines if line.startswith(prefix) and not line.startswith(prefix + "warning: ")]
    others = [line for line in lines if not line.startswith((prefix, "warning: ", "note: "))]
    if others:
        found.append("a line that is neither error nor warning")
    if answer.code == 0 and errors:
        found.append("an error, and exit code 0")
    if answer.code and len(errors) != 1:
        found.append("%d lines of error" % len(errors))
    named = case.any_name or len(answer.err) > 900  # or a long name is cut
    if answer.code in (2, 3, 4) and not named and len(errors) == 1 and not any(name in errors[0] for name in _names(case)):
        found.append("the error names no file")
    if b"out of memory" in answer.err:
        found.append("out of memory")
    if answer.code == 0 and case.program == "cso-eval" and NO_NUMBER.search(answer.out) and b"not scored (null)" not in answer.err:
        found.append("a score that is no number, and exit code 0")
    if case.program in ("cso-inspect", "cso-train") and unprintable(answer.out) is not None:
        found.append("control characters on stdout")
    if not case.kept():
        found.append("a file outside was removed or changed")
    return found
