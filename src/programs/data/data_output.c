/* data_output.c - see data_output.h. */
#include "data_output.h"

#include "base/signals.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static cso_status write_stream(void *context, const char *bytes, size_t size, cso_error *err) {
    (void)context;
    if (fwrite(bytes, 1, size, stdout) != size || fflush(stdout))
        return cso_fail_errno(err, "write", "standard output");
    return CSO_OK;
}

static cso_status write_file(void *context, const char *bytes, size_t size, cso_error *err) {
    data_output *output = context;
    if (cso_signals_stop())
        return cso_fail(err, CSO_STOPPED, "stopped; nothing is written");
    return cso_save_write(output->save, bytes, size, err);
}

cso_status data_output_open(data_output *output, const char *path, cso_error *err) {
    *output = (data_output){0};
    if (!path || !strcmp(path, "-")) {
        output->sink = (cso_record_sink){.write = write_stream, .unbuffered = isatty(STDOUT_FILENO) == 1};
        return CSO_OK;
    }
    output->sink = (cso_record_sink){.write = write_file, .context = output};
    cso_signals_hold();
    return cso_save_begin(&output->save, path, err);
}

cso_status data_output_flush(data_output *output, cso_error *err) {
    return record_sink_close(&output->sink, true, err);
}

data_inputs data_inputs_of(const cso_arg_list *files) {
    static const char *const STANDARD_INPUT[] = {"-"};
    return files->count ? (data_inputs){files->items, files->count} : (data_inputs){STANDARD_INPUT, 1};
}

cso_status data_output_close(data_output *output, cso_status status, cso_error *err) {
    cso_status closed = record_sink_close(&output->sink, status == CSO_OK, status == CSO_OK ? err : NULL);
    if (status == CSO_OK)
        status = closed;
    if (output->save && status == CSO_OK)
        status = cso_save_commit(output->save, err);
    else
        cso_save_abort(output->save);
    output->save = NULL;
    return status;
}
