/* loss.h - losses: values and derivatives by log-probabilities. They know nothing of trees, models or files.
 *
 * A loss is a pure function over arrays: it is given the log-probabilities of the examples' sequences and gives the loss of each
 * example and the derivatives. A new one is a file loss_<name>.c and a row of CMakeLists.txt; an option of its own is a field of
 * cso_loss_options and a row of loss_options.c. What a run minimizes, one loss or a weighted sum, is an objective (objective.h).
 *
 * Examples. An example is what a loss compares: one sequence (SFT, or a reply with a label), two (a preference pair: chosen,
 * rejected) or more (a list, the preferred one first). A sequence's log-probability is the sum over its counted tokens, natural
 * logarithm, f64; each token's is multiplied by its weight where tokens have weights (objective.h).
 */
#ifndef CSO_LOSS_H
#define CSO_LOSS_H

#include "base/option.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/* The divergence by which a policy is held to its reference; pi / ref is written t. */
typedef enum cso_divergence {
    CSO_DIVERGENCE_REVERSE_KL, /* score = log t */
    CSO_DIVERGENCE_FORWARD_KL, /* score = -1 / t */
    CSO_DIVERGENCE_JS,         /* score = log(t / (1 + t)) */
    CSO_DIVERGENCE_ALPHA,      /* score = t^(a - 1) / (a - 1), a = f_alpha_divergence_coef */
} cso_divergence;
extern const char *const cso_divergence_words[]; /* "reverse_kl", "forward_kl", "js_divergence", "alpha_divergence", NULL */

typedef enum cso_balance { CSO_BALANCE_NONE, CSO_BALANCE_STRATEGY } cso_balance;
extern const char *const cso_balance_words[]; /* "none", "strategy", NULL */

/* The keys of [loss]; names and meanings are TRL's where TRL has them. docs/losses.md has the formulas. */
typedef struct cso_loss_options {
    double beta;
    double label_smoothing;
    double ld_alpha;
    bool use_weighting;
    cso_divergence f_divergence_type;
    double f_alpha_divergence_coef;
    double discopop_tau;
    double cpo_alpha, simpo_gamma;
    double desirable_weight, undesirable_weight;
    double strategy_weight;
    cso_balance balance;
    bool q_weighting;
    double visit_smoothing;
} cso_loss_options;
/* The keys [loss] that fill it, for the table of all keys. */
extern const cso_option_list cso_loss_option_list;

/* Every option at its default. */
cso_loss_options cso_loss_default_options(void);

/* What an example is, and so which records it is made of. */
typedef enum cso_example_kind {
    CSO_EXAMPLE_PAIR,    /* two sequences: the chosen reply and the rejected one */
    CSO_EXAMPLE_TEXT,    /* one sequence: a conversation, or the chosen reply of a pair */
    CSO_EXAMPLE_LIST,    /* two or more sequences: all replies of a turn, the preferred one first, equal ranks marked */
    CSO_EXAMPLE_LABELED, /* one sequence: a reply that is desirable or not */
} cso_example_kind;

/* "pairs", "texts", "lists of replies", "replies with a label". */
const char *cso_example_kind_name(cso_example_kind kind);

/* What a loss needs beside the policy's log-probability of each sequence. Each has a price, so a loss names only what it uses. */
enum {
    CSO_LOSS_REFERENCE = 1,   /* the reference's log-probability of each sequence: one more pass, cached over epochs */
    CSO_LOSS_TOKENS = 2,      /* the policy's log-probabilities token by token; there may be derivatives by them */
    CSO_LOSS_WHOLE_BATCH = 4, /* all examples of the step in one call, because they depend on one another. A step that is cut into
                               * several trees then takes a second forward pass of all trees but one. Without it a call has the
                               * examples of one tree, and no result may depend on which examples these are */
    CSO_LOSS_MISMATCHED = 8,  /* behind its own sequences each example has one more: its prompt with the first completion of the
                               * example before it in the step's order (the first: of the last). For KTO's estimate of the KL
                               * divergence, which has no gradient. Its reference log-probability is computed in every step */
    CSO_LOSS_PROMPT = 16,     /* behind its own sequences each example has one more: its prompt, all tokens of which count but the
                               * first. Its nodes are in the tree anyway. Not together with CSO_LOSS_MISMATCHED */
    CSO_LOSS_ALIGNMENT = 32,  /* how sure the policy is of each sequence (cso_loss_batch.alignment); no gradient */
    CSO_LOSS_END_TOKEN = 64,  /* a sequence that does not end with the end-of-text token gets one, as TRL's CPO and ORPO have it */
};

