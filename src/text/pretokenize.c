/* pretokenize.c - see pretokenize.h.
 *
 * The expressions are PCRE2's, but they do not run over UTF-8: every character is first turned into one byte, its class (ASCII
 * stays as it is, so that ASCII text is its own class text and nothing is copied). Which characters are letters then depends on
 * unicode_ranges.h alone and not on the Unicode version of the PCRE2 that happens to be installed, and the expressions run on
 * bytes with byte bitmaps, several times faster. Repeats of single bytes need no backtracking stack, so a word may be as long as
 * memory holds.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "pretokenize.h"

#include "base/memory.h"
#include "unicode_ranges.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#define L "A-Za-z\\x81\\x82"
#define N "0-9\\x83"
#define S "\\t-\\r \\x84"

/* The second column is how tokenizer.json files write the expression, the third the same over classes. */
static const struct {
    const char *name, *pattern, *classes;
} expressions[] = {
    {"llama-bpe",
     "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
     "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     "'(?:[sStTmMdD\\x82]|[rRvV][eE]|[lL][lL])|[^\\r\\n" L N "]?[" L "]+|[" N "]{1,3}| ?[^" S L N "]+[\\r\\n]*|[" S
     "]*[\\r\\n]+|[" S "]+(?![^" S "])|[" S "]+"},
    {"qwen2",
     "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
     "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     "'(?:[sStTmMdD\\x82]|[rRvV][eE]|[lL][lL])|[^\\r\\n" L N "]?[" L "]+|[" N "]| ?[^" S L N "]+[\\r\\n]*|[" S "]*[\\r\\n]+|[" S
     "]+(?![^" S "])|[" S "]+"},
    {"gpt2", "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
     "'(?:[stmd]|[rv]e|ll)| ?[" L "]+| ?[" N "]+| ?[^" S L N "]+|[" S "]+(?![^" S "])|[" S "]+"},
    /* Digits are cut out first and GPT-2's expression runs on each remaining part: hence "at the end of the
     * text" is also "before a digit". */
    {"smollm", NULL, "[" N "]|'(?:[stmd]|[rv]e|ll)| ?[" L "]+| ?[^" S L N "]+|[" S "]+(?![^" S N "])|[" S "]+"},
};

#undef L
#undef N
#undef S

enum { POINTS = 0x110000 };

struct cso_pretokenizer {
    pcre2_code *code;
    pcre2_match_context *limits;
    uint8_t *classes; /* (POINTS) 0: CSO_CHAR_OTHER */
};

static void set_class(uint8_t *classes, const cso_unicode_range *ranges, size_t count, cso_char_class class) {
    for (size_t i = 0; i < count; i++)
        memset(classes + ranges[i].first, class, ranges[i].last - ranges[i].first + 1);
}

cso_status cso_pretokenizer_create(cso_pretokenizer **pretokenizer, const char *name, cso_error *err) {
    const char *pattern = NULL;
    for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++)
        if (!strcmp(expressions[i].name, name))
            pattern = expressions[i].classes;
    if (!pattern)
        return cso_fail(err, CSO_ERR_INTERNAL, "there is no pre-tokenizer \"%s\"", name);
    cso_pretokenizer *made = cso_calloc(1, sizeof *made);
    if (!made)
        return cso_fail_memory(err, "the pre-tokenizer");
    int code = 0;
    PCRE2_SIZE offset = 0;
    made->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, 0, &code, &offset, NULL);
    made->limits = pcre2_match_context_create(NULL);
    made->classes = cso_calloc(POINTS, 1);
    if (!made->code || !made->limits || !made->classes) {
        cso_pretokenizer_free(made);
        if (code && code != 100 && code != 121) /* 100: "no error", 121: no memory */
            return cso_fail(err, CSO_ERR_INTERNAL, "the pre-tokenizer \"%s\" does not compile: PCRE2 error %d at %zu", name, code,
                            offset);
        return cso_fail_memory(err, "the pre-tokenizer");
    }
    pcre2_jit_compile(made->code, PCRE2_JIT_COMPLETE); /* without a JIT for this CPU, the interpreter runs */
    pcre2_set_match_limit(made->limits, UINT32_MAX);   /* a run of spaces is backtracked once, however long it is */
    pcre2_set_depth_limit(made->limits, UINT32_MAX);
    set_class(made->classes, cso_unicode_letters, sizeof cso_unicode_letters / sizeof *cso_unicode_letters, CSO_CHAR_LETTER);
    set_class(made->classes, cso_unicode_numbers, sizeof cso_unicode_numbers / sizeof *cso_unicode_numbers, CSO_CHAR_NUMBER);
    set_class(made->classes, cso_unicode_spaces, sizeof cso_unicode_spaces / sizeof *cso_unicode_spaces, CSO_CHAR_SPACE);
    made->classes[0x17F] = CSO_CHAR_LONG_S;
    *pretokenizer = made;
    return CSO_OK;
}

