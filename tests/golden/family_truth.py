"""The float64 truth of make_family.py: a forward pass of its own, gradients by autograd, and AdamW.

Nothing here comes from transformers, PEFT or TRL: the weights are read from the files, and every operation is written out. One sequence at a
time, no padding, no cache. Shapes: T tokens, H heads, D head size.
"""
import json
import math
import pathlib

import torch
from safetensors.torch import load_file


def rope_frequencies(config, size):
    """Angle per position of each pair of dimensions, (D / 2)."""
    theta = config.get("rope_theta", 10000.0)
    frequencies = theta ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    scaling = config.get("rope_scaling")
    if not scaling:
        return frequencies
    if scaling["rope_type"] != "llama3":
        raise ValueError(f"rope_type {scaling['rope_type']}: not written yet")
    turns = scaling["original_max_position_embeddings"] * frequencies / (2 * math.pi)  # in the original context
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    keep = ((turns - low) / (high - low)).clamp(0, 1)  # 1: unchanged, 0: divided by the factor
    return frequencies * (keep + (1 - keep) / scaling["factor"])


def rotate(x, frequencies):
    """Rotary embedding of x (H, T, D): dimension i turns with i + D / 2."""
    angles = torch.outer(torch.arange(x.shape[1], dtype=torch.float64), frequencies)
    cos, sin = angles.cos(), angles.sin()
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


def soft_cap(x, cap):
    return x if cap is None else cap * torch.tanh(x / cap)


