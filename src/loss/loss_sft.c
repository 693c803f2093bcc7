/* loss_sft.c - supervised fine-tuning: the negative log-likelihood of a counted token, a mean over all counted tokens of the step.
 *
 * L = -sum_i logp_i / T, T = counted tokens of the step. So that the mean over the step's n examples is L, example i has
 * -n logp_i / T. Of a preference pair the chosen reply alone counts, as TRL's loss_type "sft" has it.
 */
#include "losses.h"

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    (void)options;
    loss_add_nll(1, batch, result);
}

static const char *const uses[] = {NULL};

const cso_loss cso_loss_sft = {
    .name = "sft",
    .what = "negative log-likelihood of the assistant's turns, a mean over their tokens; of a pair, of the chosen reply",
    .formula = "L = -(sum of log pi) / T over all counted tokens of the step, T their number",
    .source = "maximum likelihood; the mean over tokens as TRL has it",
    .takes = CSO_EXAMPLE_TEXT,
    .uses = uses,
    .compute = compute,
    .token_mean = true,
};
