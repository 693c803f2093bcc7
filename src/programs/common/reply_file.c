/* reply_file.c - see reply_file.h. */
#include "reply_file.h"

#include "base/file.h"
#include "base/io_calls.h"
#include "base/memory.h"
#include "io/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct reply_line {
    char *text;    /* NULL: not made, or written */
    size_t offset; /* in the file, of one that is written */
    size_t size;
    bool done;
} reply_line;

struct reply_file {
    int descriptor;
    const char *path;  /* for messages */
    reply_line *lines; /* (count) */
    size_t count, done;
    size_t next; /* the first that is not done */
    size_t size; /* of the file */
    size_t last; /* position of the last line of the file, counted from 1; 0: none */
    bool regular, unordered;
};

/* An existing file that is read. */
typedef struct reply_reader {
    reply_file *file;
    reply_expected expected;
    void *context;
    size_t position; /* where to look for the next line's reply first */
} reply_reader;

static cso_status write_all(reply_file *file, const char *text, size_t size, cso_error *err) {
    while (size) {
        ssize_t written = cso_io_write(file->descriptor, text, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return cso_fail_errno(err, "write", file->path);
        text += written;
        size -= (size_t)written;
    }
    return CSO_OK;
}

/* "FILE:LINE: was made with another model (...)" unless the digests agree. */
static cso_status compare_origin(const cJSON *line, const reply_origin *expected, const char *place, cso_error *err) {
    const struct {
        const char *key, *value, *what;
    } parts[] = {{"model", expected->model, "another model or --compute"},
                 {"adapter", expected->adapter, "another adapter"},
                 {"prompt", expected->prompt, "another prompt"},
                 {"options", expected->options, "other options"}};
    const cJSON *origin = cJSON_GetObjectItemCaseSensitive(line, "from");
    if (!cJSON_IsObject(origin))
        return cso_fail(err, CSO_ERR_INPUT, "%s: from is missing (expected a reply that --out wrote)", place);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const char *found = NULL;
        CSO_TRY(cso_json_string(origin, parts[i].key, place, &found, err));
        if (strcmp(found ? found : "", parts[i].value))
            return cso_fail(err, CSO_ERR_USAGE,
                            "%s: this reply was made with %s than this run has (expected the same, or another --out)", place,
                            parts[i].what);
    }
    return CSO_OK;
}

/* Finds the position of a line's reply, beginning behind that of the line before. */
static cso_status find_position(reply_reader *r, const cJSON *line, const char *place, reply_origin *origin, cso_error *err) {
    reply_key key = {0}, at = {0};
    CSO_TRY(cso_json_size(line, "index", place, 0, &key.index, err));
    CSO_TRY(cso_json_size(line, "turn", place, 0, &key.turn, err));
    CSO_TRY(cso_json_size(line, "reply", place, 0, &key.reply, err));
    for (size_t i = 0; i < r->file->count; i++, r->position++) {
        if (r->position >= r->file->count)
            r->position = 0;
        CSO_TRY(r->expected(r->context, r->position, &at, NULL, err));
        if (at.index == key.index && at.turn == key.turn && at.reply == key.reply)
            return r->expected(r->context, r->position, &at, origin, err);
    }
    return cso_fail(err, CSO_ERR_USAGE,
                    "%s: reply %zu to prompt %zu is not one of this run's (expected the same prompts, or another --out)", place,
                    key.reply, key.index);
}

/* A line of the file is the reply at a position. */
static void note_written(reply_file *file, size_t position, size_t size) {
    file->lines[position] = (reply_line){.offset = file->size, .size = size, .done = true};
    file->unordered |= position < file->last;
    file->last = position + 1;
    file->size += size;
}

/* Takes a line with its line break. */
static cso_status take_line(reply_reader *r, const char *text, size_t size, size_t number, cso_error *err) {
    reply_file *file = r->file;
    reply_origin origin;
    cJSON *line = NULL;
    char *place = cso_format("%s:%zu", file->path, number);
    cso_status status = place ? CSO_OK : cso_fail_memory(err, file->path);
    if (status == CSO_OK)
        status = cso_json_parse(&line, text, size, file->path, number, err);
    if (status == CSO_OK && !cJSON_IsObject(line))
        status = cso_fail(err, CSO_ERR_INPUT, "%s: not an object (expected a reply that --out wrote)", place);
    if (status == CSO_OK)
        status = find_position(r, line, place, &origin, err);
    if (status == CSO_OK)
        status = compare_origin(line, &origin, place, err);
    if (status == CSO_OK && file->lines[r->position].done)
        status = cso_fail(err, CSO_ERR_INPUT, "%s: a reply that came before (expected each once)", place);
    if (status == CSO_OK) {
        note_written(file, r->position++, size);
        file->done++;
    }
    cJSON_Delete(line);
    free(place);
    return status;
}

