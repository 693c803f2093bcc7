#!/usr/bin/env python3
"""Makes the reference values of one family: make_family.py FAMILY [--name NAME] [--seed N] [--out FOLDER]

A tiny random model of the family, with what transformers, PEFT and TRL compute in f32 and what family_truth.py, an independent forward pass,
computes in float64. Optional: no test runs this, and nothing here is needed to build or use cso. It writes, in the formats of README.md,

    models/NAME      config.json (published form), config.v5.json, model.safetensors, tokenizer
    forward/NAME.*   logits, log-probabilities, hidden states of sequences of random ids, a greedy continuation
    adapters/NAME/*  r4 (all projections), r4-rslora, r4-qv, r4-fresh
    pref/NAME/*      tokenized pairs, their log-probabilities, the sigmoid loss and its gradients
    train/NAME/*     TRL runs of 6 steps: dpo-ref-base, dpo-ref-adapter, dpo-fresh, sft (family_runs.py)

A new family is a row of FAMILIES and, where its blocks differ from those known, an operation in family_truth.py. The script stops if f32 and
float64 disagree by more than rounding: then one of the two implementations is wrong. A family takes one to six minutes on two cores.

The tokenizer has the pipeline and the chat template of an existing fixture (`like`) and a vocabulary that is trained anew on the pairs' texts;
a SentencePiece tokenizer is copied as it is.

Needs, at the versions it was last run with: torch 2.15.0, transformers 5.24.0, peft 0.21.2, trl 1.16.0, safetensors 0.8.0, tokenizers 0.23.3.
"""
import argparse
import json
import os
import pathlib
import shutil
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # everything is made here
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import datasets
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

import family_runs
import family_truth as truth

HERE = pathlib.Path(__file__).resolve().parent
PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ADAPTERS = {
    "r4": {"target_modules": PROJECTIONS},
    "r4-rslora": {"target_modules": PROJECTIONS, "use_rslora": True},
    "r4-qv": {"target_modules": ["q_proj", "v_proj"]},
    "r4-fresh": {"target_modules": PROJECTIONS},  # B = 0, the start of training
}
COMMON = {"attention_dropout": 0.0, "initializer_range": 0.02, "intermediate_size": 160, "max_position_embeddings": 2048,
          "num_attention_heads": 4, "num_key_value_heads": 2, "torch_dtype": "float32", "transformers_version": "4.46.0", "use_cache": True}

# like: the fixture whose tokenizer pipeline and chat template are used; pairs: its pairs; padding: rows of the embedding past the tokenizer's
# end; config: config.json as published. lengths: of the sequences in forward/; with a sliding window add its size and one more.
FAMILIES = {
    "llama": {
        "like": "llama-tiny", "pairs": "pairs/pairs.jsonl", "padding": 0, "lengths": [1, 7, 24, 70, 110],
        "config": {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 3, "rms_norm_eps": 1e-5,
                   "rope_theta": 500000.0, "attention_bias": False, "mlp_bias": False, "hidden_act": "silu", "tie_word_embeddings": False,
                   "rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                    "original_max_position_embeddings": 64, "rope_type": "llama3"}},
    },
    "qwen2": {
        "like": "qwen2-tiny", "pairs": "pairs/pairs.jsonl", "padding": 16, "lengths": [1, 7, 24, 70, 110],
        "config": {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 64, "num_hidden_layers": 3, "rms_norm_eps": 1e-6,
                   "rope_theta": 1000000.0, "hidden_act": "silu", "tie_word_embeddings": False, "use_sliding_window": False,
                   "sliding_window": 131072, "max_window_layers": 3},
    },
    "gemma2": {
        "like": "gemma2-tiny", "pairs": "pairs/pairs_nosystem.jsonl", "padding": 0, "lengths": [1, 7, 16, 17, 40, 70, 110],
        "config": {"architectures": ["Gemma2ForCausalLM"], "model_type": "gemma2", "hidden_size": 48, "num_hidden_layers": 4, "rms_norm_eps": 1e-6,
                   "rope_theta": 10000.0, "attention_bias": False, "head_dim": 32, "hidden_act": "gelu_pytorch_tanh",
                   "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 24, "sliding_window": 16, "attn_logit_softcapping": 50.0,
                   "final_logit_softcapping": 30.0, "cache_implementation": "hybrid"},
    },
}


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def save_tensors(path, tensors):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.detach().contiguous() for name, value in tensors.items()}, path)