void cso_pretokenizer_free(cso_pretokenizer *pretokenizer) {
    if (!pretokenizer)
        return;
    pcre2_code_free(pretokenizer->code);
    pcre2_match_context_free(pretokenizer->limits);
    free(pretokenizer->classes);
    free(pretokenizer);
}

uint8_t cso_pretokenizer_class(const cso_pretokenizer *pretokenizer, uint32_t point) {
    if (point < 0x80)
        return (uint8_t)point;
    uint8_t class = point < POINTS ? pretokenizer->classes[point] : 0;
    return class ? class : CSO_CHAR_OTHER;
}

void cso_pretokenize_scratch_free(cso_pretokenize_scratch *scratch) {
    pcre2_match_data_free(scratch->match);
    free(scratch->classes);
    *scratch = (cso_pretokenize_scratch){0};
}

/* Bytes of the character that begins with this byte, in text that is known to be UTF-8. */
static size_t character_length(unsigned char first) {
    return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

static size_t classify(const cso_pretokenizer *pretokenizer, const unsigned char *text, size_t size, uint8_t *classes) {
    size_t count = 0;
    for (size_t at = 0; at < size;) {
        uint32_t point = text[at];
        size_t length = character_length(text[at]);
        if (length == 2)
            point = (point & 0x1F) << 6 | (text[at + 1] & 0x3Fu);
        else if (length == 3)
            point = (point & 0x0F) << 12 | (text[at + 1] & 0x3Fu) << 6 | (text[at + 2] & 0x3Fu);
        else if (length == 4)
            point = (point & 0x07) << 18 | (text[at + 1] & 0x3Fu) << 12 | (text[at + 2] & 0x3Fu) << 6 | (text[at + 3] & 0x3Fu);
        classes[count++] = cso_pretokenizer_class(pretokenizer, point);
        at += length;
    }
    return count;
}

cso_status cso_pretokenize(const cso_pretokenizer *pretokenizer, const char *text, size_t size, cso_pretokenize_scratch *scratch,
                           cso_word_visitor visit, void *context, cso_error *err) {
    const uint8_t *classes = (const uint8_t *)text;
    size_t count = size, at = 0, begin = 0;
    while (at < size && (unsigned char)text[at] < 0x80)
        at++;
    bool ascii = at == size;
    if (!ascii) {
        if (!cso_grow(&scratch->classes, &scratch->capacity, size, 1))
            return cso_fail_memory(err, "the pre-tokenizer");
        count = classify(pretokenizer, (const unsigned char *)text, size, scratch->classes);
        classes = scratch->classes;
    }
    if (!scratch->match && !(scratch->match = pcre2_match_data_create_from_pattern(pretokenizer->code, NULL)))
        return cso_fail_memory(err, "the pre-tokenizer");
    const PCRE2_SIZE *span = pcre2_get_ovector_pointer(scratch->match);
    for (size_t first = 0; first < count;) {
        int found = pcre2_match(pretokenizer->code, classes, count, first, PCRE2_NOTEMPTY, scratch->match, pretokenizer->limits);
        if (found == PCRE2_ERROR_NOMEMORY || found == PCRE2_ERROR_HEAPLIMIT)
            return cso_fail_memory(err, "the pre-tokenizer");
        if (found < 1 || span[0] != first) /* the alternatives cover every character */
            return cso_fail(err, CSO_ERR_INTERNAL, "the pre-tokenizer failed: PCRE2 error %d at character %zu", found, first);
        size_t end = begin;
        if (ascii)
            end = span[1];
        else
            for (size_t i = first; i < span[1]; i++)
                end += character_length((unsigned char)text[end]);
        first = span[1];
        CSO_TRY(visit(context, text + begin, end - begin, err));
        begin = end;
    }
    return CSO_OK;
}

const char *cso_pretokenizer_for_pattern(const char *pattern) {
    for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++)
        if (expressions[i].pattern && !strcmp(expressions[i].pattern, pattern))
            return expressions[i].name;
    return NULL;
}
