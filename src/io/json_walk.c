/* json_walk.c - walks large values of a checked text in place.
 *
 * The text has passed json_scan.c, so nothing here looks for errors; bounds are checked all the same.
 */
#include "json_walk.h"

#include "json_scan.h"

#include <stdlib.h>
#include <string.h>

static size_t skip_space(const char *text, size_t size, size_t at) {
    while (at < size && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r'))
        at++;
    return at;
}

/* The end of the string at `at`, a quote. */
static size_t skip_string(const char *text, size_t size, size_t at) {
    at++;
    while (at < size && text[at] != '"')
        at += text[at] == '\\' ? 2 : 1;
    return at < size ? at + 1 : size;
}

static bool is_open(char c) {
    return c == '{' || c == '[';
}

static bool is_close(char c) {
    return c == '}' || c == ']';
}

/* The end of the value at `at`. *items: what an array or object holds, 0 for others. */
static size_t skip_value(const char *text, size_t size, size_t at, size_t *items) {
    size_t depth = 0, commas = 0;
    bool empty = true;
    while (at < size) {
        char c = text[at];
        if (depth == 0 && (c == ',' || is_close(c) || skip_space(text, size, at) > at))
            break; /* a number or word ends at the next delimiter */
        if (is_close(c)) {
            at++;
            if (--depth == 0)
                break;
            continue;
        }
        if (depth == 1 && c == ',')
            commas++;
        else if (depth == 1 && empty && skip_space(text, size, at) == at)
            empty = false;
        if (c == '"') {
            at = skip_string(text, size, at);
            if (depth == 0)
                break;
            continue;
        }
        depth += is_open(c);
        at++;
    }
    *items = empty ? 0 : commas + 1;
    return at;
}

cso_json_walk cso_json_walk_begin(const char *text, size_t size) {
    size_t at = skip_space(text, size, 0);
    bool some = at < size && is_open(text[at]);
    return (cso_json_walk){.text = text, .size = size, .at = some ? at + 1 : size, .object = some && text[at] == '{'};
}

bool cso_json_walk_next(cso_json_walk *walk) {
    const char *text = walk->text;
    size_t size = walk->size, at = skip_space(text, size, walk->at);
    if (at < size && text[at] == ',')
        at = skip_space(text, size, at + 1);
    if (at == size || is_close(text[at])) {
        walk->at = size;
        return false;
    }
    if (walk->object) {
        size_t end = skip_string(text, size, at);
        walk->key = text + at;
        walk->key_size = end - at;
        at = skip_space(text, size, end);
        at = skip_space(text, size, at < size ? at + 1 : at); /* the colon */
    }
    size_t end = skip_value(text, size, at, &walk->items);
    walk->value = text + at;
    walk->value_size = end - at;
    walk->at = end;
    return true;
}

bool cso_json_walk_number(const cso_json_walk *walk, double *number) {
    enum { EXACT = 15 }; /* any number of so few digits is exact in a double */
    uint64_t value = 0;
    size_t i = 0;
    if (!walk->value_size || (walk->value[0] != '-' && (walk->value[0] < '0' || walk->value[0] > '9')))
        return false;
    while (i < walk->value_size && i < EXACT && walk->value[i] >= '0' && walk->value[i] <= '9')
        value = value * 10 + (uint64_t)(walk->value[i++] - '0');
    *number = (double)value;
    if (i < walk->value_size) {
        char digits[64]; /* longer numbers do not pass the check */
        size_t length = walk->value_size < sizeof digits ? walk->value_size : sizeof digits - 1;
        memcpy(digits, walk->value, length);
        digits[length] = '\0';
        *number = strtod(digits, NULL);
    }
    return true;
}

bool cso_json_walk_string(cso_json_room *room, const char *value, size_t size, const char **bytes, size_t *length) {
    if (!memchr(value, '\\', size)) {
        *bytes = value + 1;
        *length = size - 2;
        return true;
    }
    return cso_json_decode(value, size, room, bytes, length);
}
