"""The training runs of make_family.py: TRL's DPOTrainer and SFTTrainer in f32, and the same run in float64 with family_truth.py.

All runs: pairs in order, batch 4, accumulation 2, three epochs of 16 pairs (6 steps), AdamW 5e-4, cosine with 2 warm-up steps, clipping at 1.0,
weight decay 0.01, beta 0.1. SFT counts the tokens of all assistant turns: by TRL's training template where it has one for the tokenizer's template,
else every token that an assistant turn adds to the rendering before it with a generation prompt.
"""
import json
import pathlib
import tempfile

import torch
from datasets import Dataset
from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, TrainerCallback
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer
from trl.chat_template_utils import get_training_chat_template

import family_truth as truth

BATCH, ACCUMULATION, EPOCHS, RATE, WARM_UP, BETA = 4, 2, 3, 5e-4, 2, 0.1
RUNS = {
    "dpo-ref-base": {"start": "r4", "reference": "base model without adapter"},
    "dpo-ref-adapter": {"start": "r4", "reference": "frozen copy of the start adapter"},
    "dpo-fresh": {"start": "r4-fresh", "reference": "base model without adapter"},
    "sft": {"start": "r4", "reference": None},
}
LIMIT = {"dpo-fresh": 2e-5}  # its first steps divide tiny numbers by tiny ones
USUAL_LIMIT = 2e-6  # of the adapter after the last step, f32 against float64


def lora(model):
    """{'model.layers.0.self_attn.q_proj.lora_A': parameter, ...} of the trained adapter of a PEFT model."""
    return {name.removeprefix("base_model.model.").replace(".default.weight", ""): p for name, p in model.named_parameters() if ".default." in name}


class Recorder(TrainerCallback):
    """Keeps the adapter after steps 2, 3 and the last, and the learning rate of each step."""

    def __init__(self):
        self.steps, self.rates = {}, []

    def on_pre_optimizer_step(self, args, state, control, optimizer=None, **_):
        self.rates.append(optimizer.param_groups[0]["lr"])

    def on_step_end(self, args, state, control, model=None, **_):
        if state.global_step in (2, 3, state.max_steps):
            self.steps |= {f"step{state.global_step}.{name}": p.detach().clone() for name, p in lora(model).items()}


def assistant_mask(tokenizer, messages):
    """(ids, mask): mask 1 for the tokens of assistant turns."""
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    try:
        template = get_training_chat_template(tokenizer)
    except ValueError:  # TRL knows no training template for this one
        template = None
    if template:
        made = tokenizer.apply_chat_template(messages, chat_template=template, return_dict=True, return_assistant_tokens_mask=True)
        if list(made["input_ids"]) != ids:
            raise ValueError("TRL's training template renders other tokens")
        return ids, [int(one) for one in made["assistant_masks"]]
    mask = [0] * len(ids)
    for i, message in enumerate(messages):
        if message["role"] == "assistant":
            before, after = (tokenizer(tokenizer.apply_chat_template(part, tokenize=False, add_generation_prompt=prompt), add_special_tokens=False)["input_ids"]
                             for part, prompt in ((messages[:i], True), (messages[: i + 1], False)))
            if ids[: len(after)] != after or after[: len(before)] != before:
                raise ValueError("the template does not render a chat turn by turn")
            mask[len(before) : len(after)] = [1] * (len(after) - len(before))
    return ids, mask


def trainer_for(run, folder, start, records, examples, tokenizer, scratch):
    common = dict(output_dir=scratch, per_device_train_batch_size=BATCH, gradient_accumulation_steps=ACCUMULATION, num_train_epochs=EPOCHS,
                  learning_rate=RATE, warmup_steps=WARM_UP, lr_scheduler_type="cosine", weight_decay=0.01, max_grad_norm=1.0, logging_steps=1,
                  save_strategy="no", report_to=[], use_cpu=True, bf16=False, fp16=False, gradient_checkpointing=False, max_length=1024,
                  train_sampling_strategy="sequential", disable_tqdm=True, seed=0)

    def base():
        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")

    model = PeftModel.from_pretrained(base(), start, is_trainable=True)
    if run == "sft":
        rows = Dataset.from_list([{"input_ids": ids, "assistant_masks": mask} for ids, mask in examples])
        return SFTTrainer(model=model, args=SFTConfig(**common), train_dataset=rows, processing_class=tokenizer)
    rows = Dataset.from_list([{key: record[key] for key in ("prompt", "chosen", "rejected")} for record in records])
    ref = None if run == "dpo-ref-adapter" else base()
    return DPOTrainer(model=model, ref_model=ref, args=DPOConfig(beta=BETA, **common), train_dataset=rows, processing_class=tokenizer)


def run_trl(trainer):
    """Trains; returns the recorder, the losses of the micro-batches and what TRL logged."""
    recorder, losses, compute = Recorder(), [], trainer.compute_loss

    def compute_loss(*args, **kwargs):
        result = compute(*args, **kwargs)
        losses.append(float((result[0] if isinstance(result, tuple) else result).detach()))
        return result

    trainer.compute_loss = compute_loss
    trainer.add_callback(recorder)
    trainer.train()
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    return recorder, losses, history


