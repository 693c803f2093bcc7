/* prompts_render.c - a dialogue as the roles see it, and the texts of a question. */
#include "prompts_parts.h"

#include <stdlib.h>
#include <string.h>

const char *const prompts_placeholder_words[PLACE_COUNT] = {
    [PLACE_HISTORY] = "{history}",     [PLACE_STRATEGIES] = "{strategies}",
    [PLACE_STRATEGY] = "{strategy}",   [PLACE_STRATEGY_DESCRIPTION] = "{strategy_description}",
    [PLACE_SITUATION] = "{situation}", [PLACE_EMOTION] = "{emotion}",
};

prompts_placeholder prompts_placeholder_at(const char *text) {
    size_t i = 0;
    while (i < PLACE_COUNT && strncmp(text, prompts_placeholder_words[i], strlen(prompts_placeholder_words[i])) != 0)
        i++;
    return (prompts_placeholder)i;
}

unsigned prompts_placeholders_in(const char *text) {
    unsigned found = 0;
    for (const char *at = text; (at = strchr(at, '{')); at++)
        found |= 1U << prompts_placeholder_at(at);
    return found & ((1U << PLACE_COUNT) - 1);
}

static void add(cso_text *text, const char *words) {
    cso_text_add(text, words, strlen(words));
}

/* A text in one line: CR LF, CR and LF are a blank each. */
static void add_line(cso_text *text, const char *words) {
    while (*words) {
        size_t length = strcspn(words, "\r\n");
        cso_text_add(text, words, length);
        words += length;
        if (!*words)
            break;
        add(text, " ");
        words += words[0] == '\r' && words[1] == '\n' ? 2 : 1;
    }
}

static void begin_line(cso_text *text, size_t start) {
    if (text->size > start)
        add(text, "\n");
}

void cso_prompts_history(const cso_prompt_turn *turns, size_t count, const cso_history_options *options, cso_text *text) {
    size_t start = text->size;
    for (size_t i = options->left_out; i < count; i++) {
        const cso_prompt_turn *turn = &turns[i];
        if (i || options->greeting) {
            begin_line(text, start);
            add(text, "supporter: ");
            if (options->strategies) {
                add(text, "(");
                add_line(text, i ? turn->strategy : CSO_START_STRATEGY);
                add(text, ") ");
            }
            add_line(text, turn->supporter);
        }
        if (turn->seeker && turn->seeker[0]) {
            begin_line(text, start);
            add(text, "seeker: ");
            add_line(text, turn->seeker);
        }
    }
}

typedef struct renderer {
    const cso_prompts *prompts;
    const cso_prompt_values *values;
    cso_history_options history;
} renderer;

static void add_value(cso_text *text, const renderer *r, prompts_placeholder placeholder) {
    const cso_prompt_values *v = r->values;
    switch (placeholder) {
    case PLACE_HISTORY:
        cso_prompts_history(v->turns, v->count, &r->history, text);
        break;
    case PLACE_STRATEGIES:
        add(text, r->prompts->list);
        break;
    case PLACE_STRATEGY:
        add(text, v->strategy ? v->strategy->name : "");
        break;
    case PLACE_STRATEGY_DESCRIPTION:
        add(text, v->strategy ? v->strategy->description : "");
        break;
    case PLACE_SITUATION:
        add(text, v->situation ? v->situation : "");
        break;
    case PLACE_EMOTION:
        add(text, v->emotion ? v->emotion : "");
        break;
    case PLACE_COUNT:
        break;
    }
}

/* One pass: what is inserted is not looked at again. NULL: out of memory. */
static char *fill(const renderer *r, const char *template) {
    cso_text text = {0};
    add(&text, "");
    while (*template) {
        size_t length = strcspn(template, "{");
        cso_text_add(&text, template, length);
        template += length;
        if (!*template)
            break;
        prompts_placeholder placeholder = prompts_placeholder_at(template);
        if (placeholder == PLACE_COUNT)
            add(&text, "{");
        else
            add_value(&text, r, placeholder);
        template += placeholder == PLACE_COUNT ? 1 : strlen(prompts_placeholder_words[placeholder]);
    }
    if (text.failed)
        free(text.data);
    return text.failed ? NULL : text.data;
}

static cso_status render(renderer *r, cso_role role, size_t left_out, cso_prompt *prompt, cso_error *err) {
    cso_prompt_free(prompt);
    r->history.left_out = prompt->left_out = left_out;
    prompt->system = fill(r, r->prompts->role[role].system);
    prompt->user = fill(r, r->prompts->role[role].user);
    if (prompt->system && prompt->user)
        return CSO_OK;
    cso_prompt_free(prompt);
    return cso_fail_memory(err, "a prompt");
}

size_t cso_prompt_tokens(const cso_prompt *prompt) {
    return (strlen(prompt->system) + strlen(prompt->user) + 2) / 3;
}

cso_status cso_prompts_render(const cso_prompts *prompts, cso_role role, const cso_prompt_values *values, size_t context,
                              size_t max_tokens, cso_prompt *prompt, cso_error *err) {
    renderer r = {
        prompts, values, {.strategies = role == CSO_ROLE_STRATEGY || role == CSO_ROLE_JUDGE, .greeting = role != CSO_ROLE_JUDGE}};
    *prompt = (cso_prompt){0};
    CSO_TRY(render(&r, role, 0, prompt, err));
    size_t room = context > max_tokens ? context - max_tokens : 0;
    size_t low = 0, high = values->count ? values->count - 1 : 0; /* turns to leave out: too few up to low, high at most */
    prompt->fits = !context || cso_prompt_tokens(prompt) <= room;
    if (prompt->fits)
        return CSO_OK;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        CSO_TRY(render(&r, role, middle, prompt, err));
        *(cso_prompt_tokens(prompt) <= room ? &high : &low) = middle;
    }
    CSO_TRY(render(&r, role, high, prompt, err));
    prompt->fits = cso_prompt_tokens(prompt) <= room;
    return CSO_OK;
}

void cso_prompt_free(cso_prompt *prompt) {
    free(prompt->system);
    free(prompt->user);
    *prompt = (cso_prompt){0};
}
