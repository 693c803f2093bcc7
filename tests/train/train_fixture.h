/* train_fixture.h - a tiny model, its pairs and a configuration, for tests of the train layer. */
#ifndef CSO_TESTS_TRAIN_FIXTURE_H
#define CSO_TESTS_TRAIN_FIXTURE_H

#include "../golden.h"
#include "test_objective.h"
#include "train/run_objective.h"
#include "train/trainer.h"

typedef struct train_fixture {
    cso_context *ctx;
    cso_model *model;
    cso_engine *engine;
    cso_adapter *adapter, *reference; /* reference may be NULL */
    cso_dataset data;                 /* the 16 pairs of goldens/pref/llama-tiny, in their order */
    cso_run_config config;            /* that of goldens/train: 3 epochs, 8 pairs a step, cosine with 2 steps of warm-up, AdamW */
    cso_objective objective;          /* of the last job */
    char dir[64];                     /* a fresh folder; the configuration's checkpoint.dir */
    const char *start;                /* name of the adapter that was read */
    const char *name;                 /* of the model: "llama-tiny" */
} train_fixture;

/* adapter: "r4", "r4-fresh", ... of goldens/adapters/llama-tiny. memory 0: plenty. */
void train_fixture_open(train_fixture *f, const char *adapter, size_t memory);
/* A golden model of any family from its adapter r4, with the 16 golden conversations and loss.type = "sft". */
void train_fixture_open_sft(train_fixture *f, const char *model);
void train_fixture_close(train_fixture *f); /* and removes the folder */
/* An adapter of the fixture's model, as it was read. */
cso_adapter *train_fixture_adapter(const train_fixture *f, const char *adapter);
/* The adapter as it was read, in place of the trained one, with the same dropout: what another process would begin with. */
void train_fixture_restart(train_fixture *f);
cso_train_job train_fixture_job(train_fixture *f);

/* The adapter's parameters against the tensors PREFIX + "model.layers.0.self_attn.q_proj.lora_A" of a golden file: relative, by
 * norms. */
double adapter_distance(const cso_adapter *adapter, const cso_safetensors *file, const char *prefix);

/* A metric of a loss on pairs: "rewards/margins". */
double pair_metric(const double *metrics, const char *name);

/* A data set over sequences given as whole pairs: chosen, rejected and where the replies begin. */
typedef struct test_pair {
    const int32_t *ids[2];
    size_t length[2], prompt_length;
} test_pair;
cso_dataset test_dataset(const test_pair *pairs, size_t count);
void test_dataset_free(cso_dataset *data);

/* The path of a file in the fixture's folder; static until the fourth next call. */
const char *train_fixture_path(const train_fixture *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A whole file; the caller frees. */
char *read_text(const char *path, size_t *size);

#endif
