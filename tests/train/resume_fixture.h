/* resume_fixture.h - a run of 60 steps of a very small random model, 3 epochs of 20 with a short last batch, with dropout and
 * evaluations, cut into as many "processes" as a test likes: each has its own adapter, optimizer and engine, and knows of the
 * others what is in the run's folder. */
#ifndef CSO_TESTS_RESUME_FIXTURE_H
#define CSO_TESTS_RESUME_FIXTURE_H

#include "../golden.h"

#include "train/checkpoint.h"
#include "train/trainer.h"

enum { RESUME_EPOCH = 20, RESUME_STEPS = 60, RESUME_PAIRS = 39, RESUME_BATCH = 2 };

typedef struct resume_fixture {
    char root[64];    /* a fresh folder */
    cso_context *ctx; /* of one thread: so small a model gains nothing from more */
    cso_model *model;
    cso_dataset data, eval;
    cso_run_config config; /* of the next process; checkpoint.dir is given to run() */
    cso_lora_options lora;
    size_t memory;                  /* of the engine */
    const cso_loss *loss;           /* NULL: cso */
    const cso_objective *objective; /* in place of loss; NULL: loss with the configuration's options */
    /* What a test does to a run after each step, before anything is saved; may be NULL. */
    void (*after_step)(cso_adapter *adapter, const cso_step_report *report);
} resume_fixture;

/* What a process did. */
typedef struct process {
    cso_status status;
    cso_error err;
    cso_step_report steps[RESUME_STEPS + 20];
    size_t count, stop_at;
    char notes[8000], warnings[4000]; /* a line each */
    cso_adapter *adapter;             /* while it runs */
    void (*after_step)(cso_adapter *adapter, const cso_step_report *report);
} process;

void resume_fixture_open(resume_fixture *f);
void resume_fixture_close(resume_fixture *f);

/* One process: trains in root/dir, as --resume `resume` asks, until a SIGTERM in step stop_at (0: to the end). */
void run_process(resume_fixture *f, process *p, const char *dir, const char *resume, size_t stop_at);
/* The same, which must go well: CSO_OK, or CSO_STOPPED where stop_at is given. */
void run_well(resume_fixture *f, process *p, const char *dir, size_t stop_at);
/* The same, which must fail with exit code `status` and all of the words, NULL at the end, in its message. */
void run_refused(resume_fixture *f, const char *dir, cso_status status, ...);

/* root/NAME; static until the eighth next call. */
char *root_path(const resume_fixture *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A whole file; the caller frees. And writing one, without any care. */
char *take_file(const char *path, size_t *size);
void put_file(const char *path, const void *bytes, size_t size);
void flip_byte(const char *path, size_t at, unsigned char mask);
/* cp -r */
void copy_folder(const char *from, const char *to);

/* The files of a checkpoint. */
enum { CHECKPOINT_FILES = 5 };
extern const char *const checkpoint_files[CHECKPOINT_FILES];
/* Fails the test unless all are equal, byte by byte, but for checkpoint.every_steps and the checksums of the file that tells it. */
void same_checkpoint(const resume_fixture *f, const char *dir_a, const char *dir_b, size_t step);
/* The same of runs with the same settings: byte by byte. */
void same_bytes(const resume_fixture *f, const char *dir_a, const char *dir_b, size_t step);
/* Fails the test unless both runs' metrics.jsonl say the same of the steps 1 to n, each once and in order, apart from times. */
void same_metrics(const resume_fixture *f, const char *dir_a, const char *dir_b, size_t n);
/* Fails the test unless exactly these checkpoints are there. */
void expect_steps(const resume_fixture *f, const char *dir, const size_t *steps, size_t count);

#endif
