"""GGUF files as they are laid out, so that every count, offset and length can be wrong by itself."""
import struct

import tensors
import values

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
FORMATS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "B", U64: "Q", I64: "q", F64: "d"}
BITS = {U8: 8, I8: 8, U16: 16, I16: 16, U32: 32, I32: 32, U64: 64, I64: 64, BOOL: 8}
# Types of tensors, with the weights and the bytes of a block.
BLOCKS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176),
          14: (256, 210), 20: (32, 18), 23: (256, 136), 30: (1, 2)}
TYPES = list(BLOCKS) + [4, 5, 9, 15, 16, 17, 18, 19, 21, 22, 24, 25, 26, 27, 28, 29, 31, 34, 36, 38, 39, 255, 1 << 31, (1 << 32) - 1]


class Value:
    def __init__(self, key, kind, value, item=None):
        self.key, self.kind, self.value, self.item = key, kind, value, item
        self.count = None   # of an array, or the length of a string: None: as it is
        self.length = None  # of the key


class Tensor:
    def __init__(self, name, dims, kind, data, offset):
        self.name, self.dims, self.kind, self.data = name, dims, kind, data
        self.offset, self.n_dims = None, None  # None: as they are
        self.read_offset = offset


class File:
    def __init__(self):
        self.magic, self.version, self.values, self.tensors = b"GGUF", 3, [], []
        self.n_values = self.n_tensors = None
        self.alignment, self.tail = 32, b""

    def find(self, key):
        for value in self.values:
            if value.key == key:
                return value
        return None

    def tensor(self, name):
        for tensor in self.tensors:
            if tensor.name == name:
                return tensor
        return None

    def copy(self):
        """A file whose lists can be changed; what is in them is copied too, but arrays and data are not."""
        made = File()
        made.__dict__.update(self.__dict__)
        made.values, made.tensors = [], []
        for old in self.values:
            new = Value(old.key, old.kind, old.value, old.item)
            made.values.append(new)
        for old in self.tensors:
            made.tensors.append(Tensor(old.name, list(old.dims), old.kind, old.data, old.read_offset))
        return made


def read(data):
    """A good file."""
    at = 4

    def take(form):
        nonlocal at
        number = struct.unpack_from("<" + form, data, at)[0]
        at += struct.calcsize(form)
        return number

    def take_string():
        nonlocal at
        size = take("Q")
        at += size
        return data[at - size:at]

    def take_scalar(kind):
        return take_string() if kind == STRING else take(FORMATS[kind])

    file = File()
    file.version = take("I")
    n_tensors, n_values = take("Q"), take("Q")
    for _ in range(n_values):
        key, kind = take_string().decode(), take("I")
        if kind != ARRAY:
            file.values.append(Value(key, kind, take_scalar(kind)))
            continue
        item, count = take("I"), take("Q")
        file.values.append(Value(key, kind, [take_scalar(item) for _ in range(count)], item))
    for _ in range(n_tensors):
        name, n_dims = take_string().decode(), take("I")
        dims = [take("Q") for _ in range(n_dims)]
        file.tensors.append(Tensor(name, dims, take("I"), b"", take("Q")))
    begin = (at + 31) // 32 * 32
    for tensor in file.tensors:
        tensor.data = data[begin + tensor.read_offset:begin + tensor.read_offset + size_of(tensor.kind, tensor.dims)]
    return file


