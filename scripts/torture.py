#!/usr/bin/env python3
"""Kills a training run at random moments and looks whether anything was lost; called by torture.sh, which says more."""
import argparse, itertools, json, os, random, shutil, signal, subprocess, sys, tempfile, time

TIMES = {"tokens_per_second", "gflops", "seconds", "reference_seconds", "eval_seconds"}
FILES = ["adapter_model.safetensors", "adapter_config.json", "optimizer.safetensors", "trainer_state.json", "cso_state.json"]


class Wrong(Exception):
    pass


def expect(condition, message):
    if not condition:
        raise Wrong(message)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def checkpoints(folder):
    found = []
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        if name.startswith("checkpoint-") and name[11:].isdigit():
            found.append(int(name[11:]))
    return sorted(found)


def metrics(folder):
    """The lines, without what the clock says. A torn last line is left out."""
    text = read(os.path.join(folder, "metrics.jsonl")).decode()
    lines = [json.loads(line) for line in text.split("\n")[:-1]]
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


def leftovers(folder):
    return [os.path.join(at, name) for at, folders, files in os.walk(folder) for name in folders + files if name.endswith(".tmp")]


class Bench:
    """A tiny model of a family, data, and the program."""

    def __init__(self, programs, folder, family="llama"):
        self.programs, self.folder, self.process = programs, folder, None
        os.makedirs(folder, exist_ok=True)
        self.model = os.path.join(folder, "model")
        subprocess.run([os.path.join(programs, "cso-inspect"), "--make-model", family, "--preset", "tiny", "--hidden", "32", "--ffn", "32", "--heads", "2",
                        "--kv-heads", "1", "--out", self.model], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.data = os.path.join(folder, "data.jsonl")
        with open(self.data, "w") as file:
            for i in range(39):
                prompt = [{"role": "user", "content": "d%d" % (i // 3)}]
                for turn in range(i % 3):
                    prompt += [{"role": "assistant", "content": "a%d" % turn}, {"role": "user", "content": "u%d" % turn}]
                record = {"prompt": prompt, "chosen": [{"role": "assistant", "content": "yes, %d" % i}],
                          "rejected": [{"role": "assistant", "content": "no %d" % i}]}
                file.write(json.dumps(record) + "\n")
        self.config = os.path.join(folder, "run.toml")
        with open(self.config, "w") as file:
            file.write('[model]\npath = "model"\n[data]\ntrain = ["data.jsonl"]\neval = ["data.jsonl"]\n'
                       "[lora]\nrank = 2\nalpha = 4\ndropout = 0.1\n"
                       "[train]\nbatch_size = 4\nlearning_rate = 1e-3\nweight_decay = 0.01\nthreads = 1\nmemory_gib = 0.25\n"
                       "[log]\neval_every_steps = 35\n")

    def start(self, folder, ranks=1, **keys):
        """ranks: processes under mpirun; 1: none."""
        sets = []
        for key, value in keys.items():
            sets += ["--set", "%s=%s" % (key.replace("__", "."), value)]
        command = [os.path.join(self.programs, "cso-train"), "--config", self.config, "--set", "checkpoint.dir=" + folder] + sets
        if ranks > 1:
            command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(ranks)] + command
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        return self.process

    def children(self):
        """Process ids of the ranks that mpirun has started."""
        found = []
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and int(read("/proc/%s/stat" % name).rsplit(b")", 1)[1].split()[1]) == self.process.pid:
                    found.append(int(name))
            except (OSError, IndexError):
                pass
        return found

    def kill(self, rng=None):
        """SIGKILL for the program, or for all ranks and mpirun; with rng half the time for one rank alone, after which all must end."""
        ranks = self.children()
        if ranks and rng and rng.random() < 0.5:
            os.kill(rng.choice(ranks), signal.SIGKILL)
            return
        if ranks:
            self.process.send_signal(signal.SIGSTOP)  # it starts no others
            for rank in self.children():
                try:
                    os.kill(rank, signal.SIGKILL)
                except OSError:
                    pass
        self.process.send_signal(signal.SIGKILL)

    def end(self):
        """No process is left behind, whatever ended this one."""
        if self.process and self.process.poll() is None:
            self.kill()

    def run(self, folder, **keys):
        process = self.start(folder, **keys)
        errors = process.communicate()[1]
        expect(process.returncode == 0, "exit code %d: %s" % (process.returncode, errors))
        return errors

    def verify(self, folder):
        """Nothing in the folder is damaged; a kill may tear the line that is being written."""
        done = subprocess.run([os.path.join(self.programs, "cso-inspect"), "--verify", folder], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True)
        expect(done.returncode == 0 or "metrics.jsonl: damaged: the last line is torn\n" in done.stderr, "verify: " + done.stderr)


def check_after_kill(folder, every, before):
    """What must hold of a folder whose process is dead: the newest checkpoint is no older than it was, and of what metrics.jsonl tells
    no more is lost than the steps since the last save."""
    saved = checkpoints(folder)
    newest = saved[-1] if saved else 0
    expect(newest >= before, "checkpoint-%d was there, now the newest is %d" % (before, newest))
    for step in saved:
        there = sorted(os.listdir(os.path.join(folder, "checkpoint-%d" % step)))
        expect(there == sorted(FILES), "checkpoint-%d holds %s" % (step, there))
    done = 0
    if os.path.exists(os.path.join(folder, "metrics.jsonl")):
        lines = metrics(folder)
        expect([line["step"] for line in lines] == list(range(1, len(lines) + 1)), "metrics.jsonl has gaps or doubles")
        done = len(lines)
    # A step's line is written before its checkpoint: killed in between, that save is lost with the steps it would have covered.
    expect(done - newest <= every, "step %d was done, the newest checkpoint is %d: more than %d steps lost" % (done, newest, every))
    return newest, done


def same_end(folder, whole, last):
    expect(not leftovers(folder), "left over: %s" % leftovers(folder))
    for name in FILES[:2]:
        expect(read(os.path.join(folder, "adapter", name)) == read(os.path.join(whole, "adapter", name)),
               "adapter/%s is not that of the run never killed" % name)
    for name in FILES:
        expect(read("%s/checkpoint-%d/%s" % (folder, last, name)) == read("%s/checkpoint-%d/%s" % (whole, last, name)),
               "%s of checkpoint-%d is not that of the run never killed" % (name, last))
    expect(metrics(folder) == metrics(whole), "metrics.jsonl is not that of the run never killed")
    expect(len(metrics(folder)) == last, "metrics.jsonl has %d lines for %d steps" % (len(metrics(folder)), last))


def close_end(folder, whole, last):
    """The same, of runs whose number of processes changed: losses within 1e-6."""
    expect(not leftovers(folder), "left over: %s" % leftovers(folder))
    ours, theirs = metrics(folder), metrics(whole)
    expect([line["step"] for line in ours] == list(range(1, last + 1)), "metrics.jsonl has gaps or doubles")
    for a, b in zip(ours, theirs):
        expect(a.keys() == b.keys(), "step %d has %s, that of the run never killed %s" % (a["step"], a.keys(), b.keys()))
        for key in ("loss", "eval_loss"):
            if key in a:
                expect(abs(a[key] - b[key]) <= 1e-6, "step %d: %s is %.9g, that of the run never killed %.9g" % (a["step"], key, a[key], b[key]))


def kill_once(bench, folder, keys, rng, step_seconds, save_seconds):
    """Starts and kills: one time in four anywhere from the start on, else in one of the first steps or, half of these times, in a save:
    a step's line comes before its save."""
    process = bench.start(folder, **keys)
    lines = []
    if rng.random() < 0.25:
        time.sleep(rng.random() * (0.5 if keys.get("ranks", 1) == 1 else 1.5))
    else:
        wait, save = rng.randrange(1, 6), rng.random() < 0.5
        for line in process.stderr:
            lines.append(line)
            if line.startswith("step "):
                wait -= 1
                if wait <= 0 and not (save and int(line.split()[1].split("/")[0]) % keys["checkpoint__every_steps"]):
                    break
        time.sleep(rng.random() * (save_seconds * 1.2 if save else step_seconds * 2))
    killed = time.time()
    bench.kill(rng)
    text = "".join(lines + process.communicate()[1].splitlines(True))
    if keys.get("ranks", 1) == 1:
        expect(process.returncode in (0, -signal.SIGKILL), "exit code %d: %s" % (process.returncode, text))
    expect(time.time() - killed < 10, "it went on for %.0f s after it was killed: %s" % (time.time() - killed, text))
    expect("\nwarning" not in text, text)
    return process.returncode == 0, text


def kills(bench, rounds, rng, every, name="", ranks=(1,), **more):
    """kill -9 `rounds` times over one run; against a run that was never killed. ranks: the numbers of processes, one of them by chance at each
    start. Returns the kills in a save."""
    whole, last = os.path.join(bench.folder, name + "whole"), max(60, 10 * rounds)
    keys = {"checkpoint__every_steps": every, "train__max_steps": last, "ranks": ranks[0], **more}
    began = time.time()
    saves = sorted(float(line.split()[-2]) for line in bench.run(whole, **keys).splitlines() if " saved in " in line)
    step_seconds, save_seconds = (time.time() - began) / last, saves[len(saves) // 2]
    killed = resumed = fresh = swept = in_save = lost = runs = 0
    while killed < rounds:
        folder, newest, complete = os.path.join(bench.folder, "%skilled-%d" % (name, runs)), 0, False
        runs += 1
        while killed < rounds and not complete:
            keys["ranks"] = rng.choice(ranks)
            complete, text = kill_once(bench, folder, keys, rng, step_seconds, save_seconds)
            steps = [int(line.split()[1].split("/")[0]) for line in text.splitlines() if line.startswith("step ") and "/" in line]
            if steps:
                expect(steps == list(range(newest + 1, newest + 1 + len(steps))), "after checkpoint-%d: %s" % (newest, text))
                expect(not newest or "resuming from %s/checkpoint-%d\n" % (folder, newest) in text, text)
                resumed += newest > 0
                fresh += newest == 0
            swept += "unfinished files or folders of a process that was killed" in text
            if not complete:
                killed += 1
                in_save += bool(leftovers(folder))
                newest, done = check_after_kill(folder, every, newest)
                lost = max(lost, done - newest)
                if os.path.exists(os.path.join(folder, "cso_checksums.json")):
                    bench.verify(folder)
        bench.run(folder, **keys)
        bench.verify(folder)
        (same_end if len(ranks) == 1 else close_end)(folder, whole, last)
    if name:
        return in_save
    print("kill -9: %d kills in %d run(s) of %d steps, a save every %d steps: %d kills in a save; %d restarts resumed, %d before the first "
          "checkpoint, %d cleaned up; at most %d steps lost; adapter, optimizer, state and metrics are those of the run never killed" %
          (killed, runs, last, every, in_save, resumed, fresh, swept, lost))


STAGES = ("stage-1-sft", "stage-2-cso")


def stage_bench(programs, folder):
    """SFT, of which the best checkpoint goes on, and CSO with it as the reference."""
    bench = Bench(programs, folder)
    with open(bench.config, "a") as file:
        file.write('[[stage]]\nname = "sft"\nloss.type = "sft"\ncheckpoint.restore_best = true\ncheckpoint.keep_last = 1\n'
                   '[[stage]]\nname = "cso"\nloss.reference = "initial"\n')
    return bench


def kill_stage_once(bench, folder, keys, rng, seconds, step_seconds):
    """Starts and kills: anywhere from the start on, after some steps, or about the moment at which one stage follows the other or the last
    one ends. Returns whether the run was complete, and whether the kill fell between the stages."""
    process, lines, how = bench.start(folder, **keys), [], rng.random()
    if how < 0.3:
        time.sleep(rng.random() * seconds)
    else:
        wait = rng.randrange(1, 8)
        for line in process.stderr:
            lines.append(line)
            wait -= " step " in line and " evaluation: " not in line
            written = ": adapter written to " in line
            if (how < 0.7 and wait <= 0) or (how >= 0.7 and written and (how < 0.9 or line.startswith("stage cso"))):
                break
        time.sleep(rng.random() * (step_seconds * 2 if how < 0.7 else 0.3))
    bench.kill(rng)
    text = "".join(lines + process.communicate()[1].splitlines(True))
    if keys["ranks"] == 1:
        expect(process.returncode in (0, -signal.SIGKILL), "exit code %d: %s" % (process.returncode, text))
    expect("\nwarning" not in text, text)
    between = os.path.exists(os.path.join(folder, STAGES[0], "adapter")) and not checkpoints(os.path.join(folder, STAGES[1]))
    return process.returncode == 0, between


def stage_kills(bench, rounds, rng, every, ranks=(1,)):
    """kill -9 `rounds` times over runs of two stages; each ends as one that was never killed."""
    last, whole = 45, os.path.join(bench.folder, "stages-whole")
    keys = {"checkpoint__every_steps": every, "train__max_steps": last, "log__eval_every_steps": 5, "ranks": ranks[0]}
    began = time.time()
    bench.run(whole, **keys)
    seconds = time.time() - began
    killed = runs = between = second = 0
    while killed < rounds:
        folder, newest, complete = os.path.join(bench.folder, "stages-%d" % runs), [0, 0], False
        runs += 1
        while killed < rounds and not complete:
            keys["ranks"] = rng.choice(ranks)
            complete, fell_between = kill_stage_once(bench, folder, keys, rng, seconds, seconds / (2 * last))
            if complete:
                break
            killed += 1
            between += fell_between
            second += bool(checkpoints(os.path.join(folder, STAGES[1])))
            for i, stage in enumerate(STAGES):
                newest[i] = check_after_kill(os.path.join(folder, stage), every, newest[i])[0]
            expect(not newest[1] or newest[0] == last, "stage 2 has begun before stage 1 was complete")
            if os.path.exists(os.path.join(folder, "cso_checksums.json")):
                bench.verify(folder)
        bench.run(folder, **keys)
        bench.verify(folder)
        for stage in STAGES:
            (same_end if len(ranks) == 1 else close_end)(os.path.join(folder, stage), os.path.join(whole, stage), last)
        for name in FILES[:2]:
            expect(read(os.path.join(folder, "adapter", name)) == read(os.path.join(folder, STAGES[1], "adapter", name)),
                   "adapter/%s is not that of the last stage" % name)
        expect(not leftovers(folder), "left over: %s" % leftovers(folder))
    print("stages: %d kills in %d run(s) of two stages of %d steps, a save every %d steps: %d kills between the stages, %d in the second; adapters, "
          "optimizers, states and metrics of both stages are those of the run never killed" % (killed, runs, last, every, between, second))


def matrix_cases():
    """Each family, packing, with and without evaluation, one checkpoint or two; and several processes, as many each time or not."""
    families, packings = ("llama", "qwen2", "gemma2"), ("tree", "pair", "none")
    for family, packing, evaluation, keep in itertools.product(families, packings, (True, False), (1, 2)):
        yield family, packing, evaluation, keep, (1,)
    for (i, (family, packing)), ranks in itertools.product(enumerate(itertools.product(families, packings)), ((2,), (1, 2, 3))):
        yield family, packing, i % 2 == 0, 1 + i // 2 % 2, ranks


def matrix(programs, folder, rounds, rng, every):
    """The kills over all of these, at least three for each; with few rounds over some of them."""
    cases = list(matrix_cases())
    rng.shuffle(cases)
    cases = cases[:max(1, min(len(cases), rounds // 3))]
    benches, in_save = {}, 0
    for i, (family, packing, evaluation, keep, ranks) in enumerate(cases):
        if family not in benches:
            benches[family] = Bench(programs, os.path.join(folder, family), family)
        bench, began = benches[family], time.time()
        count = rounds // len(cases) + (i < rounds % len(cases))
        what = "%s, packing %s, %s evaluation, keep_last %d, %s" % (
            family, packing, "with" if evaluation else "without", keep,
            "%d process(es)" % ranks[0] if len(ranks) == 1 else "%s processes in turn" % "/".join(map(str, ranks)))
        more = {"data__packing": packing, "checkpoint__keep_last": keep, "log__eval_every_steps": 7 if evaluation else 0}
        if not evaluation:
            more["data__eval"] = "[]"
        try:
            in_save += kills(bench, count, rng, every, "case-%d-" % i, ranks, **more)
        except Wrong as wrong:
            raise Wrong("%s: %s" % (what, wrong)) from None
        finally:
            bench.end()
        print("  %s: %d kills, %.0f s" % (what, count, time.time() - began), flush=True)
    print("matrix: %d kills over %d cases, %d of them in a save: the state files of a fixed number of processes are those of the run never killed, "
          "byte by byte; with changing numbers losses are within 1e-6" % (rounds, len(cases), in_save))


def flips(bench, rng, count):
    """A flipped byte anywhere in the newest checkpoint: reported, and the one before it used."""
    folder = os.path.join(bench.folder, "whole")
    steps = checkpoints(folder)
    newest, before = steps[-1], steps[-2]
    for i in range(count):
        copy = os.path.join(bench.folder, "flipped")
        shutil.copytree(folder, copy)
        name = FILES[i % len(FILES)]
        path = os.path.join(copy, "checkpoint-%d" % newest, name)
        data = bytearray(read(path))
        at = rng.randrange(len(data))
        data[at] ^= 1 << rng.randrange(8)
        with open(path, "wb") as file:
            file.write(data)
        errors = bench.run(copy, checkpoint__every_steps=3, train__max_steps=newest)
        expect("%s: damaged" % name in errors and "resuming from %s/checkpoint-%d\n" % (copy, before) in errors,
               "byte %d of %s: %s" % (at, name, errors))
        expect(read(path) == read(os.path.join(folder, "checkpoint-%d" % newest, name)), "%s was not written anew" % name)
        shutil.rmtree(copy)
    print("flips: %d flipped bits in the newest checkpoint, all found, the one before used" % count)


def soak(bench, steps, saves):
    """Memory and open files of a long run: as many at the end as after its first tenth."""
    folder = os.path.join(bench.folder, "soak")
    process = bench.start(folder, checkpoint__every_steps=steps // saves, train__max_steps=steps)
    points = []
    seen = 0
    for line in process.stderr:
        if not line.startswith("step ") or "evaluation" in line:
            continue
        seen = int(line.split()[1].split("/")[0])
        if seen % (steps // 50) or seen == steps:
            continue
        try:
            status = read("/proc/%d/status" % process.pid).decode()
            files = len(os.listdir("/proc/%d/fd" % process.pid))
        except OSError:
            continue
        memory = int(status.split("RssAnon:")[1].split()[0]) if "RssAnon:" in status else 0
        if memory:
            points.append((seen, memory, files))
    process.wait()
    expect(process.returncode == 0 and seen == steps, "exit code %d after step %d" % (process.returncode, seen))
    expect(len(points) >= 20, "only %d looks at the process" % len(points))
    # A thread or a buffer may come late; what leaks grows all the time. Memory is in kB.
    early = [point for point in points if point[0] <= steps * 0.4]
    late = [point for point in points if point[0] > steps * 0.6]
    grown = max(point[1] for point in late) - max(point[1] for point in early)
    # The log history is kept: it grows to 10,000 entries, some 4 MB.
    history = os.path.getsize(os.path.join(folder, "checkpoint-%d" % checkpoints(folder)[-1], "trainer_state.json")) // 1024
    expect(grown - history <= 512, "memory grew by %d kB, %d kB of them log history: %s" % (grown, history, points))
    # A look may fall into a save, when a few files more are open: compare the fewest.
    files = min(point[2] for point in late), min(point[2] for point in early)
    expect(files[0] <= files[1], "open files grew: %s" % points)
    expect(max(point[2] for point in late) <= files[1] + 4, "open files: %s" % points)
    print("soak: %d steps, %d checkpoints: %.1f MB at first, %.1f MB at the end, %d open files" %
          (steps, steps // (steps // saves), early[0][1] / 1024, late[-1][1] / 1024, files[0]))


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("rounds", nargs="?", type=int, default=200, help="kills (default 200)")
    arguments.add_argument("--programs", required=True, help="folder of cso-train and cso-inspect")
    arguments.add_argument("--seed", type=int, default=None, help="of the random moments; default: another each time, printed")
    arguments.add_argument("--every", type=int, default=3, help="steps from save to save while killing (default 3)")
    arguments.add_argument("--soak", type=int, default=2000, help="steps of the soak, with 100 checkpoints; 0: none")
    arguments.add_argument("--flips", type=int, default=40, help="flipped bits; 0: none")
    arguments.add_argument("--matrix", action="store_true", help="only kills, over families, packings, evaluation, keep_last and processes")
    arguments.add_argument("--stages", action="store_true", help="only kills, over runs of two stages")
    arguments.add_argument("--keep", action="store_true", help="keep the folder")
    options = arguments.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    rng = random.Random(seed)
    folder = tempfile.mkdtemp(prefix="cso-torture-")
    print("torture: seed %d, in %s" % (seed, folder), flush=True)
    os.environ["OMP_WAIT_POLICY"] = "passive"
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    good, bench = False, None
    try:
        bench = Bench(options.programs, folder)
        stages = lambda rounds: stage_kills(stage_bench(options.programs, os.path.join(folder, "stages")), rounds, rng, options.every)
        for part in (lambda: matrix(options.programs, folder, options.rounds, rng, options.every),) if options.matrix else (
                     lambda: stages(options.rounds),) if options.stages else (
                     lambda: stages((options.rounds + 3) // 4),
                     lambda: kills(bench, options.rounds, rng, options.every),
                     lambda: options.flips and flips(bench, rng, options.flips),
                     lambda: options.soak and soak(bench, options.soak, 100)):
            began = time.time()
            part()
            print("  %.0f s" % (time.time() - began), flush=True)
        good = True
    except Wrong as wrong:
        print("torture: WRONG: %s" % wrong)
        print("torture: repeat with --seed %d; the folder is kept: %s" % (seed, folder))
    finally:
        if bench:
            bench.end()
    if good and not options.keep:
        shutil.rmtree(folder)
    print("torture: %s" % ("all holds" if good else "failed"))
    return 0 if good else 1


sys.exit(main())
