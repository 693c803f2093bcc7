/* convert.h - records of one form to those of another.
 *
 * What both forms have is kept byte by byte: numbers, escapes, the order of messages. What the other form cannot hold is counted. One
 * dialogue at most is in memory; towards trees also a hash of each dialogue.
 */
#ifndef CSO_CONVERT_H
#define CSO_CONVERT_H

#include "data/strategies.h"
#include "record_sink.h"
#include "record_view.h"

typedef enum cso_loss_kind {
    CSO_LOST_SCENE,
    CSO_LOST_ITER,
    CSO_LOST_RATINGS,
    CSO_LOST_OTHERS,
    CSO_LOST_TAIL,
    CSO_LOST_RECORDS,
    CSO_LOST_UNPAIRED,
    CSO_LOST_DOUBLES,
    CSO_LOST_ORDER,
    CSO_LOST_SYSTEM,
    CSO_LOST_ROLES,
    CSO_LOST_BLANKS,
    CSO_LOST_MESSAGE_FIELDS,
    CSO_LOST_FIELDS,
    CSO_LOSS_KINDS
} cso_loss_kind;

typedef struct cso_convert_options {
    cso_data_form to;                 /* trees, pairs, kto, preference, list or sft */
    bool keep;                        /* fields that the form does not have, such as scene and iter, come along all the same */
    const cso_strategies *strategies; /* NULL: the built-in ones */
    const char *system_prompt; /* put before trees, and expected where trees are made; NULL: the one that lists the strategies */
} cso_convert_options;

typedef struct cso_convert_result {
    size_t records, written;
    size_t lost[CSO_LOSS_KINDS];
    size_t unknown_strategies; /* of replies in trees that were made */
} cso_convert_result;

/* What is lost, as a sentence's end: "scene and description of 3 records". */
void cso_loss_text(cso_loss_kind kind, size_t count, char *text, size_t size);

/* Reads the files in order ("-": standard input) and writes to the sink, which the caller closes. A record that cannot be one of the other
 * form, records of which none can, pairs of a dialogue that do not stand side by side where trees are made: CSO_ERR_INPUT with
 * "FILE:LINE: ...". */
cso_status cso_convert(const cso_convert_options *options, const char *const *paths, size_t n_paths, cso_record_sink *sink,
                       cso_convert_result *result, cso_error *err);

#endif
