/* chat_reply.c - a reply in a chat: the probabilities of the strategies, the one that is picked, and the reply as it comes. */
#include "base/memory.h"
#include "base/rng.h"
#include "base/signals.h"
#include "chat_state.h"
#include "reply_request.h"
#include "screen_text.h"
#include "strategy_bars.h"
#include "strategy_scores.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A reply that is being made. */
typedef struct chat_turn {
    chat *chat;
    reply_options options;
    prompt_row row;
    const cso_request *request; /* NULL: given */
    screen_writer screen;
    char *text; /* of the finished reply */
    size_t size;
    bool interrupted;
} chat_turn;

static cso_status next_request(void *context, const cso_request **request, cso_error *err) {
    chat_turn *t = context;
    (void)err;
    *request = t->request;
    t->request = NULL;
    return CSO_OK;
}

static cso_status take_token(void *context, const cso_reply_token *token, bool *stop, cso_error *err) {
    chat_turn *t = context;
    t->screen.width = t->chat->terminal ? chat_columns(t->chat) : 0;
    if (token->size)
        screen_write(&t->screen, token->text, token->size);
    if (cso_signals_interrupt())
        *stop = t->interrupted = true;
    return cso_signals_stop() ? cso_fail(err, CSO_STOPPED, "stopped by signal %d", cso_signals_stop()) : CSO_OK;
}

static cso_status take_reply(void *context, const cso_reply *reply, cso_error *err) {
    chat_turn *t = context;
    t->size = reply->size;
    t->text = cso_strndup(reply->text, reply->size);
    return t->text ? CSO_OK : cso_fail_memory(err, "a reply");
}

/* Draws one by probability to the power of 1 / temperature; temperature 0: the most probable. */
static size_t pick(const double *probabilities, size_t count, double temperature, uint64_t seed, size_t number) {
    size_t best = 0;
    double sum = 0;
    for (size_t i = 1; i < count; i++)
        if (probabilities[i] > probabilities[best])
            best = i;
    if (temperature <= 0)
        return best;
    for (size_t i = 0; i < count; i++)
        sum += pow(probabilities[i] / probabilities[best], 1 / temperature);
    cso_rng rng = cso_rng_make(seed, CSO_STREAM_SAMPLE, number);
    double draw = sum * cso_rng_float(&rng);
    for (size_t i = 0; i < count; i++) {
        draw -= pow(probabilities[i] / probabilities[best], 1 / temperature);
        if (draw < 0)
            return i;
    }
    return best;
}

static void show_bars(const chat *c, const double *probabilities, size_t picked) {
    cso_text text = {0};
    const bar_style style = {.columns = chat_columns(c), .bold = c->colour, .blocks = c->blocks};
    strategy_bars_add(&text, c->session->strategies, probabilities, picked, &style);
    if (text.data && !text.failed)
        fwrite(text.data, 1, text.size, stdout);
    putchar('\n');
    fflush(stdout);
    free(text.data);
}

/* Scores the strategies after the dialogue, picks one and shows it. */
static cso_status choose_strategy(chat_turn *t, cso_error *err) {
    chat *c = t->chat;
    const cso_strategies *known = c->session->strategies;
    double *probabilities = cso_calloc(known->count, sizeof *probabilities);
    if (!probabilities)
        return cso_fail_memory(err, "a reply");
    const cso_ids *prompt = &t->row.ids;
    cso_status status = strategy_scores(c->session, &prompt, 1, probabilities, err);
    if (status == CSO_OK) {
        size_t picked = pick(probabilities, known->count, t->options.temperature, t->options.seed, c->made);
        const char *forced = c->forced ? c->forced : t->options.strategy;
        for (size_t i = 0; forced && i < known->count; i++)
            if (!strcmp(known->items[i].name, forced))
                picked = i;
        t->options.strategy = known->items[picked].name;
        show_bars(c, probabilities, picked);
    }
    free(probabilities);
    return status;
}

static cso_status make(chat_turn *t, cso_error *err) {
    generate_session *s = t->chat->session;
    reply_request *request = NULL;
    cso_generate_options options = generate_session_options(s);
    options.context = t;
    options.next = next_request;
    options.token = take_token;
    options.finished = take_reply;
    CSO_TRY(reply_request_create(&request, s, &t->row, err));
    t->request = &request->request;
    cso_status status = cso_generate(s->decoder, &options, err);
    reply_request_free(request);
    screen_flush(&t->screen);
    putchar('\n');
    if (t->interrupted)
        chat_say(t->chat, "[stopped]");
    return status;
}

/* Tells once that the dialogue may get longer than the model was trained for. */
static void check_length(const chat_turn *t) {
    chat *c = t->chat;
    size_t context = c->session->base.model->hparams.max_positions;
    if (!context || c->long_told || t->row.ids.count + t->options.max_tokens <= context)
        return;
    chat_say(c, "The dialogue has %zu tokens; the model was trained for %zu.", t->row.ids.count, context);
    c->long_told = true;
}

static cso_status render(chat_turn *t, cso_error *err) {
    const chat *c = t->chat;
    const chat_branch *branch = chat_branches_current(&c->branches);
    const cso_chat_request request = {branch->messages, branch->count, true, c->session->arguments->parse_special};
    t->row = (prompt_row){.options = &t->options, .place = "chat"};
    return cso_chat_render(c->session->base.chat, c->session->base.tokenizer, &request, &t->row.ids, NULL, NULL, err);
}

static cso_status reply(chat_turn *t, cso_error *err) {
    chat *c = t->chat;
    cso_error problem = {0};
    if (render(t, &problem) != CSO_OK) {
        chat_branches_undo(&c->branches);
        chat_say(c, "Not sent: %s", problem.message);
        return CSO_OK;
    }
    check_length(t);
    if (c->terminal)
        putchar('\n');
    cso_signals_accept_interrupt(true);
    cso_signals_hold();
    line_editor_mute(c->editor, true);
    cso_status status = c->strategies ? choose_strategy(t, err) : CSO_OK;
    if (status == CSO_OK)
        status = make(t, err);
    line_editor_mute(c->editor, false);
    cso_signals_accept_interrupt(false);
    CSO_TRY(status);
    cso_signals_release();
    c->made++;
    c->forced = NULL;
    if (t->size)
        return chat_branches_say(&c->branches, "assistant", t->text, t->size, err);
    chat_branches_undo(&c->branches);
    chat_say(c, "The reply is empty; your message is taken back.");
    return CSO_OK;
}

cso_status chat_reply(chat *c, const char *text, size_t size, cso_error *err) {
    chat_turn t = {.chat = c, .options = *c->session->defaults, .screen = {.out = stdout}};
    t.options.n = 1;
    t.options.logprobs = false;
    t.options.alternatives = 0;
    t.options.seed += c->made; /* the same message again gets another draw */
    CSO_TRY(chat_branches_say(&c->branches, "user", text, size, err));
    cso_status status = reply(&t, err);
    screen_writer_free(&t.screen);
    free(t.row.ids.ids);
    free(t.text);
    return status;
}
