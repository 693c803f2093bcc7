/* inspect_verify.c - --verify of folders that cso-train wrote: every file against its stored checksum. */
#include "inspect.h"

#include "train/verify.h"

static void report_verified(report *r, const cso_verified *v) {
    report_size(r, "files_verified", v->files);
    if (v->uncompared)
        report_size(r, "folders_without_checksums", v->uncompared);
    if (v->unfinished)
        report_size(r, "unfinished_files", v->unfinished);
    report_size(r, "damaged", v->count);
    if (!v->count)
        return;
    report_list(r, "damage");
    for (size_t i = 0; i < v->count; i++) {
        report_row(r);
        report_text(r, "file", v->damage[i].file);
        report_text(r, "problem", v->damage[i].what);
        report_end_row(r);
    }
    report_end_list(r);
}

static cso_status fail_damaged(const cso_verified *v, cso_error *err) {
    if (v->count > 1)
        return cso_fail(err, CSO_ERR_INPUT, "%s: damaged: %s; and %zu more", v->damage[0].file, v->damage[0].what, v->count - 1);
    return cso_fail(err, CSO_ERR_INPUT, "%s: damaged: %s", v->damage[0].file, v->damage[0].what);
}

cso_status inspect_verify(report *r, const char *folder, bool *complete, cso_error *err) {
    static const char *const words[] = {
        [CSO_FOLDER_RUN] = "run", [CSO_FOLDER_CHECKPOINT] = "checkpoint", [CSO_FOLDER_ADAPTER] = "adapter"};
    cso_verified verified = {0};
    cso_status status = CSO_OK;
    bool must;
    cso_folder_kind kind = cso_verify_kind(folder, &must);
    switch (kind) {
    case CSO_FOLDER_RUN:
        status = cso_verify_run(folder, &verified, err);
        break;
    case CSO_FOLDER_CHECKPOINT:
        status = cso_verify_checkpoint(folder, &verified, err);
        break;
    case CSO_FOLDER_ADAPTER:
        status = cso_verify_adapter(folder, must, &verified, err);
        break;
    case CSO_FOLDER_OTHER:
        return CSO_OK;
    }
    if (status == CSO_OK) {
        if (verified.count) /* a whole folder is reported with all that it is */
            report_text(r, "kind", words[kind]);
        report_verified(r, &verified);
        *complete = true;
        if (verified.count)
            status = fail_damaged(&verified, err);
    }
    cso_verified_free(&verified);
    return status;
}
