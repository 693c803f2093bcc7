/* decode_state.h - what the files of src/decode share: a decoder, its sessions, and a batch of rows. */
#ifndef CSO_DECODE_STATE_H
#define CSO_DECODE_STATE_H

#include "decode_product.h"
#include "decoder.h"
#include "kv_tree.h"

struct cso_session {
    cso_decoder *decoder;
    cso_kv_page *root;
    cso_kv_page **pages; /* (n_pages) its path: all full but for the last, of which it may see the beginning only */
    size_t n_pages, capacity;
    size_t length;
    uint64_t step; /* the last one that it took part in */
};

/* One token to compute. */
typedef struct cso_row {
    cso_kv_page *const *pages; /* the session's */
    int32_t id, position;
    bool store;    /* its keys and values are not there yet */
    size_t logits; /* its row of the step's logits; CSO_NO_LOGITS: not wanted */
    const cso_adapter *adapter;
} cso_row;
#define CSO_NO_LOGITS SIZE_MAX

/* The arrays of a batch, for `rows` rows. Letters as in kernels.h. */
typedef struct cso_decode_buffers {
    size_t rows;
    float *block;           /* all of the following */
    float *hidden, *normed; /* (T, D) the residual stream */
    float *raw;             /* (T, D) what a branch adds to it */
    float *q, *k, *v;       /* (T, H, E), (T, G, E) */
    float *attended;        /* (T, H, E) */
    float *gate, *up;       /* (T, F) */
} cso_decode_buffers;

struct cso_decoder {
    cso_context *ctx;
    const cso_model *model;
    cso_kv_tree tree;
    cso_decode_products *products;
    size_t batch; /* most rows of a batch */
    cso_row *rows;
    size_t n_rows;
    cso_decode_buffers buffers;
    float *low_rank; /* (T, 3 R) of LoRA */
    size_t low_rank_floats;
    float *partials; /* of attention */
    size_t partial_floats;
    float *rope; /* (2, positions, E / 2): cosines, then sines */
    size_t rope_positions;
    float *logits; /* (logit_rows, V) of the last step */
    size_t logit_rows;
    uint64_t step;
    cso_decode_counts counts;
};

/* session.c: adds tokens, sharing what is there; on failure the session may have some of them. */
cso_status cso_session_extend(cso_session *session, const int32_t *ids, size_t count, cso_error *err);
/* Takes tokens away from the end. */
void cso_session_cut(cso_session *session, size_t length);

/* decode_forward.c: computes the rows of the batch: stores keys and values, and sets the rows of logits. */
cso_status cso_decode_batch(cso_decoder *decoder, cso_error *err);

/* decode_linear.c: y[j] (T, out) = x W^T + bias + what each row's adapter adds, for modules first .. first + count of a layer. */
cso_status cso_decode_linear(cso_decoder *decoder, size_t layer, cso_module first, int count, const float *x, float *const *y,
                             cso_error *err);

/* decode_attention.c: attended of the batch's rows in a layer. */
cso_status cso_decode_attention(cso_decoder *decoder, size_t layer, cso_error *err);

/* Runs tiles of `tile` rows, over threads where there are several. */
typedef void (*cso_decode_rows_fn)(void *context, size_t first, size_t count, int thread);
void cso_decode_rows(cso_context *ctx, size_t rows, size_t tile, cso_decode_rows_fn run, void *context);
/* Makes a buffer of floats hold at least so many; the contents are lost. */
cso_status cso_decode_reserve(float **buffer, size_t *capacity, size_t floats, cso_error *err);

#endif
