#include "resume_fixture.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/signals.h"
#include "synth/random_model.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const char *const checkpoint_files[CHECKPOINT_FILES] = {"adapter_model.safetensors", "adapter_config.json", "optimizer.safetensors",
                                                        "trainer_state.json", "cso_state.json"};

char *root_path(const resume_fixture *f, const char *format, ...) {
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8], name[300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    snprintf(path, sizeof paths[0], "%s/%s", f->root, name);
    return path;
}

char *take_file(const char *path, size_t *size) {
    char *text;
    cso_error err = {0};
    golden_ok(cso_read_file(path, (size_t)1 << 30, &text, size, &err), &err);
    return text;
}

void put_file(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

void flip_byte(const char *path, size_t at, unsigned char mask) {
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_true(byte >= 0);
    assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
    assert_int_equal(fputc(byte ^ mask, file), byte ^ mask);
    assert_int_equal(fclose(file), 0);
}

void copy_folder(const char *from, const char *to) {
    cso_error err = {0};
    golden_ok(cso_make_folders(to, &err), &err);
    DIR *folder = opendir(from);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        char *a = cso_path_join(from, entry->d_name), *b = cso_path_join(to, entry->d_name);
        if (cso_path_is_folder(a)) {
            copy_folder(a, b);
        } else {
            size_t size;
            char *bytes = take_file(a, &size);
            put_file(b, bytes, size);
            free(bytes);
        }
        free(a);
        free(b);
    }
    closedir(folder);
}

/* Dialogues of one to four pairs that share a beginning; all lengths differ, so that a step's tokens tell its pairs. */
static void write_records(const char *path, size_t count, size_t salt) {
    cso_text text = {0};
    for (size_t i = 0, dialogue = 0, turn = 0; i < count; i++) {
        cso_text_format(&text, "{\"prompt\": [{\"role\": \"user\", \"content\": \"d%zu\"}", dialogue + salt);
        for (size_t k = 0; k < turn; k++)
            cso_text_format(
                &text, ", {\"role\": \"assistant\", \"content\": \"a%zu\"}, {\"role\": \"user\", \"content\": \"u%zu\"}", k, k);
        cso_text_format(&text, "], \"chosen\": [{\"role\": \"assistant\", \"content\": \"a%zu %.*s\"}], \"rejected\": ", turn,
                        (int)(i % 13), "well, I see.");
        cso_text_format(&text, "[{\"role\": \"assistant\", \"content\": \"no %.*s%zu\"}]}\n", (int)(i % 7), "never!", i);
        if (++turn > dialogue % 4) {
            turn = 0;
            dialogue++;
        }
    }
    assert_false(text.failed);
    put_file(path, text.data, text.size);
    free(text.data);
}

static void read_records(const resume_fixture *f, cso_dataset *data, const char *name, size_t count, size_t salt) {
    cso_tokenizer *tokenizer;
    const cso_chat_template *chat;
    cso_error err = {0};
    const char *path = root_path(f, "%s", name);
    write_records(path, count, salt);
    golden_ok(cso_tokenizer_open(&tokenizer, root_path(f, "model"), &err), &err);
    golden_ok(cso_chat_template_get(&chat, "llama3", tokenizer, "test", &err), &err);
    const cso_data_options options = {.max_length = 400};
    golden_ok(cso_dataset_read(data, &path, 1, tokenizer, chat, &options, &err), &err);
    assert_int_equal(data->count, count);
    cso_tokenizer_free(tokenizer);
}