def micro_loss(run, exact, adapter, reference, examples, chosen):
    """(loss to add to the step's, its weight) of one micro-batch, in float64."""
    if run == "sft":
        total = count = 0
        for ids, mask in (examples[i] for i in chosen):
            counted = torch.tensor(mask[1:], dtype=torch.float64)
            total = total - (exact.token_logps(ids, adapter) * counted).sum()
            count += int(counted.sum())
        return total, count
    losses = []
    for i in chosen:
        policy = []
        for side in ("chosen_ids", "rejected_ids"):
            pair = examples[i]
            policy.append(exact.token_logps(pair["prompt_ids"] + pair[side], adapter)[len(pair["prompt_ids"]) - 1 :].sum())
        losses.append(truth.dpo_losses(policy, reference[i], BETA))
    return sum(losses) / len(losses), 1


def run_exact(run, exact, start, examples):
    """The same run in float64: (log, final adapter, largest move of a parameter)."""
    adapter = truth.read_adapter(start)
    named = truth.parameters(adapter)
    began = {name: p.detach().clone() for name, p in named.items()}
    reference = None
    if run != "sft":
        frozen = truth.read_adapter(start) if run == "dpo-ref-adapter" else None
        with torch.no_grad():
            reference = [[exact.token_logps(pair["prompt_ids"] + pair[side], frozen)[len(pair["prompt_ids"]) - 1 :].sum()
                          for side in ("chosen_ids", "rejected_ids")] for pair in examples]
    optimizer, log = truth.AdamW(named), []
    order = list(range(len(examples)))
    batches = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
    steps = [batches[i : i + ACCUMULATION] for i in range(0, len(batches), ACCUMULATION)] * EPOCHS
    for number, micro in enumerate(steps):
        loss = weight = 0
        for chosen in micro:
            part, counted = micro_loss(run, exact, adapter, reference, examples, chosen)
            loss, weight = loss + part, weight + counted
        loss = loss / weight
        loss.backward()
        rate = truth.learning_rate(number, len(steps), RATE, WARM_UP)
        log.append({"step": number + 1, "loss": float(loss.detach()), "grad_norm": optimizer.step(rate), "learning_rate_used": rate})
    moved = max(float((p.detach() - began[name]).abs().max()) for name, p in named.items())
    return log, {name: p.detach() for name, p in named.items()}, moved


def make_run(run, folder, exact, adapters, out, records, pairs, tokenizer, pairs_name):
    """Writes log.json, steps.safetensors and, for SFT, tokenized.json."""
    out.mkdir(parents=True, exist_ok=True)
    settings, start, examples = RUNS[run], adapters / RUNS[run]["start"], pairs
    if run == "sft":
        examples = [assistant_mask(tokenizer, record["prompt"] + record["chosen"]) for record in records]
        rows = [{"input_ids": ids, "loss_mask": mask,
                 "loss_mask_last_answer_only": [0] * len(pair["prompt_ids"]) + [1] * (len(ids) - len(pair["prompt_ids"]))}
                for (ids, mask), pair in zip(examples, pairs)]
        write(out / "tokenized.json", {"what": "assistant turns of prompt + chosen; loss_mask_last_answer_only: the last one alone", "examples": rows})
    with tempfile.TemporaryDirectory() as scratch:
        trainer = trainer_for(run, folder, start, records, examples, tokenizer, scratch)
        if run != "sft":
            for ours, theirs in zip(pairs, trainer.train_dataset):
                for key in ("prompt_ids", "chosen_ids", "rejected_ids"):
                    if list(theirs[key]) != ours[key]:
                        raise ValueError(f"{ours['id']}: TRL tokenizes {key} differently")
        recorder, losses, history = run_trl(trainer)
    log, final, moved = run_exact(run, exact, start, examples)
    last = {name.split(".", 1)[1]: p for name, p in recorder.steps.items() if name.startswith(f"step{len(log)}.")}
    error = max(float((last[name] - p).abs().max()) for name, p in final.items())
    limit = LIMIT.get(run, USUAL_LIMIT)
    print(f"{run}: adapter after {len(log)} steps: f32 within {error:.1e} of float64, moved by up to {moved:.1e}")
    if not error <= limit:
        raise ValueError(f"{run}: TRL's adapter and the float64 one differ by {error:.3g} (expected at most {limit:g})")
    save_file({name: p.contiguous() for name, p in (*recorder.steps.items(), *((f"f64.step{len(log)}.{n}", p) for n, p in final.items()))},
              out / "steps.safetensors")
    write(out / "log.json", {
        "what": "TRL SFTTrainer, assistant turns" if run == "sft" else f"TRL DPOTrainer, sigmoid, beta {BETA}",
        "start_adapter": f"adapters/{adapters.name}/{settings['start']}", "reference": settings["reference"], "pairs": pairs_name,
        "pairs_used": list(range(len(records))), "max_length": 1024, "batch": BATCH, "accumulation": ACCUMULATION, "epochs": EPOCHS,
        "order": "sequential, every epoch the same",
        "loss_of_a_step": "sum of token NLL of the step / its counted tokens" if run == "sft" else
                          "mean over its micro-batches of the mean over the micro-batch's pairs",
        "optimizer": {"name": "adamw_torch", "learning_rate": RATE, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01, "max_grad_norm": 1.0,
                      "schedule": "cosine", "warmup_steps": WARM_UP},
        "learning_rate_used": recorder.rates, "micro_batch_losses": losses, "trl_log_history": history, "f64": log,
        "max_abs_error_of_adapter_f32_vs_f64": error, "max_abs_move_of_a_parameter_f64": moved})


def write(path, value):
    pathlib.Path(path).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
