#!/usr/bin/env python3
"""Times cso-train against TRL's DPOTrainer with a PEFT LoRA on this machine's CPU: same model, same pairs, same first adapter.

    scripts/compare_trl.py --hf FOLDER --pairs FILE [--model PATH] [--steps 3] [--batch-size 16] [--rank 16] [--packing tree none]
                           [--compute f32] [--trl f32] [--memory-gib 1.2] [--program build/bin/cso-train] [--json]

FOLDER is the model in Hugging Face form; PATH the same model for cso-train (a GGUF, say), FOLDER by default. FILE has ESC-Pro pairs,
a line each (or prompt, chosen, rejected); the first steps x batch-size of them are taken in order. TRL runs one pair at a time and
accumulates gradients, its fastest way on a CPU, with its reference log-probabilities computed before, apart; cso-train's reference
pass is counted apart too. The first step is left out of all rates. Both start from one adapter, which PEFT makes, so losses must
agree step by step.

Needs Python with trl, peft, transformers, torch and datasets (docs/performance.md says which versions were used).
"""
import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def read_pairs(path, count):
    """The first pairs, as TRL wants them: prompt, chosen and rejected are lists of messages."""
    pairs = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if "reject" in record:
                record = {"prompt": record["messages"], "chosen": [record["chosen"]], "rejected": [record["reject"]]}
            pairs.append({key: record[key] for key in ("prompt", "chosen", "rejected")})
            if len(pairs) == count:
                return pairs
    sys.exit(f"compare_trl: {path} has {len(pairs)} pairs (expected {count}: steps x batch-size)")


def make_adapter(options, folder):
    """A fresh PEFT adapter of the model in `folder`, from which both trainers start."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM
    torch.manual_seed(options.seed)
    model = AutoModelForCausalLM.from_pretrained(options.hf, dtype=torch.float32)
    config = peft.LoraConfig(r=options.rank, lora_alpha=2 * options.rank, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM",
                             target_modules=MODULES)
    peft.get_peft_model(model, config).save_pretrained(folder)


def run_trl(options, pairs, adapter, dtype):
    """Trains in this process; called in a process of its own, so that its peak memory is its own."""
    import datasets
    import peft
    import torch
    import transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import DPOConfig, DPOTrainer
    transformers.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch_dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
    seconds = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *_, **__):
            self.began = time.monotonic()

        def on_step_end(self, *_, **__):
            seconds.append(time.monotonic() - self.began)

    with tempfile.TemporaryDirectory() as work:
        arguments = DPOConfig(output_dir=work, report_to=[], use_cpu=True, bf16=dtype == "bf16", save_strategy="no", logging_steps=1,
                              disable_tqdm=True, dataloader_pin_memory=False, per_device_train_batch_size=1,
                              gradient_accumulation_steps=options.batch_size, max_steps=options.steps,
                              train_sampling_strategy="sequential", learning_rate=options.learning_rate,
                              lr_scheduler_type="constant", warmup_steps=0, optim="adamw_torch", weight_decay=0.0, beta=0.1,
                              max_length=None, gradient_checkpointing=False, precompute_ref_log_probs=True, seed=options.seed)
        base = AutoModelForCausalLM.from_pretrained(options.hf, dtype=torch_dtype)
        reference = AutoModelForCausalLM.from_pretrained(options.hf, dtype=torch_dtype)
        model = peft.PeftModel.from_pretrained(base, adapter, is_trainable=True)
        began = time.monotonic()
        trainer = DPOTrainer(model=model, ref_model=reference, args=arguments, train_dataset=datasets.Dataset.from_list(pairs),
                             processing_class=AutoTokenizer.from_pretrained(options.hf), callbacks=[Clock()])
        reference_seconds = time.monotonic() - began
        trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {"step_seconds": seconds, "losses": losses, "reference_seconds": reference_seconds,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def run_cso(options, pairs_file, adapter, packing, compute, folder):
    config = os.path.join(folder, "run.toml")
    text = f"""[model]
