/* comm.h - the processes of a run: one alone, or several that MPI started, on one machine or many.
 *
 * All functions take NULL for a process alone, and then do nothing. The others are collective: every process of the run calls
 * the same ones in the same order. What goes wrong inside MPI ends all processes (MPI's default), so only agree has a status.
 */
#ifndef CSO_COMM_H
#define CSO_COMM_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct cso_comm cso_comm;

/* Joins the other processes where mpirun or srun started this one, and gives *comm; NULL where it was started alone, and then
 * MPI is not touched. CSO_ERR_USAGE if there are several processes and this build is without MPI. */
cso_status cso_comm_open(cso_comm **comm, cso_error *err);
/* After cso_comm_meet. */
void cso_comm_close(cso_comm *comm);
/* Ends all processes of the run at once; mpirun's exit code becomes `code`. Alone: exits. */
_Noreturn void cso_comm_abort(cso_comm *comm, int code);

int cso_comm_rank(const cso_comm *comm);       /* 0 .. size - 1; alone 0 */
int cso_comm_size(const cso_comm *comm);       /* alone 1 */
int cso_comm_local_size(const cso_comm *comm); /* processes of the run on this machine; alone 1 */

/* Element by element the sum over the processes, in the order of their ranks: the same bits everywhere and every time. f32 is
 * summed in f64 and rounded once. */
void cso_comm_sum_f32(cso_comm *comm, float *x, size_t n);
void cso_comm_sum_f64(cso_comm *comm, double *x, size_t n);
/* Everyone gets rank 0's bytes. */
void cso_comm_broadcast(cso_comm *comm, void *data, size_t bytes);
/* all (size, bytes): what each process has in mine. Alone: a copy. */
void cso_comm_gather_all(cso_comm *comm, const void *mine, void *all, size_t bytes);
void cso_comm_barrier(cso_comm *comm);

/* Everyone gets the status and message of the same failure, the gravest: one that is not CSO_ERR_NUMERIC, of the lowest rank.
 * CSO_OK if nobody failed. A message from another rank than 0 begins with its process and machine, a numerical one excepted. */
cso_status cso_comm_agree(cso_comm *comm, cso_status status, cso_error *err);
/* Where every process comes at its end, whatever became of it; close or abort follows. *first: it is the one to say what went
 * wrong, because it failed and none of a lower rank did. False if it failed and the others do not come within some seconds: they
 * wait for it elsewhere, and only abort can end them. */
bool cso_comm_meet(cso_comm *comm, cso_status status, bool *first);

#endif
