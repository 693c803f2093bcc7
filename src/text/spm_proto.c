/* spm_proto.c - see spm_proto.h. */
#include "spm_proto.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER, TYPE_UNUSED, TYPE_BYTE };
enum { VARINT = 0, EIGHT_BYTES = 1, BYTES = 2, FOUR_BYTES = 5 };

/* One field of a message. */
typedef struct field {
    uint64_t number;
    int wire;
    uint64_t value;            /* VARINT */
    const unsigned char *data; /* the others */
    size_t size;
} field;

typedef struct reader {
    const unsigned char *at, *end;
} reader;

static bool read_varint(reader *r, uint64_t *value) {
    *value = 0;
    for (int shift = 0; shift < 70 && r->at < r->end; shift += 7) {
        unsigned char byte = *r->at++;
        if (shift < 64)
            *value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* The next field; false: malformed. Must not be called at the end. */
static bool read_field(reader *r, field *f) {
    uint64_t tag, size = 0;
    if (!read_varint(r, &tag))
        return false;
    *f = (field){.number = tag >> 3, .wire = (int)(tag & 7)};
    switch (f->wire) {
    case VARINT:
        return read_varint(r, &f->value);
    case EIGHT_BYTES:
        size = 8;
        break;
    case FOUR_BYTES:
        size = 4;
        break;
    case BYTES:
        if (!read_varint(r, &size))
            return false;
        break;
    default:
        return false;
    }
    if (size > (uint64_t)(r->end - r->at))
        return false;
    f->data = r->at;
    f->size = (size_t)size;
    r->at += size;
    return true;
}

static reader reader_of(const field *f) {
    return (reader){f->data, f->data + f->size};
}

static cso_status malformed(const char *place, const unsigned char *begin, const reader *r, cso_error *err) {
    return cso_fail(err, CSO_ERR_INPUT, "%s: not a SentencePiece model: malformed at byte %zu", place, (size_t)(r->at - begin));
}

static cso_token_kind kind_of(uint64_t type, const char *text, size_t size) {
    switch (type) {
    case TYPE_NORMAL:
        return CSO_TOKEN_NORMAL;
    case TYPE_UNKNOWN:
        return CSO_TOKEN_UNKNOWN;
    case TYPE_CONTROL:
        return CSO_TOKEN_CONTROL;
    case TYPE_USER:
        return CSO_TOKEN_USER;
    case TYPE_UNUSED:
        return CSO_TOKEN_UNUSED;
    case TYPE_BYTE:
        return cso_gemma_byte(text, size) >= 0 ? CSO_TOKEN_BYTE : CSO_TOKEN_NONE;
    default:
        return CSO_TOKEN_NONE;
    }
}

static cso_status read_piece(cso_tokenizer *tokenizer, reader r, size_t id, const char *place, float *score, cso_error *err) {
    field f;
    const char *text = "";
    size_t size = 0;
    uint64_t type = TYPE_NORMAL;
    *score = 0.0f;
    while (r.at < r.end) {
        if (!read_field(&r, &f))
            return cso_fail(err, CSO_ERR_INPUT, "%s: piece %zu is malformed", place, id);
        if (f.number == 1 && f.wire == BYTES) {
            text = (const char *)f.data;
            size = f.size;
        } else if (f.number == 2 && f.wire == FOUR_BYTES) {
            uint32_t bits = f.data[0] | (uint32_t)f.data[1] << 8 | (uint32_t)f.data[2] << 16 | (uint32_t)f.data[3] << 24;
            memcpy(score, &bits, sizeof bits);
        } else if (f.number == 3 && f.wire == VARINT) {
            type = f.value;
        }
    }
    cso_token_kind kind = kind_of(type, text, size);
    if (kind == CSO_TOKEN_NONE)
        return cso_fail(err, CSO_ERR_INPUT, "%s: piece %zu has the invalid type %llu", place, id, (unsigned long long)type);
    return cso_tokenizer_add_token(tokenizer, id, text, size, kind, place, err);
}

/* Settings of Gemma's kind of model; defaults of missing fields are those of the .proto file. */
typedef struct settings {
    uint64_t model_type, suffix, byte_fallback, dummy_prefix, remove_spaces, escape_spaces;
    size_t charsmap;
} settings;

static bool read_trainer(settings *s, reader r) {
    field f;
    while (r.at < r.end) {
        if (!read_field(&r, &f))
            return false;
        if (f.wire != VARINT)
            continue;
        if (f.number == 3)
            s->model_type = f.value;
        else if (f.number == 24)
            s->suffix = f.value;
        else if (f.number == 35)
            s->byte_fallback = f.value;
    }
    return true;
}

static bool read_normalizer(settings *s, reader r) {
    field f;
    while (r.at < r.end) {
        if (!read_field(&r, &f))
            return false;
        if (f.number == 2 && f.wire == BYTES)
            s->charsmap += f.size;
        else if (f.number == 3 && f.wire == VARINT)
            s->dummy_prefix = f.value;
        else if (f.number == 4 && f.wire == VARINT)
            s->remove_spaces = f.value;
        else if (f.number == 5 && f.wire == VARINT)
            s->escape_spaces = f.value;
    }
    return true;
}

static cso_status check_settings(const settings *s, const char *place, cso_error *err) {
    const struct {
        bool good;
        const char *expected;
    } checks[] = {
        {s->model_type == 2, "trainer_spec.model_type BPE"},
        {!s->suffix, "trainer_spec.treat_whitespace_as_suffix false"},
        {s->byte_fallback, "trainer_spec.byte_fallback true"},
        {!s->charsmap, "no normalization (precompiled_charsmap empty)"},
        {!s->dummy_prefix, "normalizer_spec.add_dummy_prefix false"},
        {!s->remove_spaces, "normalizer_spec.remove_extra_whitespaces false"},
        {s->escape_spaces, "normalizer_spec.escape_whitespaces true"},
    };
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        if (!checks[i].good)
            return cso_fail(err, CSO_ERR_INPUT, "%s: not a SentencePiece model of Gemma's kind (expected %s)", place,
                            checks[i].expected);
    return CSO_OK;
}

cso_status cso_spm_proto_read(cso_tokenizer *tokenizer, const void *data, size_t size, const char *place, float **scores,
                              cso_error *err) {
    settings s = {.model_type = 1, .dummy_prefix = 1, .remove_spaces = 1, .escape_spaces = 1};
    reader r = {data, (const unsigned char *)data + size};
    size_t count = 0, capacity = 0;
    float *list = NULL;
    cso_status status = CSO_OK;
    field f;
    while (r.at < r.end && status == CSO_OK) {
        bool good = read_field(&r, &f);
        if (good && f.wire == BYTES && f.number == 1) {
            if (!cso_grow(&list, &capacity, count + 1, sizeof *list))
                status = cso_fail_memory(err, "the vocabulary's scores");
            else
                status = read_piece(tokenizer, reader_of(&f), count, place, &list[count], err);
            count++;
        } else if (good && f.wire == BYTES && f.number == 2) {
            good = read_trainer(&s, reader_of(&f));
        } else if (good && f.wire == BYTES && (f.number == 3 || f.number == 5)) {
            settings denormalizer = {0};
            good = read_normalizer(f.number == 3 ? &s : &denormalizer, reader_of(&f));
            s.charsmap += denormalizer.charsmap;
        }
        if (!good)
            status = malformed(place, data, &r, err);
    }
    if (status == CSO_OK)
        status = cso_vocab_check(&tokenizer->vocab, place, err);
    if (status == CSO_OK)
        status = check_settings(&s, place, err);
    if (status == CSO_OK)
        status = cso_vocab_index(&tokenizer->vocab, place, err);
    if (status == CSO_OK)
        *scores = list;
    else
        free(list);
    return status;
}

/* A growing buffer of bytes. */
typedef struct writer {
    unsigned char *data;
    size_t size, capacity;
    bool failed;
} writer;

static void write_bytes(writer *w, const void *data, size_t size) {
    if (w->failed || !cso_grow(&w->data, &w->capacity, w->size + size, 1)) {
        w->failed = true;
        return;
    }
    if (size)
        memcpy(w->data + w->size, data, size);
    w->size += size;
}

static void write_varint(writer *w, uint64_t value) {
    unsigned char bytes[10];
    size_t count = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[count++] = (unsigned char)(value | 0x80);
    bytes[count++] = (unsigned char)value;
    write_bytes(w, bytes, count);
}

static void write_number(writer *w, int number, uint64_t value) {
    write_varint(w, (uint64_t)number << 3 | VARINT);
    write_varint(w, value);
}

static void write_string(writer *w, int number, const void *data, size_t size) {
    write_varint(w, (uint64_t)number << 3 | BYTES);
    write_varint(w, size);
    write_bytes(w, data, size);
}

static void write_float(writer *w, int number, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    unsigned char bytes[4] = {(unsigned char)bits, (unsigned char)(bits >> 8), (unsigned char)(bits >> 16),
                              (unsigned char)(bits >> 24)};
    write_varint(w, (uint64_t)number << 3 | FOUR_BYTES);
    write_bytes(w, bytes, sizeof bytes);
}

static uint64_t type_of(cso_token_kind kind) {
    switch (kind) {
    case CSO_TOKEN_UNKNOWN:
        return TYPE_UNKNOWN;
    case CSO_TOKEN_CONTROL:
        return TYPE_CONTROL;
    case CSO_TOKEN_USER:
        return TYPE_USER;
    case CSO_TOKEN_UNUSED:
        return TYPE_UNUSED;
    case CSO_TOKEN_BYTE:
        return TYPE_BYTE;
    default:
        return TYPE_NORMAL;
    }
}

cso_status cso_spm_proto_write(const cso_vocab *vocab, const float *scores, unsigned char **proto, size_t *size, cso_error *err) {
    static const char identity[] = "identity";
    static const struct {
        int number;
        const char *piece;
    } names[] = {{45, "<unk>"}, {46, "<bos>"}, {47, "<eos>"}, {48, "<pad>"}};
    writer model = {0}, part = {0};
    for (size_t id = 0; id < vocab->count; id++) {
        size_t length;
        const char *text = cso_vocab_text(vocab, (int32_t)id, &length);
        part.size = 0;
        write_string(&part, 1, text, length);
        write_float(&part, 2, scores[id]);
        write_number(&part, 3, type_of(vocab->tokens[id].kind));
        write_string(&model, 1, part.data, part.size);
    }
    part.size = 0;
    write_number(&part, 3, 2); /* BPE */
    write_number(&part, 4, vocab->count);
    write_number(&part, 35, 1); /* byte_fallback */
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        write_string(&part, names[i].number, names[i].piece, strlen(names[i].piece));
    write_string(&model, 2, part.data, part.size);
    part.size = 0;
    write_string(&part, 1, identity, strlen(identity));
    write_string(&part, 2, "", 0);
    write_number(&part, 3, 0); /* add_dummy_prefix */
    write_number(&part, 4, 0); /* remove_extra_whitespaces */
    write_number(&part, 5, 1); /* escape_whitespaces */
    write_string(&model, 3, part.data, part.size);
    bool failed = model.failed || part.failed;
    free(part.data);
    if (failed) {
        free(model.data);
        return cso_fail_memory(err, "the SentencePiece model");
    }
    *proto = model.data;
    *size = model.size;
    return CSO_OK;
}
