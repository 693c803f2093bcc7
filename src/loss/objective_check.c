/* objective_check.c - an objective from names and options, checked. */
#include "objective.h"

#include "base/did_you_mean.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static const void *field_of(const cso_option *row, const cso_loss_options *options) {
    return (const char *)options + row->offset;
}

bool cso_loss_option_is_set(const cso_option *row, const cso_loss_options *options) {
    const cso_loss_options defaults = cso_loss_default_options();
    char value[64], fallback[64];
    cso_option_text(row, field_of(row, options), 0, value, sizeof value);
    cso_option_text(row, field_of(row, &defaults), 0, fallback, sizeof fallback);
    return strcmp(value, fallback) != 0;
}

bool cso_objective_uses(const cso_objective *objective, const char *key) {
    for (size_t k = 0; k < objective->n; k++)
        if (cso_loss_uses(objective->loss[k], key))
            return true;
    return false;
}

/* Options that weigh whole examples: there every loss of a mix must heed them. Maximum likelihood of the preferred reply goes with
 * pairs that have weights, but not with WPO's, which are made for losses on pairs. */
static bool all_use(const cso_objective *objective, const char *key) {
    bool wpo = !strcmp(key, "loss.use_weighting");
    bool weighs = wpo || !strcmp(key, "loss.balance") || !strcmp(key, "loss.q_weighting") || !strcmp(key, "loss.visit_smoothing");
    for (size_t k = 0; weighs && k < objective->n; k++) {
        const cso_loss *loss = objective->loss[k];
        bool text = objective->n > 1 && loss->takes == CSO_EXAMPLE_TEXT && !wpo;
        if (!text && !cso_loss_uses(loss, key))
            return false;
    }
    return cso_objective_uses(objective, key);
}

/* The first loss that does not heed the key. */
static const char *who_ignores(const cso_objective *objective, const char *key) {
    for (size_t k = 0; k < objective->n; k++)
        if (!cso_loss_uses(objective->loss[k], key))
            return objective->loss[k]->name;
    return objective->loss[0]->name;
}

static cso_status check_options(const cso_objective *objective, cso_error *err) {
    const cso_loss_options *options = &objective->options;
    for (size_t i = 0; i < cso_loss_option_list.count; i++) {
        const cso_option *row = &cso_loss_option_list.rows[i];
        if (cso_loss_option_is_set(row, options) && !all_use(objective, row->name))
            return cso_fail(err, CSO_ERR_USAGE, "%s: loss.type = \"%s\" ignores it (expected its default, %s)", row->name,
                            who_ignores(objective, row->name), row->fallback);
    }
    const cso_loss_options defaults = cso_loss_default_options();
    if (options->f_divergence_type != CSO_DIVERGENCE_ALPHA && options->f_alpha_divergence_coef != defaults.f_alpha_divergence_coef)
        return cso_fail(err, CSO_ERR_USAGE,
                        "loss.f_alpha_divergence_coef: is for loss.f_divergence_type = \"alpha_divergence\", not for \"%s\"",
                        cso_divergence_words[options->f_divergence_type]);
    return CSO_OK;
}

static cso_status fail_unknown(const char *type, const char *key, cso_error *err) {
    enum { MOST = 64 };
    const char *words[MOST];
    size_t count = 0;
    for (const cso_loss *const *loss = cso_loss_all(); *loss; loss++) {
        const char *const *alias = (*loss)->aliases;
        for (const char *word = (*loss)->name; word && count < MOST; word = alias ? *alias++ : NULL)
            words[count++] = word;
    }
    const char *near = cso_did_you_mean(type, words, count);
    return cso_fail(err, CSO_ERR_USAGE, "%s: \"%.60s\" is no loss (%s%s%sexpected one of: %s)", key, type,
                    near ? "did you mean \"" : "", near ? near : "", near ? "\"? " : "", cso_loss_names());
}

const char *cso_example_kind_name(cso_example_kind kind) {
    static const char *const names[] = {[CSO_EXAMPLE_PAIR] = "pairs",
                                        [CSO_EXAMPLE_TEXT] = "texts",
                                        [CSO_EXAMPLE_LIST] = "lists of replies",
                                        [CSO_EXAMPLE_LABELED] = "replies with a label"};
    return names[kind];
}

/* All losses take the same examples; what takes texts goes with pairs and lists as well: the preferred reply is its text. */
static cso_status find_kind(cso_objective *objective, cso_error *err) {
    const cso_loss *first = NULL;
    for (size_t k = 0; k < objective->n; k++)
        if (!first || first->takes == CSO_EXAMPLE_TEXT)
            first = objective->loss[k];
    objective->takes = first->takes;
    for (size_t k = 0; k < objective->n; k++) {
        const cso_loss *loss = objective->loss[k];
        bool fits = loss->takes == first->takes || (loss->takes == CSO_EXAMPLE_TEXT && first->takes != CSO_EXAMPLE_LABELED);
        if (!fits)
            return cso_fail(err, CSO_ERR_USAGE, "loss.types: %s takes %s, %s takes %s (expected losses of the same records)",
                            first->name, cso_example_kind_name(first->takes), loss->name, cso_example_kind_name(loss->takes));
    }
    return CSO_OK;
}

