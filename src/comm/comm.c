/* comm.c - see comm.h. */
#include "comm_calls.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cso_comm_close(cso_comm *comm) {
    if (comm)
        comm->calls->close(comm);
}

_Noreturn void cso_comm_abort(cso_comm *comm, int code) {
    if (comm)
        comm->calls->abort(comm, code);
    exit(code);
}

int cso_comm_rank(const cso_comm *comm) {
    return comm ? comm->rank : 0;
}

int cso_comm_size(const cso_comm *comm) {
    return comm ? comm->size : 1;
}

int cso_comm_local_size(const cso_comm *comm) {
    return comm ? comm->local_size : 1;
}

static bool several(const cso_comm *comm) {
    return comm && comm->size > 1;
}

void cso_comm_sum_f32(cso_comm *comm, float *x, size_t n) {
    if (several(comm))
        comm->calls->sum(comm, x, n, false);
}

void cso_comm_sum_f64(cso_comm *comm, double *x, size_t n) {
    if (several(comm))
        comm->calls->sum(comm, x, n, true);
}

void cso_comm_broadcast(cso_comm *comm, void *data, size_t bytes) {
    if (several(comm))
        comm->calls->broadcast(comm, 0, data, bytes);
}

void cso_comm_gather_all(cso_comm *comm, const void *mine, void *all, size_t bytes) {
    if (several(comm))
        comm->calls->gather_all(comm, mine, all, bytes);
    else
        memcpy(all, mine, bytes);
}

void cso_comm_barrier(cso_comm *comm) {
    if (several(comm))
        comm->calls->barrier(comm);
}

/* The rank whose failure every process reports; -1: none failed. */
static int gravest(const int *statuses, int size) {
    int numeric = -1;
    for (int rank = 0; rank < size; rank++) {
        if (statuses[rank] != CSO_OK && statuses[rank] != CSO_ERR_NUMERIC)
            return rank;
        if (statuses[rank] == CSO_ERR_NUMERIC && numeric < 0)
            numeric = rank;
    }
    return numeric;
}

cso_status cso_comm_agree(cso_comm *comm, cso_status status, cso_error *err) {
    if (!several(comm))
        return status;
    int *statuses = comm->block, mine = (int)status;
    comm->calls->gather_all(comm, &mine, statuses, sizeof mine);
    int rank = gravest(statuses, comm->size);
    if (rank < 0)
        return CSO_OK;
    if (comm->rank == rank) {
        char host[64] = "?";
        gethostname(host, sizeof host - 1);
        err->status = status;
        if (rank && status != CSO_ERR_NUMERIC)
            cso_error_prefix(err, status, "process %d on %s", rank, host);
    }
    comm->calls->broadcast(comm, rank, err, sizeof *err);
    return err->status;
}

bool cso_comm_meet(cso_comm *comm, cso_status status, bool *first) {
    *first = status != CSO_OK;
    if (!several(comm))
        return true;
    int *statuses = comm->block;
    if (!comm->calls->meet(comm, (int)status, statuses))
        return false;
    for (int rank = 0; rank < comm->rank; rank++)
        *first &= statuses[rank] == CSO_OK;
    return true;
}
