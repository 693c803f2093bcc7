/* prediction_line.c - see prediction_line.h. */
#include "prediction_line.h"

#include "eval/python_text.h"

#include <stdlib.h>
#include <string.h>

static bool equal_folded(const char *a, size_t a_size, const char *b, size_t b_size) {
    cso_text x = {0}, y = {0};
    python_lower(&x, a, a_size);
    python_lower(&y, b, b_size);
    bool equal = !x.failed && !y.failed && x.size == y.size && (!x.size || !memcmp(x.data, y.data, x.size));
    free(x.data);
    free(y.data);
    return equal;
}

static const char *skip_blanks(const char *at, const char *end) {
    while (at < end && strchr(" \t\r\n", *at))
        at++;
    return at;
}

const char *reply_strategy(const cso_strategies *strategies, const char *text, size_t size, const char **content) {
    const char *end = text + size, *first = skip_blanks(text, end), *closed = NULL;
    *content = text;
    if (first < end && *first == '(')
        closed = memchr(first, ')', (size_t)(end - first));
    for (size_t i = 0; closed && i < strategies->count; i++) {
        const char *name = strategies->items[i].name;
        if (equal_folded(first + 1, (size_t)(closed - first - 1), name, strlen(name))) {
            *content = skip_blanks(closed + 1, end);
            return name;
        }
    }
    return NULL;
}

static void add_side(cso_text *line, const char *key, const char *strategy, const char *content, size_t size) {
    cso_text_format(line, ", \"%s\": {\"strategy\": ", key);
    if (strategy)
        cso_text_json_string(line, strategy, strlen(strategy));
    else
        cso_text_add(line, "null", 4);
    cso_text_format(line, ", \"content\": ");
    cso_text_json_string(line, content, size);
    cso_text_add(line, "}", 1);
}

static void add_scores(cso_text *line, const dialogue_turn *t, const cso_strategies *strategies, const turn_scores *scores) {
    cso_text_format(line, ", \"probabilities\": {");
    for (size_t i = 0; i < strategies->count; i++) {
        cso_text_add(line, ", ", i ? 2 : 0);
        cso_text_json_string(line, strategies->items[i].name, strlen(strategies->items[i].name));
        cso_text_add(line, ": ", 2);
        cso_text_json_number(line, scores->probabilities[i]);
    }
    cso_text_format(line, "}, \"reference_logp\": ");
    cso_text_json_number(line, scores->logps[0]);
    cso_text_format(line, ", \"reference_tokens\": %zu, \"rejected_logps\": [", t->replies[0].ids.count - t->start);
    for (size_t i = 1; i < t->n_replies; i++) {
        cso_text_add(line, ", ", i > 1 ? 2 : 0);
        cso_text_json_number(line, scores->logps[i]);
    }
    cso_text_add(line, "]", 1);
}

cso_status prediction_line_add(cso_text *line, const dialogue_turn *t, const cso_strategies *strategies, const cso_reply *reply,
                               const turn_scores *scores, const reply_origin *origin, cso_error *err) {
    const char *content;
    const char *strategy = reply_strategy(strategies, reply->text, reply->size, &content);
    cso_text_format(line, "{\"index\": %zu, \"turn\": %zu", t->index, t->turn);
    add_side(line, "reference", t->strategy, t->content, t->content_size);
    add_side(line, "prediction", strategy, content, reply->size - (size_t)(content - reply->text));
    cso_text_format(line, ", \"text\": ");
    cso_text_json_string(line, reply->text, reply->size);
    cso_text_format(line, ", \"finish_reason\": \"%s\"", cso_finish_words[reply->finish]);
    add_scores(line, t, strategies, scores);
    reply_origin_add(line, origin);
    cso_text_add(line, "}\n", 2);
    return line->failed ? cso_fail_memory(err, "a prediction") : CSO_OK;
}
