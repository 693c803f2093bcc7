/* scorer.c - see score.h. */
#include "score.h"

#include "base/file.h"
#include "base/memory.h"
#include "data/record.h"
#include "tree/tree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_TOKENS = 1 << 15 };

/* A pair (two sequences), a list (more), a text (one), or what was too long (none). */
typedef struct item {
    cso_score_kind kind;
    size_t first, count; /* of the chunk's sequences */
    size_t place;        /* where its text begins in the chunk's places */
} item;

struct cso_scorer {
    cso_score_job job;
    const cso_chat_template *chat; /* NULL: not needed yet */
    cso_sequence *sequences;       /* of the chunk */
    size_t n_sequences, sequence_capacity;
    item *items;
    size_t n_items, item_capacity;
    cso_text places; /* zero-terminated, one after the other */
    size_t last_place;
    cso_score_logps *results; /* of one item */
    size_t result_capacity;
    size_t chunk_tokens;
    cso_score_counts counts;
};

cso_status cso_scorer_create(cso_scorer **scorer, const cso_score_job *job, cso_error *err) {
    *scorer = cso_calloc(1, sizeof **scorer);
    if (!*scorer)
        return cso_fail_memory(err, "a scorer");
    (*scorer)->job = *job;
    return CSO_OK;
}

static void clear_chunk(cso_scorer *s) {
    for (size_t i = 0; i < s->n_sequences; i++)
        free((void *)s->sequences[i].ids);
    s->n_sequences = s->n_items = s->chunk_tokens = s->places.size = s->last_place = 0;
}

void cso_scorer_free(cso_scorer *s) {
    if (!s)
        return;
    clear_chunk(s);
    free(s->sequences);
    free(s->items);
    free(s->places.data);
    free(s->results);
    free(s);
}

/* Takes over ids->ids. */
static cso_status add_sequence(cso_scorer *s, cso_ids *ids, size_t score_start, cso_error *err) {
    if (!cso_grow(&s->sequences, &s->sequence_capacity, s->n_sequences + 1, sizeof *s->sequences))
        return cso_fail_memory(err, "a chunk of records");
    s->sequences[s->n_sequences++] = (cso_sequence){.ids = ids->ids, .length = ids->count, .score_start = score_start};
    s->chunk_tokens += ids->count;
    *ids = (cso_ids){0};
    return CSO_OK;
}

/* Of the last count sequences. All pairs of a tree have the same place, which is kept once. */
static cso_status add_item(cso_scorer *s, cso_score_kind kind, size_t count, const char *place, cso_error *err) {
    if (!s->places.size || strcmp(s->places.data + s->last_place, place) != 0) {
        s->last_place = s->places.size;
        cso_text_add(&s->places, place, strlen(place) + 1);
    }
    if (s->places.failed || !cso_grow(&s->items, &s->item_capacity, s->n_items + 1, sizeof *s->items))
        return cso_fail_memory(err, "a chunk of records");
    s->items[s->n_items++] = (item){kind, s->n_sequences - count, count, s->last_place};
    return CSO_OK;
}

static cso_status flush_if_full(cso_scorer *s, cso_error *err) {
    return s->chunk_tokens >= CHUNK_TOKENS ? cso_scorer_flush(s, err) : CSO_OK;
}

/* A tree of the chunk's sequences and its log-probabilities. */
typedef struct scored_tree {
    cso_tree tree;
    double *edges;              /* (n_edges) */
    double *tokens;             /* (all scored tokens of all sequences, in order) */
    double *logps, *base_logps; /* (n_sequences) */
} scored_tree;

static void free_scored(scored_tree *t) {
    free(t->edges);
    free(t->tokens);
    free(t->logps);
    cso_tree_free(&t->tree);
}

