/* test_file.c - reading, paths, and writing that leaves the old file or the new one, never a mixture. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../test_folder.h"
#include "base/file.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void put(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void assert_holds(const char *path, const char *expected) {
    char *text;
    size_t size;
    assert_int_equal(cso_read_file(path, 1 << 20, &text, &size, NULL), CSO_OK);
    assert_string_equal(text, expected);
    assert_int_equal(size, strlen(expected));
    free(text);
}

static size_t names_in(const char *path) {
    DIR *handle = opendir(path);
    assert_non_null(handle);
    size_t count = 0;
    while (readdir(handle))
        count++;
    closedir(handle);
    return count - 2;
}

static void maps(void **state) {
    (void)state;
    cso_map map;
    cso_error err;
    assert_int_equal(cso_map_open(&map, in_folder("none"), &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "/none: cannot open: No such file"));
    cso_map_close(&map);
    assert_int_equal(cso_map_open(&map, test_folder, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "is a folder"));
    assert_int_equal(cso_map_open(&map, "/dev/null", &err), CSO_ERR_INPUT);
    put(in_folder("empty"), "");
    assert_int_equal(cso_map_open(&map, in_folder("empty"), &err), CSO_OK);
    assert_non_null(map.data);
    assert_int_equal(map.size, 0);
    cso_map_close(&map);
    put(in_folder("text"), "hello");
    assert_int_equal(cso_map_open(&map, in_folder("text"), &err), CSO_OK);
    assert_int_equal(map.size, 5);
    assert_memory_equal(map.data, "hello", 5);
    assert_string_equal(map.path, in_folder("text"));
    cso_map_close(&map);
    cso_map_close(&map);
}

static void reads(void **state) {
    (void)state;
    cso_error err;
    char *text;
    put(in_folder("five"), "12345");
    assert_int_equal(cso_read_file(in_folder("five"), 5, &text, NULL, &err), CSO_OK);
    assert_string_equal(text, "12345");
    free(text);
    assert_int_equal(cso_read_file(in_folder("five"), 4, &text, NULL, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "too large (expected at most 4 bytes)"));
    assert_int_equal(cso_read_file(in_folder("five"), 0, &text, NULL, &err), CSO_ERR_INPUT);
    assert_int_equal(cso_read_file(in_folder("none"), 4, &text, NULL, &err), CSO_ERR_INPUT);
    assert_int_equal(cso_read_file(test_folder, 4, &text, NULL, &err), CSO_ERR_INPUT);
    assert_int_equal(cso_read_file("/proc/self/status", 1 << 20, &text, NULL, &err), CSO_OK); /* its size is told as 0 */
    assert_true(strlen(text) > 100);
    free(text);
}

static void paths(void **state) {
    (void)state;
    static const char *joins[][3] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {"a", "/b", "/b"}, {"/", "b", "/b"}};
    for (size_t i = 0; i < sizeof joins / sizeof joins[0]; i++) {
        char *joined = cso_path_join(joins[i][0], joins[i][1]);
        assert_string_equal(joined, joins[i][2]);
        free(joined);
    }
    /* "..": removed where it means the parent folder, kept where a link may lead elsewhere. */
    char inner[256], link[256], *path;
    snprintf(inner, sizeof inner, "%s/inner", test_folder);
    snprintf(link, sizeof link, "%s/link", test_folder);
    assert_int_equal(mkdir(inner, 0777), 0);
    assert_int_equal(symlink("inner", link), 0);
    path = cso_path_resolve(inner, "..//x/../y");
    assert_string_equal(path, in_folder("x/../y"));
    free(path);
    path = cso_path_resolve(link, "../x");
    assert_string_equal(path, in_folder("link/../x"));
    free(path);
    static const char *kept[][3] = {{".", "x", "x"},
                                    {".", "../x", "../x"},
                                    {"..", "../x", "../../x"},
                                    {"/", "../x", "/../x"},
                                    {"no such folder", "../x", "no such folder/../x"},
                                    {"a", "/x", "/x"},
                                    {"a", "x", "a/x"}};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        path = cso_path_resolve(kept[i][0], kept[i][1]);
        assert_string_equal(path, kept[i][2]);
        free(path);
    }
    static const char *folders[][2] = {{"a/b", "a"},  {"a", "."},    {"/a", "/"}, {"/", "/"},
                                       {"a/b/", "a"}, {"a//b", "a"}, {"", "."},   {"/a/b/c", "/a/b"}};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        path = cso_path_folder(folders[i][0]);
        assert_string_equal(path, folders[i][1]);
        free(path);
    }
    assert_string_equal(cso_path_name("a/b.c"), "b.c");
    assert_string_equal(cso_path_name("b.c"), "b.c");
    assert_true(cso_path_is_folder(test_folder));
    assert_false(cso_path_is_folder(in_folder("none")));
}

