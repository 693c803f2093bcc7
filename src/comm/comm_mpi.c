/* comm_mpi.c - the processes of a run joined by MPI. The only file that uses MPI. */
#include "comm_calls.h"

#include "base/clock.h"
#include "base/memory.h"

#include <mpi.h>
#include <stdlib.h>
#include <time.h>

/* Sums and copies use blocks of this size; MPI counts are ints. */
static const size_t BLOCK_BYTES = (size_t)16 << 20;
/* Seconds for which a process that failed waits for the others before it ends them. */
static const double PATIENCE = 3;
static MPI_Comm meeting;

static size_t part_first(const cso_comm *comm, size_t n, int rank) {
    return n / (size_t)comm->size * (size_t)rank + ((size_t)rank < n % (size_t)comm->size ? (size_t)rank : n % (size_t)comm->size);
}

/* Each rank gets its part of every process's x, adds them in rank order, and sends the sum to all. Each process sends twice x's
 * bytes, however many processes there are: the minimum. */
static void sum_block(cso_comm *comm, void *x, size_t n, bool f64) {
    MPI_Datatype type = f64 ? MPI_DOUBLE : MPI_FLOAT;
    size_t size = (size_t)comm->size;
    int *counts = comm->block, *firsts = counts + size, *in_counts = firsts + size, *in_firsts = in_counts + size;
    void *parts = in_firsts + size; /* 4 * size ints are a multiple of 16 bytes */
    for (int rank = 0; rank < comm->size; rank++) {
        firsts[rank] = (int)part_first(comm, n, rank);
        counts[rank] = (int)(part_first(comm, n, rank + 1) - part_first(comm, n, rank));
    }
    size_t own = (size_t)counts[comm->rank], first = (size_t)firsts[comm->rank];
    for (int rank = 0; rank < comm->size; rank++) {
        in_counts[rank] = (int)own;
        in_firsts[rank] = (int)(own * (size_t)rank);
    }
    MPI_Alltoallv(x, counts, firsts, type, parts, in_counts, in_firsts, type, MPI_COMM_WORLD);
    for (size_t i = 0; i < own; i++) {
        double sum = 0;
        for (size_t rank = 0; rank < size; rank++)
            sum += f64 ? ((const double *)parts)[rank * own + i] : (double)((const float *)parts)[rank * own + i];
        if (f64)
            ((double *)x)[first + i] = sum;
        else
            ((float *)x)[first + i] = (float)sum;
    }
    MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, x, counts, firsts, type, MPI_COMM_WORLD);
}

static void sum(cso_comm *comm, void *x, size_t n, bool f64) {
    size_t bytes = f64 ? sizeof(double) : sizeof(float), step = BLOCK_BYTES / bytes;
    for (size_t at = 0; at < n; at += step)
        sum_block(comm, (char *)x + at * bytes, n - at < step ? n - at : step, f64);
}

static void broadcast(cso_comm *comm, int root, void *data, size_t bytes) {
    (void)comm;
    for (size_t at = 0; at < bytes; at += BLOCK_BYTES) {
        size_t n = bytes - at < BLOCK_BYTES ? bytes - at : BLOCK_BYTES;
        MPI_Bcast((char *)data + at, (int)n, MPI_BYTE, root, MPI_COMM_WORLD);
    }
}

static void gather_all(cso_comm *comm, const void *mine, void *all, size_t bytes) {
    (void)comm;
    MPI_Allgather(mine, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, MPI_COMM_WORLD);
}

static void barrier(cso_comm *comm) {
    (void)comm;
    MPI_Barrier(MPI_COMM_WORLD);
}

/* Uses its own communicator, so that it cannot be confused with other exchanges. */
static bool meet(cso_comm *comm, int status, int *statuses) {
    const struct timespec pause = {.tv_nsec = 1000000};
    MPI_Request request;
    int came = 0;
    (void)comm;
    MPI_Iallgather(&status, 1, MPI_INT, statuses, 1, MPI_INT, meeting, &request);
    for (double began = cso_clock(); !came && (status == CSO_OK || cso_clock() - began < PATIENCE);) {
        MPI_Test(&request, &came, MPI_STATUS_IGNORE);
        if (!came)
            nanosleep(&pause, NULL);
    }
    return came != 0;
}

static void close_mpi(cso_comm *comm) {
    MPI_Comm_free(&meeting);
    free(comm->block);
    free(comm);
    MPI_Finalize();
}

static void abort_mpi(cso_comm *comm, int code) {
    (void)comm;
    MPI_Abort(MPI_COMM_WORLD, code);
}

cso_status cso_comm_open(cso_comm **comm, cso_error *err) {
    static const comm_calls calls = {sum, broadcast, gather_all, barrier, meet, close_mpi, abort_mpi};
    int threads;
    MPI_Comm machine;
    *comm = NULL;
    int started = comm_started_size();
    if (!started) /* MPI would start a server process of its own */
        return CSO_OK;
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &threads) != MPI_SUCCESS || threads < MPI_THREAD_FUNNELED)
        return cso_fail(err, CSO_ERR_SYSTEM, "MPI cannot be started with threads");
    cso_comm *c = cso_calloc(1, sizeof *c);
    if (c) {
        MPI_Comm_rank(MPI_COMM_WORLD, &c->rank);
        MPI_Comm_size(MPI_COMM_WORLD, &c->size);
        MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
        MPI_Comm_size(machine, &c->local_size);
        MPI_Comm_free(&machine);
        MPI_Comm_dup(MPI_COMM_WORLD, &meeting);
        c->calls = &calls;
        /* parts of a block, each rounded up, and the counts before them */
        c->block = cso_calloc(1, BLOCK_BYTES + (size_t)c->size * (4 * sizeof(int) + 2 * sizeof(double)));
    }
    if (!c || !c->block) {
        cso_fail_memory(err, "the exchange between processes");
        MPI_Abort(MPI_COMM_WORLD, CSO_ERR_SYSTEM);
    }
    *comm = c;
    if (c->size != started) { /* each would train alone, in the same folder */
        cso_status status = cso_fail(err, CSO_ERR_USAGE,
                                     "started as one of %d processes, of which MPI finds %d (expected the mpirun of the MPI that "
                                     "this program was built with)",
                                     started, c->size);
        close_mpi(c);
        *comm = NULL;
        return status;
    }
    return CSO_OK;
}