void resume_fixture_open(resume_fixture *f) {
    cso_error err = {0};
    cso_random_model random = {.seed = 5, .dtype = CSO_F32, .bos = -1, .eos = -1};
    *f = (resume_fixture){.memory = (size_t)1 << 28};
    golden_ok(cso_context_create(&f->ctx, 1, &err), &err);
    /* In memory where there is such a folder: the order of writes is not what these tests are about. */
    strcpy(f->root, cso_path_is_folder("/dev/shm") ? "/dev/shm/cso-test-XXXXXX" : "/tmp/cso-test-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    golden_ok(cso_random_model_preset(&random, "llama", "tiny", &err), &err);
    random.hparams.n_layers = 1;
    random.hparams.hidden = 16;
    random.hparams.ffn = 16;
    random.hparams.n_heads = 2;
    random.hparams.n_kv_heads = 1;
    random.hparams.head_dim = 8;
    golden_ok(cso_random_model_write(&random, root_path(f, "model"), &err), &err);
    golden_ok(cso_model_open(&f->model, root_path(f, "model"), &err), &err);
    read_records(f, &f->data, "train.jsonl", RESUME_PAIRS, 0);
    read_records(f, &f->eval, "eval.jsonl", 4, 1000);
    f->lora = (cso_lora_options){.rank = 2, .alpha = 4, .dropout = 0.1, .targets = {[CSO_Q_PROJ] = true, [CSO_DOWN_PROJ] = true}};
    f->config.path = (char *)"test.toml";
    f->config.data.packing = CSO_PACK_TREE;
    f->config.data.shuffle = CSO_SHUFFLE_DIALOGUE;
    f->config.loss.type = (char *)"cso";
    f->config.loss.options = cso_loss_default_options();
    f->config.train.epochs = 3;
    f->config.train.batch_size = RESUME_BATCH;
    f->config.train.learning_rate = 5e-3;
    f->config.train.schedule = CSO_SCHEDULE_COSINE;
    f->config.train.warmup_ratio = 0.1;
    f->config.train.warmup_steps = -1;
    f->config.train.weight_decay = 0.01;
    f->config.train.betas[0] = 0.9;
    f->config.train.betas[1] = 0.999;
    f->config.train.eps = 1e-8;
    f->config.train.max_grad_norm = 1;
    f->config.train.seed = 42;
    f->config.checkpoint.keep_last = 2;
    f->config.checkpoint.keep_best = true;
    f->config.log.every_steps = 1;
    f->config.log.eval_every_steps = 7;
}

void resume_fixture_close(resume_fixture *f) {
    cso_dataset_free(&f->data);
    cso_dataset_free(&f->eval);
    cso_model_free(f->model);
    cso_context_free(f->ctx);
    assert_int_equal(cso_remove_tree(f->root, NULL), CSO_OK);
}

static void on_step(void *context, const cso_step_report *report) {
    process *p = context;
    assert_true(p->count < sizeof p->steps / sizeof *p->steps);
    p->steps[p->count++] = *report;
    if (p->after_step)
        p->after_step(p->adapter, report);
    if (report->step == p->stop_at)
        cso_signals_raise(SIGTERM);
}

static void append(char *to, size_t size, const char *text) {
    size_t used = strlen(to);
    snprintf(to + used, size - used, "%s\n", text);
}
static void on_note(void *context, const char *text) {
    process *p = context;
    append(p->notes, sizeof p->notes, text);
}
static void on_warning(void *context, const char *text) {
    process *p = context;
    append(p->warnings, sizeof p->warnings, text);
}

void run_process(resume_fixture *f, process *p, const char *dir, const char *resume, size_t stop_at) {
    cso_engine *engine;
    cso_adapter *adapter;
    cso_error err = {0};
    *p = (process){.stop_at = stop_at, .after_step = f->after_step};
    golden_ok(cso_engine_create(&engine, f->ctx, f->model, CSO_COMPUTE_F32, f->memory, &err), &err);
    golden_ok(cso_adapter_create(&adapter, f->model, &f->lora, f->config.train.seed, &err), &err);
    f->config.checkpoint.dir = root_path(f, "%s", dir);
    cso_objective objective;
    const cso_loss *loss = f->loss ? f->loss : cso_loss_find("cso");
    if (f->objective)
        objective = *f->objective;
    else
        golden_ok(cso_objective_of(&objective, &loss, NULL, 1, &f->config.loss.options, &err), &err);
    const cso_train_job job = {
        .config = &f->config,
        .config_text = "# the configuration\n",
        .model = f->model,
        .engine = engine,
        .objective = &objective,
        .train = &f->data,
        .eval = f->config.log.eval_every_steps ? &f->eval : NULL,
        .adapter = adapter,
        .resume = resume,
        .observer = {.context = p, .step = on_step, .note = on_note, .warning = on_warning},
    };
    p->adapter = adapter;
    cso_signals_raise(0);
    p->status = cso_train(&job, &p->err);
    cso_signals_raise(0);
    cso_adapter_free(adapter);
    cso_engine_free(engine);
}

void run_well(resume_fixture *f, process *p, const char *dir, size_t stop_at) {
    run_process(f, p, dir, "auto", stop_at);
    if (p->status != (stop_at ? CSO_STOPPED : CSO_OK))
        fail_msg("%s until step %zu: %d: %s", dir, stop_at, p->status, p->err.message);
}

void run_refused(resume_fixture *f, const char *dir, cso_status status, ...) {
    process p;
    va_list words;
    run_process(f, &p, dir, "auto", 0);
    if (p.status != status || p.count)
        fail_msg("%s: status %d (expected %d) after %zu steps: %s", dir, p.status, status, p.count, p.err.message);
    va_start(words, status);
    for (const char *word; (word = va_arg(words, const char *));)
        if (!strstr(p.err.message, word))
            fail_msg("\"%s\" is not in \"%s\"", word, p.err.message);
    va_end(words);
}

static void same_file(const char *a, const char *b) {
    size_t size_a, size_b;
    char *one = take_file(a, &size_a), *two = take_file(b, &size_b);
    if (size_a != size_b || memcmp(one, two, size_a))
        fail_msg("%s and %s differ", a, b);
    free(one);
    free(two);
}

/* The lines of a text without those that begin with one of the beginnings. */
static void remove_lines(char *text, const char *const *beginnings) {
    char *to = text;
    for (char *line = text, *next; *line; line = next) {
        char *end = strchr(line, '\n');
        bool keep = true;
        next = end ? end + 1 : line + strlen(line);
        for (size_t i = 0; beginnings[i]; i++)
            keep = keep && strncmp(line, beginnings[i], strlen(beginnings[i])) != 0;
        memmove(to, line, (size_t)(next - line));
        to += keep ? next - line : 0;
    }
    *to = '\0';
}

static void same_text(const char *a, const char *b, const char *const *but) {
    size_t size;
    char *one = take_file(a, &size), *two = take_file(b, &size);
    remove_lines(one, but);
    remove_lines(two, but);
    if (strcmp(one, two) != 0)
        fail_msg("%s and %s differ:\n%s\n%s", a, b, one, two);
    free(one);
    free(two);
}

void same_checkpoint(const resume_fixture *f, const char *dir_a, const char *dir_b, size_t step) {
    static const char *const setting[] = {"  \"save_steps\": ", NULL}, *const sums[] = {"    \"trainer_state.json\": ",
                                                                                        "  \"checksum\": ", NULL};
    for (size_t i = 0; i < CHECKPOINT_FILES; i++) {
        const char *a = root_path(f, "%s/checkpoint-%zu/%s", dir_a, step, checkpoint_files[i]),
                   *b = root_path(f, "%s/checkpoint-%zu/%s", dir_b, step, checkpoint_files[i]);
        if (!strcmp(checkpoint_files[i], "trainer_state.json"))
            same_text(a, b, setting);
        else if (!strcmp(checkpoint_files[i], "cso_state.json"))
            same_text(a, b, sums);
        else
            same_file(a, b);
    }
}

void same_bytes(const resume_fixture *f, const char *dir_a, const char *dir_b, size_t step) {
    for (size_t i = 0; i < CHECKPOINT_FILES; i++)
        same_file(root_path(f, "%s/checkpoint-%zu/%s", dir_a, step, checkpoint_files[i]),
                  root_path(f, "%s/checkpoint-%zu/%s", dir_b, step, checkpoint_files[i]));
}

/* Takes the members that hold times out of a line. */
static void remove_times(char *line) {
    static const char *const times[] = {
        ", \"tokens_per_second\": ", ", \"gflops\": ", ", \"seconds\": ", ", \"reference_seconds\": ", ", \"eval_seconds\": "};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char *at = strstr(line, times[i]);
        if (!at)
            continue;
        char *end = at + strlen(times[i]);
        end += strcspn(end, ",}");
        memmove(at, end, strlen(end) + 1);
    }
}

