/* fuzz_tools.c - data files through cso-data's tools: what a conversion writes are records of the form asked for, which the check and the same
 * conversion take as they are; a file without doubles has none; the parts of a split are the whole.
 *
 * The first byte says which form to convert to and how ('0' to 'B'); the rest is the file.
 */
#include "records/check.h"
#include "records/convert.h"
#include "records/split.h"

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

typedef struct memory_file {
    int file;
    char path[64];
} memory_file;

static memory_file make_file(const void *bytes, size_t size) {
    memory_file f = {.file = memfd_create("fuzz", MFD_CLOEXEC)};
    REQUIRE(f.file >= 0 && write(f.file, bytes, size) == (ssize_t)size);
    snprintf(f.path, sizeof f.path, "/proc/self/fd/%d", f.file);
    return f;
}

static cso_status keep(void *context, const char *bytes, size_t size, cso_error *err) {
    (void)err;
    cso_text_add(context, bytes, size);
    return CSO_OK;
}

/* A failure has a message, and is the input's fault. */
static bool passed(cso_status status, const cso_error *err) {
    REQUIRE(status == CSO_OK || (status == CSO_ERR_INPUT && err->message[0]));
    return status == CSO_OK;
}

static bool convert(const memory_file *file, const cso_convert_options *options, cso_text *out, cso_convert_result *result) {
    const char *path = file->path;
    cso_error err = {0};
    *out = (cso_text){0};
    cso_record_sink sink = {.write = keep, .context = out};
    bool done = passed(cso_convert(options, &path, 1, &sink, result, &err), &err);
    REQUIRE(record_sink_close(&sink, true, &err) == CSO_OK && (!done || result->written == sink.count));
    return done;
}

static cso_status no_error(void *context, const cso_finding *finding, cso_error *err) {
    (void)err;
    *(size_t *)context += finding->kind == CSO_FINDING_JSON || finding->kind == CSO_FINDING_RECORD;
    REQUIRE(finding->text[0] && !strchr(finding->text, '\n'));
    return CSO_OK;
}

/* Records of the form, which convert to themselves. */
static void check_output(const cso_convert_options *options, const cso_text *out, size_t written, bool plain) {
    memory_file file = make_file(out->data, out->size);
    const char *path = file.path;
    cso_check_result result;
    cso_convert_result again;
    size_t bad = 0;
    cso_text copy;
    const cso_check_options check = {.visit = no_error, .context = &bad};
    REQUIRE(cso_check(&check, &path, 1, &result, NULL) == CSO_OK);
    REQUIRE(!bad && result.records == written && (plain || result.forms[options->to] == written));
    if (!plain) {
        REQUIRE(convert(&file, options, &copy, &again) && copy.size == out->size && !memcmp(copy.data, out->data, copy.size));
        free(copy.data);
    }
    close(file.file);
}

static size_t count_lines(const cso_text *text) {
    size_t count = 0;
    for (size_t i = 0; i < text->size; i++)
        count += text->data[i] == '\n';
    return count;
}

static void check_sets(const memory_file *file) {
    const char *path = file->path;
    cso_error err = {0};
    cso_text out = {0}, parts[2] = {{0}, {0}};
    cso_record_sink sink = {.write = keep, .context = &out}, sinks[2];
    size_t records, again;
    bool done = passed(cso_dedup(&path, 1, CSO_SAME_CONTENT, &sink, &records, &err), &err);
    REQUIRE(record_sink_close(&sink, true, NULL) == CSO_OK);
    if (done) {
        memory_file single = make_file(out.data, out.size);
        const char *single_path = single.path;
        cso_text second = {0};
        sink = (cso_record_sink){.write = keep, .context = &second};
        REQUIRE(cso_dedup(&single_path, 1, CSO_SAME_CONTENT, &sink, &again, &err) == CSO_OK && sink.count == again);
        REQUIRE(record_sink_close(&sink, true, NULL) == CSO_OK && second.size == out.size);
        free(second.data);
        close(single.file);
    }
    cso_part items[2];
    for (int i = 0; i < 2; i++) {
        sinks[i] = (cso_record_sink){.write = keep, .context = &parts[i]};
        items[i] = (cso_part){.name = "x", .fraction = 0.5, .sink = &sinks[i]};
    }
    bool split = passed(cso_split(&path, 1, items, 2, 1, "/tmp", &err), &err);
    for (int i = 0; i < 2; i++)
        REQUIRE(record_sink_close(&sinks[i], true, NULL) == CSO_OK);
    REQUIRE(!split || (done && count_lines(&parts[0]) + count_lines(&parts[1]) == records && parts[0].size && parts[1].size));
    free(parts[0].data);
    free(parts[1].data);
    free(out.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    unsigned choice = (unsigned)(data[0] - '0') % 12;
    const cso_convert_options options = {.to = (cso_data_form)(choice % 6), .keep = choice >= 6};
    memory_file file = make_file(data + 1, size - 1);
    cso_convert_result result;
    cso_text out;
    if (convert(&file, &options, &out, &result)) {
        bool plain = out.size && options.to == CSO_FORM_SFT && strncmp(out.data, "{\"messages\"", 11) != 0;
        check_output(&options, &out, result.written, plain);
    }
    free(out.data);
    const char *path = file.path;
    size_t bad = 0;
    cso_check_result found;
    const cso_check_options check = {.visit = no_error, .context = &bad};
    REQUIRE(cso_check(&check, &path, 1, &found, NULL) == CSO_OK);
    check_sets(&file);
    close(file.file);
    return 0;
}
