"""Adapters in PEFT's form."""
import os

import fixtures
import gguf
import models
import tensors
import values

PROGRAMS = ["cso-inspect"] * 2 + ["cso-eval"] * 3 + ["cso-generate"] * 2 + ["cso-train"] * 2
KEYS = ["r", "lora_alpha", "lora_dropout", "target_modules", "peft_type", "use_rslora", "use_dora", "rank_pattern", "alpha_pattern", "modules_to_save", "bias",
        "fan_in_fan_out", "layers_to_transform", "layers_pattern", "exclude_modules", "base_model_name_or_path", "init_lora_weights", "lora_bias",
        "target_parameters", "layer_replication", "task_type", "inference_mode", "revision", "eva_config", "corda_config", "loftq_config"]


def _start(case, without):
    family = case.rng.choice(fixtures.FAMILIES)
    source = family + "/adapter"
    case.take(source, "adapter", without=[without])
    return family, source


def _use(case, family):
    other = case.rng.choice(fixtures.FAMILIES) if case.rng.random() < 0.05 else family
    models.use(case, case.fixtures.path(other + "/hf"), adapter="adapter", programs=PROGRAMS)


def config(case):
    rng = case.rng
    family, source = _start(case, "adapter_config.json")
    root = case.fixtures.json(source + "/adapter_config.json")
    for _ in range(rng.choice([1, 1, 2, 3])):
        if rng.random() < 0.5:
            case.note(values.change_json(rng, root))
            continue
        key = rng.choice(KEYS)
        value = rng.choice([values.json_value(rng, values.find(root, key)), True, 1, "all", "q_proj", "all-linear", ".*", "(", [".*"], ["q_proj"], ["nowhere"], [], {},
                            values.Pairs([["q_proj", 4]]), values.Pairs([["^model.*", 1 << 40]]), None])
        values.put(root, key, value)
        case.note("%s = %s" % (key, values.dump(value)[:60]))
    data = values.encode(values.dump(root))
    if rng.random() < 0.15:
        data, what = values.change_bytes(rng, data)
        case.note(what)
    case.write("adapter/adapter_config.json", data)
    case.numbers_may_fail()
    _use(case, family)


def weights(case):
    family, source = _start(case, "adapter_model.safetensors")
    file = case.fixtures.safetensors(source + "/adapter_model.safetensors")
    tensors.change(case, file)
    data = tensors.write(file)
    if case.rng.random() < 0.15:
        data, what = values.change_bytes(case.rng, data)
        case.note(what)
        case.numbers_may_fail()
    case.write("adapter/adapter_model.safetensors", data)
    _use(case, family)


def together(case):
    """A rank in the configuration, and factors that have it or another; some projections, some layers."""
    rng = case.rng
    family, source = _start(case, "adapter_model.safetensors")
    root = case.fixtures.json(source + "/adapter_config.json")
    file = case.fixtures.safetensors(source + "/adapter_model.safetensors")
    rank, said = rng.choice([0, 1, 3, 64, 1000]), rng.choice([None, None, 0, 1, 2, 1 << 31, 1 << 62])
    values.put(root, "r", rank if said is None else said)
    for tensor in list(file.tensors):
        if not tensor.shape:
            continue
        tensor.shape[0 if "lora_A" in tensor.name else -1] = rank
        tensors._fit(tensor)
        if rng.random() < 0.03:
            file.tensors.remove(tensor)
    part = rng.choice(["", "", "q_proj", "layers.0.", "lora_A", "mlp"])
    file.tensors = [tensor for tensor in file.tensors if part in tensor.name]
    case.write("adapter/adapter_config.json", values.dump(root))
    case.write("adapter/adapter_model.safetensors", tensors.write(file))
    case.note("rank %s, r %s, only %r" % (rank, said, part))
    case.numbers_may_fail()
    _use(case, family)


def in_gguf(case):
    """llama.cpp's form, which cso-inspect shows."""
    file = case.fixtures.gguf("golden/adapters/%s-tiny/r4.gguf" % case.rng.choice(fixtures.FAMILIES))
    gguf.change(case, file, gguf.MODEL_CHANGES)
    data = gguf.write(file)
    if case.rng.random() < 0.2:
        data, what = values.change_bytes(case.rng, data)
        case.note(what)
    case.numbers_may_fail()
    case.write("adapter.gguf", data)
    models.use(case, "adapter.gguf", programs=["cso-inspect"])


def files(case):
    family, _ = _start(case, "")
    names = sorted(os.listdir(case.path("adapter")))
    models.spoil(case, "adapter/" + case.rng.choice(names), ["adapter/" + name for name in names])
    _use(case, family)