static cso_status compute(cso_scorer *s, scored_tree *t, cso_error *err) {
    const cso_tree *tree = &t->tree;
    size_t n = tree->n_sequences, n_tokens = tree->sequence_first[n];
    bool base = s->job.with_base && s->job.adapter;
    t->edges = cso_calloc(tree->n_edges, sizeof *t->edges);
    t->tokens = cso_calloc(n_tokens, sizeof *t->tokens);
    t->logps = cso_calloc(n, 2 * sizeof *t->logps);
    if (!t->edges || !t->tokens || !t->logps)
        return cso_fail_memory(err, "a tree's log-probabilities");
    t->base_logps = base ? t->logps + n : t->logps;
    if (tree->n_tokens && base) {
        CSO_TRY(cso_engine_forward(s->job.engine, tree, NULL, false, t->edges, err));
        cso_tree_sequence_logps(tree, t->edges, t->base_logps);
    }
    if (tree->n_tokens)
        CSO_TRY(cso_engine_forward(s->job.engine, tree, s->job.adapter, false, t->edges, err));
    cso_tree_sequence_logps(tree, t->edges, t->logps);
    for (size_t k = 0; k < n_tokens; k++)
        t->tokens[k] = t->edges[tree->sequence_edges[k]];
    s->counts.tokens += tree->n_tokens;
    s->counts.tokens_unshared += tree->n_unshared_tokens;
    return CSO_OK;
}

/* NaN and Inf are errors, never results. side: which of the item's sequences. */
static cso_status check_finite(const cso_scorer *s, const item *it, size_t side, const scored_tree *t, size_t at, cso_error *err) {
    static const char *const SIDES[] = {"the chosen reply", "the rejected reply"};
    const char *what = it->kind == CSO_SCORE_PAIR ? SIDES[side] : it->kind == CSO_SCORE_LIST ? "a completion" : "the text";
    double logp = t->logps[at], base = t->base_logps[at];
    if (isfinite(logp) && isfinite(base))
        return CSO_OK;
    return cso_fail(err, CSO_ERR_NUMERIC, "%s: the log-probability of %s is %f%s", s->places.data + it->place, what,
                    isfinite(logp) ? base : logp, isfinite(logp) ? " without the adapter" : "");
}

/* at: the item's first sequence in the tree. */
static cso_status visit_item(cso_scorer *s, const item *it, const scored_tree *t, size_t at, cso_error *err) {
    size_t count = it->count;
    if (!cso_grow(&s->results, &s->result_capacity, count, sizeof *s->results))
        return cso_fail_memory(err, "the results of a record");
    for (size_t i = 0; i < count; i++) {
        CSO_TRY(check_finite(s, it, i, t, at + i, err));
        const size_t *first = &t->tree.sequence_first[at + i];
        s->results[i] = (cso_score_logps){
            .logp = t->logps[at + i],
            .base_logp = t->base_logps[at + i],
            .token_logps = t->tokens + first[0],
            .n_tokens = first[1] - first[0],
        };
    }
    s->counts.empty += count == 1 && !s->results[0].n_tokens;
    const cso_score_item result = {it->kind, count, s->results};
    return s->job.visit(s->job.context, &result, err);
}

/* Items from .. to of the chunk, as one tree. */
static cso_status score_tree(cso_scorer *s, size_t from, size_t to, cso_error *err) {
    size_t first = s->items[from].first, n = s->items[to - 1].first + s->items[to - 1].count - first;
    scored_tree t = {0};
    cso_status status;
    CSO_TRY_DONE(cso_tree_build(&t.tree, s->sequences + first, n, err));
    CSO_TRY_DONE(compute(s, &t, err));
    for (size_t i = from; i < to; i++)
        CSO_TRY_DONE(visit_item(s, &s->items[i], &t, s->items[i].first - first, err));
done:
    free_scored(&t);
    return status;
}

cso_status cso_scorer_flush(cso_scorer *s, cso_error *err) {
    cso_arena arena = {0};
    size_t *unit_first = cso_arena_alloc(&arena, s->n_items + 1, sizeof *unit_first), *cuts, n_trees;
    cso_status status;
    if (!unit_first)
        return cso_fail_memory(err, "a chunk of records");
    for (size_t i = 0; i < s->n_items; i++)
        unit_first[i + 1] = unit_first[i] + s->items[i].count;
    CSO_TRY_DONE(cso_tree_plan(&(cso_tree_units){s->sequences, unit_first, s->n_items}, cso_engine_tree_tokens(s->job.engine),
                               &arena, &cuts, &n_trees, err));
    for (size_t k = 0; k < n_trees; k++)
        CSO_TRY_DONE(score_tree(s, cuts[k], cuts[k + 1], err));
    clear_chunk(s);
done:
    cso_arena_free(&arena);
    return status;
}

