/* line_store.c - see line_store.h. */
#include "line_store.h"

#include "base/memory.h"

#include <stdlib.h>

struct line_store {
    const char *path;
    reply_file *file; /* NULL: in memory */
    cso_text *lines;  /* (count) in memory */
    size_t count, done;
    cso_text all;
};

cso_status line_store_open(line_store **result, const char *path, size_t lines, reply_expected expected, void *context,
                           cso_error *err) {
    line_store *s = *result = cso_calloc(1, sizeof *s);
    if (!s)
        return cso_fail_memory(err, "predictions");
    s->path = path;
    s->count = lines;
    if (path)
        return reply_file_open(&s->file, path, lines, expected, context, err);
    s->lines = cso_calloc(lines, sizeof *s->lines);
    return s->lines ? CSO_OK : cso_fail_memory(err, "predictions");
}

bool line_store_has(const line_store *s, size_t position) {
    return s->file ? reply_file_has(s->file, position) : s->lines[position].data != NULL;
}

size_t line_store_count(const line_store *s) {
    return s->file ? reply_file_count(s->file) : s->done;
}

cso_status line_store_add(line_store *s, size_t position, char *line, size_t size, cso_error *err) {
    if (s->file)
        return reply_file_add(s->file, position, line, size, err);
    s->lines[position] = (cso_text){.data = line, .size = size};
    s->done++;
    return CSO_OK;
}

cso_status line_store_end(line_store *s, cso_error *err) {
    return s->file ? reply_file_end(s->file, err) : CSO_OK;
}

cso_status line_store_read(line_store *s, FILE **file, cso_error *err) {
    if (s->file) {
        *file = fopen(s->path, "r");
        return *file ? CSO_OK : cso_fail_errno(err, "open", s->path);
    }
    s->all.size = 0;
    for (size_t i = 0; i < s->count; i++)
        cso_text_add(&s->all, s->lines[i].data, s->lines[i].size);
    if (s->all.failed)
        return cso_fail_memory(err, "predictions");
    *file = fmemopen(s->all.data, s->all.size, "r");
    return *file ? CSO_OK : cso_fail_errno(err, "read", "the predictions");
}

void line_store_close(line_store *s) {
    if (!s)
        return;
    reply_file_close(s->file);
    for (size_t i = 0; s->lines && i < s->count; i++)
        free(s->lines[i].data);
    free(s->lines);
    free(s->all.data);
    free(s);
}
