/* run_checksums.c - see run_checksums.h. */
#include "run_checksums.h"

#include "base/file.h"
#include "base/memory.h"
#include "checksums.h"

#include <stdlib.h>
#include <string.h>

/* An adapter of a version that wrote no checksums is not promised. */
static cso_status find_adapter(const char *dir, bool *found, cso_error *err) {
    char *path = cso_path_join(dir, "adapter/" CSO_CHECKSUMS_FILE);
    if (!path)
        return cso_fail_memory(err, "a path");
    *found = cso_path_exists(path);
    free(path);
    return CSO_OK;
}

static void add_metrics(cso_text *text, const cso_run_checksums *c) {
    char hex[CSO_DIGEST_HEX];
    cso_text_format(text, "  \"metrics\": ");
    if (c->metrics) {
        cso_digest_hex(&c->metrics->whole.digest, hex);
        cso_text_format(text, "{\"step\": %zu, \"bytes\": %zu, \"checksum\": \"%s\"},\n", c->metrics->whole.step,
                        c->metrics->whole.bytes, hex);
    } else {
        cso_text_format(text, "null,\n");
    }
}

cso_status cso_run_checksums_write(const char *dir, const cso_run_checksums *c, cso_error *err) {
    bool adapter = false;
    CSO_TRY(find_adapter(dir, &adapter, err));
    cso_text text = {0};
    const char *separator = "";
    cso_text_format(&text, "{\n  \"format\": 1,\n");
    add_metrics(&text, c);
    cso_text_format(&text, "  \"config\": [");
    for (size_t i = 0; i < 2; i++)
        if (c->config[i]) {
            cso_text_format(&text, "%s\"%s\"", separator, c->config[i]);
            separator = ", ";
        }
    cso_text_format(&text, "],\n  \"checkpoints\": [");
    for (size_t i = 0; i < c->checkpoint_count; i++)
        cso_text_format(&text, "%s%zu", i ? ", " : "", c->checkpoints[i]);
    cso_text_format(&text, "],\n  \"adapter\": %s,", adapter ? "true" : "false");
    cso_seal_add(&text);
    char *path = cso_path_join(dir, CSO_CHECKSUMS_FILE);
    cso_status status =
        path && !text.failed ? cso_save_text(path, text.data, text.size, err) : cso_fail_memory(err, "the run's checksums");
    free(path);
    free(text.data);
    return status;
}

cso_status cso_run_config_save(const char *dir, const char *text, char checksum[33], cso_error *err) {
    char before[33] = "";
    cso_run_checksums checksums = {.config = {checksum, NULL}};
    char *path = cso_path_join(dir, "config.toml");
    cso_status status;
    checksum[0] = '\0';
    if (!path)
        return cso_fail_memory(err, "a path");
    if (text)
        cso_digest_bytes(text, strlen(text), checksum);
    if (cso_path_exists(path) && cso_checksum_file(dir, "config.toml", before, NULL) == CSO_OK)
        checksums.config[text != NULL] = before;
    else if (!text)
        checksums.config[0] = NULL;
    CSO_TRY_DONE(cso_run_checksums_write(dir, &checksums, err));
    if (text)
        status = cso_save_text(path, text, strlen(text), err);
    else
        memcpy(checksum, before, sizeof before);
done:
    free(path);
    return status;
}
