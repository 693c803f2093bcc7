#include "data_fixture.h"

#include "base/file.h"
#include "golden.h"
#include "test_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

data_fixture data_fixture_open(const char *folder) {
    data_fixture fixture = {0};
    cso_error err = {0};
    golden_ok(cso_tokenizer_open(&fixture.tokenizer, folder, &err), &err);
    golden_ok(cso_chat_template_get(&fixture.chat, "auto", fixture.tokenizer, folder, &err), &err);
    return fixture;
}

data_fixture data_fixture_tiny(const char *name) {
    const char *path = golden_path("models/%s", name);
    assert_non_null(path);
    return data_fixture_open(path);
}

void data_fixture_close(data_fixture *fixture) {
    cso_tokenizer_free(fixture->tokenizer);
    *fixture = (data_fixture){0};
}

static char *next_path(void) {
    static char paths[4][1024];
    static unsigned next;
    return paths[next++ % 4];
}

const char *shared_path(const char *name) {
    char *path = next_path();
    snprintf(path, 1024, "%s/%s", CSO_SHARED_DATA, name);
    if (cso_path_exists(path))
        return path;
    print_message("skipped: the large fixture %s is not here\n", name);
    return NULL;
}

const char *write_data(const char *name, const char *text) {
    char *path = next_path();
    cso_error err = {0};
    snprintf(path, 1024, "%s/%s", process_folder(), name);
    golden_ok(cso_save_text(path, text, strlen(text), &err), &err);
    return path;
}

cso_status pair_list_visit(void *context, cso_pair_tokens *pair, cso_error *err) {
    pair_list *list = context;
    if (list->count == sizeof list->items / sizeof *list->items)
        return cso_fail(err, CSO_ERR_INTERNAL, "more pairs than the test has room for");
    list->items[list->count++] = *pair;
    *pair = (cso_pair_tokens){0}; /* taken over */
    return CSO_OK;
}

void pair_list_free(pair_list *list) {
    for (size_t i = 0; i < list->count; i++)
        cso_pair_tokens_free(&list->items[i]);
    list->count = 0;
}
