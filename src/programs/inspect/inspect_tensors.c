/* inspect_tensors.c - totals of a list of tensors, and whether they hold NaN or Inf. */
#include "inspect.h"

#include "base/memory.h"
#include "base/parallel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

cso_status tensor_list_add(tensor_list *list, const cso_tensor *tensor, cso_error *err) {
    if (!cso_grow(&list->items, &list->capacity, list->count + 1, sizeof *list->items))
        return cso_fail_memory(err, "the list of tensors");
    list->items[list->count++] = tensor;
    return CSO_OK;
}

static uint64_t weights_in(const cso_tensor *tensor) {
    return tensor->n_dims ? (uint64_t)cso_tensor_rows(tensor) * cso_tensor_columns(tensor) : 1;
}

static void report_dtypes(report *r, const tensor_list *list) {
    report_list(r, "dtypes");
    for (int dtype = 0; dtype < CSO_DTYPE_COUNT; dtype++) {
        uint64_t tensors = 0, weights = 0, bytes = 0;
        for (size_t i = 0; i < list->count; i++) {
            const cso_tensor *tensor = list->items[i];
            if ((int)tensor->dtype != dtype)
                continue;
            tensors++;
            weights += weights_in(tensor);
            bytes += tensor->size;
        }
        if (!tensors)
            continue;
        report_row(r);
        report_text(r, "dtype", cso_dtype_get((cso_dtype)dtype)->name);
        report_size(r, "tensors", tensors);
        report_size(r, "weights", weights);
        report_size(r, "bytes", bytes);
        report_end_row(r);
    }
    report_end_list(r);
}

/* Rows of one tensor are checked in parallel, a range of rows per task. */
typedef struct verify_job {
    cso_pool *pool;
    const cso_tensor *tensor;
    size_t rows, columns, rows_per_task;
    uint64_t *counts; /* (tasks, 2): NaN, Inf */
} verify_job;

enum { TASK_WEIGHTS = 1 << 20 };

static void verify_task(void *context, size_t index, int thread) {
    const verify_job *job = context;
    float *row = cso_scratch(job->pool, thread);
    size_t first = index * job->rows_per_task, last = first + job->rows_per_task;
    for (size_t i = first; i < last && i < job->rows; i++) {
        cso_dequantize_row(job->tensor->dtype, cso_tensor_row(job->tensor, i), row, job->columns);
        size_t bad = 0; /* nearly always 0, and this loop is fast */
        for (size_t j = 0; j < job->columns; j++)
            bad += !isfinite(row[j]);
        for (size_t j = 0; bad && j < job->columns; j++) {
            job->counts[2 * index] += isnan(row[j]) != 0;
            job->counts[2 * index + 1] += isinf(row[j]) != 0;
        }
    }
}

static cso_status verify_tensor(cso_pool *pool, const cso_tensor *tensor, uint64_t *nans, uint64_t *infs, cso_error *err) {
    verify_job job = {.pool = pool, .tensor = tensor, .rows = cso_tensor_rows(tensor), .columns = cso_tensor_columns(tensor)};
    *nans = *infs = 0;
    if (!job.rows || !job.columns)
        return CSO_OK;
    job.rows_per_task = job.columns < TASK_WEIGHTS ? TASK_WEIGHTS / job.columns : 1;
    size_t tasks = (job.rows + job.rows_per_task - 1) / job.rows_per_task, bytes;
    if (!cso_size_mul(job.columns, sizeof(float), &bytes))
        return cso_fail_memory(err, tensor->name);
    CSO_TRY(cso_scratch_reserve(pool, bytes, err));
    if (!(job.counts = cso_calloc(tasks, 2 * sizeof *job.counts)))
        return cso_fail_memory(err, tensor->name);
    cso_parallel_for(pool, tasks, verify_task, &job);
    for (size_t i = 0; i < tasks; i++) {
        *nans += job.counts[2 * i];
        *infs += job.counts[2 * i + 1];
    }
    free(job.counts);
    return CSO_OK;
}

static void report_not_finite(report *r, const tensor_list *list, const uint64_t *counts) {
    report_list(r, "not_finite");
    for (size_t i = 0; i < list->count; i++) {
        if (!counts[2 * i] && !counts[2 * i + 1])
            continue;
        report_row(r);
        report_text(r, "name", list->items[i]->name);
        report_size(r, "nan", counts[2 * i]);
        report_size(r, "inf", counts[2 * i + 1]);
        report_end_row(r);
    }
    report_end_list(r);
}

static cso_status verify(report *r, int threads, const tensor_list *list, const char *place, cso_error *err) {
    size_t bad = 0, first = 0;
    cso_status status = CSO_OK;
    uint64_t *counts = cso_calloc(list->count, 2 * sizeof *counts); /* NaN, Inf of each tensor */
    if (!counts)
        return cso_fail_memory(err, "the list of tensors");
    cso_pool *pool;
    status = cso_pool_create(&pool, threads, err);
    for (size_t i = 0; status == CSO_OK && i < list->count; i++) {
        status = verify_tensor(pool, list->items[i], &counts[2 * i], &counts[2 * i + 1], err);
        if ((counts[2 * i] || counts[2 * i + 1]) && !bad++)
            first = i;
    }
    cso_pool_free(pool);
    report_size(r, "tensors_not_finite", bad);
    if (bad || r->json)
        report_not_finite(r, list, counts);
    free(counts);
    if (status == CSO_OK && bad)
        status =
            cso_fail(err, CSO_ERR_INPUT, "%s: %zu tensors hold NaN or Inf, the first is %s", place, bad, list->items[first]->name);
    return status;
}

cso_status inspect_tensors(report *r, const inspect_options *options, const tensor_list *list, const char *total, const char *place,
                           cso_error *err) {
    uint64_t weights = 0, bytes = 0;
    for (size_t i = 0; i < list->count; i++) {
        weights += weights_in(list->items[i]);
        bytes += list->items[i]->size;
    }
    report_size(r, "tensor_count", list->count);
    report_size(r, total, weights);
    report_size(r, "bytes", bytes);
    report_dtypes(r, list);
    if (options->tensors) {
        report_list(r, "tensors");
        for (size_t i = 0; i < list->count; i++) {
            const cso_tensor *tensor = list->items[i];
            report_row(r);
            report_text(r, "name", tensor->name);
            report_text(r, "dtype", cso_dtype_get(tensor->dtype)->name);
            report_shape(r, "shape", tensor->n_dims, tensor->shape);
            report_end_row(r);
        }
        report_end_list(r);
    }
    return options->verify ? verify(r, options->threads, list, place, err) : CSO_OK;
}