void same_metrics(const resume_fixture *f, const char *dir_a, const char *dir_b, size_t n) {
    size_t size, lines = 0;
    char *a = take_file(root_path(f, "%s/metrics.jsonl", dir_a), &size),
         *b = take_file(root_path(f, "%s/metrics.jsonl", dir_b), &size);
    char *save_a, *save_b, *one = strtok_r(a, "\n", &save_a), *two = strtok_r(b, "\n", &save_b);
    for (; two; one = strtok_r(NULL, "\n", &save_a), two = strtok_r(NULL, "\n", &save_b)) {
        char begin[40];
        snprintf(begin, sizeof begin, "{\"step\": %zu,", ++lines);
        if (strncmp(two, begin, strlen(begin)) != 0)
            fail_msg("%s: line %zu is %s", dir_b, lines, two);
        assert_non_null(one);
        remove_times(one);
        remove_times(two);
        assert_string_equal(one, two);
    }
    assert_int_equal(lines, n);
    free(a);
    free(b);
}

void expect_steps(const resume_fixture *f, const char *dir, const size_t *steps, size_t count) {
    size_t *found, n;
    cso_error err = {0};
    golden_ok(cso_checkpoint_list(root_path(f, "%s", dir), &found, &n, &err), &err);
    if (n != count || (n && memcmp(found, steps, n * sizeof *steps)))
        fail_msg("%s: %zu checkpoints (expected %zu), the newest %zu", dir, n, count, n ? found[n - 1] : 0);
    free(found);
}
