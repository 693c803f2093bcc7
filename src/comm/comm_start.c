/* comm_start.c - how this process was started, by its environment. */
#include "comm_calls.h"

#include <stdlib.h>

static int number_of(const char *name) {
    const char *text = getenv(name);
    int number = text ? atoi(text) : 0;
    return number > 0 ? number : 0;
}

int comm_started_size(void) {
    int size = number_of("OMPI_COMM_WORLD_SIZE"); /* OpenMPI's mpirun */
    if (!size)
        size = number_of("PMI_SIZE"); /* srun --mpi=pmi2, MPICH's mpirun */
    if (!size && getenv("PMIX_RANK")) /* srun --mpi=pmix gives the size in Slurm's variables */
        size = number_of("SLURM_STEP_NUM_TASKS");
    return size;
}