class Model:
    """A model folder in float64. forward(ids, adapter) gives logits; adapter: {module: (A, B, scale)} or None."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.config = json.loads((folder / "config.json").read_text())
        self.weights = {name: value.double() for name, value in load_file(folder / "model.safetensors").items()}
        self.gemma = self.config["model_type"].startswith("gemma")
        self.heads = self.config["num_attention_heads"]
        self.groups = self.config.get("num_key_value_heads", self.heads)
        self.size = self.config.get("head_dim") or self.config["hidden_size"] // self.heads
        self.frequencies = rope_frequencies(self.config, self.size)

    def norm(self, x, name):
        scale = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.config["rms_norm_eps"])
        weight = self.weights[name + ".weight"]
        return x * scale * (1 + weight if self.gemma else weight)

    def linear(self, x, name, adapter):
        y = x @ self.weights[name + ".weight"].T
        if name + ".bias" in self.weights:
            y = y + self.weights[name + ".bias"]
        if adapter and name in adapter:
            a, b, scale = adapter[name]
            y = y + scale * (x @ a.T) @ b.T
        return y

    def attention(self, x, layer, adapter):
        place, count = f"model.layers.{layer}.self_attn.", x.shape[0]
        q, k, v = (self.linear(x, place + p, adapter).view(count, -1, self.size).transpose(0, 1) for p in ("q_proj", "k_proj", "v_proj"))
        q, k = rotate(q, self.frequencies), rotate(k, self.frequencies)
        repeats = self.heads // self.groups
        k, v = k.repeat_interleave(repeats, 0), v.repeat_interleave(repeats, 0)
        scores = q @ k.transpose(1, 2) * (self.config.get("query_pre_attn_scalar") or self.size) ** -0.5
        scores = soft_cap(scores, self.config.get("attn_logit_softcapping"))
        position = torch.arange(count)
        distance = position[:, None] - position[None, :]
        hidden = distance < 0
        if self.gemma and layer % 2 == 0:
            hidden = hidden | (distance >= self.config["sliding_window"])
        attended = scores.masked_fill(hidden, -math.inf).softmax(-1) @ v
        return self.linear(attended.transpose(0, 1).reshape(count, -1), place + "o_proj", adapter)

    def feed_forward(self, x, layer, adapter):
        place = f"model.layers.{layer}.mlp."
        gate, up = self.linear(x, place + "gate_proj", adapter), self.linear(x, place + "up_proj", adapter)
        if self.gemma:
            active = torch.nn.functional.gelu(gate, approximate="tanh")
        else:
            active = gate * torch.sigmoid(gate)
        return self.linear(active * up, place + "down_proj", adapter)

    def forward(self, ids, adapter=None, keep=None):
        """Logits (T, vocabulary); keep, a list, gets the hidden states: embedding, then after each layer."""
        x = self.weights["model.embed_tokens.weight"][torch.as_tensor(ids)]
        if self.gemma:
            x = x * self.config["hidden_size"] ** 0.5
        states = [x]
        for layer in range(self.config["num_hidden_layers"]):
            place = f"model.layers.{layer}."
            y = self.attention(self.norm(x, place + "input_layernorm"), layer, adapter)
            if self.gemma:
                x = x + self.norm(y, place + "post_attention_layernorm")
                y = self.feed_forward(self.norm(x, place + "pre_feedforward_layernorm"), layer, adapter)
                x = x + self.norm(y, place + "post_feedforward_layernorm")
            else:
                x = x + y
                x = x + self.feed_forward(self.norm(x, place + "post_attention_layernorm"), layer, adapter)
            states.append(x)
        if keep is not None:
            keep.extend(states)
        head = self.weights.get("lm_head.weight", self.weights["model.embed_tokens.weight"])
        return soft_cap(self.norm(x, "model.norm") @ head.T, self.config.get("final_logit_softcapping"))

    def token_logps(self, ids, adapter=None):
        """Entry t: log p(ids[t + 1] | ids[0..t])."""
        logps = self.forward(ids, adapter).log_softmax(-1)
        return logps[:-1].gather(1, torch.as_tensor(ids)[1:, None])[:, 0]


def read_adapter(folder):
    """{module: [A, B, scale]} of a PEFT folder, in float64, with gradients."""
    folder = pathlib.Path(folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    scale = config["lora_alpha"] / (math.sqrt(config["r"]) if config["use_rslora"] else config["r"])
    tensors = {name.removeprefix("base_model.model."): value.double().requires_grad_() for name, value in load_file(folder / "adapter_model.safetensors").items()}
    modules = {name.split(".lora_")[0] for name in tensors}
    return {name: [tensors[name + ".lora_A.weight"], tensors[name + ".lora_B.weight"], scale] for name in sorted(modules)}


def parameters(adapter):
    """{'MODULE.lora_A': tensor, ...}"""
    return {f"{name}.lora_{letter}": entry[i] for name, entry in adapter.items() for i, letter in enumerate("AB")}


def dpo_losses(policy, reference, beta):
    """The sigmoid loss of each pair; policy and reference are (chosen, rejected) log-probabilities, (pairs) each."""
    return -torch.nn.functional.logsigmoid(beta * ((policy[0] - reference[0]) - (policy[1] - reference[1])))


def learning_rate(step, steps, peak, warm_up):
    """Cosine with warm-up, for step 0, 1, ...; the first step of a warm-up moves nothing."""
    if step < warm_up:
        return peak * step / warm_up
    return peak * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up))) / 2


class AdamW:
    """Clips to norm `clip`, then decoupled weight decay and Adam with bias correction."""

    def __init__(self, named, betas=(0.9, 0.999), eps=1e-8, decay=0.01, clip=1.0):
        self.named, self.betas, self.eps, self.decay, self.clip, self.count = named, betas, eps, decay, clip, 0
        self.moments = {name: [torch.zeros_like(p), torch.zeros_like(p)] for name, p in named.items()}

    def step(self, rate):
        """Applies and clears the gradients; returns their norm before clipping."""
        norm = math.sqrt(sum(float(p.grad.pow(2).sum()) for p in self.named.values()))
        factor = min(1.0, self.clip / (norm + 1e-6))
        self.count += 1
        with torch.no_grad():
            for name, p in self.named.items():
                for moment, beta, value in zip(self.moments[name], self.betas, (p.grad * factor, (p.grad * factor) ** 2)):
                    moment.mul_(beta).add_(value, alpha=1 - beta)
                first, second = (m / (1 - beta**self.count) for m, beta in zip(self.moments[name], self.betas))
                p.mul_(1 - rate * self.decay).sub_(rate * first / (second.sqrt() + self.eps))
                p.grad = None
        return norm
