/* dedup.c - records without those that came before. */
#include "hash_set.h"
#include "record_key.h"

typedef struct dedup_job {
    hash_set seen;
    cso_record_sink *sink;
} dedup_job;

static cso_status visit(void *context, const char *text, size_t size, text_hash key, cso_error *err) {
    dedup_job *job = context;
    bool added;
    if (!hash_set_add(&job->seen, key, &added))
        return cso_fail_memory(err, "the hashes of the records");
    return added ? record_copy(job->sink, text, size, err) : CSO_OK;
}

cso_status cso_dedup(const char *const *paths, size_t n_paths, cso_same same, cso_record_sink *sink, size_t *records,
                     cso_error *err) {
    dedup_job job = {.sink = sink};
    key_reader reader = {.same = same, .visit = visit, .context = &job};
    cso_status status = key_reader_files(&reader, paths, n_paths, err);
    *records = reader.records;
    hash_set_free(&job.seen);
    key_reader_free(&reader);
    return status;
}
