#include "records_fixture.h"

#include "base/file.h"
#include "base/memory.h"
#include "golden.h"
#include "test_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *next_path(void) {
    static char paths[4][1024];
    static unsigned next;
    return paths[next++ % 4];
}

const char *records_file(const char *name, const char *text, size_t size) {
    char *path = next_path();
    cso_error err = {0};
    snprintf(path, 1024, "%s/%s", process_folder(), name);
    golden_ok(cso_save_text(path, text, size, &err), &err);
    return path;
}

const char *records_shared(const char *name) {
    char *path = next_path();
    snprintf(path, 1024, "%s/%s", CSO_SHARED_DATA, name);
    if (cso_path_exists(path))
        return path;
    print_message("skipped: the large fixture %s is not here\n", name);
    return NULL;
}

char *records_read(const char *path, size_t *size) {
    char *text;
    cso_error err = {0};
    golden_ok(cso_read_file(path, 1 << 26, &text, size, &err), &err);
    return text;
}

static cso_status keep(void *context, const char *bytes, size_t size, cso_error *err) {
    cso_text *out = context;
    cso_text_add(out, bytes, size);
    return out->failed ? cso_fail_memory(err, "the output") : CSO_OK;
}

cso_record_sink records_sink(cso_text *out) {
    *out = (cso_text){0};
    return (cso_record_sink){.write = keep, .context = out};
}

char *records_convert(const char *path, cso_data_form to, bool keep_all, cso_convert_result *result, cso_status *status,
                      cso_error *err) {
    cso_text out;
    cso_record_sink sink = records_sink(&out);
    const cso_convert_options options = {.to = to, .keep = keep_all};
    *status = cso_convert(&options, &path, 1, &sink, result, err);
    cso_status closed = record_sink_close(&sink, *status == CSO_OK, *status == CSO_OK ? err : NULL);
    if (*status == CSO_OK)
        *status = closed;
    return out.data ? out.data : cso_strdup("");
}

char *records_convert_text(const char *text, cso_data_form to, bool keep_all, cso_convert_result *result) {
    cso_convert_result own;
    cso_status status;
    cso_error err = {0};
    char *out = records_convert(records_file("in.jsonl", text, strlen(text)), to, keep_all, result ? result : &own, &status, &err);
    golden_ok(status, &err);
    return out;
}

/* The next line, parsed; NULL at the end. */
static cJSON *next_line(const char **text) {
    cJSON *value = NULL;
    cso_error err = {0};
    size_t size = strcspn(*text, "\n");
    if (!size)
        return NULL;
    golden_ok(cso_json_parse(&value, *text, size, "text", 1, &err), &err);
    *text += size + ((*text)[size] == '\n');
    return value;
}

void records_assert_same(const char *found, const char *expected) {
    for (size_t line = 1;; line++) {
        cJSON *a = next_line(&found), *b = next_line(&expected);
        if (!a && !b)
            return;
        char *x = a ? cJSON_PrintUnformatted(a) : NULL, *y = b ? cJSON_PrintUnformatted(b) : NULL;
        if (!x || !y || strcmp(x, y) != 0)
            fail_msg("line %zu: %s\nexpected: %s", line, x ? x : "nothing", y ? y : "nothing");
        cJSON_free(x);
        cJSON_free(y);
        cJSON_Delete(a);
        cJSON_Delete(b);
    }
}

static size_t allowed;
static bool count_down(size_t bytes) {
    (void)bytes;
    return allowed && allowed--;
}

void records_fail_memory(size_t n) {
    allowed = n;
    cso_memory_set_hook(n == SIZE_MAX ? NULL : count_down);
}
