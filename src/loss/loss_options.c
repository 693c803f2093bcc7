/* loss_options.c - the losses' options, one row each ([loss] of a configuration), and the check of their values. */
#include "loss.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW(name, type, range, words, fallback, flags, help)                                                                       \
    { "loss." #name, CSO_OPTION_##type, offsetof(cso_loss_options, name), range, words, fallback, CSO_IDENTITY_OWN, flags, help }
#define LATE CSO_OPTION_LATE

static const cso_option rows[] = {
    ROW(beta, NUMBER, CSO_RANGE_BETWEEN(1e-6, 1e6), NULL, "0.1", 0, "how strongly the policy is held to the reference"),
    ROW(label_smoothing, NUMBER, CSO_RANGE_BELOW(0, 0.5), NULL, "0.0", 0, "the probability that a pair is the wrong way round"),
    ROW(ld_alpha, NUMBER, CSO_RANGE_BETWEEN(0, 1), NULL, "1.0", LATE,
        "LD-DPO: what a token counts that is beyond the length of the pair's shorter reply; 1: as any other"),
    ROW(use_weighting, BOOL, CSO_RANGE_ANY, NULL, "false", LATE, "WPO: pairs count more the more likely the policy finds them"),
    ROW(f_divergence_type, CHOICE, CSO_RANGE_ANY, cso_divergence_words, "\"reverse_kl\"", LATE,
        "the divergence by which the policy is held to the reference"),
    ROW(f_alpha_divergence_coef, NUMBER, CSO_RANGE_BETWEEN(-100, 100), NULL, "0.5", LATE, "alpha of alpha_divergence"),
    ROW(discopop_tau, NUMBER, CSO_RANGE_BETWEEN(1e-6, 1e6), NULL, "0.05", LATE, "the temperature of discopop's blend"),
    ROW(cpo_alpha, NUMBER, CSO_RANGE_BETWEEN(0, 1e6), NULL, "1.0", LATE, "the weight of cpo's likelihood of the chosen reply"),
    ROW(simpo_gamma, NUMBER, CSO_RANGE_BETWEEN(-1e6, 1e6), NULL, "0.5", LATE, "the margin of rewards that simpo asks for"),
    ROW(desirable_weight, NUMBER, CSO_RANGE_BETWEEN(0, 1e6), NULL, "1.0", LATE, "the weight of replies with the label true"),
    ROW(undesirable_weight, NUMBER, CSO_RANGE_BETWEEN(0, 1e6), NULL, "1.0", LATE, "the weight of replies with the label false"),
    ROW(strategy_weight, NUMBER, CSO_RANGE_BETWEEN(0, 1e6), NULL, "1.0", LATE,
        "what a token of a reply's \"(Strategy)\" counts, in policy and reference; 1: as any other"),
    ROW(balance, CHOICE, CSO_RANGE_ANY, cso_balance_words, "\"none\"", LATE,
        "strategy: examples count by the inverse frequency of the preferred reply's strategy, 1 on average"),
    ROW(q_weighting, BOOL, CSO_RANGE_ANY, NULL, "false", LATE,
        "whether pairs count by the difference of their replies' q, 1 on average, where records carry q"),
    ROW(visit_smoothing, NUMBER, CSO_RANGE_BETWEEN(0, 1e9), NULL, "0.0", LATE,
        "k: pairs count by n / (n + k), 1 on average, n the visits of the less visited reply; 0: all alike"),
};
const cso_option_list cso_loss_option_list = {rows, sizeof rows / sizeof *rows};

/* A default as its row has it in TOML: a number, true or false, or a word in quotes. */
static void set_default(const cso_option *row, void *field) {
    char word[40];
    size_t index = 0;
    switch (row->type) {
    case CSO_OPTION_BOOL:
        *(bool *)field = !strcmp(row->fallback, "true");
        break;
    case CSO_OPTION_CHOICE:
        snprintf(word, sizeof word, "%.*s", (int)strlen(row->fallback) - 2, row->fallback + 1);
        cso_word_find(row->words, word, &index);
        *(int *)field = (int)index;
        break;
    default:
        *(double *)field = strtod(row->fallback, NULL);
    }
}

cso_loss_options cso_loss_default_options(void) {
    cso_loss_options options = {0};
    for (const cso_option *row = rows; row < rows + cso_loss_option_list.count; row++)
        set_default(row, (char *)&options + row->offset);
    return options;
}

cso_status cso_loss_check(const cso_loss *loss, const cso_loss_options *options, cso_error *err) {
    for (const cso_option *row = rows; row < rows + cso_loss_option_list.count; row++) {
        if (row->type != CSO_OPTION_NUMBER)
            continue;
        double value = *(const double *)((const char *)options + row->offset);
        char range[80];
        if (cso_option_in_range(&row->range, value))
            continue;
        cso_option_range_text(&row->range, range, sizeof range);
        return cso_fail(err, CSO_ERR_USAGE, "%s: must be %s, got %g", row->name, range, value);
    }
    return loss->check ? loss->check(options, err) : CSO_OK;
}

bool cso_loss_uses(const cso_loss *loss, const char *key) {
    if (!strncmp(key, "loss.", 5))
        key += 5;
    if (!strcmp(key, "beta") || !strcmp(key, "label_smoothing"))
        return true;
    for (size_t i = 0; loss->uses[i]; i++)
        if (!strcmp(loss->uses[i], key))
            return true;
    return false;
}
