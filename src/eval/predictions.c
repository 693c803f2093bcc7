/* predictions.c - see predictions.h.
 *
 * Names are numbered as they come; where no names are given, the numbers are exchanged for places in the sorted list at the end.
 */
#include "predictions.h"

#include "base/did_you_mean.h"
#include "base/memory.h"
#include "io/json_each.h"
#include "python_text.h"
#include "rouge_l.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
    cso_predictions *set;
    const char *path;
    bool given; /* the names */
    cso_rouge rouge;
    cso_bleu bleu;
    numbering dialogues; /* by their index */
    bool indexed;
    size_t item_capacity, probability_count, probability_capacity, rejected_capacity, name_capacity;
} reader;

/* A line of the file. */
typedef struct line {
    reader *r;
    const cJSON *record;
    char place[512];
    cso_prediction item;
    char *contents[2]; /* of the reference, of the prediction */
    size_t sizes[2];
} line;

static cso_status fail_key(const line *l, const char *key, const char *expected, cso_error *err) {
    return cso_fail(err, CSO_ERR_INPUT, "%s: %s: expected %s", l->place, key, expected);
}

static cso_status add_name(reader *r, const char *name, cso_error *err) {
    cso_predictions *set = r->set;
    if (set->n_strategies == CSO_MOST_STRATEGIES)
        return cso_fail(err, CSO_ERR_INPUT, "%s: more than %d names of strategies (expected --strategies FILE, or fewer)", r->path,
                        CSO_MOST_STRATEGIES);
    if (!cso_grow(&set->strategies, &r->name_capacity, set->n_strategies + 1, sizeof *set->strategies) ||
        !(set->strategies[set->n_strategies] = cso_strdup(name)))
        return cso_fail_memory(err, "names of strategies");
    set->n_strategies++;
    return CSO_OK;
}

/* *number -1: none of the given names. */
static cso_status find_name(reader *r, const char *name, int *number, cso_error *err) {
    for (size_t i = 0; i < r->set->n_strategies; i++)
        if (!strcmp(r->set->strategies[i], name)) {
            *number = (int)i;
            return CSO_OK;
        }
    *number = r->given ? -1 : (int)r->set->n_strategies;
    return r->given ? CSO_OK : add_name(r, name, err);
}

static cso_status fail_unknown(const line *l, const char *name, cso_error *err) {
    const cso_predictions *set = l->r->set;
    const char *near = cso_did_you_mean(name, (const char *const *)set->strategies, set->n_strategies);
    return near ? cso_fail(err, CSO_ERR_INPUT, "%s: reference.strategy: \"%.80s\" is none of the strategies (did you mean \"%s\"?)",
                           l->place, name, near)
                : cso_fail(err, CSO_ERR_INPUT,
                           "%s: reference.strategy: \"%.80s\" is none of the strategies (expected one such as \"%s\")", l->place,
                           name, set->strategies[0]);
}

/* U+0000 in a name (json.h). */
static bool has_zero(const char *name) {
    return strstr(name, "\xC0\x80") != NULL;
}

/* {"strategy", "content"} under a key; number -1: no strategy. */
static cso_status read_side(line *l, const char *key, int side, int *number, cso_error *err) {
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(l->record, key);
    char name[64];
    if (!cJSON_IsObject(object))
        return fail_key(l, key, "{\"strategy\", \"content\"}", err);
    const cJSON *strategy = cJSON_GetObjectItemCaseSensitive(object, "strategy"),
                *content = cJSON_GetObjectItemCaseSensitive(object, "content");
    bool missing = !strategy, none = cJSON_IsNull(strategy) || (cJSON_IsString(strategy) && !strategy->valuestring[0]);
    snprintf(name, sizeof name, "%s.strategy", key);
    if (missing || (!none && !cJSON_IsString(strategy)) || (none && !side))
        return fail_key(l, name, side ? "a string, or null for none" : "a string that is not empty", err);
    *number = -1;
    if (!none) {
        if (has_zero(strategy->valuestring))
            return cso_fail(err, CSO_ERR_INPUT, "%s: %s: has a zero character (expected a name)", l->place, name);
        CSO_TRY(find_name(l->r, strategy->valuestring, number, err));
        if (*number < 0 && !side)
            return fail_unknown(l, strategy->valuestring, err);
    }
    snprintf(name, sizeof name, "%s.content", key);
    if (!cJSON_IsString(content))
        return fail_key(l, name, "a string", err);
    return cso_json_bytes(content, &l->contents[side], &l->sizes[side], err);
}

