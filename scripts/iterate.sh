#!/usr/bin/env bash
# Search and training in turn: each round searches with the adapter of the round before, trains on the records, and evaluates.
#   scripts/iterate.sh --demo [--dir FOLDER]     SmolLM2-135M, two rounds of four sample seeds, some minutes on two cores
#   scripts/iterate.sh --search FILE --train FILE [--eval FILE] [--rounds N] [--dir FOLDER] [--roles "NAME..."] [--bin FOLDER]
# --search   configuration of cso-search whose roles are models on this machine (configs/search-own.toml)
# --train    configuration of cso-train for the same model (configs/smollm2.toml)
# --eval     held-out records with preferred replies and negatives, on which each round's adapter is scored; default: none
# --rounds   rounds in all (default 2); --dir  where they go (default runs/iterate); --bin  the programs (default build/bin)
# --roles    roles that get the adapter from the second round on (default: supporter)
# The same command again goes on where it stopped, also after Ctrl-C or kill -9: every stage does, and finished ones say so.
set -eu -o pipefail
cd "$(dirname "$0")/.."
usage() { sed -n '2,10s/^# \{0,1\}//p' scripts/iterate.sh >&2; exit 2; }
search="" train="" eval="" rounds=2 dir=runs/iterate roles=supporter bin=build/bin demo=no
while [ $# -gt 0 ]; do
    case "$1" in
    --demo) demo=yes; shift; continue ;;
    --search | --train | --eval | --rounds | --dir | --roles | --bin) ;;
    *) usage ;;
    esac
    [ $# -gt 1 ] || usage
    declare "${1#--}=$2"
    shift 2
done
case "$rounds" in '' | *[!0-9]*) echo "iterate.sh: --rounds: expected a number, found '$rounds'" >&2; exit 2 ;; esac
case "$dir" in /*) ;; *) dir=$PWD/$dir ;; esac
search_sets=() train_sets=()
if [ $demo = yes ]; then
    search=configs/search-own.toml train=configs/smollm2.toml eval=data/sample/valid.tree.jsonl
    mkdir -p "$dir"
    head -n 4 data/sample/seeds.jsonl >"$dir/seeds.jsonl"
    search_sets=(--set "search.seeds=[\"$dir/seeds.jsonl\"]" --set search.iterations_min=8 --set search.iterations_max=12
        --set search.rounds=1)
    train_sets=(--set train.batch_size=4)
fi
[ -n "$search" ] && [ -n "$train" ] || usage
for program in cso-search cso-train cso-eval; do
    [ -x "$bin/$program" ] || { echo "iterate.sh: $bin/$program is missing (expected programs that scripts/build.sh built)" >&2; exit 2; }
done
step() { printf '\n== round %s of %s: %s\n' "$round" "$rounds" "$1"; }

adapter=""
for ((round = 1; round <= rounds; round++)); do
    folder=$dir/round-$round
    mkdir -p "$folder"
    with=()
    if [ -n "$adapter" ]; then
        for role in $roles; do with+=(--set "role.$role.adapter=$adapter"); done
    fi

    step "search"
    began=$SECONDS
    "$bin/cso-search" --config "$search" "${search_sets[@]}" "${with[@]}" --set "search.dir=$folder/search"
    [ -s "$folder/search.seconds" ] || echo $((SECONDS - began)) >"$folder/search.seconds"

    records=$folder/search/esc-pro.jsonl
    pairs=$(python3 -c 'import json, sys
print(sum(len(t.get("negative", [])) for l in open(sys.argv[1], encoding="utf-8") for t in json.loads(l)["messages"]))' "$records")
    if [ "$pairs" = 0 ]; then
        echo "iterate.sh: round $round has no pair to train on: lower extract.ended_q_min or raise extract.negative_q_max in $search," >&2
        echo "  then \`cso-search extract --config $folder/search/config.toml --set KEY=VALUE\`, or search longer" >&2
        exit 4
    fi

    step "train on $pairs pairs"
    began=$SECONDS
    init=()
    [ -z "$adapter" ] || init=(--set "lora.init=$adapter")
    "$bin/cso-train" --config "$train" "${train_sets[@]}" "${init[@]}" --set "data.train=[\"$records\"]" --set "data.eval=[]" \
        --set "checkpoint.dir=$folder/train"
    [ -s "$folder/train.seconds" ] || echo $((SECONDS - began)) >"$folder/train.seconds"
    adapter=$folder/train/adapter

    if [ -n "$eval" ] && [ ! -s "$folder/eval.json" ]; then
        step "evaluate"
        model=$(python3 -c 'import sys; print(next(l.split("\"")[1] for l in open(sys.argv[1]) if l.startswith("path = ")))' "$folder/train/config.toml")
        "$bin/cso-eval" score --model "$model" --adapter "$adapter" --summary "$eval" >"$folder/eval.json.tmp"
        mv "$folder/eval.json.tmp" "$folder/eval.json"
    fi
done

printf '\n'
python3 - "$dir" "$rounds" <<'PYTHON'
"""What came of the rounds."""
import json, pathlib, sys

print("round  records  pairs  search s  train s  held-out loss  accuracy  margin")
for number in range(1, int(sys.argv[2]) + 1):
    folder = pathlib.Path(sys.argv[1]) / f"round-{number}"
    trees = [json.loads(line) for line in open(folder / "search" / "esc-pro.jsonl", encoding="utf-8")]
    pairs = sum(len(turn.get("negative", [])) for tree in trees for turn in tree["messages"])
    row = f"{number:5}  {len(trees):7}  {pairs:5}  {(folder / 'search.seconds').read_text().strip():>8}  {(folder / 'train.seconds').read_text().strip():>7}"
    if (folder / "eval.json").exists():
        e = json.loads((folder / "eval.json").read_text(encoding="utf-8"))
        row += f"  {e['loss']:13.4f}  {e['rewards/accuracies']:8.3f}  {e['rewards/margins']:6.3f}"
    print(row)
PYTHON
echo "The adapter of the last round is in $adapter"
