/* trainer_resume.c - which checkpoint a run goes on from, and what may differ from the process that wrote it. */
#include "trainer_parts.h"

#include "checkpoint_files.h"
#include "kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Renames damaged checkpoints newer than the one in use: the run writes their steps again, and rotation must not count them. */
static cso_status set_aside(const trainer *t, const size_t *steps, size_t count, cso_error *err) {
    for (size_t i = 0; i < count && !t->looks_only; i++) {
        CSO_TRY(cso_checkpoint_set_aside(t->job->config->checkpoint.dir, steps[i], err));
        trainer_warn(t, "checkpoint-%zu is now called checkpoint-%zu.damaged", steps[i], steps[i]);
    }
    return CSO_OK;
}

/* Reads the newest intact checkpoint. Reports a damaged one and tries the one before it; one of another run is an error. Renames
 * nothing unless one is intact. */
static cso_status resume_newest(trainer *t, const size_t *steps, size_t count, cso_error *err) {
    cso_status status = CSO_OK;
    for (size_t i = count; i-- > 0;) {
        bool damaged;
        char *path = checkpoint_path(t->job->config->checkpoint.dir, steps[i]);
        if (!path)
            return cso_fail_memory(err, "a path");
        status = cso_checkpoint_read(path, &t->identity, &t->adamw, &t->state, &t->history, &damaged, err);
        if (status == CSO_OK) {
            trainer_note(t, "resuming from %s", path);
            status = set_aside(t, steps + i + 1, count - i - 1, err);
            damaged = false;
        }
        free(path);
        if (status != CSO_ERR_INPUT || !damaged)
            return status;
        trainer_warn(t, "%s; %s", err->message, i ? "trying the one before it" : "there is no older one");
    }
    return status;
}

static cso_status resume_from(trainer *t, const char *path, const size_t *steps, size_t count, cso_error *err) {
    bool damaged;
    CSO_TRY(cso_checkpoint_read(path, &t->identity, &t->adamw, &t->state, &t->history, &damaged, err));
    if (count && steps[count - 1] > t->state.step)
        return cso_fail(err, CSO_ERR_USAGE, "%s: holds checkpoint-%zu, which is newer than %s (expected another checkpoint.dir)",
                        t->job->config->checkpoint.dir, steps[count - 1], path);
    trainer_note(t, "resuming from %s", path);
    return CSO_OK;
}

cso_status trainer_resume(trainer *t, cso_error *err) {
    const char *dir = t->job->config->checkpoint.dir, *how = t->job->resume;
    size_t *steps, count;
    cso_status status;
    CSO_TRY(cso_checkpoint_list(dir, &steps, &count, err));
    if (!strcmp(how, "auto"))
        status = resume_newest(t, steps, count, err);
    else if (strcmp(how, "never") != 0)
        status = resume_from(t, how, steps, count, err);
    else if (count)
        status =
            cso_fail(err, CSO_ERR_USAGE, "%s: holds checkpoint-%zu already (expected --resume auto, or another checkpoint.dir)",
                     dir, steps[count - 1]);
    else
        status = CSO_OK;
    free(steps);
    t->saved_step = t->state.step;
    t->unproven = t->state.step > 0;
    return status;
}

void trainer_take_over(trainer *t) {
    cso_train_state *s = &t->state;
    const char *kernels = cso_engine_context(t->job->engine)->kernels->name;
    size_t total = t->length.total_steps;
    if (s->total_steps && s->total_steps != total && t->job->config->train.schedule != CSO_SCHEDULE_CONSTANT)
        trainer_warn(t, "the run had %zu steps and has %zu now: its %s schedule goes on as that of %zu steps", s->total_steps,
                     total, cso_schedule_words[t->job->config->train.schedule], total);
    if (*s->kernels && strcmp(s->kernels, kernels) != 0)
        trainer_warn(t, "the run was made with %s kernels and goes on with %s: it will differ in last bits", s->kernels, kernels);
    s->total_steps = total;
    snprintf(s->kernels, sizeof s->kernels, "%s", kernels);
    if (!s->max_tokens)
        s->max_tokens = cso_engine_tree_tokens(t->job->engine);
}
