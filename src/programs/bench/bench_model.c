/* bench_model.c - a model to measure: a file's, or one of random weights in the shape of a known model. */
#include "bench_model.h"

#include "base/did_you_mean.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"
#include "programs/common/args.h"
#include "programs/common/dtype_option.h"
#include "synth/random_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct bench_shape {
    const char *name, *family, *preset;
    size_t layers; /* 0: the preset's */
} SHAPES[] = {
    {"tiny", "llama", "tiny", 0},     {"smollm2", "llama", "135m", 0}, {"1b", "llama", "1b", 0},         {"8b", "llama", "8b", 0},
    {"8b-8layers", "llama", "8b", 8}, {"qwen2-7b", "qwen2", "7b", 0},  {"gemma2-9b", "gemma2", "9b", 0},
};
enum { N_SHAPES = sizeof SHAPES / sizeof *SHAPES };

static cso_status find_shape(const char *name, const struct bench_shape **shape, cso_error *err) {
    const char *known[N_SHAPES];
    for (int i = 0; i < N_SHAPES; i++) {
        known[i] = SHAPES[i].name;
        if (!strcmp(name, known[i])) {
            *shape = &SHAPES[i];
            return CSO_OK;
        }
    }
    const char *near = cso_did_you_mean(name, known, N_SHAPES);
    if (near)
        return cso_fail(err, CSO_ERR_USAGE, "--shape: '%s' is not known (did you mean %s?)", name, near);
    return cso_fail(err, CSO_ERR_USAGE,
                    "--shape: '%s' is not known (expected tiny, smollm2, 1b, 8b, 8b-8layers, qwen2-7b or gemma2-9b)", name);
}

typedef struct progress {
    cso_log log;
    uint64_t shown;
} progress;

static bool show_progress(void *context, uint64_t done, uint64_t total) {
    enum { STEP = 1 << 28 };
    progress *p = context;
    if (done - p->shown >= STEP) {
        p->shown = done;
        cso_log_live(&p->log, "writing a random model: %.1f of %.1f GB", (double)done * 1e-9, (double)total * 1e-9);
    }
    return !cso_signals_stop();
}

/* Writes the model, maps it, and removes the name: nothing is left behind, however the program ends after this. */
static cso_status write_and_open(cso_model **model, cso_random_model *random, cso_error *err) {
    const char *folder = getenv("TMPDIR");
    char *pattern = cso_path_join(folder && *folder ? folder : "/tmp", "cso-bench-XXXXXX"), *path = NULL;
    progress shown = {0};
    bool made = false;
    cso_status status = CSO_OK;
    if (!pattern)
        return cso_fail_memory(err, "a path");
    cso_signals_hold();
    made = mkdtemp(pattern) != NULL;
    if (!made) {
        status = cso_fail_errno(err, "make a folder", pattern);
        goto done;
    }
    path = cso_path_join(pattern, "model.gguf");
    if (!path) {
        status = cso_fail_memory(err, "a path");
        goto done;
    }
    cso_log_init(&shown.log, false);
    random->progress = show_progress;
    random->context = &shown;
    status = cso_random_model_write(random, path, err);
    cso_log_end(&shown.log);
    if (status == CSO_OK)
        status = cso_model_open(model, path, err);
done:
    if (made)
        cso_remove_tree(pattern, NULL);
    cso_signals_release();
    free(path);
    free(pattern);
    return status;
}

static cso_status open_random(cso_model **model, char **what, const bench_options *options, cso_error *err) {
    const char *name = options->shape ? options->shape : "smollm2";
    const struct bench_shape *shape = NULL;
    cso_random_model random = {.gguf = true, .dtype = CSO_BF16, .bos = -1, .eos = -1};
    char text[64];
    CSO_TRY(find_shape(name, &shape, err));
    if (options->type)
        CSO_TRY(parse_dtype("--dtype", options->type, &random.dtype, err));
    CSO_TRY(cso_random_model_preset(&random, shape->family, shape->preset, err));
    if (shape->layers || options->layers)
        random.hparams.n_layers = options->layers ? options->layers : shape->layers;
    CSO_TRY(write_and_open(model, &random, err));
    snprintf(text, sizeof text, "%s, %s", name, cso_dtype_get(random.dtype)->name);
    *what = cso_strdup(text);
    return CSO_OK;
}

cso_status bench_model_open(cso_model **model, char **what, const bench_options *options, cso_error *err) {
    *model = NULL;
    *what = NULL;
    if (options->model) {
        CSO_TRY(cso_model_open(model, options->model, err));
        *what = cso_strdup(options->model);
    } else {
        CSO_TRY(open_random(model, what, options, err));
    }
    if (*what)
        return CSO_OK;
    cso_model_free(*model);
    return cso_fail_memory(err, "a name");
}
