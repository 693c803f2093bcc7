/* json_each.c - the records of a data file, one at a time.
 *
 * An array is cut into its elements, and lines are cut off, by a small automaton that only knows strings and brackets;
 * cso_json_parse then checks each record. Data sets may be larger than memory and may come from pipes.
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
#include <unistd.h>

typedef struct reader {
    FILE *file;
    const char *path;
    size_t line; /* of the next character */
    char *record;
    size_t size, capacity;
    cso_json_visitor visit;
    void *context;
    cso_error *err;
    unsigned char head[CSO_FOREIGN_HEAD]; /* looked at before the rest; still to be read from head_at on */
    size_t head_at, head_size;
} reader;

static int next_char(reader *r) {
    int c = r->head_at < r->head_size ? r->head[r->head_at++] : getc_unlocked(r->file);
    if (c == '\n')
        r->line++;
    return c;
}

static void put_back(reader *r, int c) {
    if (c == '\n')
        r->line--;
    if (c != EOF && r->head_at)
        r->head[--r->head_at] = (unsigned char)c;
    else if (c != EOF)
        ungetc(c, r->file);
}

/* What begins like no JSON may be data in another form. Its first line, or as much of it as suffices, is looked at and read
 * again. */
static cso_status check_head(reader *r) {
    int c = getc_unlocked(r->file);
    if (c == EOF || strchr("{[ \t\r\n", c)) {
        if (c != EOF)
            ungetc(c, r->file);
        return CSO_OK;
    }
    do
        r->head[r->head_size++] = (unsigned char)c;
    while (c != '\n' && r->head_size < sizeof r->head && (c = getc_unlocked(r->file)) != EOF);
    return foreign_file_check(r->path, (const char *)r->head, r->head_size, r->err);
}

/* The next character that is not white space; EOF at the end. */
static int skip_space(reader *r) {
    int c;
    do
        c = next_char(r);
    while (c == ' ' || c == '\t' || c == '\n' || c == '\r');
    return c;
}

static cso_status append(reader *r, int c) {
    if (r->size >= CSO_JSON_MAX_RECORD)
        return cso_fail(r->err, CSO_ERR_INPUT, "%s:%zu: the record is too long (expected at most 64 MiB)", r->path, r->line);
    if (!cso_grow(&r->record, &r->capacity, r->size + 1, 1))
        return cso_fail_memory(r->err, r->path);
    r->record[r->size++] = (char)c;
    return CSO_OK;
}

static cso_status check_read(reader *r) {
    if (!ferror(r->file))
        return CSO_OK;
    if (errno == EISDIR)
        return cso_fail(r->err, CSO_ERR_INPUT, "%s: is a folder (expected a file)", r->path);
    return cso_fail_errno(r->err, "read", r->path);
}

static cso_status visit_record(reader *r, size_t line) {
    cJSON *value;
    CSO_TRY(cso_json_parse(&value, r->record ? r->record : "", r->size, r->path, line, r->err));
    cso_status status;
    if (cJSON_IsObject(value))
        status = r->visit(r->context, value, line, r->err);
    else
        status = cso_fail(r->err, CSO_ERR_INPUT, "%s:%zu: expected a record, that is an object {...}", r->path, line);
    cJSON_Delete(value);
    return status;
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

/* Elements, after the '['. */
static cso_status read_array(reader *r) {
    int c = skip_space(r);
    bool any = false;
    while (any || c != ']') {
        nesting n = {0};
        size_t line = r->line;
        r->size = 0;
        while (c != EOF && (n.depth || n.string || (c != ',' && c != ']'))) {
            if (n.string && c == '\n') /* not allowed there: the parser reports it */
                break;
            count_bracket(&n, c);
            CSO_TRY(append(r, c));
            c = next_char(r);
        }
        CSO_TRY(check_read(r));
        if (c == EOF && !n.depth && !n.string)
            return cso_fail(r->err, CSO_ERR_INPUT, "%s:%zu: the array is not closed (expected ',' or ']')", r->path, r->line);
        if (r->size == 0)
            return cso_fail(r->err, CSO_ERR_INPUT, "%s:%zu: expected a record, found '%c'", r->path, line, c);
        CSO_TRY(visit_record(r, line));
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

/* One line, without its end, or with `rest` all that is left. */
static cso_status read_line(reader *r, bool rest, nesting *n) {
    int c;
    while ((c = next_char(r)) != EOF && (rest || c != '\n')) {
        count_bracket(n, c);
        CSO_TRY(append(r, c));
    }
    return check_read(r);
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
        size_t line = r->line;
        nesting n = {0};
        r->size = 0;
        CSO_TRY(read_line(r, false, &n));
        if (may_be_one && n.depth && !n.string) { /* the first line leaves its object open */
            CSO_TRY(append(r, '\n'));
            CSO_TRY(read_line(r, true, &n));
        }
        may_be_one = false;
        CSO_TRY(visit_record(r, line));
    }
}

cso_status cso_json_each_open(FILE *file, const char *path, cso_json_visitor visit, void *context, cso_error *err) {
    reader r = {.file = file, .path = path, .line = 1, .visit = visit, .context = context, .err = err};
    cso_status status;
    CSO_TRY(check_head(&r));
    int c = next_char(&r);
    if (c == 0xEF) { /* a byte-order mark; an incomplete one cannot begin a record */
        int second = next_char(&r), third = next_char(&r);
        if (second != 0xBB || third != 0xBF)
            return cso_fail(err, CSO_ERR_INPUT, "%s:1: expected a record", path);
        c = next_char(&r);
    }
    put_back(&r, c);
    c = skip_space(&r);
    if (c == '[') {
        status = read_array(&r);
    } else {
        put_back(&r, c);
        status = read_lines(&r);
    }
    free(r.record);
    return status;
}

cso_status cso_json_each(const char *path, cso_json_visitor visit, void *context, cso_error *err) {
    if (cso_is_standard_input(path))
        return cso_json_each_open(stdin, "standard input", visit, context, err);
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
    cso_status status = cso_json_each_open(file, path, visit, context, err);
    fclose(file);
    return status;
}
