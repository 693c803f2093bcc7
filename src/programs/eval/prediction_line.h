/* prediction_line.h - a reply, and what the model says of the reference, as a line of a file of predictions (docs/eval.md). */
#ifndef CSO_PREDICTION_LINE_H
#define CSO_PREDICTION_LINE_H

#include "decode/generate.h"
#include "dialogue_turns.h"
#include "programs/common/reply_origin.h"
#include "turn_scores.h"

/* The strategy of a reply "(Strategy) text", whatever its case, and where its text begins; NULL, and all of it, if it names none. */
const char *reply_strategy(const cso_strategies *strategies, const char *text, size_t size, const char **content);

/* With the line break. Errors: memory. */
cso_status prediction_line_add(cso_text *line, const dialogue_turn *turn, const cso_strategies *strategies, const cso_reply *reply,
                               const turn_scores *scores, const reply_origin *origin, cso_error *err);

#endif
