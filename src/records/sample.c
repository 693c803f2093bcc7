/* sample.c - random parts of the records.
 *
 * Every record, or every dialogue, draws a number (record_key.h). A fraction takes those below a bound. A count takes the smallest numbers:
 * a heap holds the largest one of those taken so far at its top, which gives way to a smaller one. What was given up once cannot come
 * back, because the top only falls; so all records of a dialogue are taken or none, in one pass.
 */
#include "base/memory.h"
#include "record_key.h"

#include <stdlib.h>
#include <string.h>

/* A record that is taken so far. */
typedef struct taken_record {
    size_t index, next; /* next: of its dialogue, index + 1 in the job's records; 0: none */
    char *text;
    size_t size;
} taken_record;

/* What is or was taken: a record, or a dialogue. */
typedef struct owner {
    uint64_t number; /* what it drew */
    text_hash key;
    size_t first, last; /* its records, index + 1 */
} owner;

typedef struct sample_job {
    const cso_sample_options *options;
    cso_record_sink *sink;
    size_t records;
    owner *owners; /* (n_owners) also those that were given up, which are never asked for again */
    size_t n_owners, owner_capacity;
    hash_map numbers; /* of a dialogue's key: its index in owners */
    size_t *heap;     /* (n) of indexes in owners, the largest number first */
    size_t n, heap_capacity;
    taken_record *taken;
    size_t n_taken, taken_capacity, free_list; /* free_list: index + 1 of a record that was given up */
} sample_job;

static bool larger(const owner *a, const owner *b) {
    return a->number != b->number ? a->number > b->number : a->key.low > b->key.low;
}

static bool heap_larger(const sample_job *job, size_t a, size_t b) {
    return larger(&job->owners[job->heap[a]], &job->owners[job->heap[b]]);
}

static void exchange(sample_job *job, size_t a, size_t b) {
    size_t moved = job->heap[a];
    job->heap[a] = job->heap[b];
    job->heap[b] = moved;
}

static void sift_down(sample_job *job) {
    for (size_t root = 0, child; (child = 2 * root + 1) < job->n; root = child) {
        child += child + 1 < job->n && heap_larger(job, child + 1, child);
        if (!heap_larger(job, child, root))
            return;
        exchange(job, child, root);
    }
}

static void sift_up(sample_job *job) {
    for (size_t at = job->n - 1; at && heap_larger(job, at, (at - 1) / 2); at = (at - 1) / 2)
        exchange(job, at, (at - 1) / 2);
}

/* Gives up the largest. */
static void drop_top(sample_job *job) {
    for (size_t i = job->owners[job->heap[0]].first; i;) {
        taken_record *record = &job->taken[i - 1];
        size_t next = record->next;
        free(record->text);
        record->text = NULL;
        record->next = job->free_list;
        job->free_list = i;
        i = next;
    }
    exchange(job, 0, --job->n); /* behind the heap: heap[n] */
    sift_down(job);
}

static cso_status keep(sample_job *job, owner *of, const char *text, size_t size, cso_error *err) {
    size_t at = job->free_list;
    char *copy = cso_strndup(text, size);
    if (copy && !at && cso_grow(&job->taken, &job->taken_capacity, job->n_taken + 1, sizeof *job->taken))
        at = ++job->n_taken;
    else if (copy && at)
        job->free_list = job->taken[at - 1].next;
    if (!copy || !at) {
        free(copy);
        return cso_fail_memory(err, "the sample");
    }
    job->taken[at - 1] = (taken_record){.index = job->records, .text = copy, .size = size};
    if (of->first)
        job->taken[of->last - 1].next = at;
    else
        of->first = at;
    of->last = at;
    return CSO_OK;
}

static cso_status take(sample_job *job, const char *text, size_t size, const owner *fresh, cso_error *err) {
    size_t index = job->n_owners;
    bool full = job->n == job->options->count, added = true;
    if (full && larger(fresh, &job->owners[job->heap[0]]))
        return CSO_OK;
    if (job->options->by_dialogue && !hash_map_get(&job->numbers, fresh->key, index, &index, &added))
        return cso_fail_memory(err, "the sample");
    if (!added)
        return keep(job, &job->owners[index], text, size, err);
    if (full)
        drop_top(job);
    if (!job->options->by_dialogue && full) /* a record's owner is not asked for again: the one that was given up */
        index = job->heap[job->n];
    if (!cso_grow(&job->owners, &job->owner_capacity, index + 1, sizeof *job->owners) ||
        !cso_grow(&job->heap, &job->heap_capacity, job->n + 1, sizeof *job->heap))
        return cso_fail_memory(err, "the sample");
    job->n_owners += index == job->n_owners;
    job->owners[index] = *fresh;
    CSO_TRY(keep(job, &job->owners[index], text, size, err));
    job->heap[job->n++] = index;
    sift_up(job);
    return CSO_OK;
}

static cso_status visit(void *context, const char *text, size_t size, text_hash key, cso_error *err) {
    sample_job *job = context;
    const cso_sample_options *options = job->options;
    if (!options->by_dialogue)
        key = (text_hash){.low = job->records, .high = 0};
    const owner fresh = {.number = key_draw(options->seed, key), .key = key};
    job->records++;
    if (options->count)
        return take(job, text, size, &fresh, err);
    bool taken = options->fraction >= 1 || (double)fresh.number < options->fraction * 0x1p64;
    return taken ? record_copy(job->sink, text, size, err) : CSO_OK;
}

static int by_index(const void *first, const void *second) {
    const taken_record *a = first, *b = second;
    if (!a->text != !b->text)
        return a->text ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static cso_status write_taken(sample_job *job, cso_error *err) {
    if (job->n_taken)
        qsort(job->taken, job->n_taken, sizeof *job->taken, by_index);
    for (size_t i = 0; i < job->n_taken && job->taken[i].text; i++)
        CSO_TRY(record_copy(job->sink, job->taken[i].text, job->taken[i].size, err));
    return CSO_OK;
}

cso_status cso_sample(const char *const *paths, size_t n_paths, const cso_sample_options *options, cso_record_sink *sink,
                      size_t *records, cso_error *err) {
    sample_job job = {.options = options, .sink = sink};
    key_reader reader = {.same = options->by_dialogue ? CSO_SAME_DIALOGUE : CSO_SAME_RECORD, .visit = visit, .context = &job};
    cso_status status = key_reader_files(&reader, paths, n_paths, err);
    if (status == CSO_OK)
        status = write_taken(&job, err);
    *records = reader.records;
    for (size_t i = 0; i < job.n_taken; i++)
        free(job.taken[i].text);
    free(job.taken);
    free(job.owners);
    free(job.heap);
    hash_map_free(&job.numbers);
    key_reader_free(&reader);
    return status;
}