static cso_status add_text(cso_scorer *s, const char *text, size_t size, const char *place, cso_error *err) {
    cso_ids ids = {0};
    const cso_tokenizer *tokenizer = s->job.tokenizer;
    cso_status status;
    if (cso_tokenizer_adds_bos(tokenizer) && cso_tokenizer_bos(tokenizer) >= 0) {
        if (!cso_grow(&ids.ids, &ids.capacity, 1, sizeof *ids.ids))
            return cso_fail_memory(err, "tokens");
        ids.ids[ids.count++] = cso_tokenizer_bos(tokenizer);
    }
    CSO_TRY_DONE(cso_tokenizer_encode(tokenizer, text, size, s->job.parse_special, &ids, err));
    if (ids.count > s->job.max_length) {
        status = cso_fail(err, CSO_ERR_INPUT, "%s: %zu tokens (expected up to %zu, the maximum length)", place, ids.count,
                          s->job.max_length);
        goto done;
    }
    CSO_TRY_DONE(add_sequence(s, &ids, 1, err));
    status = add_item(s, CSO_SCORE_TEXT, 1, place, err);
done:
    free(ids.ids);
    return status;
}

cso_status cso_scorer_add_text(cso_scorer *s, const char *text, size_t size, const char *place, cso_error *err) {
    CSO_TRY(add_text(s, text, size, place, err));
    return flush_if_full(s, err);
}

static cso_status add_text_record(cso_scorer *s, const cJSON *record, const char *place, cso_error *err) {
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(record, "text");
    char *bytes = NULL;
    size_t size;
    if (!cJSON_IsString(text))
        return cso_fail(err, CSO_ERR_INPUT, "%s: text: expected a string", place);
    CSO_TRY(cso_json_bytes(text, &bytes, &size, err));
    cso_status status = add_text(s, bytes, size, place, err);
    free(bytes);
    return status;
}

static cso_status fail_id(const cso_scorer *s, const char *place, size_t index, cso_error *err) {
    return cso_fail(err, CSO_ERR_INPUT, "%s: ids: item %zu is not a token id (expected 0 to %zu)", place, index + 1,
                    cso_engine_vocab(s->job.engine) - 1);
}

cso_status cso_scorer_add_ids(cso_scorer *s, const int32_t *ids, size_t count, size_t start, const char *place, cso_error *err) {
    size_t vocab = cso_engine_vocab(s->job.engine);
    cso_ids copy = {0};
    cso_status status;
    if (count > s->job.max_length)
        return cso_fail(err, CSO_ERR_INPUT, "%s: ids: expected an array of up to %zu token ids", place, s->job.max_length);
    for (size_t i = 0; i < count; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= vocab)
            return fail_id(s, place, i, err);
    if (!cso_grow(&copy.ids, &copy.capacity, count + 1, sizeof *copy.ids))
        return cso_fail_memory(err, "tokens");
    if (count)
        memcpy(copy.ids, ids, count * sizeof *ids);
    copy.count = count;
    CSO_TRY_DONE(add_sequence(s, &copy, start ? start : 1, err));
    CSO_TRY_DONE(add_item(s, CSO_SCORE_TEXT, 1, place, err));
    status = flush_if_full(s, err);
done:
    free(copy.ids);
    return status;
}

