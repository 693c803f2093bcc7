/* slice.c - see slice.h. */
#include "slice.h"

#include <stdlib.h>
#include <string.h>

bool slice_is_number(json_slice value) {
    return value.text && (value.text[0] == '-' || (value.text[0] >= '0' && value.text[0] <= '9'));
}

bool slice_is(json_slice value, const char *text) {
    return value.text && strlen(text) == value.size && !memcmp(value.text, text, value.size);
}

bool slice_bytes(json_slice string, cso_json_room *room, const char **bytes, size_t *size) {
    return cso_json_walk_string(room, string.text, string.size, bytes, size);
}

bool slice_means(json_slice string, const char *text, cso_json_room *room) {
    const char *bytes;
    size_t size, wanted = strlen(text);
    if (string.size < wanted + 2) /* no escape is shorter than what it stands for */
        return false;
    return slice_bytes(string, room, &bytes, &size) && size == wanted && !memcmp(bytes, text, size);
}

json_slice slice_inside(json_slice string) {
    return (json_slice){string.text + 1, string.size - 2};
}

bool slice_digest(cso_digest *digest, json_slice string, cso_json_room *room) {
    const char *bytes = NULL;
    size_t size = 0;
    if (string.text && !slice_bytes(string, room, &bytes, &size))
        return false;
    digest_text(digest, bytes, size);
    return true;
}

bool slice_is_blank(json_slice string, cso_json_room *room) {
    const char *bytes;
    size_t size;
    if (!slice_bytes(string, room, &bytes, &size))
        return false;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != ' ' && (bytes[i] < '\t' || bytes[i] > '\r'))
            return false;
    return true;
}

/* The end of the string at text[at], a quote. */
static size_t string_end(const char *text, size_t size, size_t at) {
    for (at++; at < size && text[at] != '"'; at++)
        at += text[at] == '\\';
    return at < size ? at + 1 : size;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void slice_write(cso_text *out, json_slice value) {
    const char *text = value.text;
    size_t run = 0, at = 0, size = value.size; /* bytes from run to at are written as they are */
    while (at < size) {
        char c = text[at];
        if (c == '"') {
            at = string_end(text, size, at);
        } else if (c != ',' && c != ':' && !is_space(c)) {
            at++;
        } else if (!is_space(c) && size - at > 2 && text[at + 1] == ' ' && !is_space(text[at + 2])) {
            at += 2; /* as it is to be */
        } else {
            cso_text_add(out, text + run, at - run);
            if (!is_space(c))
                cso_text_add(out, c == ',' ? ", " : ": ", 2);
            run = ++at;
        }
    }
    cso_text_add(out, text + run, size - run);
}

/* A number's digest: whole numbers by their digits, others by their f64. */
static void digest_number(cso_digest *digest, json_slice value) {
    char digits[64];
    bool whole = true;
    for (size_t i = 0; i < value.size; i++)
        whole = whole && ((value.text[i] >= '0' && value.text[i] <= '9') || (i == 0 && value.text[i] == '-'));
    size_t length = value.size < sizeof digits ? value.size : sizeof digits - 1; /* the check refuses longer ones */
    memcpy(digits, value.text, length);
    digits[length] = '\0';
    double number = strtod(digits, NULL);
    if (number > -0x1p53 && number < 0x1p53)
        whole = false; /* 1, 1.0 and 1e0 are one number */
    if (whole)
        digest_text(digest, value.text, value.size);
    else
        cso_digest_add(digest, &(double){number == 0 ? 0 : number}, sizeof number);
}

static bool hash_container(json_slice value, cso_json_room *room, cso_digest *digest) {
    cso_json_walk walk = cso_json_walk_begin(value.text, value.size);
    text_hash sum = {0}, item;
    while (cso_json_walk_next(&walk)) {
        if (!slice_value_hash((json_slice){walk.value, walk.value_size}, room, &item))
            return false;
        if (!walk.object) {
            cso_digest_add(digest, &item, sizeof item);
            continue;
        }
        cso_digest member; /* members in any order: the sum of their hashes */
        cso_digest_begin(&member);
        if (!slice_digest(&member, (json_slice){walk.key, walk.key_size}, room))
            return false;
        cso_digest_add(&member, &item, sizeof item);
        item = text_hash_end(&member);
        sum.low += item.low;
        sum.high += item.high;
    }
    cso_digest_add(digest, &sum, sizeof sum);
    return true;
}

bool slice_value_hash(json_slice value, cso_json_room *room, text_hash *hash) {
    cso_digest digest;
    cso_digest_begin(&digest);
    bool done = true;
    char kind = slice_is_number(value) ? '0' : value.text[0];
    cso_digest_add(&digest, &kind, 1);
    if (kind == '"')
        done = slice_digest(&digest, value, room);
    else if (kind == '{' || kind == '[')
        done = hash_container(value, room, &digest);
    else if (kind == '0')
        digest_number(&digest, value);
    *hash = text_hash_end(&digest);
    return done;
}
