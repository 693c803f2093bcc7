/* text.c - see text.h. */
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool cso_starts_with(const char *text, const char *beginning) {
    return !strncmp(text, beginning, strlen(beginning));
}

bool cso_ends_with(const char *text, const char *ending) {
    size_t length = strlen(text), tail = strlen(ending);
    return length >= tail && !strcmp(text + length - tail, ending);
}

bool cso_is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

void cso_number_text(char text[CSO_NUMBER_TEXT], double value, int min_digits) {
    for (int digits = min_digits; digits <= 17; digits++) {
        int size = snprintf(text, CSO_NUMBER_TEXT, "%.*g", digits, value);
        if (size >= CSO_NUMBER_TEXT || strtod(text, NULL) == value)
            break;
    }
}
