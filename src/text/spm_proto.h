/* spm_proto.h - SentencePiece's model file: the few fields of its protocol buffer that Gemma's kind of model has.
 *
 * Wire format (protobuf.dev/programming-guides/encoding): a field is a varint, number << 3 | type, and then a varint (type 0),
 * 8 bytes (1), a varint length and that many bytes (2), or 4 bytes (5). Fields, from sentencepiece_model.proto:
 *   ModelProto       1 pieces (repeated), 2 trainer_spec, 3 normalizer_spec, 5 denormalizer_spec
 *   SentencePiece    1 piece, 2 score (float), 3 type (1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte)
 *   TrainerSpec      3 model_type (1 unigram, 2 BPE), 4 vocab_size, 24 treat_whitespace_as_suffix, 35 byte_fallback
 *   NormalizerSpec   2 precompiled_charsmap, 3 add_dummy_prefix, 4 remove_extra_whitespaces, 5 escape_whitespaces
 */
#ifndef CSO_SPM_PROTO_H
#define CSO_SPM_PROTO_H

#include "tokenizer_internal.h"

/* The pieces of a file's bytes go to the tokenizer's vocabulary and to *scores (the caller frees); a model of another kind than
 * Gemma's is CSO_ERR_INPUT. */
cso_status cso_spm_proto_read(cso_tokenizer *tokenizer, const void *data, size_t size, const char *place, float **scores,
                              cso_error *err);

/* The other way: *proto (the caller frees) is a model of Gemma's kind with the vocabulary's tokens. */
cso_status cso_spm_proto_write(const cso_vocab *vocab, const float *scores, unsigned char **proto, size_t *size, cso_error *err);

#endif
