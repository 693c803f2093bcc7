#!/usr/bin/env python3
"""How a run on several machines scales, by a model of its steps (docs/distributed.md): scripts/scaling.py [--help]

A step is the computation of the machine with the most tokens, then the exchange of the adapter's gradient: each machine sends and
receives 2 (N - 1) / N times its bytes. Dialogues are dealt as cso does it: the one with the most tokens first, to whoever has the
fewest. Their sizes are drawn at random, with the mean and the spread given.
"""
import argparse
import random


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parameters", type=float, default=41.9e6, help="of the adapter (8B, rank 16, all projections: 41.9e6)")
    parser.add_argument("--flops-per-token", type=float, default=45e9,
                        help="forward, backward to the inputs and forward again where activations are not kept (8B: 45e9)")
    parser.add_argument("--gflops", type=float, default=200, help="of one machine")
    parser.add_argument("--gigabits", type=float, default=10, help="of its network, each way")
    parser.add_argument("--tokens", type=float, default=1362, help="of a dialogue's tree, on average")
    parser.add_argument("--spread", type=float, default=0.27, help="their standard deviation, relative to that")
    parser.add_argument("--pairs", type=float, default=18.3, help="of a dialogue")
    parser.add_argument("--batch", type=int, default=0, help="pairs of a step; 0: four dialogues for each machine")
    parser.add_argument("--steps", type=int, default=200, help="over which the mean is taken")
    return parser.parse_args()


def largest_share(sizes, machines):
    loads = [0.0] * machines
    for size in sorted(sizes, reverse=True):
        loads[loads.index(min(loads))] += size
    return max(loads)


def main():
    a = arguments()
    draw = random.Random(1)
    exchanged = a.parameters * 4
    print(f"gradient: {exchanged / 1e6:.0f} MB; a token: {a.flops_per_token / a.gflops / 1e9 * 1e3:.1f} ms on one machine")
    print("| machines | pairs a step | MB sent by each | exchange, s | computation, s | busy | pairs/s | against one |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    alone = None
    for machines in (1, 2, 4, 8, 16, 32, 64):
        dialogues = round(a.batch / a.pairs) if a.batch else 4 * machines
        most = total = 0.0
        for _ in range(a.steps):
            sizes = [max(50.0, draw.gauss(a.tokens, a.spread * a.tokens)) for _ in range(dialogues)]
            most += largest_share(sizes, machines) / a.steps
            total += sum(sizes) / a.steps
        sent = 2 * (machines - 1) / machines * exchanged
        exchange, compute = sent / (a.gigabits * 1e9 / 8), most * a.flops_per_token / (a.gflops * 1e9)
        rate = dialogues * a.pairs / (exchange + compute)
        alone = alone or rate
        busy = total / machines / most * compute / (exchange + compute)
        print(f"| {machines} | {dialogues * a.pairs:.0f} | {sent / 1e6:.0f} | {exchange:.2f} | {compute:.1f} | {100 * busy:.0f} % "
              f"| {rate:.2f} | {rate / alone:.1f} |")


if __name__ == "__main__":
    main()
