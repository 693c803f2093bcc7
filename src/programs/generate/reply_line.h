/* reply_line.h - a finished reply as a line of JSON. */
#ifndef CSO_REPLY_LINE_H
#define CSO_REPLY_LINE_H

#include "decode/generate.h"
#include "programs/common/reply_file.h"
#include "prompt_rows.h"

/* What a line says beside the reply. */
typedef struct reply_line_parts {
    const cso_tokenizer *tokenizer;
    const prompt_row *row;
    const cso_strategies *strategies;
    const double *probabilities; /* (strategies->count); NULL: no "strategies" */
    const reply_origin *origin;  /* NULL: no "from" */
} reply_line_parts;

/* {"index", "turn"?, "reply", "text", "ids", "finish_reason", "logprobs"?, "top_logprobs"?, "strategies"?, "from"?} and a line break. */
cso_status reply_line_add(cso_text *line, const reply_line_parts *parts, const cso_reply *reply, cso_error *err);

#endif
