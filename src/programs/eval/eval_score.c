/* eval_score.c - see eval_score.h.
 *
 * Records are collected into chunks; prefixes shared within a chunk are computed once.
 */
#include "eval_score.h"

#include "base/memory.h"
#include "data/record.h"
#include "io/json.h"
#include "loss/loss.h"
#include "tree/tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_TOKENS = 1 << 15 };

/* One line of output: a pair (two sequences), a text (one), or a pair that was too long (none). */
typedef struct item {
    size_t first, count; /* of the chunk's sequences */
} item;

typedef struct scorer {
    const score_options *options;
    const opened_model *base;
    const cso_chat_template *chat; /* NULL: not needed yet */
    cso_engine *engine;
    const cso_adapter *adapter;
    FILE *out;
    cso_sequence *sequences;
    size_t n_sequences, sequence_capacity;
    item *items;
    size_t n_items, item_capacity;
    size_t chunk_tokens;
    /* sums for the summary */
    size_t pairs, texts, dropped, tokens, tokens_unshared;
    double logps[2], rewards[2], margin, accuracy, loss, text_logp, text_tokens;
} scorer;

static void clear_chunk(scorer *s) {
    for (size_t i = 0; i < s->n_sequences; i++)
        free((void *)s->sequences[i].ids);
    s->n_sequences = s->n_items = s->chunk_tokens = 0;
}

/* Takes over ids->ids. */
static cso_status add_sequence(scorer *s, cso_ids *ids, size_t score_start, cso_error *err) {
    if (!cso_grow(&s->sequences, &s->sequence_capacity, s->n_sequences + 1, sizeof *s->sequences))
        return cso_fail_memory(err, "a chunk of records");
    s->sequences[s->n_sequences++] = (cso_sequence){.ids = ids->ids, .length = ids->count, .score_start = score_start};
    s->chunk_tokens += ids->count;
    *ids = (cso_ids){0};
    return CSO_OK;
}

static cso_status add_item(scorer *s, size_t first, size_t count, cso_error *err) {
    if (!cso_grow(&s->items, &s->item_capacity, s->n_items + 1, sizeof *s->items))
        return cso_fail_memory(err, "a chunk of records");
    s->items[s->n_items++] = (item){first, count};
    return CSO_OK;
}

static void print_logps(cso_text *line, const cso_tree *tree, size_t sequence, const double *edge_logps, double logp) {
    cso_text_format(line, "{\"logp\": ");
    cso_text_json_number(line, logp);
    cso_text_format(line, ", \"token_logps\": [");
    for (size_t k = tree->sequence_first[sequence]; k < tree->sequence_first[sequence + 1]; k++) {
        if (k > tree->sequence_first[sequence])
            cso_text_format(line, ", ");
        cso_text_json_number(line, edge_logps[tree->sequence_edges[k]]);
    }
    cso_text_format(line, "]}");
}

static cso_status print_item(scorer *s, const item *it, const cso_tree *tree, size_t at, const double *edge_logps,
                             const double *logps, cso_error *err) {
    cso_text line = {0};
    if (it->count == 0) {
        cso_text_format(&line, "{\"chosen\": null, \"rejected\": null}");
    } else if (it->count == 1) {
        print_logps(&line, tree, at, edge_logps, logps[at]);
    } else {
        cso_text_format(&line, "{\"chosen\": ");
        print_logps(&line, tree, at, edge_logps, logps[at]);
        cso_text_format(&line, ", \"rejected\": ");
        print_logps(&line, tree, at + 1, edge_logps, logps[at + 1]);
        cso_text_format(&line, "}");
    }
    cso_text_format(&line, "\n");
    cso_status status = CSO_OK;
    if (line.failed)
        status = cso_fail_memory(err, "a line of output");
    else if (fwrite(line.data, 1, line.size, s->out) != line.size)
        status = cso_fail_errno(err, "write", "standard output");
    free(line.data);
    return status;
}

static void add_to_summary(scorer *s, const item *it, const cso_tree *tree, size_t at, const double *logps,
                           const double *base_logps) {
    if (it->count == 0) {
        s->dropped++;
    } else if (it->count == 1) {
        s->texts++;
        s->text_logp += logps[at];
        s->text_tokens += (double)(tree->sequence_first[at + 1] - tree->sequence_first[at]);
    } else {
        double reward[2], loss, d[2];
        s->pairs++;
        for (int side = 0; side < 2; side++) {
            s->logps[side] += logps[at + (size_t)side];
            reward[side] = s->options->beta * (logps[at + (size_t)side] - base_logps[at + (size_t)side]);
            s->rewards[side] += reward[side];
        }
        s->margin += reward[0] - reward[1];
        s->accuracy += reward[0] > reward[1];
        const cso_loss_options options = {.beta = s->options->beta};
        const cso_loss_batch one = {
            .n = 1, .policy = {&logps[at], &logps[at + 1]}, .reference = {&base_logps[at], &base_logps[at + 1]}};
        cso_loss_find("cso")->pairs(&options, &one, &loss, (double *[2]){&d[0], &d[1]});
        s->loss += loss;
    }
}

