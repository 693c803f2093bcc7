/* reply_origin.c - see reply_origin.h. */
#include "reply_origin.h"

#include "base/digest.h"

#include <string.h>

static void shorten(const char *hex, char digest[REPLY_DIGEST]) {
    memcpy(digest, hex, REPLY_DIGEST - 1);
    digest[REPLY_DIGEST - 1] = '\0';
}

void reply_digest(const void *bytes, size_t size, char digest[REPLY_DIGEST]) {
    char hex[CSO_DIGEST_HEX];
    cso_digest_bytes(bytes, size, hex);
    shorten(hex, digest);
}

void reply_origin_model(reply_origin *origin, const opened_model *base, const cso_adapter *adapter, const char *compute) {
    char weights[33], tokenizer[33], hex[33];
    cso_digest digest;
    cso_weights_fingerprint(base->model->weights, weights);
    cso_tokenizer_fingerprint(base->tokenizer, tokenizer);
    cso_digest_begin(&digest);
    cso_digest_add(&digest, weights, sizeof weights);
    cso_digest_add(&digest, tokenizer, sizeof tokenizer);
    cso_digest_add(&digest, compute, strlen(compute));
    cso_digest_hex(&digest, hex);
    shorten(hex, origin->model);
    if (adapter) {
        cso_adapter_fingerprint(adapter, hex);
        shorten(hex, origin->adapter);
    }
}

uint64_t reply_sequence(const cso_ids *prompt) {
    cso_digest digest;
    uint64_t low, high;
    cso_digest_begin(&digest);
    cso_digest_add(&digest, prompt->ids, prompt->count * sizeof *prompt->ids);
    cso_digest_words(&digest, &low, &high);
    return low & (((uint64_t)1 << 40) - 1);
}

void reply_origin_add(cso_text *line, const reply_origin *o) {
    cso_text_format(line, ", \"from\": {\"model\": \"%s\", \"adapter\": ", o->model);
    cso_text_format(line, o->adapter[0] ? "\"%s\"" : "null", o->adapter);
    cso_text_format(line, ", \"prompt\": \"%s\", \"options\": \"%s\"}", o->prompt, o->options);
}
