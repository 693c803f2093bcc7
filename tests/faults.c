#include "faults.h"

#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static fault io;
static size_t io_calls, io_failed;

static int io_hook(cso_io_kind kind, size_t *size) {
    if (io.kinds && !(io.kinds & 1u << kind))
        return 0;
    io_calls++;
    if (!io.at || (io.forever ? io_calls < io.at : io_calls != io.at))
        return 0;
    if (io.error != FAULT_SHORT) {
        io_failed++;
        return io.error;
    }
    if (kind == CSO_IO_WRITE && *size > 1) {
        io_failed++;
        *size /= 2;
    }
    return 0;
}

void fault_io_begin(fault which) {
    io = which;
    io_calls = io_failed = 0;
    cso_io_set_hook(io_hook);
}

bool fault_io_end(void) {
    cso_io_set_hook(NULL);
    return io_failed > 0;
}

static size_t memory_at;
static bool memory_on, memory_forever;
static atomic_size_t memory_calls, memory_failed; /* threads allocate, too */

bool fault_memory_allows(size_t bytes) {
    (void)bytes;
    if (!memory_on)
        return true;
    size_t call = atomic_fetch_add(&memory_calls, 1) + 1;
    if (!memory_at || (memory_forever ? call < memory_at : call != memory_at))
        return true;
    atomic_fetch_add(&memory_failed, 1);
    return false;
}

void fault_memory_begin(size_t at, bool forever) {
    memory_at = at;
    memory_forever = forever;
    memory_calls = memory_failed = 0;
    memory_on = true;
    cso_memory_set_hook(fault_memory_allows);
}

bool fault_memory_end(void) {
    memory_on = false;
    cso_memory_set_hook(NULL);
    return memory_failed > 0;
}

size_t fault_memory_count(void) {
    return memory_calls;
}

size_t fault_leftovers(const char *folder) {
    DIR *handle = opendir(folder);
    size_t count = 0;
    if (!handle)
        return 0;
    for (struct dirent *entry; (entry = readdir(handle));) {
        const char *name = entry->d_name;
        size_t length = strlen(name);
        if (!strcmp(name, ".") || !strcmp(name, ".."))
            continue;
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, name);
        if (length > 4 && !strcmp(name + length - 4, ".tmp")) {
            count++;
            fprintf(stderr, "left over: %s\n", path);
        } else {
            count += fault_leftovers(path);
        }
    }
    closedir(handle);
    return count;
}
