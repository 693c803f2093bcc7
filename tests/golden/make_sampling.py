#!/usr/bin/env python3
"""Makes sampling/sampling.json: what transformers' logits processors make of rows of logits: make_sampling.py [--out FOLDER]

Each case is a row of logits, tokens of a prompt and a reply, and options. Its probabilities are those that generate() would draw from: the
processors are the ones that transformers itself makes of a GenerationConfig, in its order. Presence and frequency penalties, which transformers
lacks, are OpenAI's published formula, where transformers puts a caller's own processors. The script stops if f32 and float64 keep different
tokens or differ by more than rounding. Optional: no test runs this.

Needs, at the versions it was last run with: torch 2.15.0, transformers 5.24.0.
"""
import argparse
import json
import os
import pathlib

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, LogitsProcessor, LogitsProcessorList

VOCAB = 96
PROMPT, REPLY = [3, 17, 17, 90, 41, 5], [41, 8, 8, 8, 63, 2]


class OpenAIPenalties(LogitsProcessor):
    """mu[j] - c[j] * frequency - (c[j] > 0) * presence, over the tokens of the reply."""

    def __init__(self, start, frequency, presence):
        self.start, self.frequency, self.presence = start, frequency, presence

    def __call__(self, input_ids, scores):
        counts = torch.bincount(input_ids[0, self.start :], minlength=scores.shape[-1]).to(scores.dtype)
        return scores - counts * self.frequency - (counts > 0).to(scores.dtype) * self.presence


def make_rows():
    torch.manual_seed(1802)
    spread, flat = 3 * torch.randn(VOCAB), 0.3 * torch.randn(VOCAB)
    ties = (2 * torch.randn(VOCAB)).round() / 2  # the border of a top-k lies among equal logits
    peaked = torch.randn(VOCAB)
    peaked[29] += 12
    return [spread, flat, ties, peaked]


def cases():
    plain = [
        {"temperature": 1}, {"temperature": 0.4}, {"temperature": 2.5},
        {"temperature": 1, "top_k": 1}, {"temperature": 0.8, "top_k": 5}, {"temperature": 1, "top_k": 40}, {"temperature": 1, "top_k": 500},
        {"temperature": 1, "top_p": 0.5}, {"temperature": 1.3, "top_p": 0.9}, {"temperature": 0.7, "top_p": 0.01},
        {"temperature": 1, "min_p": 0.1}, {"temperature": 1.5, "min_p": 0.02}, {"temperature": 1, "min_p": 1.0},
        {"temperature": 0.9, "top_k": 20, "top_p": 0.8}, {"temperature": 0.9, "top_k": 30, "top_p": 0.95, "min_p": 0.05},
    ]
    for row in (0, 1, 3):
        for options in plain:
            yield row, options
    for k in (1, 3, 10, 25):  # no top-p: of equal logits, transformers' sort keeps any
        yield 2, {"temperature": 1, "top_k": k}
    yield 2, {"temperature": 1.1, "min_p": 0.2}
    for row in (0, 1):
        yield row, {"temperature": 1, "repetition_penalty": 1.3}
        yield row, {"temperature": 0.7, "repetition_penalty": 0.8, "top_p": 0.9}
        yield row, {"temperature": 1, "presence_penalty": 0.6}
        yield row, {"temperature": 1, "frequency_penalty": 0.9, "top_k": 30}
        yield row, {"temperature": 1, "frequency_penalty": -0.5, "presence_penalty": -0.25}
        yield row, {"temperature": 1, "bias": [[7, 4.0], [63, -20.0]]}
        yield row, {"temperature": 0.8, "bias": [[8, 2.5], [50, 3.0]], "repetition_penalty": 1.15, "presence_penalty": 0.4,
                    "frequency_penalty": 0.3, "top_k": 40, "top_p": 0.9, "min_p": 0.01}


def distribution(model, logits, options):
    own = LogitsProcessorList([OpenAIPenalties(len(PROMPT), options.get("frequency_penalty", 0.0), options.get("presence_penalty", 0.0))])
    config = GenerationConfig(
        do_sample=True, temperature=float(options["temperature"]), top_k=options.get("top_k", 0), top_p=options.get("top_p", 1.0),
        min_p=options.get("min_p"), repetition_penalty=options.get("repetition_penalty", 1.0),
        sequence_bias=[[[i], b] for i, b in options["bias"]] if "bias" in options else None)
    processors = model._get_logits_processor(config, input_ids_seq_length=len(PROMPT + REPLY), logits_processor=own, device="cpu")
    return processors(torch.tensor([PROMPT + REPLY]), logits[None].clone()).softmax(dim=-1)[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent / "sampling")
    folder = parser.parse_args().out
    model = LlamaForCausalLM(LlamaConfig(vocab_size=VOCAB, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1))
    rows, made = make_rows(), []
    for row, options in cases():
        single, double = distribution(model, rows[row], options), distribution(model, rows[row].double(), options)
        kept = double > 0
        assert torch.equal(single > 0, kept), (row, options)
        assert torch.allclose(single.double(), double, rtol=2e-5, atol=0), (row, options)
        made.append({"name": f"row {row}: {options}", "logits": row, "prompt": PROMPT, "reply": REPLY, **options,
                     "probabilities": [[int(i), float(f"{double[i].item():.9g}")] for i in kept.nonzero()]})
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "sampling.json", "w", encoding="utf-8") as file:
        file.write('{"logits": ' + json.dumps([[float(f"{x:.9g}") for x in row.tolist()] for row in rows]) + ',\n"cases": [\n')
        file.write(",\n".join(json.dumps(case) for case in made) + "\n]}\n")
    print(f"{len(made)} cases")


if __name__ == "__main__":
    main()
