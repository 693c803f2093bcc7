/* measures.c - see measures.h. */
#include "measures.h"

#include "base/memory.h"
#include "bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const cso_measure_names[] = {
    [CSO_MEASURE_ACCURACY] = "strategy_accuracy",
    [CSO_MEASURE_MACRO_F1] = "strategy_macro_f1",
    [CSO_MEASURE_WEIGHTED_F1] = "strategy_weighted_f1",
    [CSO_MEASURE_VALID_ACCURACY] = "valid_accuracy",
    [CSO_MEASURE_VALID_MACRO_F1] = "valid_macro_f1",
    [CSO_MEASURE_VALID_WEIGHTED_F1] = "valid_weighted_f1",
    [CSO_MEASURE_INVALID] = "invalid_rate",
    [CSO_MEASURE_BIAS] = "preference_bias",
    [CSO_MEASURE_LIKELIEST_ACCURACY] = "likeliest_accuracy",
    [CSO_MEASURE_LIKELIEST_MACRO_F1] = "likeliest_macro_f1",
    [CSO_MEASURE_LIKELIEST_WEIGHTED_F1] = "likeliest_weighted_f1",
    [CSO_MEASURE_LIKELIEST_BIAS] = "likeliest_bias",
    [CSO_MEASURE_CALIBRATION] = "calibration_error",
    [CSO_MEASURE_BRIER] = "brier",
    [CSO_MEASURE_ROUGE_L] = "rouge_l",
    [CSO_MEASURE_BLEU_1] = "bleu_1",
    [CSO_MEASURE_BLEU_2] = "bleu_2",
    [CSO_MEASURE_BLEU_3] = "bleu_3",
    [CSO_MEASURE_BLEU_4] = "bleu_4",
    [CSO_MEASURE_DISTINCT_1] = "distinct_1",
    [CSO_MEASURE_DISTINCT_2] = "distinct_2",
    [CSO_MEASURE_WORDS] = "reply_words",
    [CSO_MEASURE_REFERENCE_WORDS] = "reference_words",
    [CSO_MEASURE_PERPLEXITY] = "perplexity",
    [CSO_MEASURE_PREFERENCE_ACCURACY] = "preference_accuracy",
    [CSO_MEASURE_PREFERENCE_MARGIN] = "preference_margin",
    [CSO_MEASURE_REWARD_ACCURACY] = "reward_accuracy",
    [CSO_MEASURE_REWARD_MARGIN] = "reward_margin",
};

bool cso_measurer_fits(const cso_predictions *set, const cso_predictions *base) {
    if (set->count != base->count || set->n_rejected != base->n_rejected || !set->n_rejected)
        return false;
    for (size_t i = 0; i < set->count; i++)
        if (set->items[i].n_rejected != base->items[i].n_rejected)
            return false;
    return true;
}

static void put_scores(double *value, cso_strategy_scores scores) {
    value[0] = scores.accuracy;
    value[1] = scores.macro_f1;
    value[2] = scores.weighted_f1;
}

static cso_status measure_strategies(cso_measurer *m, cso_error *err) {
    const cso_predictions *set = m->set;
    double invalid = 0, all = 0, spare[CSO_MOST_STRATEGIES];
    if (!m->preferences) {
        CSO_TRY(cso_confusion_create(&m->confusion, set->n_strategies, err));
        CSO_TRY(cso_confusion_create(&m->likeliest, set->n_strategies, err));
        if (!(m->preferences = cso_calloc(set->n_strategies, sizeof *m->preferences)))
            return cso_fail_memory(err, "preferences");
    }
    cso_confusion_clear(&m->confusion);
    cso_confusion_clear(&m->likeliest);
    m->calibration = (cso_calibration){0};
    for (size_t i = 0; i < set->count; i++) {
        const cso_prediction *item = &set->items[i];
        double times = m->times[i];
        all += times;
        invalid += item->predicted < 0 ? times : 0;
        cso_confusion_add(&m->confusion, item->reference, item->predicted, times);
        if (item->probabilities == SIZE_MAX)
            continue;
        const double *p = set->probabilities + item->probabilities;
        cso_confusion_add(&m->likeliest, item->reference, (int)cso_likeliest(p, set->n_strategies), times);
        cso_calibration_add(&m->calibration, p, set->n_strategies, item->reference, times);
    }
    put_scores(m->value + CSO_MEASURE_ACCURACY, cso_strategy_score(&m->confusion, false));
    put_scores(m->value + CSO_MEASURE_VALID_ACCURACY, cso_strategy_score(&m->confusion, true));
    put_scores(m->value + CSO_MEASURE_LIKELIEST_ACCURACY, cso_strategy_score(&m->likeliest, false));
    m->value[CSO_MEASURE_INVALID] = invalid / all;
    m->value[CSO_MEASURE_BIAS] = cso_preference_bias(&m->confusion, m->preferences, &m->never_missed);
    m->value[CSO_MEASURE_LIKELIEST_BIAS] = set->has_probabilities ? cso_preference_bias(&m->likeliest, spare, NULL) : NAN;
    m->value[CSO_MEASURE_CALIBRATION] = cso_calibration_error(&m->calibration);
    m->value[CSO_MEASURE_BRIER] = cso_calibration_brier(&m->calibration);
    return CSO_OK;
}

