/* reply_line.h - a finished reply as a line of JSON. */
#ifndef CSO_REPLY_LINE_H
#define CSO_REPLY_LINE_H

#include "decode/generate.h"
#include "programs/common/reply_file.h"
#include "prompt_rows.h"

/* {"index", "turn"?, "reply", "text", "ids", "finish_reason", "logprobs"?, "top_logprobs"?, "from"?} and a line break. origin NULL: no
 * "from". */
cso_status reply_line_add(cso_text *line, const cso_tokenizer *tokenizer, const prompt_row *row, const cso_reply *reply,
                          const reply_origin *origin, cso_error *err);

#endif