static void add_metric(cso_objective *objective, const char *prefix, const char *name) {
    char full[CSO_OBJECTIVE_METRIC];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    for (size_t i = 0; i < objective->n_metrics; i++)
        if (!strcmp(objective->metric_names[i], full))
            return;
    if (objective->n_metrics < CSO_OBJECTIVE_MAX_METRICS)
        memcpy(objective->metric_names[objective->n_metrics++], full, sizeof full);
}

/* In the order in which objective.c fills them. */
static void name_metrics(cso_objective *objective) {
    static const char *const rewards[] = {"rewards/chosen",  "rewards/rejected", "rewards/accuracies",
                                          "rewards/margins", "logps/chosen",     "logps/rejected"};
    add_metric(objective, "", "loss");
    for (size_t k = 0; objective->n > 1 && k < objective->n; k++)
        add_metric(objective, "loss/", objective->loss[k]->name);
    for (size_t i = 0; cso_objective_has_rewards(objective) && i < sizeof rewards / sizeof *rewards; i++)
        if (objective->takes != CSO_EXAMPLE_LABELED || strcmp(rewards[i], "rewards/accuracies"))
            add_metric(objective, "", rewards[i]);
    for (size_t k = 0; k < objective->n; k++)
        for (const cso_loss_extra *extra = objective->loss[k]->extras; extra && extra->name; extra++)
            add_metric(objective, "", extra->name);
}

static void describe(cso_objective *objective) {
    size_t used = 0;
    if (objective->n == 1 && objective->weight[0] == 1) {
        snprintf(objective->text, sizeof objective->text, "%s", objective->loss[0]->name);
        return;
    }
    for (size_t k = 0; k < objective->n && used < sizeof objective->text; k++) {
        char number[CSO_NUMBER_TEXT];
        cso_number_text(number, objective->weight[k], 6);
        used += (size_t)snprintf(objective->text + used, sizeof objective->text - used, "%s%s %s", k ? " + " : "", number,
                                 objective->loss[k]->name);
    }
}

static void gather(cso_objective *objective) {
    const cso_loss_options *options = &objective->options;
    objective->token_mean = true;
    for (size_t k = 0; k < objective->n; k++) {
        objective->needs |= objective->loss[k]->needs;
        objective->token_mean &= objective->loss[k]->token_mean;
    }
    if (options->use_weighting)
        objective->needs |= CSO_LOSS_ALIGNMENT;
    objective->example_weights = options->balance != CSO_BALANCE_NONE || options->q_weighting || options->visit_smoothing > 0;
    objective->token_weights = options->ld_alpha != 1 || options->strategy_weight != 1;
}

cso_status cso_objective_of(cso_objective *objective, const cso_loss *const *losses, const double *weights, size_t n,
                            const cso_loss_options *options, cso_error *err) {
    *objective = (cso_objective){.n = n, .options = *options};
    for (size_t k = 0; k < n; k++) {
        objective->loss[k] = losses[k];
        objective->weight[k] = weights ? weights[k] : 1;
    }
    CSO_TRY(find_kind(objective, err));
    for (size_t k = 0; k < n; k++)
        CSO_TRY(cso_loss_check(objective->loss[k], options, err));
    CSO_TRY(check_options(objective, err));
    gather(objective);
    name_metrics(objective);
    describe(objective);
    return CSO_OK;
}

cso_status cso_objective_make(cso_objective *objective, const char *const *types, const double *weights, size_t n,
                              const cso_loss_options *options, cso_error *err) {
    const char *key = n > 1 ? "loss.types" : "loss.type";
    const cso_loss *losses[CSO_OBJECTIVE_MAX_LOSSES];
    if (n > CSO_OBJECTIVE_MAX_LOSSES)
        return cso_fail(err, CSO_ERR_USAGE, "%s: %zu losses (expected at most %d)", key, n, CSO_OBJECTIVE_MAX_LOSSES);
    for (size_t k = 0; k < n; k++) {
        losses[k] = cso_loss_find(types[k]);
        if (!losses[k])
            return fail_unknown(types[k], key, err);
        for (size_t j = 0; j < k; j++)
            if (losses[j] == losses[k])
                return cso_fail(err, CSO_ERR_USAGE, "%s: \"%s\" is listed twice%s%s", key, types[k],
                                strcmp(types[j], types[k]) ? ", under the name " : "", strcmp(types[j], types[k]) ? types[j] : "");
    }
    return cso_objective_of(objective, losses, weights, n, options, err);
}
