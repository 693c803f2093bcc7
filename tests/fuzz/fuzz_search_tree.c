/* fuzz_search_tree.c - files of search trees: whatever the file is, it is read or refused; of what is read, records can be made, and it
 * is the same again when it is written and read.
 */
#include "base/text.h"
#include "io/json.h"
#include "search/extract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                                         \
    do {                                                                                                                           \
        if (!(condition))                                                                                                          \
            __builtin_trap();                                                                                                      \
    } while (0)

static bool read_path(const char *path, cso_search_result *result) {
    cso_error err = {0};
    cso_status status = cso_tree_file_read(result, path, &err);
    REQUIRE(status == CSO_OK || (status == CSO_ERR_INPUT && err.message[0] && !strchr(err.message, '\n')));
    return status == CSO_OK;
}

/* The records, a line each, and each of them JSON; the caller frees. */
static char *records_of(const cso_search_result *result) {
    const cso_extract_options options = {.ended_q_min = -1e300, .ended_n_min = 0, .negative_q_max = 1e300};
    cso_text text = {0};
    cso_error err = {0};
    size_t records = 0, pairs = 0, lines = 0;
    REQUIRE(cso_extract_records(result, &options, &text, &records, &pairs, &err) == CSO_OK);
    for (char *line = text.data, *end; line && (end = strchr(line, '\n')); line = end + 1, lines++)
        REQUIRE(cso_json_check_record(line, (size_t)(end - line), "record", 1, NULL) == CSO_OK);
    REQUIRE(lines == records);
    return text.data;
}

static bool same(const char *a, const char *b) {
    return a && b ? !strcmp(a, b) : a == b;
}

static void check_again(const cso_search_result *result) {
    char path[64];
    snprintf(path, sizeof path, "/tmp/cso-fuzz-tree-%ld.json", (long)getpid());
    cso_search_result again;
    cso_error err = {0};
    REQUIRE(cso_tree_file_write(result, path, &err) == CSO_OK);
    REQUIRE(read_path(path, &again));
    unlink(path);
    REQUIRE(again.tree.count == result->tree.count && again.state == result->state && same(again.scene, result->scene));
    for (size_t i = 0; i < again.tree.count; i++) {
        const cso_search_node *a = &again.tree.nodes[i], *b = &result->tree.nodes[i];
        REQUIRE(a->parent == b->parent && a->strategy == b->strategy && a->q == b->q && a->prior == b->prior && a->n == b->n);
        REQUIRE(same(a->reply, b->reply) && same(a->answer, b->answer) && a->ended == b->ended);
    }
    char *before = records_of(result), *after = records_of(&again);
    REQUIRE(same(before, after));
    free(before);
    free(after);
    cso_search_result_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    cso_search_result result;
    int file = memfd_create("fuzz", MFD_CLOEXEC);
    REQUIRE(file >= 0 && write(file, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (read_path(path, &result)) {
        check_again(&result);
        cso_search_result_free(&result);
    }
    close(file);
    return 0;
}