def read_pairs(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def check(what, error, limit):
    """The two implementations must agree; NaN does not."""
    print(f"{what}: f32 within {error:.1e} of float64")
    if not error <= limit:
        sys.exit(f"{what}: f32 and float64 differ by {error:.3g} (expected at most {limit:g})")


# --- the model ---


def make_tokenizer(base, folder, texts):
    """Copies base's tokenizer files; a byte-level vocabulary is trained anew on the texts."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in base.iterdir():
        if path.name.startswith(("tokenizer", "special_tokens", "chat_template", "generation_config")):
            shutil.copyfile(path, folder / path.name)
    pipeline = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    if pipeline["model"].get("byte_fallback"):
        return
    old = Tokenizer.from_file(str(base / "tokenizer.json"))
    new = Tokenizer(models.BPE())
    new.normalizer, new.pre_tokenizer = old.normalizer, old.pre_tokenizer
    new.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=1000, show_progress=False,
                                                       initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    trained = json.loads(new.to_str())["model"]
    pipeline["model"]["vocab"], pipeline["model"]["merges"] = trained["vocab"], trained["merges"]
    ids = {}
    for token in pipeline["added_tokens"]:
        token["id"] = ids[token["content"]] = len(trained["vocab"]) + len(ids)
    for part in (pipeline["post_processor"], *((pipeline["post_processor"] or {}).get("processors") or [])):
        for name, token in ((part or {}).get("special_tokens") or {}).items():
            token["ids"] = [ids[name]]
    write_json(folder / "tokenizer.json", pipeline)
    config = json.loads((base / "tokenizer_config.json").read_text(encoding="utf-8"))
    decoder = {token["content"]: token for token in config.get("added_tokens_decoder", {}).values()}
    config["added_tokens_decoder"] = {str(number): decoder[name] for name, number in ids.items() if name in decoder}
    write_json(folder / "tokenizer_config.json", config)


def make_model(family, folder, tokenizer, generator):
    """config.json in the published form, the same as transformers saves it, and random weights whose logits spread by about 1."""
    size = len(tokenizer)
    config = {**COMMON, **family["config"], "vocab_size": (size + 15) // 16 * 16 + family["padding"],
              "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", {key: config[key] for key in ("bos_token_id", "eos_token_id")})
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), attn_implementation="eager").float()
    zero_centred = config["model_type"].startswith("gemma")  # norms are stored without the 1
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if name.endswith("bias"):
                p.copy_(0.2 * noise)
            elif p.dim() == 1:
                p.copy_(0.1 * noise + (0 if zero_centred else 1))
            elif "embed_tokens" in name or "lm_head" in name:
                p.copy_(0.15 * noise)
            else:
                p.copy_(1.2 * noise / p.shape[1] ** 0.5)
    saved = (folder / "config.json").read_bytes(), (folder / "generation_config.json").read_bytes()
    model.save_pretrained(folder)
    (folder / "config.json").rename(folder / "config.v5.json")
    (folder / "config.json").write_bytes(saved[0])
    (folder / "generation_config.json").write_bytes(saved[1])


def open_model(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


# --- forward/ ---


def f32_states(model, ids):
    """(logits, [embedding, after each layer], after the final norm) as transformers computes them, in f32."""
    kept = []
    hooks = [layer.register_forward_hook(lambda _, __, out: kept.append(out[0] if isinstance(out, tuple) else out)) for layer in model.model.layers]
    with torch.no_grad():
        out = model(torch.tensor([ids]), output_hidden_states=True, use_cache=False)
    for hook in hooks:
        hook.remove()
    return out.logits[0], [state[0] for state in (out.hidden_states[0], *kept)], out.hidden_states[-1][0]


def make_forward(model, exact, path, lengths, vocabulary, generator):
    tensors, rows = {}, []
    for number, length in enumerate(lengths):
        ids = torch.randint(vocabulary, (length,), generator=generator).tolist()
        states = []
        with torch.no_grad():
            logits64 = exact.forward(ids, keep=states)
        logits32, hidden, final = f32_states(model, ids)
        targets = torch.tensor(ids)[1:, None]
        logps = {bits: logits[:-1].log_softmax(-1).gather(1, targets)[:, 0] for bits, logits in (("f32", logits32), ("f64", logits64))}
        place = f"s{number}."
        tensors |= {place + "input_ids": torch.tensor(ids, dtype=torch.int32), place + "logits.f32": logits32, place + "logits.f64": logits64,
                    place + "logprobs.f32": logps["f32"], place + "logprobs.f64": logps["f64"], place + "final_norm": final,
                    place + "hidden.last.f64": states[-1]}
        tensors |= {f"{place}hidden.{i}": state for i, state in enumerate(hidden)}
        error = float((logits32 - logits64).abs().max())
        check(f"forward, {length} tokens", max(error, *(float((a - b).abs().max()) for a, b in zip(hidden, states))), 1e-4)
        rows.append({"length": length, "max_abs_error_f32_vs_f64": error, "logit_std": float(logits64.std()),
                     "mean_logprob_f64": float(logps["f64"].mean()) if length > 1 else None, "greedy_last_token": int(logits64[-1].argmax())})
    prompt = torch.randint(vocabulary, (12,), generator=generator).tolist()
    text = list(prompt)
    with torch.no_grad():
        while len(text) < len(prompt) + 16:
            text.append(int(exact.forward(text)[-1].argmax()))
    save_tensors(path.with_suffix(".safetensors"), tensors)
    write_json(path.with_suffix(".json"), {"model": path.name, "sequences": rows, "greedy": {"prompt": prompt, "continuation": text[len(prompt):]}})


# --- adapters/ and pref/ ---


def make_adapters(folder, out, name, generator):
    for adapter, options in ADAPTERS.items():
        config = LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, task_type="CAUSAL_LM", **options)
        peft = get_peft_model(open_model(folder), config)
        peft.peft_config["default"].base_model_name_or_path = name
        with torch.no_grad():
            for key, p in peft.named_parameters():
                if "lora_A" in key:
                    p.copy_(torch.randn(p.shape, generator=generator) / p.shape[1] ** 0.5)
                elif "lora_B" in key and adapter != "r4-fresh":
                    p.copy_(0.1 * torch.randn(p.shape, generator=generator))
        peft.save_pretrained(out / adapter)
        (out / adapter / "README.md").unlink(missing_ok=True)


def render(tokenizer, messages, prompt=False):
    """(text, ids) of a chat; BOS is the template's."""
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)
    return text, tokenizer(text, add_special_tokens=False)["input_ids"]


