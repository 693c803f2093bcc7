"""Safetensors files, and the numbers in tensors."""
import struct

import values

BYTES = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I64": 8, "I32": 4, "U8": 1, "BOOL": 1}
BAD = {"F32": [struct.pack("<f", number) for number in (float("nan"), float("inf"), -float("inf"), 3e38, -3e38, 1e20, 1e-45)] + [b"\xff\xff\xff\xff"],
       "F16": [b"\x00\x7e", b"\x00\x7c", b"\x00\xfc", b"\xff\x7b", b"\xff\xff", b"\x01\x00"],
       "BF16": [b"\xc0\x7f", b"\x80\x7f", b"\x80\xff", b"\x7f\x7f", b"\xff\xff", b"\x01\x00"]}
DTYPES = ["F32", "F16", "BF16", "F64", "I64", "I32", "U8", "BOOL", "F8_E4M3", "F4", "C64", "f32", "", "F32 ", "X", "\x1b[31m"]


def bad_numbers(rng, data, dtype):
    """Some or all of the numbers are NaN, Inf or large."""
    data = bytearray(data)
    if dtype not in BAD:
        for _ in range(rng.choice([1, 8, 100])):
            if data:
                data[rng.randrange(len(data))] = rng.choice([0, 0x7C, 0x7F, 0xFC, 0xFF])
        return bytes(data)
    size = BYTES[dtype]
    if rng.random() < 0.2:
        return rng.choice(BAD[dtype]) * (len(data) // size)
    for _ in range(rng.choice([1, 1, 8, 100])):
        if len(data) >= size:
            at = rng.randrange(len(data) // size) * size
            data[at:at + size] = rng.choice(BAD[dtype])
    return bytes(data)


class Tensor:
    def __init__(self, name, dtype, shape, data):
        self.name, self.dtype, self.shape, self.data = name, dtype, list(shape), data
        self.offsets = None  # None: as they are


class File:
    """A safetensors file; `header`, once set, stands in place of the one that belongs to the tensors."""

    def __init__(self):
        self.tensors, self.metadata, self.header, self.length, self.tail = [], None, None, None, b""

    def copy(self):
        made = File()
        made.__dict__.update(self.__dict__)
        made.metadata = values.copy(self.metadata)
        made.tensors = [Tensor(t.name, t.dtype, t.shape, t.data) for t in self.tensors]
        return made

    def tensor(self, name):
        for tensor in self.tensors:
            if tensor.name == name:
                return tensor
        return None


def read(data):
    size = struct.unpack_from("<Q", data)[0]
    file, begin = File(), 8 + size
    for name, entry in values.load(data[8:begin].decode()):
        if name == "__metadata__":
            file.metadata = entry
            continue
        first, last = values.find(entry, "data_offsets")
        file.tensors.append(Tensor(name, values.find(entry, "dtype"), values.find(entry, "shape"), data[begin + first:begin + last]))
    return file


def header_of(file):
    header, at = values.Pairs(), 0
    if file.metadata is not None:
        header.append(["__metadata__", file.metadata])
    for tensor in file.tensors:
        offsets = [at, at + len(tensor.data)] if tensor.offsets is None else tensor.offsets
        header.append([tensor.name, values.Pairs([["dtype", tensor.dtype], ["shape", list(tensor.shape)], ["data_offsets", offsets]])])
        at += len(tensor.data)
    return header


def write(file):
    text = values.encode(values.dump(header_of(file) if file.header is None else file.header))
    text += b" " * (-len(text) % 8)
    length = len(text) if file.length is None else file.length
    return struct.pack("<Q", length & (1 << 64) - 1) + text + b"".join(tensor.data for tensor in file.tensors) + file.tail


def _fit(tensor):
    """As many bytes as the shape needs, if it is no very large one."""
    count = BYTES.get(tensor.dtype, 4)
    for dim in tensor.shape:
        count *= max(dim, 0)
    if count <= 1 << 20:
        tensor.data = (tensor.data * (count // len(tensor.data) + 1) if tensor.data else b"\0" * count)[:count]


def _any(case, file):
    if not file.tensors:
        file.tensors.append(Tensor("a", "F32", [1], b"\0" * 4))
    return case.rng.choice(file.tensors)


def shape(case, file):
    rng, tensor = case.rng, _any(case, file)
    choice = rng.randrange(6)
    if choice == 0:
        tensor.shape.reverse()
    elif choice == 1:
        tensor.shape.append(rng.choice([0, 1, 2, 1 << 32]))
    elif choice == 2 and tensor.shape:
        tensor.shape.pop()
    elif choice == 3:
        tensor.shape = rng.choice([[], [0], [1], [1] * 5, [1] * 200, [0, 1 << 63], [1 << 32, 1 << 32], [1 << 53, 0]])
    elif tensor.shape:
        at = rng.randrange(len(tensor.shape))
        tensor.shape[at] = values.integer(rng, tensor.shape[at])
    if rng.random() < 0.6:
        _fit(tensor)
    return "%s has the shape %s" % (tensor.name[:60], tensor.shape[:6])


def dtype(case, file):
    tensor = _any(case, file)
    tensor.dtype = case.rng.choice(DTYPES)
    if case.rng.random() < 0.6:
        _fit(tensor)
        case.numbers_may_fail()
    return "%s is %r" % (tensor.name[:60], tensor.dtype)


def offsets(case, file):
    rng, tensor = case.rng, _any(case, file)
    at, size = 0, len(tensor.data)
    for other in file.tensors:
        if other is tensor:
            break
        at += len(other.data)
    tensor.offsets = rng.choice([[at + size, at], [at], [], [at, at + size, 0], [at + 1, at + size + 1], [0, size], [at, at + size + 4], [at, (1 << 64) - 1],
                                 [-1, size], [1 << 63, (1 << 63) + size], [at + 0.5, at + size], [str(at), str(at + size)], [None, None], [values.Raw("1e2"), at]])
    case.numbers_may_fail()
    return "%s: offsets %s" % (tensor.name[:60], tensor.offsets[:3])


def missing(case, file):
    tensor = _any(case, file)
    file.tensors.remove(tensor)
    return "without %s" % tensor.name[:60]


def more(case, file):
    rng, old = case.rng, _any(case, file)
    name = rng.choice([old.name, values.text(rng), old.name + "x", old.name.replace(".0.", ".99."), old.name.replace(".0.", ".-1."), old.name.replace(".0.", ".00."),
                       old.name.replace("lora_A", "lora_B"), old.name.replace("weight", "bias"), "__metadata__", "lm_head.weight", "x" * 256])
    new = Tensor(name, old.dtype, old.shape, old.data)
    if rng.random() < 0.4:
        new = rng.choice([Tensor(name, "I64", [1], b"\0" * 8), Tensor(name, "F32", [], b"\0" * 4), Tensor(name, "F32", [0], b""),
                          Tensor(name, "F32", [1] * 6, b"\0" * 4), Tensor(name, "F4", [2], b"\0"), Tensor(name, "F64", [1], b"\0" * 8)])
    file.tensors.insert(rng.randrange(len(file.tensors) + 1), new)
    return "one more tensor %r" % name[:40]


def renamed(case, file):
    rng, tensor = case.rng, _any(case, file)
    other = _any(case, file)
    if rng.random() < 0.4:
        tensor.name, other.name = other.name, tensor.name
    else:
        tensor.name = rng.choice([values.text(rng), tensor.name + ".weight", tensor.name[:-1], tensor.name.upper(), tensor.name.replace(".0.", ".4294967296.")])
    return "tensors' names"


def numbers(case, file):
    tensor = _any(case, file)
    tensor.data = bad_numbers(case.rng, tensor.data, tensor.dtype)
    case.numbers_may_fail()
    return "numbers of %s" % tensor.name[:60]


def header(case, file):
    """The header's JSON, one place of it."""
    file.header = header_of(file)
    case.numbers_may_fail()
    return "header: " + values.change_json(case.rng, file.header)


def metadata(case, file):
    file.metadata = case.rng.choice([values.Pairs(), values.Pairs([["format", 1]]), [], "pt", None, 1, values.Pairs([["a", values.Pairs()]]),
                                     values.Pairs([["format", "pt"], ["format", "pt"]]), values.Pairs([[values.text(case.rng), values.text(case.rng)]]),
                                     values.deep(case.rng)])
    return "metadata"


def length(case, file):
    rng = case.rng
    size = len(write(file))
    choice = rng.randrange(4)
    if choice == 0:
        file.length = values.integer(rng, size)
    elif choice == 1:
        file.length = rng.choice([0, 1, 2, 8, size - 8, size - 7, size, 100000000, 100000001, (1 << 64) - 8, (1 << 64) - 1])
    elif choice == 2:
        file.tail = rng.choice([b"\0", b"\0" * 64])
    elif file.tensors:
        file.tensors[-1].data = file.tensors[-1].data[:-1]
        _any(case, file).offsets = None
        return "a byte of the last tensor is missing"
    return "length of the header, or more behind the end"


CHANGES = [shape] * 4 + [dtype] * 3 + [offsets] * 2 + [missing] * 2 + [more] * 3 + [renamed] * 2 + [numbers] * 3 + [header] * 4 + [metadata, length, length]


def change(case, file, changes=None):
    for _ in range(case.rng.choice([1, 1, 1, 2, 3])):
        case.note(case.rng.choice(changes or CHANGES)(case, file))
