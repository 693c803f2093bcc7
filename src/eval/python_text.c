/* python_text.c - see python_text.h. */
#include "python_text.h"

#include "base/utf8.h"

#include <string.h>
#include <utf8proc.h>

enum { CAPITAL_I_DOT = 0x130, CAPITAL_SIGMA = 0x3A3, SMALL_SIGMA = 0x3C3, FINAL_SIGMA = 0x3C2 };

/* The length is 1 where no valid character begins, so that a loop goes on. */
static uint32_t code_at(const char *text, size_t size, size_t *length) {
    *length = cso_utf8_length(text, size);
    if (*length)
        return cso_utf8_code_point(text, *length);
    *length = 1;
    return 0xFFFD;
}

/* The character that ends at text + end, end > 0. */
static uint32_t code_before(const char *text, size_t end, size_t *length) {
    size_t first = end - 1, found;
    while (first && end - first < 4 && ((unsigned char)text[first] & 0xC0) == 0x80)
        first--;
    uint32_t code = code_at(text + first, end - first, &found);
    *length = found == end - first ? found : 1;
    return code;
}

bool python_is_space(uint32_t code) {
    if (code <= 0x20)
        return code == 0x20 || (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x1F);
    return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
           code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

static bool is_cased(uint32_t code) {
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL || category == UTF8PROC_CATEGORY_LT;
}

/* Case_Ignorable: marks, formats and modifiers, and what joins the parts of a word. */
static bool is_case_ignorable(uint32_t code) {
    static const uint16_t JOINING[] = {0x27,   0x2E,   0x3A,   0xB7,   0x387,  0x55F,  0x5F4,  0x2018, 0x2019,
                                       0x2024, 0x2027, 0xFE13, 0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A};
    for (size_t i = 0; i < sizeof JOINING / sizeof *JOINING; i++)
        if (code == JOINING[i])
            return true;
    switch (utf8proc_category((utf8proc_int32_t)code)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
        return true;
    default:
        return false;
    }
}

/* A sigma is final behind a cased character, past ignorable ones, where none follows. */
static bool is_final_sigma(const char *text, size_t size, size_t at) {
    size_t length, before = at, after = at + 2;
    uint32_t code = 0;
    bool behind = false;
    while (before && !behind) {
        code = code_before(text, before, &length);
        before -= length;
        behind = !is_case_ignorable(code);
    }
    if (!behind || !is_cased(code))
        return false;
    for (; after < size; after += length) {
        code = code_at(text + after, size - after, &length);
        if (!is_case_ignorable(code))
            return !is_cased(code);
    }
    return true;
}

static void add_code(cso_text *out, uint32_t code) {
    utf8proc_uint8_t bytes[4];
    utf8proc_ssize_t size = utf8proc_encode_char((utf8proc_int32_t)code, bytes);
    cso_text_add(out, (const char *)bytes, (size_t)size);
}

void python_lower(cso_text *out, const char *text, size_t size) {
    for (size_t at = 0, length; at < size; at += length) {
        if ((unsigned char)text[at] < 0x80) {
            char c = text[at];
            length = 1;
            c = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
            cso_text_add(out, &c, 1);
            continue;
        }
        uint32_t code = code_at(text + at, size - at, &length);
        if (code == CAPITAL_I_DOT)
            cso_text_add(out, "i\xCC\x87", 3);
        else if (code == CAPITAL_SIGMA)
            add_code(out, is_final_sigma(text, size, at) ? FINAL_SIGMA : SMALL_SIGMA);
        else
            add_code(out, (uint32_t)utf8proc_tolower((utf8proc_int32_t)code));
    }
}

size_t python_rstrip(const char *text, size_t size) {
    size_t length;
    while (size && python_is_space(code_before(text, size, &length)))
        size -= length;
    return size;
}

bool python_next_word(const char *text, size_t size, size_t *at, const char **word, size_t *word_size) {
    size_t length, first;
    while (*at < size && python_is_space(code_at(text + *at, size - *at, &length)))
        *at += length;
    first = *at;
    while (*at < size && !python_is_space(code_at(text + *at, size - *at, &length)))
        *at += length;
    *word = text + first;
    *word_size = *at - first;
    return *word_size > 0;
}
