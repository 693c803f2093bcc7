/* text_cases.h - shared by the tests of the text layer: running files of cases, and comparing with a reproducible message. */
#ifndef CSO_TEXT_CASES_H
#define CSO_TEXT_CASES_H

#include "io/json.h"
#include "text/chat.h"
#include "text/tokenizer.h"

typedef struct case_run {
    const cso_tokenizer *tokenizer;
    const cso_chat_template *chat;
    const char *place; /* printed with failures */
    size_t passed, failed;
} case_run;

/* One record of a file of cases; each counts what it checks in run->passed or ->failed. */
void check_encode(case_run *run, const cJSON *record, size_t line); /* {"text","ids","ids_plain"} */
void check_decode(case_run *run, const cJSON *record, size_t line); /* {"ids","bytes","text"} */
void check_chat(case_run *run, const cJSON *record,
                size_t line); /* {"messages","add_generation_prompt","text","ids"} or {...,"error"} */

/* Runs a .jsonl file; false if it is not there. */
bool run_cases(case_run *run, const char *path, void (*check)(case_run *, const cJSON *, size_t));

/* Opens or fails the test. */
cso_tokenizer *open_tokenizer(const char *path);

#endif
