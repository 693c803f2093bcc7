/* bench_work.c - the shapes of the products with weights that a training step makes. */
#include "bench_model.h"

/* The engine computes logits in tiles about so large; a larger product would not be what a step makes. */
enum { HEAD_NODES = 1024, HEAD_VOCAB = 4096 };

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t add(bench_product *products, size_t n, bench_product p) {
    if (!(p.count > 0))
        return n;
    for (size_t i = 0; i < n; i++) {
        bench_product *q = &products[i];
        if (q->trans_b == p.trans_b && q->m == p.m && q->n == p.n && q->k == p.k) {
            q->count += p.count;
            return n;
        }
    }
    products[n] = p;
    return n + 1;
}

/* How often a layer but the last goes forward, all together. */
static double forward_passes(const cso_hparams *h, size_t kept) {
    return kept == h->n_layers ? (double)(h->n_layers - 1) : (double)(2 * (h->n_layers - 1) - kept);
}

size_t bench_step_products(const cso_model *model, const cso_tree *tree, size_t kept, bench_product products[BENCH_MAX_PRODUCTS]) {
    const cso_hparams *h = &model->hparams;
    size_t n = 0, m = tree->n_tokens;
    for (cso_module module = 0; module < CSO_MODULE_COUNT; module++) {
        size_t in = cso_module_in(model, module), out = cso_module_out(model, module);
        /* Nobody wants the gradient of the embeddings; and in the last layer only nodes have more than keys and values. */
        bool ends_at_input = module == CSO_Q_PROJ || module == CSO_K_PROJ || module == CSO_V_PROJ;
        size_t last = module == CSO_K_PROJ || module == CSO_V_PROJ ? m : tree->n_nodes;
        n = add(products, n, (bench_product){false, true, m, out, in, forward_passes(h, kept)});
        n = add(products, n, (bench_product){false, true, last, out, in, 1});
        n = add(products, n, (bench_product){false, false, m, in, out, (double)(h->n_layers - 1) - ends_at_input});
        n = add(products, n, (bench_product){false, false, last, in, out, 1});
    }
    /* Logits, and the rows of the head that their probabilities expect. */
    size_t nodes = smaller(tree->n_nodes, HEAD_NODES), vocab = smaller(h->vocab, HEAD_VOCAB);
    double tiles = (double)tree->n_nodes / (double)nodes * ((double)h->vocab / (double)vocab);
    n = add(products, n, (bench_product){false, true, nodes, vocab, h->hidden, tiles});
    return add(products, n, (bench_product){false, false, nodes, h->hidden, vocab, tiles});
}