def common(a, b):
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def tokenize_pairs(tokenizer, pairs):
    """As DPOTrainer: the completion starts where prompt and whole part, for a pair at the smaller of the two places."""
    out = []
    for pair in pairs:
        text, prompt = render(tokenizer, pair["prompt"], True)
        sides = {side: render(tokenizer, pair["prompt"] + pair[side]) for side in ("chosen", "rejected")}
        cut = min(common(prompt, ids) for _, ids in sides.values())
        out.append({"id": pair.get("id"), "prompt_ids": prompt[:cut], "chosen_ids": sides["chosen"][1][cut:], "rejected_ids": sides["rejected"][1][cut:],
                    "prompt_text": text, "chosen_text": sides["chosen"][0], "rejected_text": sides["rejected"][0]})
    return out


def f32_token_logps(model, ids):
    logps = model(torch.tensor([ids]), use_cache=False).logits[0, :-1].log_softmax(-1)
    return logps.gather(1, torch.tensor(ids)[1:, None])[:, 0]


def pair_logps(token_logps, pair):
    """Token log-probabilities of the completions: [chosen, rejected]."""
    start = len(pair["prompt_ids"]) - 1
    return [token_logps(pair["prompt_ids"] + pair[side + "_ids"])[start:] for side in ("chosen", "rejected")]


def measure(pairs, reference, policy, named, beta=0.1):
    """Backward of the mean sigmoid loss; returns ([tokens of each pair], reference sums, policy sums, losses, gradients)."""
    tokens, sums, losses = [], {"ref": [], "policy": []}, []
    for pair in pairs:
        with torch.no_grad():
            ref = pair_logps(reference, pair)
        now = pair_logps(policy, pair)
        loss = truth.dpo_losses([x.sum() for x in now], [x.sum() for x in ref], beta)
        (loss / len(pairs)).backward()
        tokens.append([x.detach() for x in now] + ref)
        sums["policy"].append([float(x.detach().sum()) for x in now])
        sums["ref"].append([float(x.sum()) for x in ref])
        losses.append(float(loss.detach()))
    return tokens, sums, losses, {name: p.grad for name, p in named.items()}


