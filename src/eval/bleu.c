/* bleu.c - see bleu.h.
 *
 * The tokenizer's four replacements work on bytes: their patterns are ASCII, and of a longer character it does not matter which byte
 * stands for "no digit".
 */
#include "bleu.h"

#include "python_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char cso_bleu_signature[] = "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp";

static void swap_lines(cso_bleu *b) {
    cso_text line = b->line;
    b->line = b->next;
    b->next = line;
    b->next.size = 0;
}

/* str.replace. */
static void replace(cso_bleu *b, const char *from, const char *to) {
    size_t size = strlen(from), to_size = strlen(to), at = 0;
    const char *data = b->line.data;
    while (at < b->line.size)
        if (b->line.size - at >= size && !memcmp(data + at, from, size)) {
            cso_text_add(&b->next, to, to_size);
            at += size;
        } else {
            cso_text_add(&b->next, data + at++, 1);
        }
    swap_lines(b);
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_point(char c) {
    return c == '.' || c == ',';
}

/* [\{-\~\[-\` -\&\(-\+\:-\@\/] */
static bool is_mark(char c) {
    return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') ||
           (c >= ':' && c <= '@') || c == '/';
}

static void space_marks(cso_bleu *b) {
    for (size_t i = 0; i < b->line.size; i++) {
        const char spaced[3] = {' ', b->line.data[i], ' '};
        bool mark = is_mark(spaced[1]);
        cso_text_add(&b->next, spaced + !mark, mark ? 3 : 1);
    }
    swap_lines(b);
}

typedef bool (*byte_test)(char c);

static bool is_no_digit(char c) {
    return !is_digit(c);
}

static bool is_dash(char c) {
    return c == '-';
}

/* Two bytes that pass the tests get a blank before the one and after the other, and one between them. */
static void part(cso_bleu *b, byte_test first, byte_test second, bool before, bool after) {
    size_t i = 0;
    for (; i < b->line.size; i++) {
        const char *pair = b->line.data + i;
        if (i + 1 == b->line.size || !first(pair[0]) || !second(pair[1])) {
            cso_text_add(&b->next, pair, 1);
            continue;
        }
        const char parted[5] = {' ', pair[0], ' ', pair[1], ' '};
        cso_text_add(&b->next, parted + !before, (size_t)(3 + before + after));
        i++;
    }
    swap_lines(b);
}

static void tokenize_13a(cso_bleu *b, const char *text, size_t size) {
    b->line.size = b->next.size = 0;
    cso_text_add(&b->line, text, python_rstrip(text, size));
    replace(b, "<skipped>", "");
    replace(b, "-\n", "");
    replace(b, "\n", " ");
    replace(b, "&quot;", "\"");
    replace(b, "&amp;", "&");
    replace(b, "&lt;", "<");
    replace(b, "&gt;", ">");
    cso_text_add(&b->next, " ", 1);
    cso_text_add(&b->next, b->line.data, b->line.size);
    cso_text_add(&b->next, " ", 1);
    swap_lines(b);
    space_marks(b);
    part(b, is_no_digit, is_point, false, true);
    part(b, is_point, is_no_digit, true, false);
    part(b, is_digit, is_dash, false, true);
}

/* The numbers of all n-grams of a text, by order. */
static cso_status list_grams(cso_bleu *b, const char *text, size_t size, number_list *lists, cso_error *err) {
    const char *word;
    size_t at = 0, word_size;
    uint32_t number;
    tokenize_13a(b, text, size);
    if (b->line.failed || b->next.failed)
        return cso_fail_memory(err, "a text");
    for (int n = 0; n < CSO_BLEU_ORDERS; n++)
        lists[n].count = 0;
    while (python_next_word(b->line.data, b->line.size, &at, &word, &word_size)) {
        CSO_TRY(numbering_of(&b->grams[0], word, word_size, &number, err));
        CSO_TRY(number_list_add(&lists[0], number, err));
    }
    for (int n = 1; n < CSO_BLEU_ORDERS; n++)
        for (size_t i = 0; i + 1 < lists[n - 1].count; i++) {
            CSO_TRY(numbering_of_two(&b->grams[n], lists[n - 1].items[i], lists[0].items[i + (size_t)n], &number, err));
            CSO_TRY(number_list_add(&lists[n], number, err));
        }
    return CSO_OK;
}

static int compare_numbers(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* How many the two have in common, each as often as in both. */
static size_t count_common(number_list *a, number_list *b) {
    size_t common = 0;
    if (!a->count || !b->count)
        return 0;
    qsort(a->items, a->count, sizeof *a->items, compare_numbers);
    qsort(b->items, b->count, sizeof *b->items, compare_numbers);
    for (size_t i = 0, j = 0; i < a->count && j < b->count;) {
        uint32_t x = a->items[i], y = b->items[j];
        common += x == y;
        i += x <= y;
        j += y <= x;
    }
    return common;
}

cso_status cso_bleu_add(cso_bleu *b, const char *reference, size_t reference_size, const char *prediction, size_t prediction_size,
                        cso_bleu_counts *counts, cso_error *err) {
    CSO_TRY(list_grams(b, reference, reference_size, b->lists[0], err));
    CSO_TRY(list_grams(b, prediction, prediction_size, b->lists[1], err));
    counts->length += (double)b->lists[1][0].count;
    counts->reference_length += (double)b->lists[0][0].count;
    for (int n = 0; n < CSO_BLEU_ORDERS; n++) {
        counts->total[n] += (double)b->lists[1][n].count;
        counts->correct[n] += (double)count_common(&b->lists[0][n], &b->lists[1][n]);
    }
    return CSO_OK;
}

double cso_bleu_score(const cso_bleu_counts *c, int order) {
    double logs = 0, smoothing = 1, penalty = 1;
    bool any = false;
    for (int n = 0; n < order; n++)
        any = any || c->correct[n] > 0;
    if (!any)
        return 0;
    for (int n = 0; n < order; n++) {
        if (!(c->total[n] > 0))
            return 0; /* the logarithm of a precision of 0 */
        if (c->correct[n] > 0)
            logs += log(c->correct[n] / c->total[n]);
        else
            logs += log(1 / ((smoothing *= 2) * c->total[n]));
    }
    if (c->length < c->reference_length)
        penalty = exp(1 - c->reference_length / c->length);
    return penalty * exp(logs / order);
}

void cso_bleu_free(cso_bleu *b) {
    for (int n = 0; n < CSO_BLEU_ORDERS; n++) {
        numbering_free(&b->grams[n]);
        free(b->lists[0][n].items);
        free(b->lists[1][n].items);
    }
    free(b->line.data);
    free(b->next.data);
    *b = (cso_bleu){0};
}
