/* data_fixture.h - tokenizers, templates and files for the tests of the data layer. */
#ifndef CSO_TESTS_DATA_FIXTURE_H
#define CSO_TESTS_DATA_FIXTURE_H

#include "data/dataset.h"
#include "data/record.h"
#include "text/chat.h"
#include "text/tokenizer.h"

typedef struct data_fixture {
    cso_tokenizer *tokenizer;
    const cso_chat_template *chat;
} data_fixture;

/* The tokenizer and template of a folder; fails the test if they cannot be had. */
data_fixture data_fixture_open(const char *folder);
/* Of goldens' models/NAME: "llama-tiny", "qwen2-tiny", "gemma2-tiny". */
data_fixture data_fixture_tiny(const char *name);
void data_fixture_close(data_fixture *fixture);

/* A path under the large fixtures, NULL (and a line that says so) if it is not there. The result is static until the fourth
 * next call. */
const char *shared_path(const char *name);

/* Writes text to a file of the test's own; the path is static until the fourth next call. */
const char *write_data(const char *name, const char *text);

/* A growing list of pairs, as cso_record_pairs gives them. */
typedef struct pair_list {
    cso_pair_tokens items[64];
    size_t count;
} pair_list;
cso_status pair_list_visit(void *context, cso_pair_tokens *pair, cso_error *err);
void pair_list_free(pair_list *list);

#endif
