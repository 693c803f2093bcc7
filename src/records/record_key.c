/* record_key.c - see record_key.h. */
#include "record_key.h"

#include "base/file.h"
#include "base/signals.h"

#include <stdio.h>
#include <string.h>

const char *const cso_same_words[] = {
    [CSO_SAME_RECORD] = "record", [CSO_SAME_CONTENT] = "content", [CSO_SAME_DIALOGUE] = "dialogue", NULL};

uint64_t key_draw(uint64_t seed, text_hash key) {
    cso_digest digest;
    text_hash hash;
    cso_digest_begin(&digest);
    cso_digest_add(&digest, &seed, sizeof seed);
    cso_digest_add(&digest, &key, sizeof key);
    hash = text_hash_end(&digest);
    return hash.high;
}

static cso_status visit_text(void *context, const char *text, size_t size, size_t line, cso_error *err) {
    key_reader *r = context;
    text_hash key;
    char place[768];
    bool done;
    if (cso_signals_stop()) /* temporary files are to be removed */
        return cso_fail(err, CSO_STOPPED, "stopped");
    CSO_TRY(cso_json_check_record(text, size, r->path, line, err));
    for (; strchr(" \t\r\n", *text); text++, size--)
        ;
    while (strchr(" \t\r\n", text[size - 1]))
        size--;
    snprintf(place, sizeof place, "%s:%zu", r->path, line);
    if (r->same != CSO_SAME_RECORD)
        CSO_TRY(view_read(&r->reader, text, size, place, err));
    if (r->same == CSO_SAME_RECORD || r->reader.view.form == CSO_FORM_IDS)
        done = slice_value_hash((json_slice){text, size}, &r->reader.room, &key);
    else if (r->same == CSO_SAME_CONTENT)
        done = view_content_hash(&r->reader, &key);
    else
        done = view_dialogue(&r->reader, false, &key);
    if (!done)
        return cso_fail_memory(err, place);
    r->records++;
    return r->visit(r->context, text, size, key, err);
}

cso_status key_reader_file(key_reader *r, const char *path, cso_error *err) {
    size_t before = r->records;
    r->path = cso_input_name(path);
    CSO_TRY(cso_json_each_text(path, visit_text, r, err));
    return r->records > before
               ? CSO_OK
               : cso_fail(err, CSO_ERR_INPUT, "%s: no records (expected an array or lines of JSON objects)", r->path);
}

cso_status key_reader_files(key_reader *r, const char *const *paths, size_t n_paths, cso_error *err) {
    for (size_t i = 0; i < n_paths; i++)
        CSO_TRY(key_reader_file(r, paths[i], err));
    return CSO_OK;
}

void key_reader_free(key_reader *r) {
    view_reader_free(&r->reader);
}
