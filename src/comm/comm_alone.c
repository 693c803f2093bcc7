/* comm_alone.c - a build without MPI: one process alone. */
#include "comm_calls.h"

cso_status cso_comm_open(cso_comm **comm, cso_error *err) {
    int size = comm_started_size();
    *comm = NULL;
    if (size > 1) /* each would train alone, in the same folder */
        return cso_fail(err, CSO_ERR_USAGE,
                        "started as one of %d processes, but this build is without MPI (expected a build with CSO_MPI=ON; Debian: "
                        "libopenmpi-dev)",
                        size);
    return CSO_OK;
}
