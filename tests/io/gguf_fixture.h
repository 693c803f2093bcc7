/* gguf_fixture.h - GGUF files in memory for the tests of the reader. */
#ifndef CSO_TESTS_GGUF_FIXTURE_H
#define CSO_TESTS_GGUF_FIXTURE_H

#include "bytes.h"

enum { F32 = 0, F16 = 1, Q8_0 = 8, I32 = 26, Q4_K = 12 }; /* types of tensors, as files number them */

cso_status open_bytes(cso_gguf **gguf, const bytes *b, cso_error *err);
/* Expects CSO_ERR_INPUT and a message that holds `part`; frees b. */
void assert_refused(bytes *b, const char *part);
/* Two keys, an array of each kind, three tensors: 4x2 F32, 2x32 Q8_0, and an empty one. */
bytes small_file(uint32_t version);

#endif
