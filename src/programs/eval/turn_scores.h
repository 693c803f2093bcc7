/* turn_scores.h - log-probabilities at turns of dialogues: of the reference, of worse replies, and of each strategy's name.
 *
 * All turns of a dialogue share their prefix, and a reference is part of the next turn's prompt: its logits come with the prompt's keys,
 * which the replies to the turns then begin with. Names and worse replies are branches.
 */
#ifndef CSO_TURN_SCORES_H
#define CSO_TURN_SCORES_H

#include "decode/decoder.h"
#include "dialogue_turns.h"
#include "programs/common/name_ids.h"

typedef struct turn_scores {
    double *probabilities; /* (names) sum to 1 */
    double *logps;         /* (n_replies) natural logarithms, of each reply */
} turn_scores;
void turn_scores_free(turn_scores *scores);

/* How many of the turns, from the first, are best scored together: those of one dialogue, as long as their logits are not too many. */
size_t turn_scores_batch(const dialogue_turn *turns, size_t count, const name_ids *names, size_t vocab);
/* scores (count): zeroed, to be freed each. Errors: CSO_ERR_NUMERIC with the turn's place. */
cso_status turn_scores_compute(cso_decoder *decoder, const cso_adapter *adapter, const dialogue_turn *const *turns, size_t count,
                               const name_ids *names, turn_scores *scores, cso_error *err);

#endif
