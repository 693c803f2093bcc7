/* json_scan.c - one pass over a JSON text (RFC 8259), building nothing.
 *
 * Duplicate keys: the 128-bit hashes of an object's keys are pushed on a stack while it is open; when it closes they are
 * sorted and neighbours compared. n keys cost n log n, and 24 bytes each; many keys first go through a table, which is faster.
 */
#include "json_scan.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* cJSON copies a number into 64 bytes before converting it and misreads longer ones. */
enum { MAX_NUMBER = 63 };
enum { EXACT_DIGITS = 15 }; /* any number of 15 digits is below 2^53 */

typedef struct key {
    uint64_t high, low;
    size_t at;
} key;

typedef struct scan {
    const char *text;
    size_t size, at, values, zeros, line;
    const char *place;
    bool integers;
    key *keys;
    size_t key_count, key_capacity;
    char *decoded; /* of the last string that has escapes */
    size_t decoded_capacity;
    cso_json_large *large;
    size_t large_count;
    size_t items; /* of the array or object that was closed last */
    cso_error *err;
} scan;

static cso_status scan_value(scan *s, int depth);

/* "PLACE:LINE: what (column N)" for offset `at`; columns are bytes, from 1. */
static cso_status fail_at(scan *s, size_t at, const char *what) {
    size_t line = s->line, begin = 0;
    for (size_t i = 0; i < at; i++)
        if (s->text[i] == '\n') {
            line++;
            begin = i + 1;
        }
    return cso_fail(s->err, CSO_ERR_INPUT, "%s:%zu: %s (column %zu)", s->place, line, what, at - begin + 1);
}

/* Fails at the character at s->at; cso_fail makes it printable. */
static cso_status fail_expected(scan *s, const char *expected) {
    char what[160];
    if (s->at >= s->size)
        snprintf(what, sizeof what, "the JSON text ends too early (expected %s)", expected);
    else
        snprintf(what, sizeof what, "expected %s, found '%.*s'", expected, (int)cso_utf8_length(s->text + s->at, s->size - s->at),
                 s->text + s->at);
    return fail_at(s, s->at, what);
}

static void skip_space(scan *s) {
    while (s->at < s->size && (s->text[s->at] == ' ' || s->text[s->at] == '\t' || s->text[s->at] == '\n' || s->text[s->at] == '\r'))
        s->at++;
}

static bool is_digit(const scan *s, size_t at) {
    return at < s->size && s->text[at] >= '0' && s->text[at] <= '9';
}

static bool hex4(const scan *s, size_t at, unsigned *unit) {
    if (s->size - at < 4)
        return false;
    unsigned value = 0;
    for (size_t i = at; i < at + 4; i++) {
        char c = s->text[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                                : 16;
        if (digit == 16)
            return false;
        value = value << 4 | digit;
    }
    *unit = value;
    return true;
}

bool cso_json_is_zero_escape(const char *text, size_t size) {
    return size >= 6 && !memcmp(text, "\\u0000", 6);
}

static size_t put_utf8(char *out, unsigned code) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)((0xF00u >> length & 0xF0) | code); /* 110xxxxx, 1110xxxx, 11110xxx */
    return length;
}

/* The escape at s->at (a backslash); its character is put at out (four bytes of room), *length bytes. */
static cso_status scan_escape(scan *s, char *out, size_t *length) {
    static const char LETTERS[] = "\"\\/bfnrt", MEANINGS[] = "\"\\/\b\f\n\r\t";
    size_t begin = s->at;
    if (s->size - begin < 2)
        return fail_at(s, begin, "the JSON text ends in an escape");
    const char *letter = s->text[begin + 1] ? strchr(LETTERS, s->text[begin + 1]) : NULL;
    if (letter) {
        out[0] = MEANINGS[letter - LETTERS];
        *length = 1;
        s->at += 2;
        return CSO_OK;
    }
    unsigned code, low;
    if (s->text[begin + 1] != 'u' || !hex4(s, begin + 2, &code))
        return fail_at(s, begin, "bad escape in a string");
    s->at += 6;
    if (code >= 0xD800 && code < 0xE000) { /* UTF-16: D800-DBFF and DC00-DFFF carry 10 bits each */
        if (code >= 0xDC00 || s->size - s->at < 6 || s->text[s->at] != '\\' || s->text[s->at + 1] != 'u' ||
            !hex4(s, s->at + 2, &low) || low < 0xDC00 || low > 0xDFFF)
            return fail_at(s, begin, "lone surrogate in a string");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        s->at += 6;
    }
    if (!code) { /* C0 80; no other text becomes that (json.h) */
        s->zeros++;
        memcpy(out, "\xC0\x80", 2);
        *length = 2;
        return CSO_OK;
    }
    *length = put_utf8(out, code);
    return CSO_OK;
}

