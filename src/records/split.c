/* split.c - shares of the dialogues of data files.
 *
 * The first pass gathers what the dialogues draw (record_key.h), each once. Sorted, these numbers are cut where the parts end; the second pass
 * finds a record's part by the number that its dialogue draws, so no dialogue needs to be remembered.
 */
#include "split.h"

#include "base/file.h"
#include "base/memory.h"
#include "hash_set.h"
#include "record_key.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct split_job {
    cso_part *parts;
    size_t n_parts;
    uint64_t seed;
    hash_set dialogues; /* {what it draws, a part of its key}; sorted by the first */
    text_hash *ends;    /* (n_parts) the first dialogue that no longer belongs to the part */
    FILE *copy;         /* of standard input; NULL: it is not read */
    char copy_path[64];
    size_t copied; /* records */
} split_job;

static text_hash drawn(const split_job *job, text_hash key) {
    return (text_hash){.high = key_draw(job->seed, key), .low = key.low};
}

static cso_status gather(void *context, const char *text, size_t size, text_hash key, cso_error *err) {
    split_job *job = context;
    bool added;
    if (!hash_set_add(&job->dialogues, drawn(job, key), &added))
        return cso_fail_memory(err, "the dialogues");
    (void)text;
    (void)size;
    return CSO_OK;
}

/* The same, and the record goes to the copy. */
static cso_status gather_copy(void *context, const char *text, size_t size, text_hash key, cso_error *err) {
    split_job *job = context;
    const char separator = job->copied++ ? ',' : '['; /* an element may go over several lines, so the copy is an array */
    if (putc(separator, job->copy) == EOF || fwrite(text, 1, size, job->copy) != size)
        return cso_fail_errno(err, "write", "the copy of standard input");
    return gather(job, text, size, key, err);
}

static bool before(text_hash a, text_hash b) {
    return a.high != b.high ? a.high < b.high : a.low < b.low;
}

/* Where the parts end among the sorted dialogues. */
static cso_status cut(split_job *job, const char *path, cso_error *err) {
    size_t count = job->dialogues.count, from = 0;
    double sum = 0;
    hash_set_sort(&job->dialogues);
    for (size_t i = 0; i < job->n_parts; i++) {
        sum += job->parts[i].fraction;
        size_t end = i + 1 == job->n_parts ? count : (size_t)floor(sum * (double)count + 0.5);
        end = end < count ? end : count;
        if (end <= from)
            return cso_fail(err, CSO_ERR_INPUT,
                            "%s: part %s would be empty: there are %zu dialogues (expected more, or another fraction than %g)",
                            path, job->parts[i].name, count, job->parts[i].fraction);
        job->parts[i].dialogues = end - from;
        job->ends[i] = end < count ? job->dialogues.slots[end] : (text_hash){UINT64_MAX, UINT64_MAX};
        from = end;
    }
    return CSO_OK;
}

static cso_status share_out(void *context, const char *text, size_t size, text_hash key, cso_error *err) {
    split_job *job = context;
    text_hash own = drawn(job, key);
    size_t i = 0;
    while (i + 1 < job->n_parts && !before(own, job->ends[i]))
        i++;
    job->parts[i].records++;
    return record_copy(job->parts[i].sink, text, size, err);
}

/* A file that has no name, so that nothing remains of it. */
static cso_status open_copy(split_job *job, const char *folder, cso_error *err) {
    char *path = cso_path_join(folder, "cso-data-XXXXXX");
    if (!path)
        return cso_fail_memory(err, folder);
    int file = mkostemp(path, O_CLOEXEC);
    if (file >= 0)
        unlink(path);
    cso_status status = file < 0 ? cso_fail_errno(err, "create", path) : CSO_OK;
    free(path);
    if (status != CSO_OK)
        return status;
    job->copy = fdopen(file, "w+");
    if (!job->copy) {
        close(file);
        return cso_fail_memory(err, folder);
    }
    snprintf(job->copy_path, sizeof job->copy_path, "/proc/self/fd/%d", file);
    return CSO_OK;
}

static cso_status first_pass(split_job *job, key_reader *reader, const char *const *paths, size_t n_paths, const char *folder,
                             cso_error *err) {
    for (size_t i = 0; i < n_paths; i++) {
        bool stream = cso_is_standard_input(paths[i]);
        if (stream && job->copy)
            return cso_fail(err, CSO_ERR_USAGE, "standard input is named twice");
        if (stream)
            CSO_TRY(open_copy(job, folder, err));
        reader->visit = stream ? gather_copy : gather;
        CSO_TRY(key_reader_file(reader, paths[i], err));
        if (stream && (putc(']', job->copy) == EOF || fflush(job->copy)))
            return cso_fail_errno(err, "write", "the copy of standard input");
    }
    return CSO_OK;
}

static cso_status second_pass(split_job *job, key_reader *reader, const char *const *paths, size_t n_paths, cso_error *err) {
    size_t records = reader->records;
    reader->records = 0;
    reader->visit = share_out;
    hash_set_free(&job->dialogues);
    for (size_t i = 0; i < n_paths; i++)
        CSO_TRY(key_reader_file(reader, cso_is_standard_input(paths[i]) ? job->copy_path : paths[i], err));
    if (reader->records != records)
        return cso_fail(err, CSO_ERR_INPUT, "the files changed while they were read: %zu records, then %zu", records,
                        reader->records);
    return CSO_OK;
}

cso_status cso_split(const char *const *paths, size_t n_paths, cso_part *parts, size_t n_parts, uint64_t seed, const char *folder,
                     cso_error *err) {
    split_job job = {.parts = parts, .n_parts = n_parts, .seed = seed};
    key_reader reader = {.same = CSO_SAME_DIALOGUE, .context = &job};
    cso_status status;
    job.ends = cso_calloc(n_parts, sizeof *job.ends);
    if (!job.ends)
        return cso_fail_memory(err, "the parts");
    CSO_TRY_DONE(first_pass(&job, &reader, paths, n_paths, folder, err));
    CSO_TRY_DONE(cut(&job, cso_input_name(paths[0]), err));
    status = second_pass(&job, &reader, paths, n_paths, err);
done:
    hash_set_free(&job.dialogues);
    key_reader_free(&reader);
    if (job.copy)
        fclose(job.copy);
    free(job.ends);
    return status;
}
