/* replay.c - runs a fuzz target over the files of folders, in builds without a fuzzer: each file as it is, every beginning
 * of it, and with each byte changed a few ways. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In an allocation of exactly that size, so that a sanitizer sees a read past the end. */
static void run(const uint8_t *data, size_t size, size_t changed, uint8_t flip) {
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    if (changed < size)
        copy[changed] ^= flip;
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static int replay_file(const char *path) {
    enum { MAX = 1 << 20 };
    static uint8_t data[MAX];
    FILE *file = fopen(path, "rb");
    if (!file)
        return 1;
    size_t size = fread(data, 1, MAX, file);
    fclose(file);
    size_t step = size / 4096 + 1; /* small files in full, larger ones in steps */
    run(data, size, size, 0);
    for (size_t at = 0; at < size; at += step) {
        run(data, at, at, 0);
        run(data, size, at, 0x01);
        run(data, size, at, 0x80);
        run(data, size, at, 0xFF);
    }
    return 0;
}

int main(int argc, char **argv) {
    int files = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        struct dirent *entry;
        while (folder && (entry = readdir(folder))) {
            char path[4096];
            if (entry->d_name[0] == '.')
                continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            if (replay_file(path)) {
                fprintf(stderr, "cannot read %s\n", path);
                return 1;
            }
            files++;
        }
        if (folder)
            closedir(folder);
    }
    printf("%d files replayed\n", files);
    return files ? 0 : 1; /* a folder that is not there must not pass */
}