/* The string at s->at (a quote). `text` (may be NULL) gets its decoded bytes: in the input, or in s->decoded. */
static cso_status scan_string(scan *s, const char **text, size_t *size) {
    size_t begin = ++s->at, used = 0;
    bool escapes = false;
    for (;;) {
        size_t run = s->at;
        while (s->at < s->size && s->text[s->at] != '"' && s->text[s->at] != '\\' && (unsigned char)s->text[s->at] >= 0x20)
            s->at++;
        if (s->at == s->size)
            return fail_at(s, begin - 1, "a string is not closed");
        char c = s->text[s->at];
        if (c != '"' && c != '\\')
            return fail_at(s, s->at, c == '\n' ? "a string is not closed on its line" : "control character in a string");
        if (c == '"' && !escapes) {
            if (text) {
                *text = s->text + begin;
                *size = s->at - begin;
            }
            s->at++;
            return CSO_OK;
        }
        size_t plain = s->at - run, length = 0;
        char character[4];
        escapes = true;
        if (c == '\\')
            CSO_TRY(scan_escape(s, character, &length));
        if (text) {
            if (!cso_grow(&s->decoded, &s->decoded_capacity, used + plain + length, 1))
                return cso_fail_memory(s->err, s->place);
            memcpy(s->decoded + used, s->text + run, plain);
            memcpy(s->decoded + used + plain, character, length);
            used += plain + length;
        }
        if (c == '"') {
            if (text) {
                *text = s->decoded;
                *size = used;
            }
            s->at++;
            return CSO_OK;
        }
    }
}

static cso_status scan_number(scan *s) {
    size_t begin = s->at, end = begin;
    bool integer = s->text[end] != '-';
    if (!integer)
        end++;
    if (!is_digit(s, end)) {
        s->at = end;
        return fail_expected(s, "a digit");
    }
    if (s->text[end] == '0' && is_digit(s, end + 1))
        return fail_at(s, begin, "a number begins with a zero");
    while (is_digit(s, end))
        end++;
    if (end < s->size && s->text[end] == '.') {
        integer = false;
        s->at = ++end;
        if (!is_digit(s, end))
            return fail_expected(s, "a digit");
        while (is_digit(s, end))
            end++;
    }
    if (end < s->size && (s->text[end] == 'e' || s->text[end] == 'E')) {
        integer = false;
        end++;
        if (end < s->size && (s->text[end] == '+' || s->text[end] == '-'))
            end++;
        s->at = end;
        if (!is_digit(s, end))
            return fail_expected(s, "a digit");
        while (is_digit(s, end))
            end++;
    }
    s->at = end;
    if (integer && end - begin <= EXACT_DIGITS)
        return CSO_OK;
    char digits[MAX_NUMBER + 1];
    if (end - begin > MAX_NUMBER)
        return fail_at(s, begin, "a number of more than 63 characters");
    memcpy(digits, s->text + begin, end - begin);
    digits[end - begin] = '\0';
    double value = strtod(digits, NULL);
    if (!isfinite(value))
        return fail_at(s, begin, "a number out of range");
    if (s->integers && (!integer || value > 0x1p53))
        return fail_at(s, begin, "expected a whole number from 0 to 2^53, without fraction or exponent");
    return CSO_OK;
}

static int compare_keys(const void *a, const void *b) {
    const key *x = a, *y = b;
    if (x->high != y->high)
        return x->high < y->high ? -1 : 1;
    if (x->low != y->low)
        return x->low < y->low ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* True: all keys differ, by half of their hashes in a table. False: undecided, or too many collisions; sorting decides then, at
 * a cost that no input can raise. */
static bool surely_distinct(const key *keys, size_t count) {
    enum { FEW = 64, TRIES = 8 };
    size_t slots = 2 * FEW, tries = 0;
    if (count < FEW)
        return false;
    while (slots < 2 * count)
        slots *= 2;
    uint64_t *table = cso_calloc(slots, sizeof *table);
    bool distinct = table != NULL;
    for (size_t i = 0; distinct && i < count; i++) {
        size_t at = (size_t)keys[i].low & (slots - 1);
        while (table[at] && table[at] != keys[i].low && tries++ < TRIES * count)
            at = (at + 1) & (slots - 1);
        distinct = !table[at] && keys[i].low;
        table[at] = keys[i].low;
    }
    free(table);
    return distinct;
}

/* Keys from index `first` on belong to the object that closes. */
static cso_status check_keys(scan *s, size_t first) {
    size_t count = s->key_count - first;
    s->key_count = first;
    if (count < 2)
        return CSO_OK;
    key *keys = s->keys + first;
    if (surely_distinct(keys, count))
        return CSO_OK;
    qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 1; i < count; i++) {
        if (keys[i].high != keys[i - 1].high || keys[i].low != keys[i - 1].low)
            continue;
        size_t end = keys[i].at + 1;
        while (s->text[end] != '"')
            end += s->text[end] == '\\' ? 2 : 1;
        char what[300];
        size_t length = end - keys[i].at + 1;
        snprintf(what, sizeof what, "duplicate key %.*s", length > 256 ? 256 : (int)length, s->text + keys[i].at);
        return fail_at(s, keys[i].at, what);
    }
    return CSO_OK;
}

