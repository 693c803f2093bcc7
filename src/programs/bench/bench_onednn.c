/* bench_onednn.c - oneDNN's own matmul, with its threads, in f32 or in bf16 with an f32 result; see bench_library.h. */
#include "bench_library.h"

#ifdef CSO_HAVE_ONEDNN
#include <oneapi/dnnl/dnnl.h>

typedef struct matmul {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    dnnl_memory_t operands[3]; /* a, b, c */
} matmul;

typedef struct operand {
    size_t rows, columns; /* of the matrix that is multiplied; trans: stored as its transpose */
    bool trans;
    dnnl_data_type_t type;
    const void *data;
} operand;

static dnnl_status_t make_memory(const matmul *m, const operand *x, dnnl_memory_desc_t *desc, dnnl_memory_t *memory) {
    const dnnl_dims_t dims = {(dnnl_dim_t)x->rows, (dnnl_dim_t)x->columns};
    const dnnl_dims_t strides = {x->trans ? 1 : (dnnl_dim_t)x->columns, x->trans ? (dnnl_dim_t)x->rows : 1};
    dnnl_status_t status = dnnl_memory_desc_init_by_strides(desc, 2, dims, x->type, strides);
    return status ? status : dnnl_memory_create(memory, desc, m->engine, (void *)(uintptr_t)x->data);
}

static dnnl_status_t make_matmul(matmul *m, const bench_product *p, const bench_matrices *x) {
    dnnl_data_type_t type = x->compute == CSO_COMPUTE_BF16 ? dnnl_bf16 : dnnl_f32;
    const operand operands[3] = {
        {p->m, p->k, p->trans_a, type, x->a}, {p->k, p->n, p->trans_b, type, x->b}, {p->m, p->n, false, dnnl_f32, x->c}};
    dnnl_memory_desc_t desc[3];
    dnnl_matmul_desc_t operation;
    dnnl_primitive_desc_t primitive;
    dnnl_status_t status = dnnl_engine_create(&m->engine, dnnl_cpu, 0);
    if (!status)
        status = dnnl_stream_create(&m->stream, m->engine, dnnl_stream_default_flags);
    for (int i = 0; !status && i < 3; i++)
        status = make_memory(m, &operands[i], &desc[i], &m->operands[i]);
    if (!status)
        status = dnnl_matmul_desc_init(&operation, &desc[0], &desc[1], NULL, &desc[2]);
    if (!status)
        status = dnnl_primitive_desc_create(&primitive, &operation, NULL, m->engine, NULL);
    if (!status) {
        status = dnnl_primitive_create(&m->primitive, primitive);
        dnnl_primitive_desc_destroy(primitive);
    }
    return status;
}

static dnnl_status_t run(const matmul *m) {
    const dnnl_exec_arg_t arguments[] = {
        {DNNL_ARG_SRC, m->operands[0]}, {DNNL_ARG_WEIGHTS, m->operands[1]}, {DNNL_ARG_DST, m->operands[2]}};
    dnnl_status_t status = dnnl_primitive_execute(m->primitive, m->stream, 3, arguments);
    return status ? status : dnnl_stream_wait(m->stream);
}

static dnnl_status_t measure(const matmul *m, double (*clock)(void), double seconds, double *mean) {
    dnnl_status_t status = run(m);
    size_t repeats = 0;
    double began = clock(), elapsed = 0;
    while (!status && (!repeats || elapsed < seconds)) {
        status = run(m);
        repeats++;
        elapsed = clock() - began;
    }
    *mean = elapsed / (double)repeats;
    return status;
}

cso_status bench_onednn(const bench_product *p, const bench_matrices *x, double seconds, double *mean, cso_error *err) {
    matmul m = {0};
    dnnl_status_t status = make_matmul(&m, p, x);
    if (!status)
        status = measure(&m, x->clock, seconds, mean);
    for (int i = 0; i < 3; i++)
        dnnl_memory_destroy(m.operands[i]);
    dnnl_primitive_destroy(m.primitive);
    dnnl_stream_destroy(m.stream);
    dnnl_engine_destroy(m.engine);
    return status ? cso_fail(err, CSO_ERR_INTERNAL, "oneDNN: a matrix product failed (status %d)", (int)status) : CSO_OK;
}

#else

cso_status bench_onednn(const bench_product *p, const bench_matrices *x, double seconds, double *mean, cso_error *err) {
    (void)p, (void)x, (void)seconds, (void)mean;
    return cso_fail(err, CSO_ERR_USAGE, "--compute: this build has no oneDNN, which bf16 needs (expected f32)");
}

#endif
