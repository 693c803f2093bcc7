/* peft_match.c - see peft_match.h.
 *
 * PEFT: a list matches a name that is in it, or that ends with "." and one of it; an expression is Python's re.fullmatch. Names of
 * modules are ASCII without line breaks, so Unicode and the end of lines make no difference between Python and PCRE2; what else the
 * two read differently is refused.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "peft_match.h"

#include "base/memory.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAMES = 1 << 12, MAX_EXPRESSION = 1 << 14, MAX_STEPS = 10000 };

void peft_words_free(peft_words *words) {
    free(words->names);
    pcre2_code_free(words->code);
    *words = (peft_words){0};
}

/* Bytes of what begins at text[at] outside of a class, if Python and PCRE2 read it alike; 0: they may not. */
static size_t part_of_expression(const char *text) {
    static const char *const groups[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!"};
    unsigned char c = (unsigned char)*text;
    if (c < ' ' || c > '~')
        return 0;
    if (c == '\\')
        return text[1] && strchr(".-_|()[]{}*+?^$/\\dDwWsSbB", text[1]) ? 2 : 0;
    if (c == '(' && text[1] == '?') {
        for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
            if (!strncmp(text, groups[i], strlen(groups[i])))
                return strlen(groups[i]);
        return 0;
    }
    if (c == '(' && text[1] == '*')
        return 0;
    if (c == '{') { /* a repeat, {2} or {1,3} or {1,}, as both read it */
        size_t digits = strspn(text + 1, "0123456789"), at = 1 + digits;
        at += text[at] == ',' ? 1 + strspn(text + at + 1, "0123456789") : 0;
        return digits && digits < 5 && text[at] == '}' ? at + 1 : 0;
    }
    return c == '}' ? 0 : 1;
}

/* The same for a class, "[0-9_]". */
static size_t class_of_expression(const char *text) {
    size_t at = 1 + (text[1] == '^');
    size_t first = at;
    for (; text[at] && (text[at] != ']' || at == first); at++) {
        if (text[at] == '[' || text[at] == ']' || text[at] < ' ' || text[at] > '~')
            return 0;
        if (text[at] == '\\' && (!text[++at] || !strchr(".-_[]^\\dws", text[at])))
            return 0;
    }
    return text[at] ? at + 1 : 0;
}

static cso_status compile(peft_words *words, const char *text, const char *key, const char *place, cso_error *err) {
    size_t size = strlen(text);
    if (size > MAX_EXPRESSION)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s has %zu bytes (at most %d)", place, key, size, MAX_EXPRESSION);
    for (size_t at = 0, length; at < size; at += length)
        if (!(length = text[at] == '[' ? class_of_expression(text + at) : part_of_expression(text + at)))
            return cso_fail(
                err, CSO_ERR_INPUT,
                "%s: %s: the regular expression \"%.200s\" has something that is not supported at byte %zu (list the modules "
                "instead)",
                place, key, text, at);
    int code = 0;
    PCRE2_SIZE offset = 0;
    words->code = pcre2_compile((PCRE2_SPTR)text, size, PCRE2_ANCHORED | PCRE2_ENDANCHORED, &code, &offset, NULL);
    if (!words->code && code == PCRE2_ERROR_HEAP_FAILED)
        return cso_fail_memory(err, "a regular expression");
    if (!words->code)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s: \"%.200s\" is no regular expression: error %d at byte %zu", place, key, text,
                        code, (size_t)offset);
    words->expression = text;
    words->place = place;
    return CSO_OK;
}

cso_status peft_words_read(peft_words *words, const cJSON *value, const char *key, const char *place, cso_error *err) {
    *words = (peft_words){0};
    if (!value || cJSON_IsNull(value))
        return CSO_OK;
    if (cJSON_IsString(value))
        return *value->valuestring ? compile(words, value->valuestring, key, place, err) : CSO_OK;
    size_t count = cJSON_IsArray(value) ? (size_t)cJSON_GetArraySize(value) : SIZE_MAX;
    if (count > MAX_NAMES)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s: expected a list of at most %d names, or a regular expression", place, key,
                        MAX_NAMES);
    if (!(words->names = cso_calloc(count, sizeof *words->names)))
        return cso_fail_memory(err, "a list of modules");
    const cJSON *item;
    cJSON_ArrayForEach(item, value) {
        if (!cJSON_IsString(item)) {
            peft_words_free(words);
            return cso_fail(err, CSO_ERR_INPUT, "%s: %s: expected a list of names", place, key);
        }
        words->names[words->count++] = item->valuestring;
    }
    return CSO_OK;
}

static cso_status match_expression(const peft_words *words, const char *name, peft_match *match, cso_error *err) {
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    cso_status status = CSO_OK;
    int found = PCRE2_ERROR_NOMEMORY;
    if (limits && data) {
        pcre2_set_match_limit(limits, MAX_STEPS);
        found = pcre2_match(words->code, (PCRE2_SPTR)name, strlen(name), 0, 0, data, limits);
    }
    *match = found >= 0 ? PEFT_WHOLE : PEFT_NO_MATCH;
    if (found == PCRE2_ERROR_NOMEMORY)
        status = cso_fail_memory(err, "a regular expression");
    else if (found < 0 && found != PCRE2_ERROR_NOMATCH)
        status =
            cso_fail(err, CSO_ERR_INPUT, "%s: the regular expression \"%.200s\" takes too long", words->place, words->expression);
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
    return status;
}

cso_status peft_words_match(const peft_words *words, const char *name, peft_match *match, cso_error *err) {
    size_t size = strlen(name);
    *match = PEFT_NO_MATCH;
    if (words->code)
        return match_expression(words, name, match, err);
    for (size_t i = 0; i < words->count && *match != PEFT_WHOLE; i++) {
        size_t length = strlen(words->names[i]);
        if (length > size || memcmp(name + size - length, words->names[i], length) != 0)
            continue;
        if (length == size)
            *match = PEFT_WHOLE;
        else if (name[size - length - 1] == '.')
            *match = PEFT_END;
    }
    return CSO_OK;
}