static void saves(void **state) {
    (void)state;
    cso_save *save;
    cso_error err;
    size_t before = names_in(test_folder);
    put(in_folder("out"), "old");
    assert_int_equal(cso_save_begin(&save, in_folder("out"), &err), CSO_OK);
    assert_int_equal(cso_save_write(save, "new ", 4, &err), CSO_OK);
    assert_holds(in_folder("out"), "old");
    assert_int_equal(cso_save_write(save, "text", 4, &err), CSO_OK);
    assert_int_equal(cso_save_commit(save, &err), CSO_OK);
    assert_holds(in_folder("out"), "new text");
    assert_int_equal(cso_save_begin(&save, in_folder("out"), &err), CSO_OK);
    assert_int_equal(cso_save_write(save, "never", 5, &err), CSO_OK);
    cso_save_abort(save);
    cso_save_abort(NULL);
    assert_holds(in_folder("out"), "new text");
    assert_int_equal(names_in(test_folder), before + 1);
    assert_int_equal(cso_save_text(in_folder("out"), "", 0, &err), CSO_OK);
    assert_holds(in_folder("out"), "");
    struct stat info;
    assert_int_equal(stat(in_folder("out"), &info), 0);
    mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(info.st_mode & 0777, 0666 & ~mask);

    size_t large = 3 << 20; /* through the buffer and past it */
    char *bytes = malloc(large + 1), *back;
    assert_non_null(bytes);
    for (size_t i = 0; i < large; i++)
        bytes[i] = (char)('a' + i * i % 23);
    bytes[large] = '\0';
    assert_int_equal(cso_save_begin(&save, in_folder("out"), &err), CSO_OK);
    for (size_t at = 0, n = 1; at < large; at += n, n = n * 3 + 1) {
        if (n > large - at)
            n = large - at;
        assert_int_equal(cso_save_write(save, bytes + at, n, &err), CSO_OK);
    }
    assert_int_equal(cso_save_commit(save, &err), CSO_OK);
    size_t size;
    assert_int_equal(cso_read_file(in_folder("out"), large, &back, &size, &err), CSO_OK);
    assert_int_equal(size, large);
    assert_memory_equal(back, bytes, large);
    free(back);
    free(bytes);
}

static void refuses_to_save(void **state) {
    (void)state;
    cso_save *save;
    cso_error err;
    assert_int_equal(cso_save_begin(&save, "/dev/null", &err), CSO_ERR_USAGE);
    assert_int_equal(cso_save_begin(&save, test_folder, &err), CSO_ERR_USAGE);
    assert_int_equal(cso_save_begin(&save, in_folder("no-such/out"), &err), CSO_ERR_SYSTEM);
    assert_null(save);
}

