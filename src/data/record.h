/* record.h - what a JSON record of any known form holds, before tokens (formats: docs/data.md). */
#ifndef CSO_RECORD_H
#define CSO_RECORD_H

#include "base/status.h"
#include "dataset.h"
#include "io/json.h"
#include "text/chat.h"

typedef enum cso_record_form {
    CSO_RECORD_ESC_TREE,   /* {"messages":[..., {"role","content","strategy","negative":[...]}]} */
    CSO_RECORD_ESC_PAIR,   /* {"messages","chosen":{...},"reject":{...}} */
    CSO_RECORD_PREFERENCE, /* {"prompt","chosen","rejected"}: text or messages; prompt may be implicit */
    CSO_RECORD_LIST,       /* {"prompt","completions", "q"?}: text or messages, the best completion first */
    CSO_RECORD_COMPLETION, /* {"prompt","completion"}: text or messages */
    CSO_RECORD_KTO,        /* {"messages","label"} or {"prompt","completion","label"} */
    CSO_RECORD_MESSAGES,   /* {"messages", "add_generation_prompt"?} */
    CSO_RECORD_TEXT,       /* {"text"} */
    CSO_RECORD_IDS,        /* {"ids"} */
    CSO_RECORD_FORM_COUNT
} cso_record_form;

const char *cso_record_form_name(cso_record_form form);

/* Detects the form; CSO_ERR_INPUT with a message that says which keys are missing. place: "FILE:LINE". */
cso_status cso_record_detect(const cJSON *record, const char *place, cso_record_form *form, cso_error *err);

/* What is known of a reply beside its text. */
typedef struct cso_reply_info {
    char name[40];        /* for messages: "the chosen reply", "negative[3]" */
    const char *strategy; /* a static string or NULL */
    size_t strategy_from, strategy_to, rank;
    double q, n; /* these five as in cso_example_sequence */
    bool empty;  /* nothing but white space */
} cso_reply_info;

/* One pair, tokenized: prompt ids, and what each whole sequence is; or a list of replies, one reply, or one sequence by itself.
 * Zero-initialise; free with cso_pair_tokens_free. */
typedef struct cso_pair_tokens {
    size_t n;              /* sequences: 2 of a pair, more of a list, 1 of a completion, conversation or text */
    cso_ids *sequence;     /* (n) prompt + reply; of a pair [0] is chosen, [1] rejected */
    cso_reply_info *reply; /* (n) */
    uint8_t *scored;       /* (sequence[0].count) of a conversation: which tokens count; NULL: those after the prompt */
    size_t prompt_length;
    size_t turns_dropped;      /* truncation */
    bool dropped;              /* too long under CSO_TRUNCATE_DROP (or the prompt's last turn and reply alone are) */
    bool pair;                 /* chosen and rejected; otherwise two sequences are a list of two */
    size_t unknown_strategies; /* replies whose strategy is none of options->strategies (ESC-Pro) */
} cso_pair_tokens;
void cso_pair_tokens_free(cso_pair_tokens *pair);

/* A record, and with what it becomes tokens. */
typedef struct cso_record_request {
    const cJSON *record;
    cso_record_form form;
    const char *place; /* "FILE:LINE" */
    const cso_tokenizer *tokenizer;
    const cso_chat_template *chat;
    const cso_data_options *options;
} cso_record_request;

/* Calls visit for each pair that a record of the first three forms holds (a tree: one for each turn and negative, in order), and once
 * for the list or completion of the next three. What training refuses (an empty reply, two equal ones) is given here. */
typedef cso_status (*cso_pair_visitor)(void *context, cso_pair_tokens *pair, cso_error *err);
cso_status cso_record_pairs(const cso_record_request *request, cso_pair_visitor visit, void *context, cso_error *err);

/* What renderings of records that follow one another have in common, so that it is computed once. For one tokenizer and one template. */
typedef struct cso_record_cache cso_record_cache;
cso_status cso_record_cache_create(cso_record_cache **cache, cso_error *err);
void cso_record_cache_free(cso_record_cache *cache); /* NULL is fine */
cso_status cso_record_pairs_cached(cso_record_cache *cache, const cso_record_request *request, cso_pair_visitor visit,
                                   void *context, cso_error *err);

/* Calls visit with the chat messages of a CSO_RECORD_MESSAGES record; they live as long as the call. */
typedef cso_status (*cso_record_messages_visitor)(void *context, const cso_message *messages, size_t count, cso_error *err);
cso_status cso_record_messages(const cJSON *record, const char *place, cso_record_messages_visitor visit, void *context,
                               cso_error *err);

#endif