/* What is known of the whole step before any pass: denominators, so that a mean over tokens needs no CSO_LOSS_WHOLE_BATCH. */
typedef struct cso_loss_totals {
    size_t examples;
    double first_tokens;  /* counted tokens of the examples' first sequences, by their weights */
    double prompt_tokens; /* of the prompts of CSO_LOSS_PROMPT */
} cso_loss_totals;

/* n examples with S sequences and T counted tokens. Example i has the sequences first[i] .. first[i + 1], sequence s the tokens
 * token_first[s] .. token_first[s + 1]. */
typedef struct cso_loss_batch {
    size_t n;
    const size_t *first;         /* (n + 1) */
    const size_t *token_first;   /* (S + 1) */
    const double *policy;        /* (S) */
    const double *reference;     /* (S); NULL without CSO_LOSS_REFERENCE */
    const double *policy_tokens; /* (T) without weights; NULL without CSO_LOSS_TOKENS */
    const double *alignment;     /* (S) mean over the counted tokens of log p - log sum_v p_v^2, p_v the policy's probabilities of
                                  * all tokens there (Zhou et al. 2024, arXiv 2406.11827, equation 2); NULL without CSO_LOSS_ALIGNMENT */
    const size_t *rank;          /* (S) of CSO_EXAMPLE_LIST: 0 the preferred; equal ranks are not compared. NULL otherwise */
    const bool *label;           /* (n) of CSO_EXAMPLE_LABELED: desirable. NULL otherwise */
    cso_loss_totals step;
} cso_loss_batch;

/* What a loss computes. The arrays are zero before the call. The loss of a step is the mean of `loss` over all its examples; the
 * derivatives are those of the sum of `loss` over the examples of this call. */
typedef struct cso_loss_result {
    double *loss;     /* (n) */
    double *d_policy; /* (S) d sum(loss) / d policy */
    double *d_tokens; /* (T) d sum(loss) / d policy_tokens, added to what d_policy gives each token; NULL without CSO_LOSS_TOKENS */
} cso_loss_result;

/* A number of the whole step beside the loss and the rewards: "kl", "nll_loss". */
typedef struct cso_loss_extra {
    const char *name; /* as in metrics.jsonl; TRL's */
    double (*value)(const cso_loss_options *options, const cso_loss_batch *batch);
} cso_loss_extra;

typedef struct cso_loss {
    const char *name;
    const char *const *aliases; /* other spellings of the name; NULL: none */
    const char *what;           /* a line for --help */
    const char *formula;        /* lines; h, r_c, ... are explained by cso_loss_symbols */
    const char *source;         /* paper, year, number, equation */
    const char *note;           /* what a user should know beside; NULL: nothing */
    cso_example_kind takes;
    unsigned needs; /* CSO_LOSS_... */
    /* Keys that it heeds beside beta and label_smoothing, which every loss accepts: names without "loss.", NULL-terminated. */
    const char *const *uses;
    void (*compute)(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result);
    /* The reward of sequence s, as TRL logs it. NULL: a loss without rewards. */
    double (*reward)(const cso_loss_options *options, const cso_loss_batch *batch, size_t s);
    const cso_loss_extra *extras; /* up to one without a name; NULL: none */
    bool token_mean;              /* a mean over several steps weighs them by step.first_tokens, not by step.examples */
    /* What the rows of loss_options.c do not say; CSO_ERR_USAGE naming the key. NULL: nothing. */
    cso_status (*check)(const cso_loss_options *options, cso_error *err);
} cso_loss;

/* Checks the options: first their bounds, then what the loss demands. CSO_ERR_USAGE: "loss.beta: must be from 1e-06 to 1000000, got 0". */
cso_status cso_loss_check(const cso_loss *loss, const cso_loss_options *options, cso_error *err);
/* Whether the loss heeds a key of [loss], "beta" or "loss.beta". */
bool cso_loss_uses(const cso_loss *loss, const char *key);

/* How many names a NULL-terminated list has, and the value that stands under a name; NaN: there is none of that name. */
size_t cso_loss_metric_count(const char *const *names);
double cso_loss_metric(const char *const *names, const double *values, const char *name);

/* The table. all: NULL-terminated, in its order. find: by name or alias, NULL if unknown. names: "cso, sft", for messages. */
const cso_loss *const *cso_loss_all(void);
const cso_loss *cso_loss_find(const char *name);
const char *cso_loss_names(void);
/* What the letters of the formulas stand for, for the reader of --help-loss and docs/losses.md. */
const char *cso_loss_symbols(void);

#endif
