/* engine_forms.c - what answers of the roles look like, as constraints that leave nothing else.
 *
 * The strategy role writes free text, then "```json", an object with a whole number from 0 to 10 for each strategy, and "```". The
 * judge writes four lines. What is fixed in these forms is fed, not asked for, so the most tokens that a form takes are known, and
 * the free text ends early enough. Supporter and seeker write one line; one that reaches max_tokens is cut behind its last sentence:
 * asking again would give another that is as long.
 */
#include "base/memory.h"
#include "engine_parts.h"
#include "io/json.h"
#include "search_options.h"

#include <stdlib.h>
#include <string.h>

#define MARK "```json\n"
static const char *const SCORES[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"};
static const char *const LEVELS[] = {"0", "1", "2", "3", "4"};
enum { N_SCORES = sizeof SCORES / sizeof *SCORES, N_LEVELS = sizeof LEVELS / sizeof *LEVELS, CHARACTER_BYTES = 4 };

/* The most tokens that any end of a text takes: the beginning may be part of a token that was chosen. */
static cso_status count_tokens(const cso_tokenizer *tokenizer, const char *text, size_t *most, cso_error *err) {
    size_t size = strlen(text);
    cso_status status = CSO_OK;
    cso_ids ids = {0};
    *most = 0;
    for (size_t i = 0; status == CSO_OK && i < size; i++) {
        ids.count = 0;
        status = cso_tokenizer_encode(tokenizer, text + i, size - i, false, &ids, err);
        *most = ids.count > *most ? ids.count : *most;
    }
    free(ids.ids);
    return status;
}

/* The most tokens of a form: a choice may take one for each byte, and one more may reach into the text behind it. */
static cso_status count_form(const cso_tokenizer *tokenizer, const cso_form_part *parts, size_t n, size_t *most, cso_error *err) {
    *most = 0;
    for (size_t i = 0; i < n; i++) {
        size_t tokens = 0;
        for (size_t j = 0; j < parts[i].count && parts[i].count > 1; j++)
            tokens = strlen(parts[i].texts[j]) > tokens ? strlen(parts[i].texts[j]) : tokens;
        if (parts[i].count == 1)
            CSO_TRY(count_tokens(tokenizer, parts[i].texts[0], &tokens, err));
        *most += tokens + 1;
    }
    return CSO_OK;
}

/* A form with its texts: fixed ones and choices by turns. */
typedef struct written_form {
    cso_form_part *parts; /* (n) */
    const char **fixed;   /* (n) each part's own text, NULL for choices */
    size_t n;
} written_form;

static void form_free(written_form *form) {
    for (size_t i = 0; form->fixed && i < form->n; i++)
        free((char *)form->fixed[i]);
    free(form->fixed);
    free(form->parts);
}

static cso_status form_add(written_form *form, cso_text *text, const char *const *choices, size_t count, cso_error *err) {
    if (text->failed || !text->data)
        return cso_fail_memory(err, "a form");
    form->fixed[form->n] = text->data;
    form->parts[form->n] = (cso_form_part){&form->fixed[form->n], 1};
    form->n++;
    *text = (cso_text){0};
    if (choices)
        form->parts[form->n++] = (cso_form_part){choices, count};
    return CSO_OK;
}

static cso_status write_scores(written_form *form, const cso_strategies *strategies, cso_error *err) {
    cso_text text = {0};
    cso_status status = CSO_OK;
    for (size_t i = 0; status == CSO_OK && i < strategies->count; i++) {
        cso_text_add(&text, i ? ", " : "{", i ? 2 : 1);
        cso_text_json_string(&text, strategies->items[i].name, strlen(strategies->items[i].name));
        cso_text_add(&text, ": ", 2);
        status = form_add(form, &text, SCORES, N_SCORES, err);
    }
    cso_text_add(&text, "}\n```", 5);
    if (status == CSO_OK)
        status = form_add(form, &text, NULL, 0, err);
    free(text.data);
    return status;
}

static cso_status write_levels(written_form *form, cso_error *err) {
    cso_text text = {0};
    cso_status status = CSO_OK;
    for (size_t i = 0; status == CSO_OK && i < CSO_CRITERIA; i++) {
        cso_text_format(&text, i ? "\n%zu: " : "%zu: ", i + 1);
        status = form_add(form, &text, LEVELS, N_LEVELS, err);
    }
    free(text.data);
    return status;
}

static cso_status too_small(const engine_role *role, const char *name, size_t most, cso_error *err) {
    if (role->player->max_tokens >= most)
        return CSO_OK;
    return cso_fail(err, CSO_ERR_USAGE,
                    "role.%s.max_tokens is %zu, and the form of its answers takes up to %zu (expected at least that)", name,
                    role->player->max_tokens, most);
}

/* Free text of one token at least goes before the scores. */
static cso_status make_scores(engine_role *role, const written_form *form, cso_error *err) {
    const engine_model *model = role->model;
    size_t mark, most;
    CSO_TRY(count_form(model->tokenizer, form->parts, form->n, &most, err));
    CSO_TRY(count_tokens(model->tokenizer, MARK, &mark, err));
    most += mark + CHARACTER_BYTES; /* of a character that is finished after the last token of the free text, and the mark's */
    CSO_TRY(too_small(role, cso_role_words[CSO_ROLE_STRATEGY], most + 1, err));
    const cso_free_text reasons = {.mark = MARK, .max_tokens = role->player->max_tokens - most, .ends = true};
    return cso_constraint_form(&role->constraint, model->trie, form->parts, form->n, &reasons, err);
}

static cso_status make_levels(engine_role *role, const written_form *form, cso_error *err) {
    size_t most;
    CSO_TRY(count_form(role->model->tokenizer, form->parts, form->n, &most, err));
    CSO_TRY(too_small(role, cso_role_words[CSO_ROLE_JUDGE], most, err));
    role->prefix = "1: ";
    return cso_constraint_form(&role->constraint, role->model->trie, form->parts, form->n, NULL, err);
}

static cso_status make_form(engine_role *role, const cso_strategies *strategies, cso_error *err) {
    size_t most = 2 * (strategies ? strategies->count : CSO_CRITERIA) + 1;
    written_form form = {.parts = cso_calloc(most, sizeof *form.parts), .fixed = cso_calloc(most, sizeof *form.fixed)};
    cso_status status = form.parts && form.fixed ? CSO_OK : cso_fail_memory(err, "a form");
    if (status == CSO_OK)
        status = strategies ? write_scores(&form, strategies, err) : write_levels(&form, err);
    if (status == CSO_OK)
        status = strategies ? make_scores(role, &form, err) : make_levels(role, &form, err);
    form_free(&form);
    return status;
}

cso_status engine_forms_make(engine_role *role, cso_role which, const cso_strategies *strategies, cso_error *err) {
    static const char *const ENDS[] = {"</end/>", "<end>"}, *const NO_ENDS[] = {"/end/", "<end>"};
    const cso_line line = {0}, answer = {ENDS, 2, true}, opening = {NO_ENDS, 2, false};
    const cso_token_trie *trie = role->model->trie;
    role->line = which == CSO_ROLE_SUPPORTER || which == CSO_ROLE_SEEKER;
    if (which == CSO_ROLE_STRATEGY)
        return make_form(role, strategies, err);
    if (which == CSO_ROLE_JUDGE)
        return make_form(role, NULL, err);
    if (which == CSO_ROLE_SEEKER)
        CSO_TRY(cso_constraint_line(&role->opening, trie, &opening, err));
    return cso_constraint_line(&role->constraint, trie, which == CSO_ROLE_SEEKER ? &answer : &line, err);
}

void engine_forms_free(engine_role *role) {
    cso_constraint_free(role->constraint);
    cso_constraint_free(role->opening);
}

void engine_cut_line(char *text) {
    size_t size = strlen(text), sentence = 0, word = 0;
    for (size_t i = 0; i < size; i++) {
        size_t behind = i + 1 + strspn(text + i + 1, "\"')*");
        if (strchr(".!?", text[i]) && (!text[behind] || text[behind] == ' '))
            sentence = behind;
        if (text[i] == ' ' && i && text[i - 1] != ' ')
            word = i;
    }
    if (sentence || word)
        text[sentence ? sentence : word] = '\0';
}
