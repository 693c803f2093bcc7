/* data_output.h - where the subcommands of cso-data write records: standard output, or a file that appears whole or not at all. */
#ifndef CSO_DATA_OUTPUT_H
#define CSO_DATA_OUTPUT_H

#include "base/file.h"
#include "records/record_sink.h"

typedef struct data_output {
    cso_record_sink sink;
    cso_save *save; /* NULL: standard output */
} data_output;

/* path NULL or "-": standard output. While a file is written a signal waits for data_output_write to end the program. */
cso_status data_output_open(data_output *output, const char *path, cso_error *err);
/* Ends the output of a run with this result, which comes back unless the output fails: lines on standard output stay, a file only appears
 * after success. */
cso_status data_output_close(data_output *output, cso_status status, cso_error *err);

#endif