static void full_disk(void **state) {
    (void)state;
    put(in_folder("kept"), "old");
    size_t before = names_in(test_folder);
    struct rlimit limit, old;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;
    limit.rlim_cur = 300 * 1024;
    signal(SIGXFSZ, SIG_IGN);
    for (size_t kib = 100; kib <= 1000; kib += 300) { /* fits; fails in commit; fails in write */
        char *bytes = calloc(kib, 1024);
        assert_non_null(bytes);
        cso_save *save;
        cso_error err;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_int_equal(cso_save_begin(&save, in_folder(kib == 100 ? "fits" : "kept"), &err), CSO_OK);
        cso_status first = cso_save_write(save, bytes, kib * 1024, &err), again = CSO_OK;
        if (first != CSO_OK)
            again = cso_save_write(save, "x", 1, &err);
        cso_status last = cso_save_commit(save, &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        free(bytes);
        assert_int_equal(last, kib == 100 ? CSO_OK : CSO_ERR_SYSTEM);
        assert_int_equal(again, first);
    }
    assert_holds(in_folder("kept"), "old");
    assert_int_equal(names_in(test_folder), before + 1);
}

static void folders(void **state) {
    (void)state;
    cso_error err;
    char *temporary, name[300];
    assert_int_equal(cso_make_folders(in_folder("runs/deep/er"), &err), CSO_OK);
    assert_int_equal(cso_make_folders(in_folder("runs/deep/er/"), &err), CSO_OK);
    put(in_folder("file"), "x");
    assert_int_equal(cso_make_folders(in_folder("file/below"), &err), CSO_ERR_USAGE);
    size_t before = names_in(in_folder("runs"));
    for (int round = 0; round < 3; round++) { /* new, replaced, replaced with a slash at the end */
        const char *path = in_folder(round == 2 ? "runs/ck/" : "runs/ck");
        char text[16];
        assert_int_equal(cso_folder_begin(path, &temporary, &err), CSO_OK);
        snprintf(name, sizeof name, "%s/weights", temporary);
        snprintf(text, sizeof text, "round %d", round);
        put(name, text);
        snprintf(name, sizeof name, "%s/sub%d", temporary, round);
        assert_int_equal(mkdir(name, 0777), 0);
        assert_int_equal(cso_folder_commit(path, temporary, &err), CSO_OK);
        assert_holds(in_folder("runs/ck/weights"), text);
        assert_int_equal(names_in(in_folder("runs/ck")), 2);
        assert_int_equal(names_in(in_folder("runs")), before + 1);
    }
    assert_int_equal(cso_folder_begin(in_folder("runs/ck"), &temporary, &err), CSO_OK);
    snprintf(name, sizeof name, "%s/weights", temporary);
    put(name, "never");
    cso_folder_abort(temporary);
    cso_folder_abort(NULL);
    assert_holds(in_folder("runs/ck/weights"), "round 2");
    assert_int_equal(names_in(in_folder("runs")), before + 1);
    assert_int_equal(cso_folder_begin(in_folder("nowhere/ck"), &temporary, &err), CSO_ERR_SYSTEM);
}

static void removes(void **state) {
    (void)state;
    cso_error err;
    assert_int_equal(cso_make_folders(in_folder("tree/a/b"), &err), CSO_OK);
    assert_int_equal(cso_make_folders(in_folder("other"), &err), CSO_OK);
    put(in_folder("other/precious"), "stays");
    put(in_folder("tree/a/b/file"), "goes");
    assert_int_equal(symlink(in_folder("other"), in_folder("tree/link")), 0);
    assert_int_equal(cso_remove_tree(in_folder("tree"), &err), CSO_OK);
    assert_false(cso_path_exists(in_folder("tree")));
    assert_holds(in_folder("other/precious"), "stays");
    assert_int_equal(cso_remove_tree(in_folder("tree"), &err), CSO_OK);
    assert_int_equal(cso_remove_tree(in_folder("other/precious"), &err), CSO_OK);
    assert_false(cso_path_exists(in_folder("other/precious")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps),    cmocka_unit_test(reads),           cmocka_unit_test(paths),
        cmocka_unit_test(saves),   cmocka_unit_test(refuses_to_save), cmocka_unit_test(full_disk),
        cmocka_unit_test(folders), cmocka_unit_test(removes),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}
