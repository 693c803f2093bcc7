/* decode.c - ids to bytes and to text, at once or one id at a time. */
#include "base/memory.h"
#include "tokenizer_internal.h"
#include "utf8_repair.h"

#include <stdlib.h>
#include <string.h>

static cso_status check_id(const cso_tokenizer *tokenizer, int32_t id, cso_error *err) {
    if (id < 0 || (size_t)id >= tokenizer->vocab.count)
        return cso_fail(err, CSO_ERR_INPUT, "token id %d is out of range (0 to %zu)", (int)id, tokenizer->vocab.count - 1);
    return CSO_OK;
}

cso_status cso_tokenizer_decode_bytes(const cso_tokenizer *tokenizer, const int32_t *ids, size_t count, char **bytes, size_t *size,
                                      cso_error *err) {
    size_t total = 0, used = 0, length;
    for (size_t i = 0; i < count; i++) {
        CSO_TRY(check_id(tokenizer, ids[i], err));
        if (!cso_size_add(total, tokenizer->vocab.tokens[ids[i]].bytes_size, &total))
            return cso_fail_memory(err, "a text");
    }
    char *out = total < SIZE_MAX ? cso_malloc(total + 1) : NULL;
    if (!out)
        return cso_fail_memory(err, "a text");
    for (size_t i = 0; i < count; i++) {
        const char *token = cso_vocab_bytes(&tokenizer->vocab, ids[i], &length);
        if (length)
            memcpy(out + used, token, length);
        used += length;
    }
    out[used] = '\0';
    *bytes = out;
    *size = used;
    return CSO_OK;
}

cso_status cso_tokenizer_decode(const cso_tokenizer *tokenizer, const int32_t *ids, size_t count, char **text, size_t *size,
                                cso_error *err) {
    char *bytes = NULL;
    size_t byte_count = 0;
    CSO_TRY(cso_tokenizer_decode_bytes(tokenizer, ids, count, &bytes, &byte_count, err));
    cso_status status = cso_utf8_repair(bytes, byte_count, text, size, NULL, err);
    free(bytes);
    return status;
}

/* Splits text[size]: complete characters go to stream->text, an unfinished one to stream->pending. */
static cso_status stream_text(cso_token_stream *stream, const char *text, size_t size, bool flush, cso_error *err) {
    char *out = NULL;
    size_t out_size = 0, unfinished = 0;
    CSO_TRY(cso_utf8_repair(text, size, &out, &out_size, flush ? NULL : &unfinished, err));
    if (!cso_grow(&stream->text, &stream->capacity, out_size + 1, 1)) {
        free(out);
        return cso_fail_memory(err, "a text");
    }
    memcpy(stream->text, out, out_size + 1);
    stream->size = out_size;
    memcpy(stream->pending, text + size - unfinished, unfinished); /* at most three bytes */
    stream->pending_size = unfinished;
    free(out);
    return CSO_OK;
}

cso_status cso_token_stream_feed(cso_token_stream *stream, const cso_tokenizer *tokenizer, int32_t id, cso_error *err) {
    CSO_TRY(check_id(tokenizer, id, err));
    size_t length;
    const char *token = cso_vocab_bytes(&tokenizer->vocab, id, &length);
    char *joined = cso_malloc(stream->pending_size + length + 1);
    if (!joined)
        return cso_fail_memory(err, "a text");
    memcpy(joined, stream->pending, stream->pending_size);
    memcpy(joined + stream->pending_size, token, length);
    cso_status status = stream_text(stream, joined, stream->pending_size + length, false, err);
    free(joined);
    return status;
}

cso_status cso_token_stream_flush(cso_token_stream *stream, cso_error *err) {
    char pending[4];
    memcpy(pending, stream->pending, sizeof pending);
    return stream_text(stream, pending, stream->pending_size, true, err);
}

void cso_token_stream_free(cso_token_stream *stream) {
    free(stream->text);
    *stream = (cso_token_stream){0};
}
