/* fuzz_tokenizer.c - a tokenizer that is accepted must encode any text and decode any id.
 *
 * The first byte says what the rest is: '{' a tokenizer.json (this byte belongs to it), 'G' a GGUF file (it too), else a
 * tokenizer.model after the byte.
 */
#include "text/chat.h"
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const cso_tokenizer *tokenizer, const char *text, size_t size, bool parse_special) {
    cso_ids ids = {0};
    char *decoded = NULL;
    size_t decoded_size = 0;
    cso_token_stream stream = {0};
    if (cso_tokenizer_encode(tokenizer, text, size, parse_special, &ids, NULL) != CSO_OK)
        __builtin_trap();
    for (size_t i = 0; i < ids.count; i++)
        if (ids.ids[i] < 0 || (size_t)ids.ids[i] >= cso_tokenizer_vocab(tokenizer))
            __builtin_trap();
    if (cso_tokenizer_decode(tokenizer, ids.ids, ids.count, &decoded, &decoded_size, NULL) != CSO_OK)
        __builtin_trap();
    size_t at = 0; /* one id at a time: the same text */
    for (size_t i = 0; i <= ids.count; i++) {
        cso_status status =
            i < ids.count ? cso_token_stream_feed(&stream, tokenizer, ids.ids[i], NULL) : cso_token_stream_flush(&stream, NULL);
        if (status != CSO_OK || stream.size > decoded_size - at || memcmp(stream.text, decoded + at, stream.size))
            __builtin_trap();
        at += stream.size;
    }
    if (at != decoded_size)
        __builtin_trap();
    cso_token_stream_free(&stream);
    free(decoded);
    free(ids.ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char text[] =
        "Hello, it's 12345 a  b\n\n \t<|im_end|><eos><unk> caf\xC3\xA9 e\xCC\x81 \xF0\x9F\x98\x80 \xFF\xE2\x96\x81";
    cso_tokenizer *tokenizer = NULL;
    cso_error err = {0};
    if (!size)
        return 0;
    bool json = data[0] == '{', gguf = data[0] == 'G', model = !json && !gguf;
    cso_status status = cso_tokenizer_from_memory(&tokenizer,
                                                  json   ? "fuzz.json"
                                                  : gguf ? "fuzz.gguf"
                                                         : "fuzz.model",
                                                  data + model, size - model, &err);
    if (status != CSO_OK) {
        if (status != CSO_ERR_INPUT || !err.message[0] || tokenizer)
            __builtin_trap();
        return 0;
    }
    const cso_chat_template *chat = NULL;
    char hex[33];
    use(tokenizer, text, sizeof text - 1, true);
    use(tokenizer, text, sizeof text - 1, false);
    use(tokenizer, (const char *)data, size < 4096 ? size : 4096, true);
    cso_tokenizer_fingerprint(tokenizer, hex);
    cso_chat_template_get(&chat, "auto", tokenizer, "fuzz", &err);
    cso_tokenizer_free(tokenizer);
    return 0;
}
