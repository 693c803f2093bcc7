/* text.h - small helpers for texts. */
#ifndef CSO_BASE_TEXT_H
#define CSO_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

bool cso_starts_with(const char *text, const char *beginning);
bool cso_ends_with(const char *text, const char *ending);
bool cso_is_letter_or_digit(char c); /* of ASCII, whatever the locale */

/* The value in printf's %g form with the fewest significant digits that read back as the same f64, but no fewer than min_digits
 * (1 to 17; %g then drops zeros at the end): 1e-05 and 1e+05 from 1, 1e-05 and 100000 from 6. NaN and Inf as printf has them. */
enum { CSO_NUMBER_TEXT = 32 };
void cso_number_text(char text[CSO_NUMBER_TEXT], double value, int min_digits);

#endif