/* sample: a text may be there often, which says nothing of how varied texts are. */
static void measure_texts(cso_measurer *m, bool sample) {
    const cso_predictions *set = m->set;
    cso_bleu_counts bleu = {0};
    double all = 0, rouge = 0, words = 0, reference_words = 0;
    for (size_t i = 0; i < set->count; i++) {
        const cso_prediction *item = &set->items[i];
        double times = m->times[i];
        all += times;
        rouge += times * item->rouge_l;
        words += times * item->words;
        reference_words += times * item->reference_words;
        bleu.length += times * item->bleu.length;
        bleu.reference_length += times * item->bleu.reference_length;
        for (int n = 0; n < CSO_BLEU_ORDERS; n++) {
            bleu.correct[n] += times * item->bleu.correct[n];
            bleu.total[n] += times * item->bleu.total[n];
        }
    }
    m->value[CSO_MEASURE_ROUGE_L] = rouge / all;
    m->value[CSO_MEASURE_WORDS] = words / all;
    m->value[CSO_MEASURE_REFERENCE_WORDS] = reference_words / all;
    for (int n = 1; n <= CSO_BLEU_ORDERS; n++)
        m->value[CSO_MEASURE_BLEU_1 + n - 1] = cso_bleu_score(&bleu, n);
    for (int n = 1; n <= CSO_DISTINCT_ORDERS; n++)
        m->value[CSO_MEASURE_DISTINCT_1 + n - 1] = sample ? NAN : cso_distinct_score(&set->distinct, n);
}

/* Sums over pairs of a reference and a worse reply. */
typedef struct pair_sums {
    double pairs, right, margin, reward_right, reward_margin;
} pair_sums;

static void add_pairs(const cso_measurer *m, size_t i, pair_sums *sums) {
    const cso_prediction *item = &m->set->items[i], *base = m->base ? &m->base->items[i] : NULL;
    double times = m->times[i];
    for (size_t k = 0; k < item->n_rejected; k++) {
        double margin = item->reference_logp - m->set->rejected[item->first_rejected + k];
        sums->pairs += times;
        sums->right += margin > 0 ? times : 0;
        sums->margin += times * margin;
        if (!base)
            continue;
        double reward = margin - (base->reference_logp - m->base->rejected[base->first_rejected + k]);
        sums->reward_right += reward > 0 ? times : 0;
        sums->reward_margin += times * reward;
    }
}

static void measure_logps(cso_measurer *m) {
    pair_sums sums = {0};
    double logp = 0, tokens = 0;
    for (size_t i = 0; i < m->set->count; i++) {
        const cso_prediction *item = &m->set->items[i];
        logp += m->times[i] * item->reference_logp;
        tokens += m->times[i] * (double)item->reference_tokens;
        add_pairs(m, i, &sums);
    }
    m->value[CSO_MEASURE_PERPLEXITY] = tokens > 0 ? exp(-logp / tokens) : NAN;
    m->value[CSO_MEASURE_PREFERENCE_ACCURACY] = sums.pairs > 0 ? sums.right / sums.pairs : NAN;
    m->value[CSO_MEASURE_PREFERENCE_MARGIN] = sums.pairs > 0 ? sums.margin / sums.pairs : NAN;
    m->value[CSO_MEASURE_REWARD_ACCURACY] = m->base && sums.pairs > 0 ? sums.reward_right / sums.pairs : NAN;
    m->value[CSO_MEASURE_REWARD_MARGIN] = m->base && sums.pairs > 0 ? m->beta * sums.reward_margin / sums.pairs : NAN;
}

cso_status cso_measurer_run(cso_measurer *m, const double *dialogue_times, cso_error *err) {
    const cso_predictions *set = m->set;
    if (!m->times && !(m->times = cso_calloc(set->count, sizeof *m->times)))
        return cso_fail_memory(err, "predictions");
    for (size_t i = 0; i < set->count; i++)
        m->times[i] = dialogue_times ? dialogue_times[set->items[i].dialogue] : 1;
    CSO_TRY(measure_strategies(m, err));
    measure_texts(m, dialogue_times != NULL);
    measure_logps(m);
    return CSO_OK;
}

cso_status cso_measurer_bootstrap(cso_measurer *m, uint64_t seed, size_t n, double *values, bool (*stop)(void), cso_error *err) {
    size_t dialogues = m->set->n_dialogues;
    double *times = cso_calloc(dialogues, sizeof *times);
    cso_status status = times ? CSO_OK : cso_fail_memory(err, "bootstrap samples");
    for (size_t k = 0; status == CSO_OK && k < n; k++) {
        if (stop && stop())
            status = cso_fail(err, CSO_STOPPED, "stopped");
        cso_bootstrap_sample(seed, k, dialogues, times);
        if (status == CSO_OK)
            status = cso_measurer_run(m, times, err);
        memcpy(values + k * CSO_MEASURE_COUNT, m->value, sizeof m->value);
    }
    free(times);
    return status == CSO_OK ? cso_measurer_run(m, NULL, err) : status;
}

void cso_measurer_free(cso_measurer *m) {
    cso_confusion_free(&m->confusion);
    cso_confusion_free(&m->likeliest);
    free(m->preferences);
    free(m->times);
    *m = (cso_measurer){0};
}