def size_of(kind, dims):
    """Bytes of a tensor; those that only would fit are not made."""
    weights, size = BLOCKS.get(kind, (1, 4))
    count = 1
    for dim in dims:
        count *= max(dim, 0)
    return min(count // weights * size, 1 << 20)


def _scalar(kind, value):
    if kind == STRING:
        value = value if isinstance(value, bytes) else values.encode(str(value))
        return struct.pack("<Q", len(value)) + value
    if kind == ARRAY or kind not in FORMATS:
        return struct.pack("<Q", int(value) & (1 << 64) - 1 if isinstance(value, int) else 0)
    if kind in BITS:
        value = int(value) if isinstance(value, (int, float)) and value == value and abs(value) < 1e300 else 0
        return struct.pack("<Q", value & (1 << 64) - 1)[:BITS[kind] // 8]
    value = float(value) if isinstance(value, (int, float)) else 0.0
    if kind == F32 and value == value and abs(value) > 3.4e38:
        value = float("inf") if value > 0 else float("-inf")
    return struct.pack("<" + FORMATS[kind], value)


def write(file):
    out = [file.magic, struct.pack("<I", file.version & 0xFFFFFFFF)]
    for count, items in ((file.n_tensors, file.tensors), (file.n_values, file.values)):
        out.append(struct.pack("<Q", (len(items) if count is None else count) & (1 << 64) - 1))
    for value in file.values:
        key = value.key if isinstance(value.key, bytes) else values.encode(value.key)
        out.append(struct.pack("<Q", (len(key) if value.length is None else value.length) & (1 << 64) - 1) + key)
        out.append(struct.pack("<I", value.kind & 0xFFFFFFFF))
        if value.kind == ARRAY:
            items = value.value if isinstance(value.value, list) else [value.value]
            count = len(items) if value.count is None else value.count
            out.append(struct.pack("<IQ", (value.item or 0) & 0xFFFFFFFF, count & (1 << 64) - 1))
            out.extend(_scalar(value.item, item) for item in items)
        else:
            data = _scalar(value.kind, value.value if not isinstance(value.value, list) else len(value.value))
            if value.kind == STRING and value.count is not None:
                data = struct.pack("<Q", value.count & (1 << 64) - 1) + data[8:]
            out.append(data)
    offsets, at = [], 0
    for tensor in file.tensors:
        offsets.append(at)
        at += (len(tensor.data) + file.alignment - 1) // file.alignment * file.alignment
    for tensor, offset in zip(file.tensors, offsets):
        name = tensor.name if isinstance(tensor.name, bytes) else values.encode(tensor.name)
        out.append(struct.pack("<Q", len(name)) + name)
        out.append(struct.pack("<I", (len(tensor.dims) if tensor.n_dims is None else tensor.n_dims) & 0xFFFFFFFF))
        out.extend(struct.pack("<Q", dim & (1 << 64) - 1) for dim in tensor.dims)
        out.append(struct.pack("<IQ", tensor.kind & 0xFFFFFFFF, (offset if tensor.offset is None else tensor.offset) & (1 << 64) - 1))
    head = b"".join(out)
    body = [head, b"\0" * (-len(head) % file.alignment)]
    for tensor in file.tensors:
        body += [tensor.data, b"\0" * (-len(tensor.data) % file.alignment)]
    return b"".join(body) + file.tail


# Each change takes (case, file), changes one thing, and says what it was.

def _any_value(case, file, part=""):
    found = [value for value in file.values if value.key.startswith(part)] if part else file.values
    return case.rng.choice(found or file.values) if file.values else None


def _new_value(case, value):
    rng = case.rng
    if value.kind == STRING:
        value.value = values.encode(values.text(rng)) if rng.random() < 0.8 else rng.choice([b"\xff\xfe", b"\0\0", b"\xc0\x80", b"\xed\xa0\x80"])
        return "%s = %r" % (value.key, value.value[:30])
    if value.kind == ARRAY:
        return _new_array(case, value)
    if value.kind in (F32, F64):
        value.value = rng.choice(values.FLOATS + [float("nan"), float("inf"), -float("inf"), 1, -1, 10000])
        case.numbers_may_fail()
    else:
        value.value = values.integer(rng, value.value)
    return "%s = %s" % (value.key, value.value)


def _new_array(case, value):
    rng = case.rng
    items = list(value.value)
    choice = rng.randrange(7)
    at = rng.randrange(len(items)) if items else 0
    if choice == 0:
        del items[at:at + rng.choice([1, 1, 10, len(items)])]
    elif choice == 1:
        items[at:at] = items[at:at + 1] * rng.choice([1, 3, 1000])
    elif choice == 2:
        value.count = values.integer(rng, len(items))
    elif choice == 3:
        value.item = rng.choice([U8, I8, U16, I32, F32, BOOL, STRING, ARRAY, U64, F64, 13, 1 << 31])
    elif choice == 4:
        rng.shuffle(items)
    elif items and value.item == STRING:
        for _ in range(rng.choice([1, 1, 5, 50])):
            items[rng.randrange(len(items))] = rng.choice([values.encode(values.text(rng)), items[at], b"", b"\xff", b"a b", b" ", b"a", b"a b c"])
    elif items:
        for _ in range(rng.choice([1, 1, 5, 50])):
            items[rng.randrange(len(items))] = rng.choice([float("nan"), float("inf"), -1e30, 0, 1, 2, 3, 4, 5, 6, 7, -1]) if value.item in (F32, F64) \
                else rng.choice([0, 1, 2, 3, 4, 5, 6, 7, 255, -1, 1 << 31])
    value.value = items
    return "array %s" % value.key


def value_changed(case, file):
    """A value, most often of the model's own keys."""
    part = case.rng.choice(["", "llama.", "qwen2.", "gemma2.", "tokenizer.", "general."])
    value = _any_value(case, file, part)
    return _new_value(case, value) if value else "no keys"


def value_type(case, file):
    value = _any_value(case, file)
    if not value:
        return "no keys"
    value.kind = case.rng.choice([U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64, 13, 255, 1 << 31])
    if value.kind == ARRAY and not isinstance(value.value, list):
        value.value, value.item = [value.value], case.rng.choice([U8, U32, STRING, F32, ARRAY])
    return "%s is of type %d" % (value.key, value.kind)


def value_missing(case, file):
    value = _any_value(case, file)
    if not value:
        return "no keys"
    file.values.remove(value)
    return "without %s" % value.key


def value_more(case, file):
    rng = case.rng
    old = _any_value(case, file)
    key = rng.choice([old.key if old else "a", values.text(rng), "general.alignment", "split.count", "split.no", "split.tensors.count", "general.type",
                      "llama.rope.scaling.type", "llama.rope.dimension_count", "gemma2.attention.scale", "tokenizer.ggml.pre", "x" * 65535, "x" * 65536])
    kind = rng.choice([U8, U16, U32, I32, F32, BOOL, STRING, U64, F64, ARRAY])
    value = Value(key, kind, values.integer(rng), U32)
    if kind == ARRAY:
        value.value, value.item = [values.integer(rng) for _ in range(rng.choice([0, 1, 1000]))], rng.choice([U8, U32, BOOL, STRING, ARRAY])
    elif kind == STRING:
        value.value = values.text(rng)
    file.values.insert(rng.randrange(len(file.values) + 1), value)
    return "one more key %s" % key[:40]


def value_name(case, file):
    value = _any_value(case, file)
    if value:
        value.key = case.rng.choice([values.text(case.rng), value.key + "x", value.key[:-1], value.key.upper()])
    return "a key's name"


def length(case, file):
    value = _any_value(case, file)
    if value and (value.kind == STRING or case.rng.random() < 0.5):
        value.count = values.integer(case.rng, 8)
    elif value:
        value.length = values.integer(case.rng, len(value.key))
    return "a length of %s" % (value.key if value else "")


def header(case, file):
    rng = case.rng
    choice = rng.randrange(5)
    if choice == 0:
        file.version = rng.choice([0, 1, 2, 4, 1 << 24, 3 << 24, (1 << 32) - 1])
    elif choice == 1:
        file.magic = rng.choice([b"GGML", b"ggjt", b"FUGG", b"\0\0\0\0", b"GGUf", b"PK\3\4", b"\x1b[2J"])
    elif choice == 2:
        file.n_tensors = values.integer(rng, len(file.tensors))
    elif choice == 3:
        file.n_values = values.integer(rng, len(file.values))
    else:
        number = rng.choice([0, 1, 4, 8, 13, 16, 64, 4096, 65536, 1 << 17, 1 << 31])
        file.values.append(Value("general.alignment", rng.choice([U32, U32, U64, I32]), number))
        if rng.random() < 0.7 and 8 <= number <= 65536:
            file.alignment = number
        return "alignment %d" % number
    return "the header"


def _any_tensor(case, file):
    return case.rng.choice(file.tensors) if file.tensors else Tensor("none", [1], 0, b"\0" * 4, 0)


def dims(case, file):
    """A tensor's shape, half of the time with as many bytes as it then needs."""
    rng, tensor = case.rng, _any_tensor(case, file)
    choice = rng.randrange(7)
    if choice == 0:
        tensor.dims.reverse()
    elif choice == 1:
        tensor.dims.append(rng.choice([0, 1, 2, 1 << 32]))
    elif choice == 2 and tensor.dims:
        tensor.dims.pop()
    elif choice == 3:
        tensor.n_dims = rng.choice([0, 1, 2, 3, 4, 5, 8, 1 << 31])
    elif choice == 4:
        tensor.dims[:] = [values.integer(rng, dim) for dim in tensor.dims]
    elif tensor.dims:
        at = rng.randrange(len(tensor.dims))
        tensor.dims[at] = values.integer(rng, tensor.dims[at])
    if rng.random() < 0.5:
        size = size_of(tensor.kind, tensor.dims)
        tensor.data = (tensor.data * (size // len(tensor.data) + 1) if tensor.data else b"\0" * size)[:size]
    return "%s has the shape %s" % (tensor.name, tensor.dims)


def tensor_type(case, file):
    rng, tensor = case.rng, _any_tensor(case, file)
    tensor.kind = rng.choice(TYPES)
    if rng.random() < 0.7:
        size = size_of(tensor.kind, tensor.dims)
        tensor.data = (tensor.data * (size // len(tensor.data) + 1) if tensor.data else b"\0" * size)[:size]
    case.numbers_may_fail()  # also where the bytes that are there suffice
    return "%s is of type %d" % (tensor.name, tensor.kind)


def offset(case, file):
    rng, tensor = case.rng, _any_tensor(case, file)
    other = _any_tensor(case, file)
    tensor.offset = rng.choice([1, 31, 32, other.read_offset, other.read_offset + 32, 1 << 20, 1 << 32, (1 << 63), (1 << 64) - 32, (1 << 64) - 1, -tensor.read_offset])
    case.numbers_may_fail()
    return "%s at offset %d" % (tensor.name, tensor.offset)


def tensor_missing(case, file):
    tensor = _any_tensor(case, file)
    file.tensors = [other for other in file.tensors if other is not tensor]
    return "without %s" % tensor.name


def tensor_more(case, file):
    rng, old = case.rng, _any_tensor(case, file)
    name = rng.choice([old.name, values.text(rng), old.name + "x", "rope_freqs.weight", "output.weight", "blk.99.attn_q.weight", "blk.-1.attn_q.weight",
                       "x" * 63, "x" * 64, "a\0b", b"\xff\xfe"])
    new = Tensor(name, list(old.dims), old.kind, old.data, 0)
    if rng.random() < 0.3:
        new.dims, new.data, new.kind = [rng.choice([0, 1, 8, 16])], b"", 0
        new.data = b"\0" * size_of(0, new.dims)
    file.tensors.insert(rng.randrange(len(file.tensors) + 1), new)
    return "one more tensor %r" % name[:40]


def tensor_name(case, file):
    rng, tensor = case.rng, _any_tensor(case, file)
    other = _any_tensor(case, file)
    if rng.random() < 0.5:
        tensor.name, other.name = other.name, tensor.name
    else:
        tensor.name = rng.choice([values.text(rng), tensor.name + " ", tensor.name.upper()])
    return "tensors' names"


def numbers(case, file):
    """NaN, Inf and large numbers among the weights."""
    tensor = _any_tensor(case, file)
    tensor.data = tensors.bad_numbers(case.rng, tensor.data, {0: "F32", 1: "F16", 30: "BF16"}.get(tensor.kind, "U8"))
    case.numbers_may_fail()
    return "numbers of %s" % tensor.name


def tail(case, file):
    if case.rng.random() < 0.5:
        file.tail = case.rng.choice([b"\0", b"x" * 31, b"\xff" * 4096])
        return "more behind the end"
    if file.tensors:
        file.tensors[-1].data = file.tensors[-1].data[:case.rng.randrange(1 + len(file.tensors[-1].data))]
    return "the last tensor is cut"


MODEL_CHANGES = [value_changed] * 8 + [value_type] * 2 + [value_missing] * 2 + [value_more] * 2 + [value_name, length, header, header] + [dims] * 3 + \
    [tensor_type] * 2 + [offset] * 2 + [tensor_missing] * 2 + [tensor_more] * 2 + [tensor_name, numbers, numbers, tail]


def change(case, file, changes):
    for _ in range(case.rng.choice([1, 1, 1, 2, 3])):
        case.note(case.rng.choice(changes)(case, file))
