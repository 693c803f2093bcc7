#include "test_folder.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

char test_folder[64];

int make_test_folder(void **state) {
    (void)state;
    strcpy(test_folder, "/tmp/cso-test-XXXXXX");
    return mkdtemp(test_folder) ? 0 : -1;
}

int remove_test_folder(void **state) {
    (void)state;
    bool removed = cso_remove_tree(test_folder, NULL) == CSO_OK && !cso_path_exists(test_folder);
    test_folder[0] = '\0';
    return removed ? 0 : -1;
}

char *in_folder(const char *name) {
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    assert_true(snprintf(path, sizeof paths[0], "%s/%s", test_folder, name) < (int)sizeof paths[0]);
    return path;
}

void save_in_folder(const char *name, const char *text) {
    cso_error err = {0};
    if (cso_save_text(in_folder(name), text, strlen(text), &err) != CSO_OK)
        fail_msg("%s", err.message);
}

static char until_exit[] = "/tmp/cso-test-XXXXXX";

static void remove_at_exit(void) {
    cso_remove_tree(until_exit, NULL);
}

const char *process_folder(void) {
    if (!cso_path_is_folder(until_exit)) {
        assert_non_null(mkdtemp(until_exit));
        assert_int_equal(atexit(remove_at_exit), 0);
    }
    return until_exit;
}
