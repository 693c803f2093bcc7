/* json_each.c - the records of a data file, one at a time.
 *
 * An array is cut into its elements by a small automaton that only knows strings and brackets; the parser then checks each record.
 * Data sets may be larger than memory and may come from pipes.
 */
#include "json_each.h"

#include "base/file.h"
#include "base/hub.h"
#include "base/memory.h"
#include "foreign_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { BUFFER_BYTES = 256 * 1024 };

typedef struct reader {
    FILE *file;
    const char *path;
    size_t line; /* of the next character */
    char *buffer;
    size_t at, end; /* buffer[at .. end) is still to be read */
    char *record;   /* what is gathered of a record that the buffer does not hold whole */
    size_t size, capacity;
    cso_json_text_visitor visit;
    void *context;
    cso_error *err;
    int failed; /* errno of a read */
} reader;

/* More bytes behind those that are still to be read; false: none come. A pipe gives what is there, without waiting for more. */
static bool fill(reader *r) {
    if (r->at == r->end)
        r->at = r->end = 0;
    size_t room = BUFFER_BYTES - r->end;
    int file = fileno(r->file);
    ssize_t count;
    if (!room || r->failed)
        return false;
    do
        count = file >= 0 ? read(file, r->buffer + r->end, room) : (ssize_t)fread(r->buffer + r->end, 1, room, r->file);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        r->failed = errno;
    else
        r->end += (size_t)count;
    return count > 0;
}

static int next_char(reader *r) {
    if (r->at == r->end && !fill(r))
        return EOF;
    int c = (unsigned char)r->buffer[r->at++];
    r->line += c == '\n';
    return c;
}

/* Of the character that was read last. */
static void put_back(reader *r, int c) {
    r->line -= c == '\n';
    r->at -= c != EOF;
}

/* What begins like no JSON may be data in another form: its first line, or as much of it as suffices, is looked at. */
static cso_status check_head(reader *r) {
    if (!fill(r) || strchr("{[ \t\r\n", r->buffer[0]))
        return CSO_OK;
    while (r->end < CSO_FOREIGN_HEAD && !memchr(r->buffer, '\n', r->end) && fill(r))
        ;
    return foreign_file_check(r->path, r->buffer, r->end < CSO_FOREIGN_HEAD ? r->end : CSO_FOREIGN_HEAD, r->err);
}

/* The next character that is not white space; EOF at the end. */
static int skip_space(reader *r) {
    int c;
    do
        c = next_char(r);
    while (c == ' ' || c == '\t' || c == '\n' || c == '\r');
    return c;
}

static cso_status append(reader *r, const char *bytes, size_t size) {
    if (size > CSO_JSON_MAX_RECORD - r->size)
        return cso_fail(r->err, CSO_ERR_INPUT, "%s:%zu: the record is too long (expected at most 64 MiB)", r->path, r->line);
    if (!cso_grow(&r->record, &r->capacity, r->size + size, 1))
        return cso_fail_memory(r->err, r->path);
    if (size)
        memcpy(r->record + r->size, bytes, size);
    r->size += size;
    return CSO_OK;
}

static cso_status check_read(reader *r) {
    if (!r->failed)
        return CSO_OK;
    if (r->failed == EISDIR)
        return cso_fail(r->err, CSO_ERR_INPUT, "%s: is a folder (expected a file)", r->path);
    errno = r->failed;
    return cso_fail_errno(r->err, "read", r->path);
}

/* What bracket counting knows of the text so far. */
typedef struct nesting {
    size_t depth;
    bool string, escaped;
} nesting;

static void count_bracket(nesting *n, int c) {
    if (n->escaped)
        n->escaped = false;
    else if (n->string && c == '\\')
        n->escaped = true;
    else if (c == '"')
        n->string = !n->string;
    else if (!n->string && (c == '{' || c == '['))
        n->depth++;
    else if (!n->string && (c == '}' || c == ']') && n->depth)
        n->depth--;
}

/* An element that the text ends in, or a string of it that goes over the end of a line: the parser says what is wrong. */
static cso_status fail_element(reader *r, size_t line) {
    CSO_TRY(cso_json_check_record(r->record, r->size, r->path, line, r->err));
    return cso_fail(r->err, CSO_ERR_INPUT, "%s:%zu: the array is not closed (expected ',' or ']')", r->path, r->line);
}

/* Gathers an element, of which the next character is the first, up to the ',' or ']' behind it, which is *stop. */
static cso_status read_element(reader *r, int *stop, cso_error *err) {
    nesting n = {0};
    size_t line = r->line;
    r->size = 0;
    *stop = EOF;
    while (*stop == EOF && (r->at < r->end || fill(r))) {
        size_t from = r->at;
        for (; r->at < r->end; r->at++) {
            char c = r->buffer[r->at];
            if (!n.depth && !n.string && (c == ',' || c == ']'))
                break;
            if (c == '\n' && n.string) /* not allowed there */
                break;
            count_bracket(&n, c);
            r->line += c == '\n';
        }
        CSO_TRY(append(r, r->buffer + from, r->at - from));
        if (r->at < r->end && n.string)
            return fail_element(r, line);
        if (r->at < r->end)
            *stop = r->buffer[r->at++];
    }
    CSO_TRY(check_read(r));
    if (*stop != EOF)
        return CSO_OK;
    if (n.depth || n.string)
        return fail_element(r, line);
    return cso_fail(err, CSO_ERR_INPUT, "%s:%zu: the array is not closed (expected ',' or ']')", r->path, r->line);
}