/* Items from .. to of the chunk, as one tree. */
static cso_status score_tree(scorer *s, size_t from, size_t to, cso_error *err) {
    size_t first = s->items[from].first, n = s->items[to - 1].first + s->items[to - 1].count - first;
    cso_tree tree;
    CSO_TRY(cso_tree_build(&tree, s->sequences + first, n, err));
    double *edges = cso_calloc(tree.n_edges, sizeof *edges), *logps = cso_calloc(n, 2 * sizeof *logps), *base_logps;
    cso_status status;
    if (!edges || !logps) {
        status = cso_fail_memory(err, "a tree's log-probabilities");
        goto done;
    }
    base_logps = logps + n;
    if (tree.n_tokens && s->options->summary && s->adapter) {
        CSO_TRY_DONE(cso_engine_forward(s->engine, &tree, NULL, false, edges, err));
        cso_tree_sequence_logps(&tree, edges, base_logps);
    }
    if (tree.n_tokens)
        CSO_TRY_DONE(cso_engine_forward(s->engine, &tree, s->adapter, false, edges, err));
    cso_tree_sequence_logps(&tree, edges, logps);
    s->tokens += tree.n_tokens;
    s->tokens_unshared += tree.n_unshared_tokens;
    for (size_t i = from; i < to; i++) {
        if (s->options->summary)
            add_to_summary(s, &s->items[i], &tree, s->items[i].first - first, logps, s->adapter ? base_logps : logps);
        else
            CSO_TRY_DONE(print_item(s, &s->items[i], &tree, s->items[i].first - first, edges, logps, err));
    }
    status = CSO_OK;
done:
    free(edges);
    free(logps);
    cso_tree_free(&tree);
    return status;
}

static cso_status score_chunk(scorer *s, cso_error *err) {
    cso_arena arena = {0};
    size_t *unit_first = cso_arena_alloc(&arena, s->n_items + 1, sizeof *unit_first), *cuts, n_trees;
    cso_status status;
    if (!unit_first)
        return cso_fail_memory(err, "a chunk of records");
    for (size_t i = 0; i < s->n_items; i++)
        unit_first[i + 1] = unit_first[i] + s->items[i].count;
    const cso_tree_units units = {s->sequences, unit_first, s->n_items};
    CSO_TRY_DONE(cso_tree_plan(&units, cso_engine_max_tokens(s->engine), &arena, &cuts, &n_trees, err));
    for (size_t k = 0; k < n_trees; k++)
        CSO_TRY_DONE(score_tree(s, cuts[k], cuts[k + 1], err));
    clear_chunk(s);
done:
    cso_arena_free(&arena);
    return status;
}

static cso_status visit_pair(void *context, cso_pair_tokens *pair, cso_error *err) {
    scorer *s = context;
    size_t first = s->n_sequences;
    if (pair->dropped)
        return add_item(s, first, 0, err);
    for (int side = 0; side < 2; side++)
        CSO_TRY(add_sequence(s, &pair->sequence[side], pair->prompt_length, err));
    return add_item(s, first, 2, err);
}

static cso_status add_text(scorer *s, const cJSON *record, const char *place, cso_error *err) {
    char *bytes = NULL;
    size_t size;
    cso_ids ids = {0};
    const cso_tokenizer *tokenizer = s->base->tokenizer;
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(record, "text");
    cso_status status;
    if (!cJSON_IsString(text))
        return cso_fail(err, CSO_ERR_INPUT, "%s: text: expected a string", place);
    CSO_TRY_DONE(cso_json_bytes(text, &bytes, &size, err));
    if (cso_tokenizer_adds_bos(tokenizer) && cso_tokenizer_bos(tokenizer) >= 0) {
        if (!cso_grow(&ids.ids, &ids.capacity, 1, sizeof *ids.ids)) {
            status = cso_fail_memory(err, "tokens");
            goto done;
        }
        ids.ids[ids.count++] = cso_tokenizer_bos(tokenizer);
    }
    CSO_TRY_DONE(cso_tokenizer_encode(tokenizer, bytes, size, s->options->parse_special, &ids, err));
    if (ids.count > s->options->max_length) {
        status = cso_fail(err, CSO_ERR_INPUT, "%s: %zu tokens (expected up to --max-length %zu)", place, ids.count,
                          s->options->max_length);
        goto done;
    }
    CSO_TRY_DONE(add_sequence(s, &ids, 1, err));
    status = add_item(s, s->n_sequences - 1, 1, err);
done:
    free(ids.ids);
    free(bytes);
    return status;
}

