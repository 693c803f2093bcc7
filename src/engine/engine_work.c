/* engine_work.c - see engine_work.h. */
#include "engine_work.h"

/* What one layer works on: rows are tokens, or in the last layer, but for keys and values, the tree's nodes. */
typedef struct layer_case {
    const cso_model *model;
    const cso_adapter *adapter;
    size_t layer;
    double tokens, rows;
    double keys;       /* sum over queries of the keys that each sees */
    bool input_wanted; /* of the backward pass: nobody wants the gradient of the embeddings */
} layer_case;

static bool reads_layer_input(cso_module module) {
    return module == CSO_Q_PROJ || module == CSO_K_PROJ || module == CSO_V_PROJ;
}

static double conversions(double rows) {
    return rows > 0 ? (double)(((size_t)rows + CSO_WORK_ROWS - 1) / CSO_WORK_ROWS) : 0;
}

static void add_projection(const layer_case *l, cso_module module, cso_work *forward, cso_work *backward) {
    double in = (double)cso_module_in(l->model, module), out = (double)cso_module_out(l->model, module);
    double rows = module == CSO_K_PROJ || module == CSO_V_PROJ ? l->tokens : l->rows;
    bool adapted = l->adapter && cso_adapter_slot(l->adapter, l->layer, module)->in;
    bool to_input = l->input_wanted || !reads_layer_input(module);
    double product = 2 * rows * in * out, converted = conversions(rows) * in * out;
    forward->of[CSO_PHASE_GEMM] += product;
    forward->of[CSO_PHASE_DEQUANTIZE] += converted;
    backward->of[CSO_PHASE_GEMM] += to_input ? product : 0;
    backward->of[CSO_PHASE_DEQUANTIZE] += to_input ? converted : 0;
    if (!adapted)
        return;
    double down = 2 * rows * in * (double)l->adapter->options.rank, up = 2 * rows * out * (double)l->adapter->options.rank;
    forward->of[CSO_PHASE_LORA] += down + up;
    backward->of[CSO_PHASE_LORA] += 2 * up + (to_input ? 2 : 1) * down; /* each factor's gradient, and what goes on */
}

static void add_layer(const layer_case *l, cso_work *forward, cso_work *backward) {
    const cso_hparams *h = &l->model->hparams;
    double hidden = (double)h->hidden, q = (double)(h->n_heads * h->head_dim), kv = (double)(h->n_kv_heads * h->head_dim);
    double product = 2 * l->keys * q;
    for (cso_module module = 0; module < CSO_MODULE_COUNT; module++)
        add_projection(l, module, forward, backward);
    forward->of[CSO_PHASE_ATTENTION] += 2 * product;
    backward->of[CSO_PHASE_ATTENTION] += 5 * product;
    double floats = l->tokens * (hidden + kv) + l->rows * (q + 3 * hidden + (double)h->ffn);
    forward->of[CSO_PHASE_NORMS] += floats;
    backward->of[CSO_PHASE_NORMS] += floats;
}

/* Keys seen by all queries together. */
static double count_keys(const cso_tree *tree, bool nodes_only, size_t window) {
    double keys = 0;
    for (size_t i = 0; i < (nodes_only ? tree->n_nodes : tree->n_tokens); i++) {
        size_t seen = (size_t)tree->positions[nodes_only ? (size_t)tree->node_token[i] : i] + 1;
        keys += (double)(window && window < seen ? window : seen);
    }
    return keys;
}

static void add_head(const cso_model *model, const cso_tree *tree, bool keep, cso_pass_work *work) {
    double hidden = (double)model->hparams.hidden, product = 2 * (double)tree->n_nodes * (double)model->hparams.vocab * hidden;
    work->forward.of[CSO_PHASE_HEAD] = keep ? 2 * product : product; /* with the rows that the probabilities expect */
    work->backward.of[CSO_PHASE_HEAD] = 2 * (double)tree->n_edges * hidden;
    work->forward.of[CSO_PHASE_OTHER] = work->backward.of[CSO_PHASE_OTHER] = (double)tree->n_tokens;
}

cso_pass_work cso_engine_work(const cso_model *model, const cso_tree *tree, const cso_adapter *adapter, size_t kept, bool keep) {
    const cso_hparams *h = &model->hparams;
    cso_pass_work work = {0};
    const double all[2] = {count_keys(tree, false, 0), count_keys(tree, false, h->window)};
    add_head(model, tree, keep, &work);
    for (size_t layer = 0; layer < h->n_layers; layer++) {
        bool last = layer + 1 == h->n_layers, windowed = h->window && layer % h->window_every == 0;
        cso_work forward = {0};
        layer_case one = {.model = model,
                          .adapter = adapter,
                          .layer = layer,
                          .tokens = (double)tree->n_tokens,
                          .rows = (double)(last ? tree->n_nodes : tree->n_tokens),
                          .keys = last ? count_keys(tree, true, windowed ? h->window : 0) : all[windowed],
                          .input_wanted = layer > 0};
        add_layer(&one, &forward, &work.backward);
        cso_work_add(&work.forward, &forward, 1);
        if (layer >= kept && !last)
            cso_work_add(&work.again, &forward, 1);
    }
    if (!keep)
        work.backward = work.again = (cso_work){0};
    return work;
}

double cso_work_flops(const cso_work *work) {
    return work->of[CSO_PHASE_GEMM] + work->of[CSO_PHASE_LORA] + work->of[CSO_PHASE_ATTENTION] + work->of[CSO_PHASE_HEAD];
}

void cso_work_add(cso_work *sum, const cso_work *part, double times) {
    for (int phase = 0; phase < CSO_PHASE_COUNT; phase++)
        sum->of[phase] += times * part->of[phase];
}