/* Elements, after the '['. */
static cso_status read_array(reader *r) {
    int c = skip_space(r);
    bool any = false;
    while (any || c != ']') {
        put_back(r, c);
        size_t line = r->line;
        CSO_TRY(read_element(r, &c, r->err));
        if (r->size == 0)
            return cso_fail(r->err, CSO_ERR_INPUT, "%s:%zu: expected a record, found '%c'", r->path, line, c);
        CSO_TRY(r->visit(r->context, r->record, r->size, line, r->err));
        any = true;
        if (c == ']')
            break;
        c = skip_space(r);
    }
    c = skip_space(r);
    CSO_TRY(check_read(r));
    if (c != EOF)
        return cso_fail(r->err, CSO_ERR_INPUT, "%s:%zu: expected nothing after the array", r->path, r->line);
    return CSO_OK;
}

/* One line, without its end, or with `rest` all that is left. In the buffer if that holds it whole. */
static cso_status read_line(reader *r, bool rest, const char **text, size_t *size) {
    bool gathered = r->size > 0;
    for (;;) {
        const char *from = r->buffer + r->at, *end = rest ? NULL : memchr(from, '\n', r->end - r->at);
        size_t length = end ? (size_t)(end - from) : r->end - r->at;
        if (end && !gathered) {
            *text = from;
            *size = length;
            r->at += length + 1;
            return CSO_OK;
        }
        CSO_TRY(append(r, from, length));
        gathered = true;
        r->at += length;
        if (end)
            r->at++;
        else if (fill(r))
            continue;
        *text = r->record ? r->record : "";
        *size = r->size;
        return check_read(r);
    }
}

/* Whether a line leaves its object open. */
static bool is_open(const char *text, size_t size) {
    nesting n = {0};
    for (size_t i = 0; i < size; i++)
        count_bracket(&n, text[i]);
    return n.depth && !n.string;
}

static cso_status read_lines(reader *r) {
    size_t length = strlen(r->path);
    bool may_be_one = length >= 5 && !strcmp(r->path + length - 5, ".json");
    for (;;) {
        int c = skip_space(r);
        CSO_TRY(check_read(r));
        if (c == EOF)
            return CSO_OK;
        put_back(r, c);
        const char *text;
        size_t line = r->line, size;
        r->size = 0;
        CSO_TRY(read_line(r, false, &text, &size));
        if (may_be_one && is_open(text, size)) {
            if (text != r->record)
                CSO_TRY(append(r, text, size));
            CSO_TRY(append(r, "\n", 1));
            CSO_TRY(read_line(r, true, &text, &size));
        }
        may_be_one = false;
        r->line = line + 1;
        CSO_TRY(r->visit(r->context, text, size, line, r->err));
    }
}

static cso_status read_records(reader *r) {
    CSO_TRY(check_head(r));
    int c = next_char(r);
    if (c == 0xEF) { /* a byte-order mark; an incomplete one cannot begin a record */
        int second = next_char(r), third = next_char(r);
        if (second != 0xBB || third != 0xBF)
            return cso_fail(r->err, CSO_ERR_INPUT, "%s:1: expected a record", r->path);
        c = next_char(r);
    }
    put_back(r, c);
    c = skip_space(r);
    if (c == '[')
        return read_array(r);
    put_back(r, c);
    return read_lines(r);
}

static cso_status each_text(FILE *file, const char *path, cso_json_text_visitor visit, void *context, cso_error *err) {
    reader r = {.file = file, .path = path, .line = 1, .visit = visit, .context = context, .err = err};
    r.buffer = cso_malloc(BUFFER_BYTES);
    cso_status status = r.buffer ? read_records(&r) : cso_fail_memory(err, path);
    free(r.buffer);
    free(r.record);
    return status;
}

/* A visitor of built records. */
typedef struct builder {
    const char *path;
    cso_json_visitor visit;
    void *context;
} builder;

static cso_status build_record(void *context, const char *text, size_t size, size_t line, cso_error *err) {
    const builder *b = context;
    cJSON *value;
    CSO_TRY(cso_json_parse(&value, text, size, b->path, line, err));
    cso_status status;
    if (cJSON_IsObject(value))
        status = b->visit(b->context, value, line, err);
    else
        status = cso_fail(err, CSO_ERR_INPUT, "%s:%zu: expected a record, that is an object {...}", b->path, line);
    cJSON_Delete(value);
    return status;
}

cso_status cso_json_each_open(FILE *file, const char *path, cso_json_visitor visit, void *context, cso_error *err) {
    builder b = {path, visit, context};
    return each_text(file, path, build_record, &b, err);
}

cso_status cso_json_each_text(const char *path, cso_json_text_visitor visit, void *context, cso_error *err) {
    if (cso_is_standard_input(path))
        return each_text(stdin, cso_input_name(path), visit, context, err);
    int descriptor;
    size_t size;
    cso_status opened = cso_open_input(path, &descriptor, &size, err);
    if (opened == CSO_ERR_INPUT)
        return cso_hub_hint(opened, path, CSO_HUB_DATA, err);
    CSO_TRY(opened);
    FILE *file = fdopen(descriptor, "r");
    if (!file) {
        close(descriptor);
        return cso_fail_memory(err, path);
    }
    cso_status status = each_text(file, path, visit, context, err);
    fclose(file);
    return status;
}

cso_status cso_json_each(const char *path, cso_json_visitor visit, void *context, cso_error *err) {
    builder b = {cso_input_name(path), visit, context};
    return cso_json_each_text(path, build_record, &b, err);
}
