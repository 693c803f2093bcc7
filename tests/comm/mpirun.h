/* mpirun.h - programs started by mpirun, for tests. */
#ifndef CSO_TESTS_MPIRUN_H
#define CSO_TESTS_MPIRUN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Whether this build has MPI and mpirun exists; prints a line if not. */
bool mpirun_there(void);
/* Starts `program` as n processes (0: without mpirun); what they print on standard error goes to `file`. words: NULL-terminated. */
pid_t mpirun_start(int n, const char *program, const char *const *words, const char *file);
/* Starts the test's own program as n processes with the word "rank", and fails the test with the first line of their standard error if
 * one of them fails. */
void mpirun_itself(int n, const char *program);
/* The exit code, 1000 + n for a death by signal n. */
int mpirun_wait(pid_t child);
/* The pid of a process of that program started by `child`; 0: there are fewer. */
pid_t mpirun_process(pid_t child, const char *program, size_t index);

#endif
