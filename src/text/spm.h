/* spm.h - libsentencepiece behind a C interface. Internal to src/text; other layers use tokenizer.h.
 *
 * The library only reads models that spm_proto.c wrote from checked pieces, never a file's own bytes: the library recurses as deep
 * as a piece is long and trusts its trie. One case remains: if memory runs out inside it, its protocol buffers may crash in their
 * destructors (0.1.97) instead of giving CSO_ERR_SYSTEM.
 */
#ifndef CSO_SPM_H
#define CSO_SPM_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cso_spm cso_spm;

/* proto: a serialized sentencepiece.ModelProto. place: the file's name, for messages. */
cso_status cso_spm_create(cso_spm **spm, const void *proto, size_t size, const char *place, cso_error *err);
void cso_spm_free(cso_spm *spm);

/* The ids of text[size] (UTF-8), *count of them; the caller frees *ids. */
cso_status cso_spm_encode(const cso_spm *spm, const char *text, size_t size, int32_t **ids, size_t *count, cso_error *err);

#ifdef __cplusplus
}
#endif
#endif
