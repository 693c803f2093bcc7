/* model_card.h - README.md of an adapter: how it was trained, what came out, how to load it. */
#ifndef CSO_MODEL_CARD_H
#define CSO_MODEL_CARD_H

#include "io/json.h"
#include "trainer.h"

/* Where the parameters come from. */
typedef struct cso_adapter_origin {
    size_t step;         /* after which they were as they are */
    size_t steps;        /* that the run has made */
    const char *metrics; /* path of metrics.jsonl */
} cso_adapter_origin;

/* Appends the card: YAML as PEFT writes it, then Markdown. The losses are those of the last lines of metrics.jsonl up to the origin's
 * step (a missing one, or one that is no file, has none). Of data, the files' names are told, not their folders. Texts of the configuration cannot break
 * out of where they stand. with_tokenizer: the tokenizer's files are beside it. */
void cso_model_card(cso_text *card, const cso_train_job *job, const cso_adapter_origin *origin, bool with_tokenizer);

#endif
