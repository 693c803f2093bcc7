/* train_ranks.c - see train_ranks.h. */
#include "train_ranks.h"

#include "base/memory.h"
#include "base/parallel.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where a process may run. mpirun may have tied it to a core, a socket, or nothing. */
typedef struct place {
    char host[64];
    cpu_set_t processors;
} place;

static void find_place(place *p) {
    memset(p, 0, sizeof *p);
    gethostname(p->host, sizeof p->host - 1);
    if (sched_getaffinity(0, sizeof p->processors, &p->processors)) /* more than CPU_SETSIZE of them: as if it were all */
        memset(&p->processors, 0xFF, sizeof p->processors);
}

/* mpirun's part on this machine started this process, and is not tied itself. */
static void warn_if_tied(const cpu_set_t *used, cso_log *log) {
    cpu_set_t all;
    if (sched_getaffinity(getppid(), sizeof all, &all) || CPU_COUNT(used) >= CPU_COUNT(&all))
        return;
    cso_log_warning(log,
                    "mpirun has bound the processes of this machine to %d of its %d processors (mpirun --bind-to none leaves "
                    "them all)",
                    CPU_COUNT(used), CPU_COUNT(&all));
}

int train_threads(cso_comm *comm, cso_log *log) {
    int cores = cso_physical_cores(), size = cso_comm_size(comm), sharers = 0;
    if (!comm)
        return cores;
    place mine, *all = cso_calloc((size_t)size, sizeof *all);
    if (!all) /* a few bytes a process; without them nothing goes on */
        cso_comm_abort(comm, CSO_ERR_SYSTEM);
    find_place(&mine);
    cso_comm_gather_all(comm, &mine, all, sizeof mine);
    cpu_set_t used = mine.processors;
    for (int rank = 0; rank < size; rank++) {
        cpu_set_t both;
        if (strcmp(all[rank].host, mine.host) != 0)
            continue;
        CPU_AND(&both, &mine.processors, &all[rank].processors);
        sharers += CPU_COUNT(&both) > 0;
        CPU_OR(&used, &used, &all[rank].processors);
    }
    if (cso_comm_rank(comm) == 0)
        warn_if_tied(&used, log);
    free(all);
    return cores > sharers ? cores / sharers : 1;
}