static cso_status read_dialogue(line *l, cso_error *err) {
    reader *r = l->r;
    size_t index = r->set->count;
    uint32_t number;
    bool has = cJSON_HasObjectItem(l->record, "index");
    if (!r->set->count)
        r->indexed = has;
    if (has != r->indexed)
        return cso_fail(err, CSO_ERR_INPUT, "%s: index: %s (expected it in every line or in none)", l->place,
                        has ? "earlier lines have none" : "is missing");
    CSO_TRY(cso_json_size(l->record, "index", l->place, index, &index, err));
    CSO_TRY(numbering_of(&r->dialogues, &index, sizeof index, &number, err));
    l->item.dialogue = number;
    r->set->n_dialogues = r->dialogues.count;
    return CSO_OK;
}

static cso_status read_probability(line *l, const cJSON *entry, double *values, cso_error *err) {
    int number;
    if (!cJSON_IsNumber(entry) || !(entry->valuedouble >= 0 && entry->valuedouble <= 1))
        return fail_key(l, "probabilities", "numbers from 0 to 1", err);
    if (!entry->string[0] || has_zero(entry->string))
        return fail_key(l, "probabilities", "names of strategies", err);
    CSO_TRY(find_name(l->r, entry->string, &number, err));
    if (number < 0)
        return cso_fail(err, CSO_ERR_INPUT, "%s: probabilities: \"%.80s\" is none of the strategies", l->place, entry->string);
    values[number] = entry->valuedouble;
    return CSO_OK;
}

/* Room for all names that there may be; compacted at the end. */
static cso_status read_probabilities(line *l, cso_error *err) {
    reader *r = l->r;
    cso_predictions *set = r->set;
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(l->record, "probabilities"), *entry;
    l->item.probabilities = SIZE_MAX;
    if (!object || cJSON_IsNull(object))
        return CSO_OK;
    if (!cJSON_IsObject(object) || !object->child)
        return fail_key(l, "probabilities", "an object with a number for each strategy", err);
    if (!cso_grow(&set->probabilities, &r->probability_capacity, r->probability_count + CSO_MOST_STRATEGIES,
                  sizeof *set->probabilities))
        return cso_fail_memory(err, "probabilities");
    double *values = set->probabilities + r->probability_count;
    memset(values, 0, CSO_MOST_STRATEGIES * sizeof *values);
    cJSON_ArrayForEach(entry, object) {
        CSO_TRY(read_probability(l, entry, values, err));
    }
    l->item.probabilities = r->probability_count;
    r->probability_count += CSO_MOST_STRATEGIES;
    set->has_probabilities = true;
    return CSO_OK;
}

static cso_status read_logps(line *l, cso_error *err) {
    cso_predictions *set = l->r->set;
    cso_prediction *item = &l->item;
    const cJSON *rejected = cJSON_GetObjectItemCaseSensitive(l->record, "rejected_logps"), *one;
    CSO_TRY(cso_json_number(l->record, "reference_logp", l->place, 0, &item->reference_logp, err));
    CSO_TRY(cso_json_size(l->record, "reference_tokens", l->place, 0, &item->reference_tokens, err));
    if (cJSON_HasObjectItem(l->record, "reference_logp") != (item->reference_tokens > 0))
        return fail_key(l, "reference_logp", "it together with reference_tokens, a number from 1 on", err);
    item->first_rejected = set->n_rejected;
    if (rejected && (!cJSON_IsArray(rejected) || !item->reference_tokens))
        return fail_key(l, "rejected_logps", "an array of numbers, together with reference_logp", err);
    cJSON_ArrayForEach(one, rejected) {
        if (!cJSON_IsNumber(one))
            return fail_key(l, "rejected_logps", "an array of numbers", err);
        if (!cso_grow(&set->rejected, &l->r->rejected_capacity, set->n_rejected + 1, sizeof *set->rejected))
            return cso_fail_memory(err, "log-probabilities");
        set->rejected[set->n_rejected++] = one->valuedouble;
        item->n_rejected++;
    }
    set->has_logps = set->has_logps || item->reference_tokens;
    return CSO_OK;
}

static double count_words(const char *text, size_t size) {
    const char *word;
    size_t at = 0, word_size;
    double count = 0;
    while (python_next_word(text, size, &at, &word, &word_size))
        count++;
    return count;
}

static cso_status measure_texts(line *l, cso_error *err) {
    reader *r = l->r;
    cso_prediction *item = &l->item;
    const char *reference = l->contents[0], *prediction = l->contents[1];
    CSO_TRY(cso_rouge_l(&r->rouge, reference, l->sizes[0], prediction, l->sizes[1], &item->rouge_l, err));
    CSO_TRY(cso_bleu_add(&r->bleu, reference, l->sizes[0], prediction, l->sizes[1], &item->bleu, err));
    item->reference_words = count_words(reference, l->sizes[0]);
    item->words = count_words(prediction, l->sizes[1]);
    return cso_distinct_add(&r->set->distinct, prediction, l->sizes[1], err);
}

