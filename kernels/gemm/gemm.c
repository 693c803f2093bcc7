/* gemm.c - products with weights of any stored type: in f32 (panel.c), in bf16 through oneDNN (onednn.c), and the case of very few
 * rows, which is bound by reading the weights.
 */
#include "gemm_internal.h"

#include "base/memory.h"
#include "base/parallel.h"
#include "base/profile.h"
#include "kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

const char *const cso_compute_words[] = {[CSO_COMPUTE_F32] = "f32", [CSO_COMPUTE_BF16] = "bf16", NULL};

cso_status cso_gemm_create(cso_gemm **gemm, cso_context *ctx, cso_compute compute, cso_error *err) {
    cso_gemm *g = cso_calloc(1, sizeof *g);
    *gemm = NULL;
    if (!g)
        return cso_fail_memory(err, "matrix products");
    g->ctx = ctx;
    if (compute == CSO_COMPUTE_BF16) {
#ifdef CSO_HAVE_ONEDNN
        cso_status status = cso_onednn_create(&g->onednn, ctx, err);
#else
        cso_status status =
            cso_fail(err, CSO_ERR_USAGE, "model.compute: this build has no oneDNN, which bf16 needs (expected \"f32\")");
#endif
        if (status != CSO_OK) {
            cso_gemm_free(g);
            return status;
        }
    }
    *gemm = g;
    return CSO_OK;
}

void cso_gemm_free(cso_gemm *gemm) {
    if (!gemm)
        return;
#ifdef CSO_HAVE_ONEDNN
    cso_onednn_free(gemm->onednn);
#endif
    free(gemm->panel.data);
    free(gemm);
}

/* --- few rows of x (generation): bound by reading W, so every row of W is dequantized in pieces and multiplied at once --- */

enum {
    FEW_ROWS = 4,
    GEMV_ROWS = 64, /* rows of W in one task */
    PIECE = 2048    /* weights dequantized at a time */
};

static void gemv_task(void *context, size_t index, int thread) {
    (void)thread;
    const cso_gemm_product *p = context;
    const cso_kernels *kernels = p->ctx->kernels;
    bool in_place = cso_gemm_in_place(&p->w);
    size_t columns = p->w.columns, end = (index + 1) * GEMV_ROWS < p->w.rows ? (index + 1) * GEMV_ROWS : p->w.rows;
    float piece[PIECE];
    for (size_t row = index * GEMV_ROWS; row < end; row++) {
        double sums[FEW_ROWS] = {0};
        for (size_t c = 0; c < columns; c += PIECE) {
            size_t n = columns - c < PIECE ? columns - c : PIECE;
            const float *weights = piece;
            if (in_place)
                weights = (const float *)cso_tensor_row(p->w.tensor, p->w.row0 + row) + c;
            else
                cso_gemm_weights(kernels, &p->w, row, c, n, piece);
            for (size_t i = 0; i < p->m; i++)
                sums[i] += kernels->dot(weights, p->source + i * p->lds + c, n);
        }
        for (size_t i = 0; i < p->m; i++) {
            float *y = p->result + i * p->ldr + row;
            *y = (float)(p->accumulate ? *y + sums[i] : sums[i]);
        }
    }
}

static void clear(const cso_gemm_product *p, size_t n) {
    for (size_t i = 0; i < p->m && !p->accumulate; i++)
        memset(p->result + i * p->ldr, 0, n * sizeof *p->result);
}

/* The term, where the product was not made in tiles that add it at once. */
static void add_term(const cso_gemm_product *p) {
    const cso_gemm_term *t = p->term;
    if (!t)
        return;
    cso_phase phase = cso_profile_enter(CSO_PHASE_LORA);
    cso_sgemm(p->ctx, false, t->trans, p->m, p->backward ? p->w.columns : p->w.rows, t->rank, t->alpha, t->left, t->ld_left,
              t->right, t->ld_right, 1, p->result, p->ldr);
    cso_profile_leave(phase);
}

static cso_status multiply(cso_gemm *gemm, cso_gemm_product *p, cso_error *err) {
    if (p->m <= FEW_ROWS && !p->backward) {
        cso_parallel_for(p->ctx->pool, (p->w.rows + GEMV_ROWS - 1) / GEMV_ROWS, gemv_task, p);
        add_term(p);
        return CSO_OK;
    }
#ifdef CSO_HAVE_ONEDNN
    if (gemm->onednn) {
        CSO_TRY(cso_gemm_onednn(gemm, p, err));
        add_term(p);
        return CSO_OK;
    }
#else
    (void)gemm;
#endif
    return cso_gemm_panels(p, err);
}

static cso_status multiply_measured(cso_gemm *gemm, cso_gemm_product *p, cso_error *err) {
    cso_phase phase = cso_profile_enter(CSO_PHASE_GEMM);
    cso_status status = multiply(gemm, p, err);
    cso_profile_add_flops(2.0 * (double)p->m * (double)p->w.rows * (double)p->w.columns);
    cso_profile_leave(phase);
    return status;
}

cso_status cso_gemm_nt_plus(cso_gemm *gemm, float *y, size_t ldy, const float *x, size_t ldx, size_t m, const cso_tensor *w,
                            size_t row0, size_t rows, bool accumulate, const cso_gemm_term *term, cso_error *err) {
    cso_gemm_product p = {gemm->ctx, y, ldy, x, ldx, m, {w, row0, rows, cso_tensor_columns(w)}, false, accumulate, term};
    if (!m || !rows)
        return CSO_OK;
    if (p.w.columns)
        return multiply_measured(gemm, &p, err);
    clear(&p, rows);
    add_term(&p);
    return CSO_OK;
}

cso_status cso_gemm_nn_plus(cso_gemm *gemm, float *dx, size_t lddx, const float *dy, size_t lddy, size_t m, const cso_tensor *w,
                            size_t row0, size_t rows, bool accumulate, const cso_gemm_term *term, cso_error *err) {
    cso_gemm_product p = {gemm->ctx, dx, lddx, dy, lddy, m, {w, row0, rows, cso_tensor_columns(w)}, true, accumulate, term};
    if (!m || !p.w.columns)
        return CSO_OK;
    if (rows)
        return multiply_measured(gemm, &p, err);
    clear(&p, p.w.columns);
    add_term(&p);
    return CSO_OK;
}

cso_status cso_gemm_nt(cso_gemm *gemm, float *y, size_t ldy, const float *x, size_t ldx, size_t m, const cso_tensor *w, size_t row0,
                       size_t rows, bool accumulate, cso_error *err) {
    return cso_gemm_nt_plus(gemm, y, ldy, x, ldx, m, w, row0, rows, accumulate, NULL, err);
}

cso_status cso_gemm_nn(cso_gemm *gemm, float *dx, size_t lddx, const float *dy, size_t lddy, size_t m, const cso_tensor *w,
                       size_t row0, size_t rows, bool accumulate, cso_error *err) {
    return cso_gemm_nn_plus(gemm, dx, lddx, dy, lddy, m, w, row0, rows, accumulate, NULL, err);
}