def make_pref(folder, exact, adapters, out, pairs, header):
    tensors, rows, sigmoid = {}, {}, None
    for adapter in ("r4", "r4-rslora", "r4-qv"):
        entries = truth.read_adapter(adapters / adapter)
        peft = PeftModel.from_pretrained(open_model(folder), adapters / adapter, is_trainable=True)
        named32 = {key.removeprefix("base_model.model.").replace(".default.weight", ""): p for key, p in peft.named_parameters() if "lora_" in key}

        def reference(ids, peft=peft):
            with peft.disable_adapter():
                return f32_token_logps(peft, ids)

        t64, s64, l64, g64 = measure(pairs, exact.token_logps, lambda ids, a=entries: exact.token_logps(ids, a), truth.parameters(entries))
        _, s32, l32, g32 = measure(pairs, reference, lambda ids, p=peft: f32_token_logps(p, ids), named32)
        error = max(abs(a - b) for kind in s64 for x, y in zip(s64[kind], s32[kind]) for a, b in zip(x, y))
        check(f"{adapter}, log-probabilities of {len(pairs)} pairs", error, 1e-3)
        worst = max(float((g64[key] - g32[key]).abs().max()) for key in g64)
        check(f"{adapter}, gradients", worst, 1e-4)
        rows[adapter] = {f"{kind}_{side}_logps{bits}": [pair[i] for pair in sums[kind]] for bits, sums in (("", s32), ("_f64", s64))
                         for kind in ("policy", "ref") for i, side in enumerate(("chosen", "rejected"))}
        rows[adapter]["max_abs_error_f32_vs_f64"] = error
        norm = {bits: float(sum(g.double().pow(2).sum() for g in grads.values()) ** 0.5) for bits, grads in (("f32", g32), ("f64", g64))}
        rows[adapter]["sigmoid_grad"] = {"global_norm_f32": norm["f32"], "global_norm_f64": norm["f64"], "max_abs_error_f32_vs_f64": worst}
        for bits, grads in (("f32", g32), ("f64", g64)):
            tensors |= {f"{adapter}.grad.{bits}.{key}": grad for key, grad in grads.items()}
        for i, sides in enumerate(t64):
            for k, side in enumerate(("chosen", "rejected")):
                tensors[f"{adapter}.pair{i}.{side}.policy_token_logps.f64"] = sides[k]
                tensors[f"ref.pair{i}.{side}.token_logps.f64"] = sides[2 + k]
        if adapter == "r4":
            sigmoid = {"loss_type": ["sigmoid"], "beta": 0.1, "label_smoothing": 0.0}
            for bits, losses in (("", l32), ("_f64", l64)):
                groups = [losses[i : i + 4] for i in range(0, len(losses), 4)]
                sigmoid |= {f"mean{bits}": sum(losses) / len(losses), f"per_pair{bits}": losses,
                            f"mean_of_batches_of_4{bits}": [sum(group) / len(group) for group in groups]}
    save_tensors(out / "pref.safetensors", tensors)
    write_json(out / "pref.json", header | {"n_pairs": len(pairs), "beta": 0.1, "adapters": rows, "dpo": {"sigmoid": sigmoid}})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("--name", help="of the fixtures (FAMILY-tiny)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    parser.add_argument("--force", action="store_true", help="overwrite fixtures of this name")
    options = parser.parse_args()
    family, name, out = FAMILIES[options.family], options.name or options.family + "-tiny", options.out
    folder, adapters = out / "models" / name, out / "adapters" / name
    if folder.exists() and not options.force:
        sys.exit(f"{folder}: exists (expected a new name, another --out, or --force)")
    generator = torch.Generator().manual_seed(options.seed)
    torch.manual_seed(options.seed)
    logging.disable_progress_bar()
    datasets.disable_progress_bars()
    records = read_pairs(HERE / family["pairs"])
    texts = [message["content"] for record in records for part in ("prompt", "chosen", "rejected") for message in record[part]]
    make_tokenizer(HERE / "models" / family["like"], folder, texts)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    make_model(family, folder, tokenizer, generator)
    exact = truth.Model(folder)
    make_forward(open_model(folder), exact, out / "forward" / name, family["lengths"], len(tokenizer), generator)
    make_adapters(folder, adapters, name, generator)
    pairs = tokenize_pairs(tokenizer, records)
    marks = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
             "pad_token_id": tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id}
    write_json(out / "pref" / name / "tokenized.json", {"what": "DPOTrainer tokenization; chosen sequence = prompt_ids + chosen_ids", **marks, "pairs": pairs})
    make_pref(folder, exact, adapters, out / "pref" / name, pairs, {"model": name, "pairs": family["pairs"]})
    for run in family_runs.RUNS:
        family_runs.make_run(run, folder, exact, adapters, out / "train" / name / run, records, pairs, tokenizer, family["pairs"])


if __name__ == "__main__":
    main()
