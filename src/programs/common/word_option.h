/* word_option.h - one of several words on a command line. */
#ifndef CSO_WORD_OPTION_H
#define CSO_WORD_OPTION_H

#include "base/status.h"

/* The index of a text among NULL-terminated words, which are those beside an enum; option: "--compute", for the message. Any other
 * text is CSO_ERR_USAGE: "--compute: must be one of f32, bf16, got 'f16'". */
cso_status parse_word(const char *option, const char *text, const char *const *words, int *index, cso_error *err);

#endif