static cso_status add_ids(scorer *s, const cJSON *record, const char *place, cso_error *err) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(record, "ids"), *one;
    size_t vocab = s->base->model->hparams.vocab, count = (size_t)cJSON_GetArraySize(list);
    cso_ids ids = {0};
    cso_status status = CSO_OK;
    if (!cJSON_IsArray(list) || count > s->options->max_length)
        return cso_fail(err, CSO_ERR_INPUT, "%s: ids: expected an array of up to %zu token ids", place, s->options->max_length);
    if (!cso_grow(&ids.ids, &ids.capacity, count + 1, sizeof *ids.ids))
        return cso_fail_memory(err, "tokens");
    cJSON_ArrayForEach(one, list) {
        double id = cJSON_IsNumber(one) ? one->valuedouble : -1;
        if (!(id >= 0 && id < (double)vocab) || id != floor(id)) {
            status = cso_fail(err, CSO_ERR_INPUT, "%s: ids: item %zu is not a token id (expected 0 to %zu)", place, ids.count + 1,
                              vocab - 1);
            goto done;
        }
        ids.ids[ids.count++] = (int32_t)id;
    }
    CSO_TRY_DONE(add_sequence(s, &ids, 1, err));
    status = add_item(s, s->n_sequences - 1, 1, err);
done:
    free(ids.ids);
    return status;
}

static cso_status visit_record(void *context, const cJSON *record, size_t line, cso_error *err) {
    scorer *s = context;
    const cso_data_options data = {.max_length = s->options->max_length, .parse_special = s->options->parse_special};
    char place[512];
    cso_record_form form;
    snprintf(place, sizeof place, "%s:%zu", strcmp(s->options->file, "-") ? s->options->file : "standard input", line);
    CSO_TRY(cso_record_detect(record, place, &form, err));
    if (form == CSO_RECORD_TEXT) {
        CSO_TRY(add_text(s, record, place, err));
    } else if (form == CSO_RECORD_IDS) {
        CSO_TRY(add_ids(s, record, place, err));
    } else if (form == CSO_RECORD_MESSAGES) {
        return cso_fail(err, CSO_ERR_INPUT, "%s: a chat without a choice has nothing to score (expected pairs, text or ids)",
                        place);
    } else {
        if (!s->chat)
            CSO_TRY(cso_chat_template_get(&s->chat, s->options->chat_template, s->base->tokenizer, s->options->model, err));
        CSO_TRY(cso_record_pairs(record, form, place, s->base->tokenizer, s->chat, &data, visit_pair, s, err));
    }
    return s->chunk_tokens >= CHUNK_TOKENS ? score_chunk(s, err) : CSO_OK;
}

static void member(cso_text *line, const char *name, double value) {
    cso_text_format(line, ", \"%s\": ", name);
    cso_text_json_number(line, value);
}

static cso_status print_summary(scorer *s, cso_error *err) {
    cso_text line = {0};
    double n = (double)s->pairs;
    cso_text_format(&line, "{\"pairs\": %zu, \"texts\": %zu, \"dropped\": %zu", s->pairs, s->texts, s->dropped);
    if (s->pairs) {
        member(&line, "logps/chosen", s->logps[0] / n);
        member(&line, "logps/rejected", s->logps[1] / n);
    }
    if (s->pairs && s->adapter) {
        member(&line, "beta", s->options->beta);
        member(&line, "loss", s->loss / n);
        member(&line, "rewards/chosen", s->rewards[0] / n);
        member(&line, "rewards/rejected", s->rewards[1] / n);
        member(&line, "rewards/accuracies", s->accuracy / n);
        member(&line, "rewards/margins", s->margin / n);
    }
    if (s->text_tokens > 0) {
        member(&line, "logp_per_token", s->text_logp / s->text_tokens);
        member(&line, "perplexity", exp(-s->text_logp / s->text_tokens));
    }
    cso_text_format(&line, ", \"tokens\": %zu, \"tokens_unshared\": %zu}\n", s->tokens, s->tokens_unshared);
    cso_status status = CSO_OK;
    if (line.failed)
        status = cso_fail_memory(err, "the summary");
    else if (fwrite(line.data, 1, line.size, s->out) != line.size)
        status = cso_fail_errno(err, "write", "standard output");
    free(line.data);
    return status;
}

cso_status score_file(FILE *out, const score_options *options, const opened_model *base, cso_engine *engine,
                      const cso_adapter *adapter, cso_error *err) {
    scorer s = {.options = options, .base = base, .engine = engine, .adapter = adapter, .out = out};
    cso_status status;
    CSO_TRY_DONE(cso_json_each(options->file, visit_record, &s, err));
    CSO_TRY_DONE(score_chunk(&s, err));
    if (options->summary)
        CSO_TRY_DONE(print_summary(&s, err));
    if (fflush(out))
        status = cso_fail_errno(err, "write", "standard output");
done:
    clear_chunk(&s);
    free(s.sequences);
    free(s.items);
    return status;
}