static bool is_text(const char *text, size_t size, const char *wanted) {
    return strlen(wanted) == size && !memcmp(text, wanted, size);
}

/* The large value that the key at this depth names, if any. */
static cso_json_large *find_large(scan *s, int depth, const char *name, size_t size) {
    for (size_t i = 0; i < s->large_count; i++) {
        cso_json_large *large = &s->large[i];
        if (depth == 0)
            large->inside = is_text(name, size, large->object);
        else if (depth == 1 && large->inside && is_text(name, size, large->key))
            return large;
    }
    return NULL;
}

static cso_status scan_key(scan *s, int depth, cso_json_large **large) {
    if (s->at >= s->size || s->text[s->at] != '"')
        return fail_expected(s, "a key in quotes");
    key entry = {.at = s->at};
    const char *text;
    size_t size;
    CSO_TRY(scan_string(s, &text, &size));
    XXH128_hash_t hash = XXH3_128bits(text, size);
    entry.high = hash.high64;
    entry.low = hash.low64;
    if (!cso_grow(&s->keys, &s->key_capacity, s->key_count + 1, sizeof *s->keys))
        return cso_fail_memory(s->err, s->place);
    s->keys[s->key_count++] = entry;
    *large = s->large_count && depth < 2 ? find_large(s, depth, text, size) : NULL;
    skip_space(s);
    if (s->at >= s->size || s->text[s->at] != ':')
        return fail_expected(s, "':'");
    s->at++;
    skip_space(s);
    return CSO_OK;
}

/* The array or object at s->at. */
static cso_status scan_container(scan *s, int depth) {
    bool object = s->text[s->at] == '{';
    char close = object ? '}' : ']';
    size_t first_key = s->key_count, items = 0;
    if (depth == CSO_JSON_MAX_DEPTH)
        return fail_at(s, s->at, "nested too deeply (expected at most 64 levels)");
    s->at++;
    skip_space(s);
    s->items = 0;
    if (s->at < s->size && s->text[s->at] == close) {
        s->at++;
        return CSO_OK;
    }
    for (;;) {
        cso_json_large *large = NULL;
        if (object)
            CSO_TRY(scan_key(s, depth, &large));
        size_t begin = s->at;
        CSO_TRY(scan_value(s, depth + 1));
        items++;
        if (large) {
            large->text = s->text + begin;
            large->size = s->at - begin;
            large->items = s->items;
        }
        skip_space(s);
        char c = s->at < s->size ? s->text[s->at] : '\0';
        if (c != ',' && c != close)
            return fail_expected(s, object ? "',' or '}'" : "',' or ']'");
        s->at++;
        if (c == close) {
            s->items = items;
            return check_keys(s, first_key);
        }
        skip_space(s);
    }
}

static cso_status scan_word(scan *s, const char *word) {
    size_t length = strlen(word);
    if (s->size - s->at < length || memcmp(s->text + s->at, word, length))
        return fail_expected(s, "a value");
    s->at += length;
    return CSO_OK;
}

static cso_status scan_value(scan *s, int depth) {
    if (++s->values > CSO_JSON_MAX_VALUES)
        return fail_at(s, s->at, "too many values (expected at most 4194304)");
    if (s->at >= s->size)
        return fail_expected(s, "a value");
    switch (s->text[s->at]) {
    case '{':
    case '[':
        return scan_container(s, depth);
    case '"':
        return scan_string(s, NULL, NULL);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    default:
        if (s->text[s->at] == '-' || is_digit(s, s->at))
            return scan_number(s);
        return fail_expected(s, "a value");
    }
}

cso_status cso_json_scan(const cso_json_source *source, cso_json_large *large, size_t count, size_t *zeros, cso_error *err) {
    scan s = {.text = source->text,
              .size = source->size,
              .place = source->place,
              .line = source->line,
              .integers = source->integers,
              .large = large,
              .large_count = count,
              .err = err};
    size_t bad;
    for (size_t i = 0; i < count; i++) {
        large[i].text = NULL;
        large[i].size = large[i].items = 0;
        large[i].inside = false;
    }
    if (!cso_utf8_check(s.text, s.size, &bad))
        return fail_at(&s, bad, "is not UTF-8");
    skip_space(&s);
    cso_status status = scan_value(&s, 0);
    if (status == CSO_OK) {
        skip_space(&s);
        if (s.at < s.size)
            status = fail_expected(&s, "nothing after the value");
    }
    *zeros = s.zeros;
    free(s.keys);
    free(s.decoded);
    return status;
}

bool cso_json_decode(const char *string, size_t size, cso_json_room *room, const char **bytes, size_t *length) {
    scan s = {.text = string, .size = size, .place = "", .decoded = room->bytes, .decoded_capacity = room->capacity};
    cso_status status = scan_string(&s, bytes, length);
    room->bytes = s.decoded;
    room->capacity = s.decoded_capacity;
    return status == CSO_OK;
}
