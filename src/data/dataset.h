/* dataset.h - records to examples: the formats of docs/data.md, rendered to token sequences, truncated, grouped and ordered. */
#ifndef CSO_DATASET_H
#define CSO_DATASET_H

#include "base/status.h"
#include "loss/loss.h"
#include "strategies.h"
#include "text/chat.h"
#include "text/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum cso_truncation { CSO_TRUNCATE_LEFT, CSO_TRUNCATE_DROP, CSO_TRUNCATE_ERROR } cso_truncation;
extern const char *const cso_truncation_words[]; /* "left", "drop", "error", NULL */
typedef enum cso_shuffle { CSO_SHUFFLE_DIALOGUE, CSO_SHUFFLE_PAIR, CSO_SHUFFLE_NONE } cso_shuffle;
extern const char *const cso_shuffle_words[]; /* "dialogue", "pair", "none", NULL */

typedef struct cso_data_options {
    cso_example_kind kind; /* of the examples: which records are taken, and what of them */
    size_t max_length;     /* tokens of prompt + reply */
    cso_truncation truncation;
    bool parse_special;
    void (*record_read)(void *context, size_t records); /* is told of each record: how many there are so far. NULL: nobody is */
    void *context;
    const cso_strategies
        *strategies;           /* that replies of ESC-Pro records name; must outlive what is read. NULL: the built-in eight */
    const char *system_prompt; /* text put before ESC-Pro trees; NULL: the one that lists the strategies; "": none */
    bool end_token; /* EOS behind each sequence that does not end with it, and BOS in front where the tokenizer puts one and it is
                     * missing, as TRL's CPO and ORPO trainers have them */
} cso_data_options;

/* One sequence of an example: prompt and reply. */
typedef struct cso_example_sequence {
    const int32_t *ids;    /* (length) */
    const uint8_t *scored; /* (length): nonzero where a token counts; NULL: all from score_start on do */
    const char *strategy;  /* of a reply of an ESC-Pro record, as in options->strategies; NULL otherwise */
    size_t length;
    size_t
        score_start; /* where the reply starts, by TRL's rule of the common prefix (docs/data.md): the same in the sequences of an
                         * example */
    size_t strategy_from,
        strategy_to; /* ids[strategy_from .. strategy_to) hold the "(Strategy)" that the reply begins with; equal: no
                                        * strategy. A function of ids and strategy */
    size_t rank;     /* among the sequences of a list, 0 the best; equal ranks are tied. Of a pair 0 and 1 */
    double q, n;     /* what a search knew of the reply, value and visits; NaN: the record does not say */
} cso_example_sequence;

/* What a loss compares. A CSO_EXAMPLE_PAIR has two sequences, [0] chosen and [1] rejected; a CSO_EXAMPLE_LIST two or more, by rank;
 * a CSO_EXAMPLE_TEXT and a CSO_EXAMPLE_LABELED have one. */
typedef struct cso_example {
    size_t first, n; /* its sequences are the data set's first .. first + n */
    size_t dialogue; /* number of its dialogue or search tree: equal system message, scene, description, first user message */
    size_t record;   /* index of the record it came from (a list of ESC-Pro pairs: the first of them), over all files */
    bool label;      /* CSO_EXAMPLE_LABELED: the reply is desirable */
} cso_example;

typedef struct cso_data_counts {
    size_t records, examples, duplicates;
    size_t truncated, turns_dropped; /* examples that lost turns, and how many messages in all */
    size_t too_long_dropped;         /* examples that are not in the data set, for max_length */
    size_t unknown_strategies;       /* replies of ESC-Pro pairs whose strategy is none of options->strategies */
    size_t esc_trees;                /* records that data.system_prompt is put before */
    size_t esc_pairs;                /* the other records whose replies have strategies */
    size_t empty_turns;              /* turns of ESC-Pro trees without alternatives: nothing wrong, but no pair */
    size_t dialogues;
    size_t max_tokens; /* of the longest sequence */
} cso_data_counts;

typedef struct cso_dataset {
    cso_example *examples; /* (count) */
    size_t count;
    cso_example_sequence *sequences; /* (n_sequences), those of an example side by side, in the order of the examples */
    size_t n_sequences;
    cso_data_counts counts;
    char fingerprint[33]; /* XXH3-128 over all sequences' ids and counted tokens, the dialogues, and, where there are any, labels,
                           * q, n, and ranks that are not 0, 1, 2, ...; hex */
    struct cso_dataset_store *store;
} cso_dataset;

/* Reads the files in order. With CSO_EXAMPLE_PAIR each record has a chosen and a rejected reply, or several of both. With
 * CSO_EXAMPLE_TEXT conversations, texts and ESC-Pro trees (the preferred path) are one sequence each, and of a pair the chosen
 * reply is. With CSO_EXAMPLE_LIST each turn of an ESC-Pro tree with all its negatives is an example, as are consecutive ESC-Pro
 * pairs of one prompt and one chosen reply, records of completions by rank, and preference records. CSO_EXAMPLE_LABELED takes records
 * with a label. An empty file or data set, mixed forms in a file, a record without chosen or rejected, an empty reply, two equal
 * ones, ... are CSO_ERR_INPUT with "FILE:LINE: ...". Exact duplicates of ESC-Pro pairs and lists, and of negatives in a list, are
 * dropped and counted, as the reference implementation does with pairs. */
cso_status cso_dataset_read(cso_dataset *data, const char *const *paths, size_t path_count, const cso_tokenizer *tokenizer,
                            const cso_chat_template *chat, const cso_data_options *options, cso_error *err);
void cso_dataset_free(cso_dataset *data);

/* The sequences of example i. */
static inline const cso_example_sequence *cso_dataset_sequences(const cso_dataset *data, size_t i) {
    return data->sequences + data->examples[i].first;
}

/* How many tokens of a sequence count: its first token never does. */
size_t cso_example_sequence_tokens(const cso_example_sequence *sequence);

/* The order of an epoch, a pure function of (seed, epoch): order[count] is filled with indexes of examples. By dialogue:
 * dialogues in random order, the examples of one stay together in their own order. */
void cso_dataset_order(const cso_dataset *data, cso_shuffle shuffle, uint64_t seed, size_t epoch, size_t *order);

/* Records seen one by one, for cso-data tokenize and cso-eval score: see record.h. */
#endif
