/* nfc.c - see nfc.h.
 *
 * utf8proc decomposes and composes. Marks are put in order here: utf8proc sorts them by insertion, which takes quadratic
 * time for long runs of marks, and a stable counting sort does not.
 */
#include "nfc.h"

#include "cso/memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Blocks in which no character is changed by form C or takes part in a composition, so that most text needs no more than a look. */
static bool is_inert(utf8proc_int32_t point) {
    return point < 0x300 || (point >= 0x400 && point <= 0x482) || (point >= 0x2010 && point <= 0x2027) ||
           (point >= 0x3041 && point <= 0x3096) || (point >= 0x30A1 && point <= 0x30FA) || (point >= 0x4E00 && point <= 0x9FFF) ||
           (point >= 0xAC00 && point <= 0xD7A3) || (point >= 0x1F300 && point <= 0x1FAFF);
}

static int combining_class(utf8proc_int32_t point) {
    return utf8proc_get_property(point)->combining_class;
}

/* Sorts points[count], all with a class other than 0, by class; equal ones keep their order. */
static bool order_run(utf8proc_int32_t *points, size_t count, utf8proc_int32_t **scratch, size_t *capacity) {
    size_t first[257] = {0};
    bool ordered = true;
    for (size_t i = 1; i < count && ordered; i++)
        ordered = combining_class(points[i - 1]) <= combining_class(points[i]);
    if (ordered)
        return true;
    if (!cso_grow(scratch, capacity, count, sizeof **scratch))
        return false;
    for (size_t i = 0; i < count; i++)
        first[(combining_class(points[i]) & 255) + 1]++;
    for (int i = 0; i < 256; i++)
        first[i + 1] += first[i];
    for (size_t i = 0; i < count; i++)
        (*scratch)[first[combining_class(points[i]) & 255]++] = points[i];
    memcpy(points, *scratch, count * sizeof *points);
    return true;
}

static bool order_marks(utf8proc_int32_t *points, size_t count) {
    utf8proc_int32_t *scratch = NULL;
    size_t capacity = 0, run = 0;
    bool done = true;
    for (size_t i = 0; i <= count && done; i++) {
        if (i < count && combining_class(points[i]))
            continue;
        if (i - run > 1)
            done = order_run(points + run, i - run, &scratch, &capacity);
        run = i + 1;
    }
    free(scratch);
    return done;
}

static cso_status normalize(const char *text, size_t size, char **normal, size_t *normal_size, cso_error *err) {
    cso_status status = CSO_OK;
    utf8proc_int32_t *points = NULL, point, parts[32]; /* the longest canonical decomposition has 4 characters */
    size_t count = 0, capacity = 0, used = 0;
    char *out = NULL;
    for (size_t at = 0; at < size;) {
        int bounds = 0;
        at += (size_t)utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(size - at), &point);
        utf8proc_ssize_t n = utf8proc_decompose_char(point, parts, 32, UTF8PROC_STABLE | UTF8PROC_COMPOSE, &bounds);
        if (n < 0 || n > 32 || !cso_grow(&points, &capacity, count + (size_t)n, sizeof *points)) {
            status = cso_fail_memory(err, "normalization");
            goto done;
        }
        memcpy(points + count, parts, (size_t)n * sizeof *points);
        count += (size_t)n;
    }
    if (!order_marks(points, count)) {
        status = cso_fail_memory(err, "normalization");
        goto done;
    }
    utf8proc_ssize_t composed =
        utf8proc_normalize_utf32(points, (utf8proc_ssize_t)count, (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    if (composed < 0 || !(out = malloc((size_t)composed * 4 + 1))) {
        status = cso_fail_memory(err, "normalization");
        goto done;
    }
    for (utf8proc_ssize_t i = 0; i < composed; i++)
        used += (size_t)utf8proc_encode_char(points[i], (utf8proc_uint8_t *)out + used);
    *normal = out;
    *normal_size = used;
done:
    free(points);
    return status;
}

cso_status cso_nfc(const char *text, size_t size, char **normal, size_t *normal_size, cso_error *err) {
    *normal = NULL;
    for (size_t at = 0; at < size;) {
        utf8proc_int32_t point = (unsigned char)text[at];
        size_t length = 1;
        if (point >= 0xCC) /* below U+0300 nothing is composed or decomposed */
            length = (size_t)utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(size - at), &point);
        if (!is_inert(point))
            return normalize(text, size, normal, normal_size, err);
        at += length;
    }
    return CSO_OK;
}
