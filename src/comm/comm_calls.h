/* comm_calls.h - what comm.c needs from a message-passing library; internal to src/comm. */
#ifndef CSO_COMM_CALLS_H
#define CSO_COMM_CALLS_H

#include "comm.h"

typedef struct comm_calls {
    void (*sum)(cso_comm *comm, void *x, size_t n, bool f64);
    void (*broadcast)(cso_comm *comm, int root, void *data, size_t bytes);
    void (*gather_all)(cso_comm *comm, const void *mine, void *all, size_t bytes);
    void (*barrier)(cso_comm *comm);
    bool (*meet)(cso_comm *comm, int status, int *statuses); /* (size): of all processes; false: not all arrived */
    void (*close)(cso_comm *comm);                           /* frees comm */
    void (*abort)(cso_comm *comm, int code);
} comm_calls;

struct cso_comm {
    int rank, size, local_size;
    const comm_calls *calls;
    void *block; /* working memory of calls; at least one double per process */
};

/* comm_start.c: how many processes were started together with this one, by what mpirun and srun tell; 0: started alone. */
int comm_started_size(void);

#endif
