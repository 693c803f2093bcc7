/* metrics_log.c - see metrics_log.h. */
#include "metrics_log.h"

#include "base/file.h"
#include "base/io_calls.h"
#include "base/memory.h"
#include "step_metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 1 << 30 };

/* The step of a line, 0 if it has none (a torn or foreign line). */
static size_t step_of(const char *line, size_t size) {
    cJSON *value = NULL;
    size_t step = 0;
    if (cso_json_parse(&value, line, size, "metrics", 1, NULL) != CSO_OK)
        return 0;
    if (cso_json_size(value, "step", "metrics", 0, &step, NULL) != CSO_OK)
        step = 0;
    cJSON_Delete(value);
    return step;
}

/* Rewrites the file without the lines of later steps, and begins the digest with what stays. */
static cso_status keep_lines(cso_metrics_log *log, const char *path, size_t last_step, cso_error *err) {
    char *text = NULL;
    size_t size, kept = 0;
    if (!cso_path_exists(path))
        return CSO_OK;
    CSO_TRY(cso_read_file(path, MAX_BYTES, &text, &size, err));
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        if (!end)
            break; /* torn */
        size_t length = (size_t)(end - (text + at)), step = last_step ? step_of(text + at, length) : 0;
        if (step && step <= last_step) {
            memmove(text + kept, text + at, length + 1);
            kept += length + 1;
        }
        at += length + 1;
    }
    cso_status status = kept == size ? CSO_OK : cso_save_text(path, text, kept, err);
    cso_digest_add(&log->digest, text, kept);
    log->bytes = kept;
    free(text);
    return status;
}

static void mark_whole(cso_metrics_log *log) {
    log->whole.bytes = log->bytes;
    log->whole.step = log->step;
    log->whole.digest = log->digest;
}

cso_status cso_metrics_log_open(cso_metrics_log *log, const char *path, size_t last_step, cso_error *err) {
    *log = (cso_metrics_log){0};
    cso_digest_begin(&log->digest);
    if (cso_path_is_link(path))
        return cso_fail(err, CSO_ERR_USAGE, "%s: is a link (expected a file)", path);
    CSO_TRY(keep_lines(log, path, last_step, err));
    int file = cso_io_open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (file < 0)
        return cso_fail_errno(err, "open", path);
    log->path = cso_strdup(path);
    if (!log->path) {
        cso_io_close(file);
        return cso_fail_memory(err, "the metrics log");
    }
    log->file = file;
    log->step = last_step;
    mark_whole(log);
    return CSO_OK;
}

static void add_metric(void *context, const cso_metric *metric) {
    cso_text *line = context;
    cso_text_format(line, "%s\"%s%s\": ", line->size ? ", " : "{", metric->prefix, metric->name);
    switch (metric->kind) {
    case CSO_METRIC_NUMBER:
        cso_text_json_number(line, metric->number);
        break;
    case CSO_METRIC_COUNT:
        cso_text_format(line, "%zu", metric->count);
        break;
    case CSO_METRIC_FLAG:
        cso_text_format(line, metric->flag ? "true" : "false");
        break;
    case CSO_METRIC_TEXT:
        cso_text_json_string(line, metric->text, strlen(metric->text));
        break;
    }
}

static cso_status flush(cso_metrics_log *log, cso_error *err) {
    size_t done = 0;
    cso_status status = CSO_OK;
    while (status == CSO_OK && done < log->waiting.size) {
        ssize_t written = cso_io_write(log->file, log->waiting.data + done, log->waiting.size - done);
        if (written > 0)
            done += (size_t)written;
        else if (written == 0 || errno != EINTR)
            status = cso_fail_errno(err, "write", log->path);
    }
    cso_digest_add(&log->digest, log->waiting.data, done);
    log->bytes += done;
    log->waiting.size -= done;
    if (log->waiting.size)
        memmove(log->waiting.data, log->waiting.data + done, log->waiting.size);
    else
        mark_whole(log);
    log->behind = status != CSO_OK;
    return status;
}

cso_status cso_metrics_log_write(cso_metrics_log *log, const cso_step_report *report, cso_error *err) {
    cso_text line = {0};
    cso_step_metrics(report, add_metric, &line);
    cso_text_format(&line, "}\n");
    if (!line.failed) {
        cso_text_add(&log->waiting, line.data, line.size);
        line.failed = log->waiting.failed;
        log->waiting.failed = false; /* what waited before is as it was */
    }
    free(line.data);
    if (line.failed) {
        log->behind = false;
        return cso_fail_memory(err, "a line of the metrics log");
    }
    log->step = report->step;
    return flush(log, err);
}

cso_status cso_metrics_log_sync(cso_metrics_log *log, cso_error *err) {
    CSO_TRY(flush(log, err));
    if (cso_io_fsync(log->file) && errno != EINVAL && errno != ENOTSUP) /* a pipe or a device has no disk */
        return cso_fail_errno(err, "flush", log->path);
    return CSO_OK;
}

void cso_metrics_log_close(cso_metrics_log *log) {
    if (log->path)
        cso_io_close(log->file);
    free(log->path);
    free(log->waiting.data);
    *log = (cso_metrics_log){0};
}