/* Reads what the file has. A last line without its line break is dropped: its process was killed. */
static cso_status take_back(reply_reader *r, cso_error *err) {
    reply_file *file = r->file;
    cso_map map = {0};
    size_t number = 0, at = 0;
    CSO_TRY(cso_map_open(&map, file->path, err));
    const char *text = (const char *)map.data, *end;
    cso_status status = CSO_OK;
    while (status == CSO_OK && at < map.size && (end = memchr(text + at, '\n', map.size - at))) {
        size_t size = (size_t)(end - (text + at)) + 1;
        status = take_line(r, text + at, size, ++number, err);
        at += size;
    }
    bool torn = file->size < map.size;
    if (status == CSO_OK && !number && map.size && text[0] != '{')
        status = cso_fail(err, CSO_ERR_INPUT, "%s: not a file of replies (expected one that --out wrote)", file->path);
    cso_map_close(&map);
    if (status == CSO_OK && torn && cso_io_truncate(file->descriptor, (off_t)file->size))
        status = cso_fail_errno(err, "cut the end of", file->path);
    while (file->next < file->count && file->lines[file->next].done)
        file->next++;
    return status;
}

static cso_status open_path(reply_file *file, const char *path, reply_expected expected, void *context, cso_error *err) {
    struct stat info;
    file->path = path;
    file->descriptor = cso_io_open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0666);
    if (file->descriptor < 0)
        return cso_fail_errno(err, "open", path);
    if (fstat(file->descriptor, &info))
        return cso_fail_errno(err, "stat", path);
    file->regular = S_ISREG(info.st_mode);
    if (!file->regular) /* a device such as /dev/null: nothing to go on with */
        return S_ISCHR(info.st_mode) ? CSO_OK
                                     : cso_fail(err, CSO_ERR_USAGE, "%s: is not a regular file (expected a file's name)", path);
    if (flock(file->descriptor, LOCK_EX | LOCK_NB))
        return errno == EWOULDBLOCK
                   ? cso_fail(err, CSO_ERR_USAGE, "%s: another process is writing replies to it (expected another --out)", path)
                   : cso_fail_errno(err, "lock", path);
    reply_reader reader = {.file = file, .expected = expected, .context = context};
    return take_back(&reader, err);
}

cso_status reply_file_open(reply_file **result, const char *path, size_t replies, reply_expected expected, void *context,
                           cso_error *err) {
    reply_file *file = *result = cso_calloc(1, sizeof *file);
    if (!file)
        return cso_fail_memory(err, "replies");
    *file = (reply_file){.descriptor = STDOUT_FILENO, .path = "standard output", .count = replies};
    file->lines = cso_calloc(replies, sizeof *file->lines);
    if (!file->lines)
        return cso_fail_memory(err, "replies");
    return path ? open_path(file, path, expected, context, err) : CSO_OK;
}

bool reply_file_has(const reply_file *file, size_t position) {
    return file->lines[position].done;
}

size_t reply_file_count(const reply_file *file) {
    return file->done;
}

static cso_status write_line(reply_file *file, size_t position, cso_error *err) {
    reply_line *line = &file->lines[position];
    char *text = line->text;
    size_t size = line->size;
    if (!text)
        return CSO_OK;
    cso_status status = write_all(file, text, size, err);
    note_written(file, position, size);
    free(text);
    return status;
}

cso_status reply_file_add(reply_file *file, size_t position, char *text, size_t size, cso_error *err) {
    file->lines[position] = (reply_line){.text = text, .size = size, .done = true};
    file->done++;
    for (; file->next < file->count && file->lines[file->next].done; file->next++)
        CSO_TRY(write_line(file, file->next, err));
    return CSO_OK;
}

/* A new file with the same lines in order takes the place of the file. */
static cso_status put_in_order(const reply_file *file, cso_error *err) {
    cso_map map = {0};
    cso_save *save = NULL;
    cso_status status;
    CSO_TRY(cso_map_open(&map, file->path, err));
    CSO_TRY_DONE(cso_save_begin(&save, file->path, err));
    for (size_t i = 0; i < file->count; i++)
        CSO_TRY_DONE(cso_save_write(save, map.data + file->lines[i].offset, file->lines[i].size, err));
    status = cso_save_commit(save, err);
    save = NULL;
done:
    cso_save_abort(save);
    cso_map_close(&map);
    return status;
}

cso_status reply_file_end(reply_file *file, cso_error *err) {
    for (size_t i = file->next; i < file->count; i++)
        CSO_TRY(write_line(file, i, err));
    if (file->regular && cso_io_fsync(file->descriptor))
        return cso_fail_errno(err, "flush", file->path);
    return file->regular && file->unordered && file->done == file->count ? put_in_order(file, err) : CSO_OK;
}

void reply_file_close(reply_file *file) {
    if (!file)
        return;
    for (size_t i = 0; file->lines && i < file->count; i++)
        free(file->lines[i].text);
    if (file->descriptor >= 0 && file->descriptor != STDOUT_FILENO)
        cso_io_close(file->descriptor);
    free(file->lines);
    free(file);
}
