/* data_output.h - where the subcommands of cso-data write records: standard output, or a file that appears whole or not at all. */
#ifndef CSO_DATA_OUTPUT_H
#define CSO_DATA_OUTPUT_H

#include "base/file.h"
#include "programs/common/args.h"
#include "records/record_sink.h"

typedef struct data_output {
    cso_record_sink sink;
    cso_save *save; /* NULL: standard output */
} data_output;

/* path NULL or "-": standard output. While a file is written a signal waits for data_output_write to end the program. */
cso_status data_output_open(data_output *output, const char *path, cso_error *err);
/* Writes what is buffered. Of several outputs: before any of them is closed. */
cso_status data_output_flush(data_output *output, cso_error *err);
/* Ends the output of a run with this result, which comes back unless the output fails: lines on standard output stay, a file only appears
 * after success. */
cso_status data_output_close(data_output *output, cso_status status, cso_error *err);

/* The files that a command line names, or standard input. */
typedef struct data_inputs {
    const char *const *paths;
    size_t count;
} data_inputs;
data_inputs data_inputs_of(const cso_arg_list *files);

#endif
