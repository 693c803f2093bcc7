/* faults.h - lets chosen system calls or allocations fail, through the hooks of io_calls.h and memory.h.
 *
 * A test repeats what it tests with the first call failing, then the second, and so on, until a round in which none failed.
 */
#ifndef CSO_TESTS_FAULTS_H
#define CSO_TESTS_FAULTS_H

#include "base/io_calls.h"

#include <stdbool.h>
#include <stddef.h>

enum { FAULT_SHORT = -1 }; /* in place of an errno: writes write half of what they are asked to (a byte at least) */

typedef struct fault {
    size_t at;      /* the call that fails, from 1; 0: none */
    bool forever;   /* and all after it */
    int error;      /* errno, or FAULT_SHORT */
    unsigned kinds; /* bits 1 << cso_io_kind that count; 0: all */
} fault;

/* System calls; fault_io_end tells whether any failed, and takes the hook away. */
void fault_io_begin(fault which);
bool fault_io_end(void);

/* Allocations: cso's own, by number, and others that ask fault_memory_allows. */
void fault_memory_begin(size_t at, bool forever);
bool fault_memory_end(void);
size_t fault_memory_count(void); /* allocations since begin */
bool fault_memory_allows(size_t bytes);

/* Names in a folder, and in its folders, that end in ".tmp". */
size_t fault_leftovers(const char *folder);

#endif
