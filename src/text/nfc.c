/* nfc.c - see nfc.h.
 *
 * "Form C" is Hugging Face's, whose tables are those of Unicode 9. Characters that are in them have the same form C in every
 * later version; all others stay unchanged and separate the text: between two of them utf8proc decomposes and composes.
 * Marks are put in order here: utf8proc sorts them by insertion, which takes quadratic time for long runs of marks, and a
 * stable counting sort does not.
 */
#include "nfc.h"

#include "base/memory.h"
#include "unicode_ranges.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Blocks in which no character is changed by form C or takes part in a composition, so that most text needs only a scan. */
static bool is_inert(utf8proc_int32_t point) {
    return point < 0x300 || (point >= 0x400 && point <= 0x482) || (point >= 0x2010 && point <= 0x2027) ||
           (point >= 0x3041 && point <= 0x3096) || (point >= 0x30A1 && point <= 0x30FA) || (point >= 0x4E00 && point <= 0x9FFF) ||
           (point >= 0xAC00 && point <= 0xD7A3) || (point >= 0x1F300 && point <= 0x1FAFF);
}

static int combining_class(utf8proc_int32_t point) {
    return utf8proc_get_property(point)->combining_class;
}

/* Sorts marks[count], all with a class other than 0, by class; equal ones keep their order. */
static bool order_run(utf8proc_int32_t *marks, size_t count, utf8proc_int32_t **scratch, size_t *capacity) {
    size_t first[257] = {0};
    bool ordered = true;
    for (size_t i = 1; i < count && ordered; i++)
        ordered = combining_class(marks[i - 1]) <= combining_class(marks[i]);
    if (ordered)
        return true;
    if (!cso_grow(scratch, capacity, count, sizeof **scratch))
        return false;
    for (size_t i = 0; i < count; i++)
        first[(combining_class(marks[i]) & 255) + 1]++;
    for (int i = 0; i < 256; i++)
        first[i + 1] += first[i];
    for (size_t i = 0; i < count; i++)
        (*scratch)[first[combining_class(marks[i]) & 255]++] = marks[i];
    memcpy(marks, *scratch, count * sizeof *marks);
    return true;
}

static bool order_marks(utf8proc_int32_t *list, size_t count) {
    utf8proc_int32_t *scratch = NULL;
    size_t capacity = 0, run = 0;
    bool done = true;
    for (size_t i = 0; i <= count && done; i++) {
        if (i < count && combining_class(list[i]))
            continue;
        if (i - run > 1)
            done = order_run(list + run, i - run, &scratch, &capacity);
        run = i + 1;
    }
    free(scratch);
    return done;
}

/* Whether form C may change a character or its neighbours. */
static bool is_normalized(utf8proc_int32_t point) {
    const size_t count = sizeof cso_unicode_normalized / sizeof *cso_unicode_normalized;
    return point < 0x300 || cso_unicode_in(cso_unicode_normalized, count, (uint32_t)point);
}

/* A run of characters without a separator, decomposed. */
typedef struct points {
    utf8proc_int32_t *items;
    size_t count, capacity;
} points;

static bool decompose(points *run, utf8proc_int32_t point) {
    utf8proc_int32_t parts[32]; /* the longest canonical decomposition has 4 characters */
    int bounds = 0;
    utf8proc_ssize_t count =
        utf8proc_decompose_char(point, parts, 32, (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE), &bounds);
    if (count < 0 || count > 32 || !cso_grow(&run->items, &run->capacity, run->count + (size_t)count, sizeof *run->items))
        return false;
    memcpy(run->items + run->count, parts, (size_t)count * sizeof *parts);
    run->count += (size_t)count;
    return true;
}

/* Orders and composes the run, appends it to *out, and empties it. */
static bool finish_run(points *run, char **out, size_t *size, size_t *capacity) {
    if (!run->count)
        return true;
    if (!order_marks(run->items, run->count))
        return false;
    utf8proc_ssize_t count =
        utf8proc_normalize_utf32(run->items, (utf8proc_ssize_t)run->count, (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    if (count < 0 || !cso_grow(out, capacity, *size + 4 * (size_t)count, 1))
        return false;
    for (utf8proc_ssize_t i = 0; i < count; i++)
        *size += (size_t)utf8proc_encode_char(run->items[i], (utf8proc_uint8_t *)*out + *size);
    run->count = 0;
    return true;
}

static cso_status normalize(const char *text, size_t size, char **normal, size_t *normal_size, cso_error *err) {
    points run = {0};
    char *out = NULL;
    size_t used = 0, capacity = 0;
    bool done = cso_grow(&out, &capacity, size + 1, 1);
    for (size_t at = 0, length; at < size && done; at += length) {
        utf8proc_int32_t point;
        length = (size_t)utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(size - at), &point);
        if (is_normalized(point)) {
            done = decompose(&run, point);
        } else {
            done = finish_run(&run, &out, &used, &capacity) && cso_grow(&out, &capacity, used + length, 1);
            if (done)
                memcpy(out + used, text + at, length);
            used += length;
        }
    }
    done = done && finish_run(&run, &out, &used, &capacity);
    free(run.items);
    if (!done) {
        free(out);
        return cso_fail_memory(err, "normalization");
    }
    *normal = out;
    *normal_size = used;
    return CSO_OK;
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