static cso_status add_ids_record(cso_scorer *s, const cJSON *record, const char *place, cso_error *err) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(record, "ids"), *one;
    size_t vocab = cso_engine_vocab(s->job.engine), count = (size_t)cJSON_GetArraySize(list);
    cso_ids ids = {0};
    cso_status status = CSO_OK;
    if (!cJSON_IsArray(list) || count > s->job.max_length)
        return cso_fail(err, CSO_ERR_INPUT, "%s: ids: expected an array of up to %zu token ids", place, s->job.max_length);
    if (!cso_grow(&ids.ids, &ids.capacity, count + 1, sizeof *ids.ids))
        return cso_fail_memory(err, "tokens");
    cJSON_ArrayForEach(one, list) {
        double id = cJSON_IsNumber(one) ? one->valuedouble : -1;
        if (!(id >= 0 && id < (double)vocab) || id != floor(id)) {
            status = fail_id(s, place, ids.count, err);
            goto done;
        }
        ids.ids[ids.count++] = (int32_t)id;
    }
    CSO_TRY_DONE(add_sequence(s, &ids, 1, err));
    status = add_item(s, CSO_SCORE_TEXT, 1, place, err);
done:
    free(ids.ids);
    return status;
}

/* The pairs of one record. */
typedef struct pair_adder {
    cso_scorer *scorer;
    const char *place;
} pair_adder;

static cso_status visit_pair(void *context, cso_pair_tokens *pair, cso_error *err) {
    const pair_adder *adder = context;
    cso_scorer *s = adder->scorer;
    cso_score_kind kind = pair->pair ? CSO_SCORE_PAIR : pair->n > 1 ? CSO_SCORE_LIST : CSO_SCORE_TEXT;
    s->counts.too_long += pair->dropped;
    if (pair->dropped)
        return add_item(s, kind, 0, adder->place, err);
    s->counts.cut += pair->turns_dropped > 0;
    s->counts.turns_cut += pair->turns_dropped;
    for (size_t i = 0; i < pair->n; i++)
        CSO_TRY(add_sequence(s, &pair->sequence[i], pair->prompt_length, err));
    return add_item(s, kind, pair->n, adder->place, err);
}

static cso_status add_pairs(cso_scorer *s, const cJSON *record, cso_record_form form, const char *place, cso_error *err) {
    const cso_data_options data = {
        .max_length = s->job.max_length, .parse_special = s->job.parse_special, .strategies = s->job.strategies};
    if (!s->chat)
        CSO_TRY(cso_chat_template_get(&s->chat, s->job.chat_template, s->job.tokenizer, s->job.place, err));
    const cso_record_request request = {record, form, place, s->job.tokenizer, s->chat, &data};
    pair_adder adder = {s, place};
    return cso_record_pairs(&request, visit_pair, &adder, err);
}

cso_status cso_scorer_add_record(cso_scorer *s, const cJSON *record, const char *place, cso_error *err) {
    cso_record_form form;
    CSO_TRY(cso_record_detect(record, place, &form, err));
    if (form == CSO_RECORD_TEXT)
        CSO_TRY(add_text_record(s, record, place, err));
    else if (form == CSO_RECORD_IDS)
        CSO_TRY(add_ids_record(s, record, place, err));
    else if (form == CSO_RECORD_MESSAGES)
        return cso_fail(err, CSO_ERR_INPUT, "%s: a chat without a choice has nothing to score (expected pairs, text or ids)",
                        place);
    else
        CSO_TRY(add_pairs(s, record, form, place, err));
    return flush_if_full(s, err);
}

typedef struct file_reader {
    cso_scorer *scorer;
    const char *path;
} file_reader;

static cso_status visit_record(void *context, const cJSON *record, size_t line, cso_error *err) {
    const file_reader *reader = context;
    char place[512];
    snprintf(place, sizeof place, "%s:%zu", cso_input_name(reader->path), line);
    return cso_scorer_add_record(reader->scorer, record, place, err);
}

cso_status cso_score_file(const cso_score_job *job, const char *path, cso_score_counts *counts, cso_error *err) {
    file_reader reader = {.path = path};
    cso_status status;
    CSO_TRY(cso_scorer_create(&reader.scorer, job, err));
    CSO_TRY_DONE(cso_json_each(path, visit_record, &reader, err));
    CSO_TRY_DONE(cso_scorer_flush(reader.scorer, err));
    if (counts)
        *counts = reader.scorer->counts;
done:
    cso_scorer_free(reader.scorer);
    return status;
}