static cso_status read_line(line *l, cso_error *err) {
    int reference;
    CSO_TRY(read_side(l, "reference", 0, &reference, err));
    l->item.reference = (size_t)reference;
    CSO_TRY(read_side(l, "prediction", 1, &l->item.predicted, err));
    CSO_TRY(read_dialogue(l, err));
    CSO_TRY(read_probabilities(l, err));
    CSO_TRY(read_logps(l, err));
    return measure_texts(l, err);
}

/* A cso_json_visitor. */
static cso_status visit(void *context, const cJSON *record, size_t number, cso_error *err) {
    reader *r = context;
    cso_predictions *set = r->set;
    line l = {.r = r, .record = record};
    snprintf(l.place, sizeof l.place, "%s:%zu", r->path, number);
    cso_status status = read_line(&l, err);
    free(l.contents[0]);
    free(l.contents[1]);
    CSO_TRY(status);
    if (!cso_grow(&set->items, &r->item_capacity, set->count + 1, sizeof *set->items))
        return cso_fail_memory(err, "predictions");
    set->items[set->count++] = l.item;
    return CSO_OK;
}

/* A name and the number it had. */
typedef struct sorted_name {
    char *name;
    size_t number;
} sorted_name;

static int compare_names(const void *left, const void *right) {
    return strcmp(((const sorted_name *)left)->name, ((const sorted_name *)right)->name);
}

/* place[number] (n_strategies): where a name goes. */
static void place_names(cso_predictions *set, bool sort, size_t *place) {
    sorted_name names[CSO_MOST_STRATEGIES];
    for (size_t i = 0; i < set->n_strategies; i++)
        names[i] = (sorted_name){set->strategies[i], i};
    if (sort)
        qsort(names, set->n_strategies, sizeof *names, compare_names);
    for (size_t i = 0; i < set->n_strategies; i++) {
        set->strategies[i] = names[i].name;
        place[names[i].number] = i;
    }
}

/* Numbers become places in the list of names; probabilities lose the room that they do not need. */
static void settle(cso_predictions *set, bool sort) {
    size_t place[CSO_MOST_STRATEGIES], written = 0, n = set->n_strategies;
    place_names(set, sort, place);
    for (size_t i = 0; i < set->count; i++) {
        cso_prediction *item = &set->items[i];
        item->reference = place[item->reference];
        item->predicted = item->predicted < 0 ? -1 : (int)place[item->predicted];
        if (item->probabilities == SIZE_MAX)
            continue;
        double values[CSO_MOST_STRATEGIES];
        for (size_t k = 0; k < n; k++)
            values[place[k]] = set->probabilities[item->probabilities + k];
        memcpy(set->probabilities + written, values, n * sizeof *values);
        item->probabilities = written;
        written += n;
    }
}

static cso_status read_all(reader *r, FILE *file, const char *const *strategies, size_t n, cso_error *err) {
    for (size_t i = 0; i < n; i++)
        CSO_TRY(add_name(r, strategies[i], err));
    r->given = strategies != NULL;
    CSO_TRY(cso_json_each_open(file, r->path, visit, r, err));
    if (!r->set->count)
        return cso_fail(err, CSO_ERR_INPUT, "%s: no predictions (expected a line of JSON for each)", r->path);
    settle(r->set, !r->given);
    return CSO_OK;
}

cso_status cso_predictions_read(cso_predictions **predictions, FILE *file, const char *path, const char *const *strategies,
                                size_t n_strategies, cso_error *err) {
    reader r = {.set = *predictions = cso_calloc(1, sizeof **predictions), .path = path};
    if (!r.set)
        return cso_fail_memory(err, "predictions");
    cso_status status = read_all(&r, file, strategies, n_strategies, err);
    cso_rouge_free(&r.rouge);
    cso_bleu_free(&r.bleu);
    numbering_free(&r.dialogues);
    if (status != CSO_OK) {
        cso_predictions_free(r.set);
        *predictions = NULL;
    }
    return status;
}

void cso_predictions_free(cso_predictions *set) {
    if (!set)
        return;
    for (size_t i = 0; i < set->n_strategies; i++)
        free(set->strategies[i]);
    free(set->strategies);
    free(set->items);
    free(set->probabilities);
    free(set->rejected);
    cso_distinct_free(&set->distinct);
    free(set);
}
