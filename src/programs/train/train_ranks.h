/* train_ranks.h - several processes of a run on one machine. */
#ifndef CSO_TRAIN_RANKS_H
#define CSO_TRAIN_RANKS_H

#include "base/log.h"
#include "comm/comm.h"

/* Threads of this process where the user leaves the choice: the physical cores it may use, divided among the processes that
 * share them. Warns where mpirun has tied the processes to a part of the machine. Collective. */
int train_threads(cso_comm *comm, cso_log *log);

#endif