path = {json.dumps(os.path.abspath(options.model or options.hf))}
compute = "{compute}"
[data]
train = [{json.dumps(pairs_file)}]
max_length = 65536
packing = "{packing}"
shuffle = "none"
[lora]
init = {json.dumps(adapter)}
[loss]
type = "cso"
beta = 0.1
reference = "base"
[train]
max_steps = {options.steps}
batch_size = {options.batch_size}
learning_rate = {options.learning_rate}
schedule = "constant"
warmup_steps = 0
memory_gib = {options.memory_gib}
[checkpoint]
dir = {json.dumps(os.path.join(folder, "run"))}
every_steps = 0
"""
    pathlib.Path(config).write_text(text, encoding="utf-8")
    command = [options.program, "--config", config, "--quiet", "--resume", "never"]
    if options.threads:
        command += ["--threads", str(options.threads)]
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"compare_trl: {' '.join(command)} failed")
    with open(os.path.join(folder, "run", "metrics.jsonl"), encoding="utf-8") as lines:
        metrics = [json.loads(line) for line in lines]
    return {"step_seconds": [m["seconds"] - m["reference_seconds"] for m in metrics], "losses": [m["loss"] for m in metrics],
            "reference_seconds": sum(m["reference_seconds"] for m in metrics), "peak_mib": usage.ru_maxrss / 1024}


def in_a_process(options, dtype, pairs_file, adapter):
    command = [sys.executable, __file__, "--only-trl", dtype, "--adapter", adapter, "--pairs", pairs_file, "--hf", options.hf,
               "--steps", str(options.steps), "--batch-size", str(options.batch_size), "--threads", str(options.threads),
               "--learning-rate", str(options.learning_rate), "--seed", str(options.seed)]
    result = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if result.returncode:
        sys.exit(f"compare_trl: {' '.join(command)} failed")
    return json.loads(result.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hf", required=True)
    parser.add_argument("--pairs", required=True)
    parser.add_argument("--model", default="")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--packing", nargs="+", default=["tree", "none"], choices=["tree", "pair", "none"])
    parser.add_argument("--compute", nargs="+", default=["f32"], choices=["f32", "bf16"])
    parser.add_argument("--trl", nargs="*", default=["f32"], choices=["f32", "bf16"])
    parser.add_argument("--memory-gib", type=float, default=0.0, help="cso-train's train.memory_gib; 0: what the machine has")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--program", default=str(ROOT / "build" / "bin" / "cso-train"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only-trl", help=argparse.SUPPRESS)
    parser.add_argument("--adapter", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    pairs = read_pairs(options.pairs, options.steps * options.batch_size)
    if options.only_trl:
        print(json.dumps(run_trl(options, pairs, options.adapter, options.only_trl)))
        return
    results = {}
    with tempfile.TemporaryDirectory(prefix="cso-compare-") as work:
        adapter, pairs_file = os.path.join(work, "adapter"), os.path.join(work, "pairs.jsonl")
        with open(pairs_file, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs)
        make_adapter(options, adapter)
        for dtype in options.trl:
            results[f"TRL {dtype}"] = in_a_process(options, dtype, pairs_file, adapter)
        for compute in options.compute:
            for packing in options.packing:
                folder = os.path.join(work, f"{packing}-{compute}")
                os.makedirs(folder)
                results[f"cso {packing} {compute}"] = run_cso(options, pairs_file, adapter, packing, compute, folder)
    for result in results.values():
        rest = result["step_seconds"][1:] or result["step_seconds"]
        result["pairs_per_second"] = options.batch_size * len(rest) / sum(rest)
    if options.json:
        print(json.dumps(results, indent=1))
        return
    yardstick = max((r["pairs_per_second"] for name, r in results.items() if name.startswith("TRL")), default=None)
    losses = next((r["losses"] for name, r in results.items() if name == "TRL f32"), None)
    print("| trainer | pairs/s | times TRL | reference pass, s | peak memory, MiB | largest difference of a step's loss |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, r in results.items():
        times = f"{r['pairs_per_second'] / yardstick:.1f}" if yardstick else ""
        differs = f"{max(abs(a - b) for a, b in zip(r['losses'], losses)):.1e}" if losses else ""
        print(f"| {name} | {r['pairs_per_second']:.3f} | {times} | {r['reference_seconds']:.0f} | {r['peak_mib']:.0f} | {differs} |")


if __name__ == "__main__":
    main()
