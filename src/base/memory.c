/* memory.c - checked sizes and allocations, and how much memory there is. */
#include "memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static cso_memory_hook hook;

void cso_memory_set_hook(cso_memory_hook asked) {
    hook = asked;
}

static bool may_have(size_t bytes) {
    return bytes <= PTRDIFF_MAX && (!hook || hook(bytes));
}

bool cso_size_mul(size_t a, size_t b, size_t *product) {
    size_t result;
    if (__builtin_mul_overflow(a, b, &result))
        return false;
    *product = result;
    return true;
}

bool cso_size_add(size_t a, size_t b, size_t *sum) {
    size_t result;
    if (__builtin_add_overflow(a, b, &result))
        return false;
    *sum = result;
    return true;
}

void *cso_calloc(size_t count, size_t size) {
    size_t bytes;
    if (!cso_size_mul(count, size, &bytes) || !may_have(bytes))
        return NULL;
    return calloc(bytes ? bytes : 1, 1);
}

void *cso_aligned_alloc(size_t count, size_t size) {
    size_t bytes;
    if (!cso_size_mul(count, size, &bytes) || !cso_size_add(bytes, 63, &bytes) || !may_have(bytes))
        return NULL;
    bytes &= ~(size_t)63; /* aligned_alloc wants a multiple of the alignment */
    return aligned_alloc(64, bytes ? bytes : 64);
}

void *cso_huge_alloc(size_t bytes) {
    enum { HUGE_PAGE = 2 << 20 };
    size_t rounded;
    if (bytes < HUGE_PAGE)
        return cso_aligned_alloc(bytes, 1);
    if (!cso_size_add(bytes, HUGE_PAGE - 1, &rounded) || !may_have(rounded))
        return NULL;
    rounded &= ~(size_t)(HUGE_PAGE - 1);
    void *memory = aligned_alloc(HUGE_PAGE, rounded);
    if (memory)
        madvise(memory, rounded, MADV_HUGEPAGE); /* where the system has none, small pages do */
    return memory;
}

bool cso_grow(void *array_pointer, size_t *capacity, size_t need, size_t size) {
    if (need <= *capacity)
        return true;
    size_t items = *capacity > SIZE_MAX / 2 ? need : *capacity * 2;
    if (items < need)
        items = need;
    if (items < 8)
        items = 8;
    size_t bytes;
    if (!cso_size_mul(items, size, &bytes) || !may_have(bytes))
        return false;
    void *array;
    memcpy(&array, array_pointer, sizeof array); /* the caller's pointer has a type of its own */
    array = realloc(array, bytes ? bytes : 1);
    if (!array)
        return false;
    memcpy(array_pointer, &array, sizeof array);
    *capacity = items;
    return true;
}

void *cso_malloc(size_t size) {
    return may_have(size) ? malloc(size ? size : 1) : NULL;
}

char *cso_strndup(const char *text, size_t length) {
    char *copy = length < SIZE_MAX ? cso_malloc(length + 1) : NULL;
    if (!copy)
        return NULL;
    if (length)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *cso_strdup(const char *text) {
    return cso_strndup(text, strlen(text));
}

char *cso_format(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length >= 0 ? cso_malloc((size_t)length + 1) : NULL;
    if (!text)
        return NULL;
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

/* The number after `key` in a file of "key number" lines (key "": the file's first number). False if missing; "max", a cgroup's
 * "no limit", is not a number. */
static bool read_number(const char *path, const char *key, size_t *number) {
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    char line[256];
    size_t key_length = strlen(key);
    bool found = false;
    while (!found && fgets(line, sizeof line, file)) {
        unsigned long long value;
        if (!strncmp(line, key, key_length) && sscanf(line + key_length, "%llu", &value) == 1) {
            *number = (size_t)value;
            found = true;
        }
    }
    fclose(file);
    return found;
}

/* The files of one version of the control-group file system. Page cache counts as used there, but can be reclaimed. */
typedef struct cgroup_files {
    const char *root, *limit, *usage, *reclaimable[2];
} cgroup_files;

static const cgroup_files CGROUP_V2 = {"/sys/fs/cgroup", "memory.max", "memory.current", {"inactive_file ", "active_file "}};
static const cgroup_files CGROUP_V1 = {
    "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", {"total_inactive_file ", "total_active_file "}};

/* The least memory left under the limits of `group` and all its parents. In a container the path given to the process often
 * names a folder that is not mounted; the walk then ends at the mounted root, which is the container's group. */
static size_t cgroup_room(const cgroup_files *files, char *group) {
    size_t room = SIZE_MAX;
    for (;;) {
        char path[768];
        size_t limit, used, part;
        snprintf(path, sizeof path, "%s%s/%s", files->root, group, files->limit);
        if (read_number(path, "", &limit)) {
            snprintf(path, sizeof path, "%s%s/%s", files->root, group, files->usage);
            if (!read_number(path, "", &used))
                used = 0;
            snprintf(path, sizeof path, "%s%s/memory.stat", files->root, group);
            for (int i = 0; i < 2; i++)
                if (read_number(path, files->reclaimable[i], &part))
                    used -= part < used ? part : used;
            size_t here = limit > used ? limit - used : 0;
            if (here < room)
                room = here;
        }
        char *slash = strrchr(group, '/');
        if (!slash)
            return room;
        *slash = '\0';
    }
}

size_t cso_memory_available(void) {
    size_t available = SIZE_MAX / 2, kib;
    if (read_number("/proc/meminfo", "MemAvailable:", &kib))
        available = kib * 1024;
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file)
        return available;
    char line[512];
    while (fgets(line, sizeof line, file)) { /* "ID:CONTROLLERS:/PATH"; version 2 has ID 0 and no controllers */
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        if (!strcmp(group, "/"))
            *group = '\0';
        const cgroup_files *files = NULL;
        if (!strcmp(line, "0:"))
            files = &CGROUP_V2;
        else if (strstr(controllers, "memory"))
            files = &CGROUP_V1;
        if (files) {
            size_t room = cgroup_room(files, group);
            if (room < available)
                available = room;
        }
    }
    fclose(file);
    return available;
}

size_t cso_memory_resident(void) {
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long all, resident;
    if (!file)
        return 0;
    bool known = fscanf(file, "%llu %llu", &all, &resident) == 2;
    fclose(file);
    return known ? (size_t)resident * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

size_t cso_memory_peak(void) {
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage))
        return 0;
    return (size_t)usage.ru_maxrss * 1024;
}
