/* amounts.c - see amounts.h. */
#include "amounts.h"

#include <math.h>
#include <stdio.h>

const char *grouped_text(size_t number, char text[AMOUNT_TEXT]) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%zu", number), out = 0;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            text[out++] = ',';
        text[out++] = digits[i];
    }
    text[out] = '\0';
    return text;
}

const char *duration_text(double seconds, char text[AMOUNT_TEXT]) {
    if (!(seconds < 3600.0 * 24 * 365))
        snprintf(text, AMOUNT_TEXT, "over a year");
    else if (seconds >= 3600)
        snprintf(text, AMOUNT_TEXT, "%.0f h %02d min", floor(seconds / 3600), (int)fmod(seconds / 60, 60));
    else if (seconds >= 60)
        snprintf(text, AMOUNT_TEXT, "%d min %02d s", (int)(seconds / 60), (int)fmod(seconds, 60));
    else
        snprintf(text, AMOUNT_TEXT, "%.*f s", seconds < 10 ? 1 : 0, seconds);
    return text;
}

const char *whole_duration_text(double seconds, char text[AMOUNT_TEXT]) {
    if (seconds < 60)
        snprintf(text, AMOUNT_TEXT, "%.0f s", floor(seconds));
    else
        duration_text(seconds, text);
    return text;
}

const char *amount_text(double number, char text[AMOUNT_TEXT]) {
    static const char units[] = " kMGTPE";
    size_t unit = 0;
    while (number >= 999.5 && unit + 2 < sizeof units) {
        number /= 1000;
        unit++;
    }
    if (unit)
        snprintf(text, AMOUNT_TEXT, "%.3g %c", number, units[unit]);
    else
        snprintf(text, AMOUNT_TEXT, "%.3g ", number);
    return text;
}

const char *bytes_text(double bytes, char text[AMOUNT_TEXT]) {
    const double mib = 1024.0 * 1024, gib = 1024 * mib;
    if (bytes >= gib)
        snprintf(text, AMOUNT_TEXT, "%.2f GiB", bytes / gib);
    else
        snprintf(text, AMOUNT_TEXT, "%.1f MiB", bytes / mib);
    return text;
}
