"""Hostile numbers and texts, JSON that keeps what json.dumps cannot write, and changes at random places of it."""
import json
from json.encoder import encode_basestring as _quote

INTEGERS = [0, 1, 2, 3, 5, 7, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 257, 1000, 4095, 4096, 65535, 65536, 1 << 20, (1 << 31) - 1, 1 << 31,
            (1 << 32) - 1, 1 << 32, (1 << 53) - 1, 1 << 53, (1 << 60), (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 64, -1, -2, -128, -65536,
            -(1 << 31), -(1 << 63)]
FLOATS = [0.0, -0.0, 0.5, 1.5, -1.5, 1e-300, 5e-324, 1e-30, 1e30, 3.5e38, -3.5e38, 1e300, -1e300, 1.7976931348623157e308]
TEXTS = ["", " ", "\n", "\t", "\r\n", "a", "A", "%s%n%d", "../../x", "/", "/dev/null", ".", "..", "\\", "\"", "'", "a\"b\\c", "\x1b[31mred\x1b]0;t\x07", "\x7f",
         "\u009b31m", "\u0000", "a\u0000b", "\ufeff", "\u202e", "\ufffd", "\uffff", "\U0001f600", "\U0010ffff", "e\u0301", "\u1100\u1161\u11a8", "\u2581",
         "\u2581" * 40, "<0x00>", "<0x-1>", "<0xFF>", "<0xGG>", "<unk>", "<bos>", "<s>", "<|im_end|>", "<|eot_id|>", "<end_of_turn>", "null", "true", "0",
         "-1", "nan", "x" * 63, "x" * 64, "x" * 255, "x" * 256, "x" * 4096, "x" * 65536, "\u00e9" * 33000, "ab " * 3000, "\n" * 5000, "1234567890" * 300]
# Spellings that JSON has no value for, or that programs read differently.
SPELLINGS = ["NaN", "-NaN", "Infinity", "-Infinity", "nan", "1e999", "-1e999", "1e-999", "1E5", "1e5", "0x10", "01", "1.", ".5", "+1", "-0", "-", "1_000", "9" * 400,
             "0." + "1" * 400, "1e", "tru", "nul", "'a'", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\\u0000\"", "\"\\x41\"", "\"\\u12\"", "\"a\nb\"",
             "\"\t\"", "[1,]", "{\"a\":1,}", "{a:1}", "[1 2]", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "{1:2}", "//", "/* */ 1", "", "[", "{", "\"", "]"]


class Raw:
    """Text that stands as it is."""

    def __init__(self, text):
        self.text = text


class Pairs(list):
    """An object as a list of [key, value], so that a key may come twice."""


def load(data):
    """JSON as lists, Pairs, and Raw for numbers with a fraction: what is not changed is written as it was read."""
    return json.loads(data, object_pairs_hook=lambda pairs: Pairs([list(pair) for pair in pairs]), parse_float=Raw)


def dump(value):
    out = []
    _dump(value, out)
    return "".join(out)


def _dump(value, out):
    if isinstance(value, str):
        out.append(_quote(value))
    elif isinstance(value, Raw):
        out.append(value.text)
    elif isinstance(value, (Pairs, dict)):
        out.append("{")
        for i, (key, item) in enumerate(value.items() if isinstance(value, dict) else value):
            out.append((", " if i else "") + (key.text if isinstance(key, Raw) else _quote(str(key))) + ": ")
            _dump(item, out)
        out.append("}")
    elif isinstance(value, (list, tuple)):
        out.append("[")
        for i, item in enumerate(value):
            if i:
                out.append(", ")
            _dump(item, out)
        out.append("]")
    else:
        out.append(json.dumps(value, ensure_ascii=False))


def encode(text):
    """Python strings may hold lone surrogates: they become the bytes that are no UTF-8."""
    return text.encode("utf-8", "surrogatepass")


def find(pairs, key):
    """The value under a key of Pairs; None if there is none."""
    for name, value in pairs:
        if name == key:
            return value
    return None


def put(pairs, key, value):
    for pair in pairs:
        if pair[0] == key:
            pair[1] = value
            return
    pairs.append([key, value])


def remove(pairs, key):
    pairs[:] = [pair for pair in pairs if pair[0] != key]


def integer(rng, near=None):
    """A hostile integer, half of them beside the one that is right."""
    if isinstance(near, int) and rng.random() < 0.5:
        return rng.choice([near + 1, near - 1, near * 2, near // 2, -near, near + 32, near << 32, near + (1 << 32), near + (1 << 63), near * 1000])
    return rng.choice(INTEGERS)


def number(rng, near=None):
    return integer(rng, near) if rng.random() < 0.7 else rng.choice(FLOATS)


def text(rng):
    if rng.random() < 0.8:
        return rng.choice(TEXTS)
    return "".join(chr(rng.choice([rng.randrange(1, 128), rng.randrange(128, 0x800), rng.randrange(0x800, 0xD800), rng.randrange(0x10000, 0x110000)]))
                   for _ in range(rng.randrange(1, 40)))


def deep(rng, depth=None):
    """Arrays or objects in one another."""
    depth = depth or rng.choice([3, 10, 63, 64, 65, 66, 129, 1000, 20000])
    if rng.random() < 0.5:
        return Raw("[" * depth + "]" * (depth if rng.random() < 0.8 else depth - 1))
    return Raw("{\"a\":" * depth + "1" + "}" * (depth if rng.random() < 0.8 else depth - 1))


def json_value(rng, old=None):
    """Something else in place of a value, often of the same type."""
    if rng.random() < 0.55:
        if isinstance(old, bool):
            return rng.choice([not old, None, 0, 1, "true", []])
        if isinstance(old, int):
            return integer(rng, old)
        if isinstance(old, Raw):
            return number(rng)
        if isinstance(old, str):
            return text(rng)
        if isinstance(old, list) and old and not isinstance(old, Pairs):
            return rng.choice([old[:-1], old + old[-1:], old * 2, old[::-1], [], [old], old[0], old * 40])
    choice = rng.randrange(10)
    if choice < 2:
        return number(rng)
    if choice < 4:
        return text(rng)
    if choice == 4:
        return Raw(rng.choice(SPELLINGS))
    if choice == 5:
        return deep(rng)
    return rng.choice([None, True, False, [], Pairs(), [[]], [None], [0], [""], Pairs([["", None]]), Pairs([["type", "x"]]), list(range(300)), -1, "x"])


def places(value, found=None, limit=4000):
    """[(container, index)] of all values in it: index of a list, or of a pair of Pairs."""
    found = [] if found is None else found
    if isinstance(value, list):
        for i, item in enumerate(value):
            if len(found) >= limit:
                break
            found.append((value, i))
            places(item[1] if isinstance(value, Pairs) else item, found, limit)
    return found


def copy(value):
    """A copy whose containers can be changed."""
    if isinstance(value, Pairs):
        return Pairs([[key, copy(item)] for key, item in value])
    if isinstance(value, list):
        return [copy(item) for item in value]
    return value


def change_json(rng, root, at=None):
    """Changes one random place of a JSON value and says what was done. `at`: only places in this part of it."""
    found = places(root if at is None else at)
    if not found:
        return "nothing"
    container, index = rng.choice(found)
    pairs = isinstance(container, Pairs)
    name = str(container[index][0])[:30] if pairs else str(index)
    choice = rng.randrange(12)
    if choice < 7 or (choice < 9 and not pairs):
        old = container[index][1] if pairs else container[index]
        new = json_value(rng, old)
        if pairs:
            container[index][1] = new
        else:
            container[index] = new
        return "%s = %s" % (name, dump(new)[:60])
    if choice == 7:
        container[index][0] = text(rng)
        return "%s renamed" % name
    if choice == 8:
        container.append([container[index][0], rng.choice([container[index][1], json_value(rng)])])
        return "%s twice" % name
    if choice == 9:
        del container[index]
        return "without %s" % name
    if choice == 10:
        container.append([text(rng), json_value(rng)] if pairs else json_value(rng))
        return "one more in %s's" % name
    container.insert(index, copy(container[rng.randrange(len(container))]))
    return "doubled beside %s" % name


def change_bytes(rng, data):
    """Changes bytes without a look at what they mean; (bytes, what)."""
    data = bytearray(data)
    size = len(data)
    choice = rng.randrange(11)
    at = rng.randrange(size) if size else 0
    if choice == 0:
        return bytes(data[:at]), "cut at %d of %d" % (at, size)
    if choice == 1 and size:
        for _ in range(rng.choice([1, 1, 2, 8, 64])):
            data[rng.randrange(size)] = rng.randrange(256)
        return bytes(data), "random bytes"
    if choice == 2 and size:
        data[at] ^= 1 << rng.randrange(8)
        return bytes(data), "bit of byte %d" % at
    if choice == 3:
        return b"\xef\xbb\xbf" + bytes(data), "a byte-order mark"
    if choice == 4:
        data[at:at] = rng.choice([b"\x00", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\x1b[2J", b"\x80", b"\xe2\x82"])
        return bytes(data), "bytes that are no text at %d" % at
    if choice == 5:
        return bytes(data) + rng.choice([b"x", b"\x00", b"{}", b"\n" * 100, bytes(data)]), "more behind the end"
    if choice == 6:
        return b"", "empty"
    if choice == 7:
        end = min(size, at + rng.choice([1, 2, 4, 8, 100, 1000]))
        del data[at:end]
        return bytes(data), "bytes %d to %d missing" % (at, end)
    if choice == 8:
        end = min(size, at + rng.choice([1, 4, 8, 100]))
        data[at:at] = data[at:end] * rng.choice([1, 2, 10])
        return bytes(data), "bytes %d to %d doubled" % (at, end)
    if choice == 9 and size >= 8:
        at = rng.randrange(size - 7)
        data[at:at + 8] = rng.choice([b"\xff" * 8, b"\x00" * 8, b"\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x01\x00\x00\x00\x00\x00\x00\x80"])
        return bytes(data), "8 bytes at %d" % at
    return bytes(data[::-1]), "back to front"
