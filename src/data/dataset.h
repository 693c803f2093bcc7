/* dataset.h - records to token sequences: the formats of docs/data.md, rendered, truncated, grouped and ordered. */
#ifndef CSO_DATASET_H
#define CSO_DATASET_H

#include "base/status.h"
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
    size_t max_length; /* tokens of prompt + reply */
    cso_truncation truncation;
    bool parse_special;
    const char *system_prompt; /* text put before ESC-Pro trees; NULL: the built-in one that lists the eight strategies; "": none */
} cso_data_options;

/* One preference pair. Both replies follow the same prompt; a sequence is prompt_ids + reply ids. */
typedef struct cso_pair {
    const int32_t *ids[2]; /* [0] chosen, [1] rejected: the whole sequence, prompt and reply */
    size_t length[2];      /* tokens of each */
    size_t prompt_length;  /* the replies start here: the common prefix rule of TRL (docs/data.md) */
    size_t dialogue;       /* number of its dialogue or search tree: equal system message, scene, description, first user message */
    size_t record;         /* index of the record it came from, over all files */
    const char *strategy[2]; /* of an ESC-Pro record; NULL otherwise */
} cso_pair;

typedef struct cso_data_counts {
    size_t records, pairs, duplicates;
    size_t truncated, turns_dropped; /* pairs that lost turns, and how many messages in all */
    size_t too_long_dropped;         /* pairs that are not in the data set, for max_length */
    size_t unknown_strategies;       /* replies of ESC-Pro pairs whose strategy is none of the eight */
    size_t empty_turns;              /* turns of ESC-Pro trees without alternatives: nothing wrong, but no pair */
    size_t dialogues;
    size_t max_tokens; /* of the longest sequence */
} cso_data_counts;

typedef struct cso_dataset {
    cso_pair *pairs;
    size_t count;
    cso_data_counts counts;
    char fingerprint[33]; /* XXH3-128 over all pairs' ids, prompt lengths and dialogues, hex */
    struct cso_dataset_store *store;
} cso_dataset;

/* Reads the files in order. An empty file or data set, mixed forms in a file, a record without chosen or rejected, an empty
 * reply, two equal ones, ... are CSO_ERR_INPUT with "FILE:LINE: ...". Exact duplicate ESC-Pro pairs are dropped and counted,
 * as the reference implementation does. */
cso_status cso_dataset_read(cso_dataset *data, const char *const *paths, size_t path_count, const cso_tokenizer *tokenizer,
                            const cso_chat_template *chat, const cso_data_options *options, cso_error *err);
void cso_dataset_free(cso_dataset *data);

/* The order of an epoch, a pure function of (seed, epoch): order[count] is filled with indexes of pairs. By dialogue:
 * dialogues in random order, the pairs of one stay together in their own order. */
void cso_dataset_order(const cso_dataset *data, cso_shuffle shuffle, uint64_t seed, size_t epoch, size_t *order);

/* Records seen one by one, for cso-data tokenize and cso-eval score: see record.h. */
#endif
