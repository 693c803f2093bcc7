/* run_identity.h - the identity of a run, from the rows of its keys; inside src/train only. */
#ifndef CSO_RUN_IDENTITY_H
#define CSO_RUN_IDENTITY_H

#include "base/identity.h"
#include "trainer.h"

/* Everything that the bits of the result depend on, except what may change at resume (FREE in run_options.c). */
cso_status run_identity_make(cso_identity *identity, const cso_train_job *job, cso_error *err);
/* What decides when a run of total_steps saves, evaluates and ends, but not its result. Processes that differ here would wait for
 * each other forever, or drift apart bit by bit. */
cso_status run_course_make(cso_identity *course, const cso_train_job *job, size_t total_steps, cso_error *err);

#endif
