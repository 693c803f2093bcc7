/* comm.h - the processes of a run: one alone, or several that MPI started, on one machine or many.
 *
 * NULL is a process alone: every function takes it and does nothing. The others are collective: every process of the run calls
 * the same ones in the same order. An error inside MPI ends all processes (MPI's default), so only agree returns a status.
 */
#ifndef CSO_COMM_H
#define CSO_COMM_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct cso_comm cso_comm;

/* Joins the processes that mpirun or srun started with this one and sets *comm; NULL if it was started alone, without touching
 * MPI. CSO_ERR_USAGE if there are several processes and this build has no MPI. */
cso_status cso_comm_open(cso_comm **comm, cso_error *err);
/* After cso_comm_meet. */
void cso_comm_close(cso_comm *comm);
/* Ends all processes of the run at once; mpirun's exit code becomes `code`. Alone: exits. */
_Noreturn void cso_comm_abort(cso_comm *comm, int code);

int cso_comm_rank(const cso_comm *comm);       /* 0 .. size - 1; alone 0 */
int cso_comm_size(const cso_comm *comm);       /* alone 1 */
int cso_comm_local_size(const cso_comm *comm); /* processes of the run on this machine; alone 1 */

/* Sums x element by element over the processes, in rank order: the same bits on every process and in every run. f32 is
 * summed in f64 and rounded once. */
void cso_comm_sum_f32(cso_comm *comm, float *x, size_t n);
void cso_comm_sum_f64(cso_comm *comm, double *x, size_t n);
/* Every process gets rank 0's bytes. */
void cso_comm_broadcast(cso_comm *comm, void *data, size_t bytes);
/* Fills all (size, bytes) with every process's `mine`, by rank. Alone: a copy. */
void cso_comm_gather_all(cso_comm *comm, const void *mine, void *all, size_t bytes);
void cso_comm_barrier(cso_comm *comm);

/* Every process gets the status and message of one failure: the lowest rank's that is not CSO_ERR_NUMERIC, else the lowest
 * rank's. CSO_OK if no process failed. A message from a rank other than 0 begins with its process and machine, except for
 * CSO_ERR_NUMERIC. */
cso_status cso_comm_agree(cso_comm *comm, cso_status status, cso_error *err);
/* Final rendezvous: every process calls it once, failed or not; close or abort follows. *first: this process reports the error,
 * because it failed and no lower rank did. False if it failed and the others do not arrive within some seconds: they wait for
 * it elsewhere, and only abort can end them. */
bool cso_comm_meet(cso_comm *comm, cso_status status, bool *first);

#endif
