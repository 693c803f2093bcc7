/* option.c - see option.h. */
#include "option.h"

#include "text.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum some_enum { SOME_VALUE };
_Static_assert(sizeof(enum some_enum) == sizeof(int), "CSO_OPTION_CHOICE stores enums as int");

cso_option_place cso_options_at(const cso_option_set *set, size_t index) {
    for (const cso_option_table *table = set->tables; table < set->tables + set->count; table++) {
        if (index < table->list->count)
            return (cso_option_place){&table->list->rows[index], table->offset + table->list->rows[index].offset};
        index -= table->list->count;
    }
    return (cso_option_place){NULL, 0};
}

cso_option_place cso_options_find(const cso_option_set *set, const char *name) {
    cso_option_place place;
    for (size_t i = 0; (place = cso_options_at(set, i)).row; i++)
        if (!strcmp(place.row->name, name))
            break;
    return place;
}

size_t cso_option_parts(const cso_option *row) {
    return row->type == CSO_OPTION_NUMBERS2 ? 2 : row->type == CSO_OPTION_NUMBERS4 ? 4 : 1;
}

void cso_option_text(const cso_option *row, const void *field, size_t part, char *text, size_t size) {
    char number[CSO_NUMBER_TEXT];
    switch (row->type) {
    case CSO_OPTION_STRING:
    case CSO_OPTION_PATH:
        snprintf(text, size, "%s", *(char *const *)field);
        break;
    case CSO_OPTION_CHOICE:
        snprintf(text, size, "%s", row->words[*(const int *)field]);
        break;
    case CSO_OPTION_SIZE:
        snprintf(text, size, "%zu", *(const size_t *)field);
        break;
    case CSO_OPTION_INTEGER:
        snprintf(text, size, "%lld", (long long)*(const int64_t *)field);
        break;
    case CSO_OPTION_SEED:
        snprintf(text, size, "%llu", (unsigned long long)*(const uint64_t *)field);
        break;
    case CSO_OPTION_NUMBER:
    case CSO_OPTION_NUMBERS2:
    case CSO_OPTION_NUMBERS4:
        cso_number_text(number, ((const double *)field)[part], 6);
        snprintf(text, size, "%s", number);
        break;
    case CSO_OPTION_BOOL:
        snprintf(text, size, "%s", *(const bool *)field ? "true" : "false");
        break;
    case CSO_OPTION_PATHS:
    case CSO_OPTION_CHOICES:
    case CSO_OPTION_STRINGS:
        snprintf(text, size, "%zu texts", ((const cso_strings *)field)->count);
        break;
    case CSO_OPTION_NUMBERS:
        snprintf(text, size, "%zu numbers", ((const cso_numbers *)field)->count);
        break;
    }
}

bool cso_option_in_range(const cso_option_range *range, double value) {
    if (!isfinite(value) || value < range->min || (range->above_min && value == range->min))
        return false;
    if (value > 0 && value < range->least)
        return false;
    if (range->max == range->min)
        return true;
    return value <= range->max && !(range->below_max && value == range->max);
}

void cso_option_range_text(const cso_option_range *range, char *text, size_t size) {
    if (range->least > 0)
        snprintf(text, size, "0 or from %.15g to %.15g", range->least, range->max);
    else if (range->max == range->min)
        snprintf(text, size, "%s %.15g", range->above_min ? ">" : ">=", range->min);
    else if (range->above_min || range->below_max)
        snprintf(text, size, "%s %.15g and %s %.15g", range->above_min ? ">" : ">=", range->min,
                 range->below_max ? "<" : "<=", range->max);
    else
        snprintf(text, size, "from %.15g to %.15g", range->min, range->max);
}

bool cso_word_find(const char *const *words, const char *text, size_t *index) {
    for (*index = 0; words[*index]; ++*index)
        if (!strcmp(words[*index], text))
            return true;
    return false;
}
