/* test_io_calls.c - every system call of a save fails in turn: the old file or folder, or the new one, never anything else. */
#include "../faults.h"
#include "../test_folder.h"

#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char OLD[] = "what was there before";

enum { NEW_BYTES = 700 * 1024 }; /* more than save.c's buffer */
static char *new_text;

static void put(const char *path, const char *text) {
    assert_int_equal(cso_save_text(path, text, strlen(text), NULL), CSO_OK);
}

static bool holds(const char *path, const char *text, size_t size) {
    char *found;
    size_t found_size;
    if (cso_read_file(path, 1 << 20, &found, &found_size, NULL) != CSO_OK)
        return false;
    bool same = found_size == size && !memcmp(found, text, size);
    free(found);
    return same;
}

static cso_status save_file(cso_error *err) {
    return cso_save_text(in_folder("file"), new_text, NEW_BYTES, err);
}
static bool file_is(bool new) {
    return new ? holds(in_folder("file"), new_text, NEW_BYTES) : holds(in_folder("file"), OLD, strlen(OLD));
}
static void old_file(void) {
    put(in_folder("file"), OLD);
}

static cso_status save_folder(cso_error *err) {
    char *temporary, *a, *b;
    CSO_TRY(cso_folder_begin(in_folder("folder"), &temporary, err));
    a = cso_path_join(temporary, "a");
    b = cso_path_join(temporary, "inner/b");
    char *inner = cso_path_join(temporary, "inner");
    cso_status status = cso_save_text(a, new_text, NEW_BYTES, err);
    if (status == CSO_OK)
        status = cso_make_folders(inner, err);
    if (status == CSO_OK)
        status = cso_save_text(b, "b", 1, err);
    free(a);
    free(b);
    free(inner);
    if (status == CSO_OK)
        return cso_folder_commit(in_folder("folder"), temporary, err);
    cso_folder_abort(temporary);
    return status;
}
static bool folder_is(bool new) {
    if (!new)
        return holds(in_folder("folder/a"), OLD, strlen(OLD)) && !cso_path_exists(in_folder("folder/inner"));
    return holds(in_folder("folder/a"), new_text, NEW_BYTES) && holds(in_folder("folder/inner/b"), "b", 1);
}
static void old_folder(void) {
    assert_int_equal(cso_remove_tree(in_folder("folder"), NULL), CSO_OK);
    assert_int_equal(cso_make_folders(in_folder("folder"), NULL), CSO_OK);
    put(in_folder("folder/a"), OLD);
}

/* All calls except removals: a file that cannot be removed stays, and the next start removes it. */
static const unsigned NO_REMOVE = (1u << CSO_IO_KINDS) - 1 - (1u << CSO_IO_REMOVE);

static void each_fails(cso_status (*save)(cso_error *), bool (*is)(bool), void (*old)(void), size_t least) {
    static const int errors[] = {ENOSPC, EIO, FAULT_SHORT};
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++)
        for (int forever = 0; forever < 2; forever++) {
            bool failed = true;
            size_t at = 0;
            while (failed || (errors[e] == FAULT_SHORT && at <= least)) { /* a call that does not write is never short */
                cso_error err = {0};
                old();
                fault_io_begin((fault){.at = ++at, .forever = forever != 0, .error = errors[e], .kinds = NO_REMOVE});
                cso_status status = save(&err);
                failed = fault_io_end();
                assert_int_equal(fault_leftovers(test_folder), 0);
                if (errors[e] == FAULT_SHORT || !failed) {
                    assert_int_equal(status, CSO_OK);
                    assert_true(is(true));
                } else if (status == CSO_OK) { /* the failure did not matter */
                    assert_true(is(true));
                } else {
                    assert_int_equal(status, CSO_ERR_SYSTEM);
                    if (!strstr(err.message, strerror(errors[e])))
                        fail_msg("%s", err.message);
                    assert_true(is(false) || is(true)); /* the rename may have been made, but not be on the disk */
                }
            }
            if (at <= least)
                fail_msg("only %zu calls were seen", at - 1);
        }
}

static void files(void **state) {
    (void)state;
    each_fails(save_file, file_is, old_file, 7); /* open, writes, fsync, close, rename, and the folder's open, fsync, close */
}
static void folders(void **state) {
    (void)state;
    each_fails(save_folder, folder_is, old_folder, 20);
}

/* With a full disk the old file stays readable, and the new one can be saved later. */
static void full_disk(void **state) {
    (void)state;
    cso_error err = {0};
    old_file();
    fault_io_begin((fault){.at = 1, .forever = true, .error = ENOSPC, .kinds = 1u << CSO_IO_WRITE});
    assert_int_equal(save_file(&err), CSO_ERR_SYSTEM);
    assert_true(fault_io_end());
    assert_non_null(strstr(err.message, "cannot write: No space left on device"));
    assert_true(file_is(false));
    assert_int_equal(save_file(&err), CSO_OK);
    assert_true(file_is(true));
}

/* Where the system cannot exchange two folders in one step, three renames do; each of them may fail. */
static int no_exchange(cso_io_kind kind, size_t *size) {
    static int renames;
    (void)size;
    if (kind != CSO_IO_RENAME)
        return 0;
    return ++renames % 5 == 4 ? EINVAL : 0; /* two files, the folder to its name (not empty), exchange */
}
static void without_exchange(void **state) {
    (void)state;
    cso_error err = {0};
    old_folder();
    cso_io_set_hook(no_exchange);
    cso_status status = save_folder(&err);
    cso_io_set_hook(NULL);
    if (status != CSO_OK)
        fail_msg("%s", err.message);
    assert_true(folder_is(true));
    assert_int_equal(fault_leftovers(test_folder), 0);
}

/* Each allocation fails in turn. */
static void memory(void **state) {
    (void)state;
    bool failed = true;
    for (size_t at = 1; failed; at++) {
        cso_error err = {0};
        old_file();
        fault_memory_begin(at, false);
        cso_status status = save_file(&err);
        failed = fault_memory_end();
        assert_int_equal(status, failed ? CSO_ERR_SYSTEM : CSO_OK);
        assert_int_equal(fault_leftovers(test_folder), 0);
        assert_true(file_is(false) || file_is(true));
        if (failed)
            assert_non_null(strstr(err.message, "out of memory for "));
        assert_true(failed || at > 4);
    }
}

static int setup(void **state) {
    new_text = malloc(NEW_BYTES);
    for (size_t i = 0; i < NEW_BYTES; i++)
        new_text[i] = (char)('a' + i % 23);
    return make_test_folder(state);
}
static int teardown(void **state) {
    free(new_text);
    return remove_test_folder(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files),  cmocka_unit_test(folders), cmocka_unit_test(full_disk), cmocka_unit_test(without_exchange),
        cmocka_unit_test(memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
