/* bench_tree.c - a dialogue of random tokens, forked as ESC-Pro's are: at every turn one reply is preferred to three others. */
#include "bench_model.h"

#include "base/memory.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

/* About what a turn of ESC-Pro has, in SmolLM2's tokens. */
enum { USER_TOKENS = 24, REPLY_TOKENS = 40, OTHERS = 3, LEAST_PROMPT = 64 };

typedef struct plan {
    size_t prompt, user, reply, turns;
} plan;

/* A leaf's last token is only ever an edge's target and takes no place in the tree. */
static size_t turn_tokens(const plan *p) {
    return p->user + p->reply + OTHERS * (p->reply - 1);
}

/* A fifth of the tokens is the prompt, or what the turns leave over; small trees have one turn of short replies. */
static plan make_plan(size_t tokens) {
    plan p = {.user = USER_TOKENS, .reply = REPLY_TOKENS};
    size_t turn = turn_tokens(&p);
    if (tokens < turn + LEAST_PROMPT) {
        p.user = tokens / 10 ? tokens / 10 : 1;
        p.reply = tokens / 6 > 2 ? tokens / 6 : 2;
        turn = turn_tokens(&p);
        p.turns = 1;
    } else {
        p.turns = (tokens - tokens / 5) / turn ? (tokens - tokens / 5) / turn : 1;
    }
    p.prompt = tokens + 1 - p.turns * turn; /* the last preferred reply ends in a leaf, too */
    return p;
}

static void fill(int32_t *ids, size_t count, size_t vocab, cso_rng *rng) {
    for (size_t i = 0; i < count; i++)
        ids[i] = (int32_t)cso_rng_below(rng, vocab);
}

cso_status bench_tree(cso_tree *tree, size_t tokens, size_t vocab, cso_error *err) {
    enum { LEAST_TOKENS = 16, LEAST_VOCAB = 1 + OTHERS, PAIR = 2 };
    *tree = (cso_tree){0};
    if (vocab < LEAST_VOCAB)
        return cso_fail(err, CSO_ERR_INPUT, "the model has %zu tokens, too few for a tree (expected at least %d)", vocab, LEAST_VOCAB);
    if (tokens < LEAST_TOKENS)
        return cso_fail(err, CSO_ERR_USAGE, "--tokens %zu is too small (expected at least %d)", tokens, LEAST_TOKENS);
    const plan p = make_plan(tokens);
    const size_t trunk = p.prompt + p.turns * (p.user + p.reply), pairs = p.turns * OTHERS;
    size_t bytes;
    int32_t *ids = NULL;
    cso_sequence *sequences = cso_calloc(pairs, PAIR * sizeof *sequences);
    cso_status status;
    if (!sequences || !cso_size_mul(trunk, (1 + pairs) * sizeof *ids, &bytes) || !(ids = cso_calloc(bytes, 1))) {
        status = cso_fail_memory(err, "a tree");
        goto done;
    }
    cso_rng rng = cso_rng_make(1, CSO_STREAM_SAMPLE, 0);
    fill(ids, trunk, vocab, &rng);
    for (size_t i = 0; i < pairs; i++) {
        size_t turn = i / OTHERS, history = p.prompt + turn * (p.user + p.reply) + p.user, length = history + p.reply;
        int32_t *other = ids + (1 + i) * trunk;
        memcpy(other, ids, history * sizeof *ids);
        fill(other + history, p.reply, vocab, &rng);
        other[history] = (int32_t)(((size_t)ids[history] + 1 + i % OTHERS) % vocab); /* no two replies begin alike */
        sequences[PAIR * i] = (cso_sequence){.ids = ids, .length = length, .score_start = history};
        sequences[PAIR * i + 1] = (cso_sequence){.ids = other, .length = length, .score_start = history};
    }
    status = cso_tree_build(tree, sequences, PAIR * pairs, err);
done:
    free(sequences);
    free(ids);
    return status;
}
