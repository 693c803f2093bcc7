/* amounts.h - numbers as people read them. Each function writes to `text` and gives it back. */
#ifndef CSO_AMOUNTS_H
#define CSO_AMOUNTS_H

#include <stddef.h>

enum { AMOUNT_TEXT = 32 };

const char *grouped_text(size_t number, char text[AMOUNT_TEXT]);         /* 1234567: "1,234,567" */
const char *amount_text(double number, char text[AMOUNT_TEXT]);          /* 1234567: "1.23 M"; below 1000 "123 " */
const char *bytes_text(double bytes, char text[AMOUNT_TEXT]);            /* "1.50 GiB", "12.0 MiB" */
const char *duration_text(double seconds, char text[AMOUNT_TEXT]);       /* "2 h 05 min", "3 min 20 s", "42 s", "1.5 s" */
const char *whole_duration_text(double seconds, char text[AMOUNT_TEXT]); /* the same without fractions, for what is drawn often */

#endif
