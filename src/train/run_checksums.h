/* run_checksums.h - cso_checksums.json of a run's folder: what must be there, and checksums of what has none of its own; inside
 * src/train only.
 *
 * Members: "metrics" {step, bytes, checksum}: the whole lines of metrics.jsonl, up to that of the step, null while a process
 * begins; "config": the checksums that config.toml may have, two while it is being replaced, [] if none was written; "checkpoints":
 * the steps of those that are kept; "adapter": whether adapter/ is there. It is written before what it says no more is removed, so
 * that at every moment, and after a kill at any, what it says holds.
 */
#ifndef CSO_RUN_CHECKSUMS_H
#define CSO_RUN_CHECKSUMS_H

#include "metrics_log.h"

typedef struct cso_run_checksums {
    const cso_metrics_log *metrics; /* NULL: not known yet */
    const char *config[2];          /* checksums, NULL: none */
    const size_t *checkpoints;      /* (checkpoint_count) ascending */
    size_t checkpoint_count;
} cso_run_checksums;

/* Whether adapter/ is there it finds out itself. */
cso_status cso_run_checksums_write(const char *dir, const cso_run_checksums *checksums, cso_error *err);
/* Writes dir/config.toml, and checksums that allow for what was there before, too: no metrics, no checkpoints yet. text NULL: the file
 * stays as it is. checksum gets that of the file, "" if there is none. */
cso_status cso_run_config_save(const char *dir, const char *text, char checksum[33], cso_error *err);

#endif
