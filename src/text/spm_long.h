/* spm_long.h - very long words of a SentencePiece model, without the library.
 *
 * libsentencepiece takes seconds for a word of some megabytes. What it computes (bpe_model.cc) is short: user-defined pieces are
 * cut out first, longest match, and stay whole; then of all neighbouring symbols whose strings together are a piece, the two with
 * the highest score, of equal ones the leftmost, are joined, until none are left; a symbol that is not a piece then becomes its
 * bytes' tokens. tests/text/test_gemma.c compares the two.
 */
#ifndef CSO_SPM_LONG_H
#define CSO_SPM_LONG_H

#include "tokenizer_internal.h"

enum { CSO_LONG_WORD = 4096 }; /* words longer than this (bytes) bypass the library */

cso_status cso_spm_encode_long(const cso_tokenizer *tokenizer, const char *text, size_t size, cso_ids *ids,
                               cso_bpe_scratch *scratch, cso_error *err);

#endif
