/* foreign_names.h - what other trainers call the settings: those of transformers, TRL, PEFT, LLaMA-Factory and a few more, each
 * with our name for it or a word on why there is none. Only suggestions come of it; no foreign name is ever taken for ours. */
#ifndef CSO_FOREIGN_NAMES_H
#define CSO_FOREIGN_NAMES_H

#include <stddef.h>

typedef struct cso_foreign_name {
    const char *names;  /* between blanks: "lr peak_lr"; "vllm_*" stands for all that begin so */
    const char *ours;   /* a key of a configuration, "train.batch_size"; NULL: there is none */
    const char *option; /* an option of programs without its dashes, "max-tokens"; NULL: none */
    const char *note;   /* to be read after our name or alone; NULL where the name says it all */
} cso_foreign_name;

extern const cso_foreign_name cso_foreign_names[];
extern const size_t cso_foreign_name_count;

/* The row of a name as users write it, NULL if there is none: "--Learning-Rate", "learning_rate" and "training.learning_rate" are
 * one name. */
const cso_foreign_name *cso_foreign_name_find(const char *name);
/* The same for a misspelt one (did_you_mean.h). */
const cso_foreign_name *cso_foreign_name_near(const char *name);

#endif
