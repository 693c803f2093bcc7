/* nfc.h - Unicode's normalization form C (UAX 15), which Qwen's tokenizers apply before anything else. */
#ifndef CSO_NFC_H
#define CSO_NFC_H

#include "base/status.h"

#include <stddef.h>

/* *normal is NULL if text[size] (UTF-8) is certainly in form C already, else its form C, which the caller frees. Linear
 * time. */
cso_status cso_nfc(const char *text, size_t size, char **normal, size_t *normal_size, cso_error *err);

#endif
