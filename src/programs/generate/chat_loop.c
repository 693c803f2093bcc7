/* chat_loop.c - see chat_loop.h. */
#include "chat_loop.h"

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "chat_state.h"
#include "data/messages.h"
#include "screen_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_COLUMNS = 100, LEAST_COLUMNS = 20, USUAL_COLUMNS = 80, MAX_CHAT_BYTES = 1 << 26 };

size_t chat_columns(const chat *c) {
    size_t columns = c->terminal ? cso_terminal_columns(STDOUT_FILENO) : 0;
    columns = columns ? columns : USUAL_COLUMNS;
    return columns > MOST_COLUMNS ? MOST_COLUMNS : columns < LEAST_COLUMNS ? LEAST_COLUMNS : columns;
}

void chat_say(const chat *c, const char *format, ...) {
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    screen_writer out = {.out = stdout, .width = c->terminal ? chat_columns(c) : 0};
    screen_write(&out, text, strlen(text));
    screen_flush(&out);
    screen_writer_free(&out);
    putchar('\n');
    fflush(stdout);
}

static const char *role_of(const cso_message *message) {
    static const char *const ROLES[] = {"system", "user", "assistant"};
    for (size_t i = 0; i < sizeof ROLES / sizeof *ROLES; i++)
        if (!strcmp(ROLES[i], message->role))
            return ROLES[i];
    return NULL;
}

static cso_status take_messages(chat *c, const cJSON *json, const char *path, cso_error *err) {
    message_list list = {0};
    const cJSON *messages = cJSON_IsObject(json) ? cJSON_GetObjectItemCaseSensitive(json, "messages") : json;
    cso_status status = message_list_read(&list, messages, path, "messages", false, err);
    if (status == CSO_OK)
        status = message_list_check_roles(&list, path, "messages", err);
    for (size_t i = 0; status == CSO_OK && i < list.count; i++)
        status = chat_branches_say(&c->branches, role_of(&list.items[i]), list.items[i].content, list.items[i].size, err);
    message_list_free(&list);
    return status;
}

/* The dialogue's beginning: a file's messages, or the system prompt. */
static cso_status begin(chat *c, const char *from, cso_error *err) {
    const generate_session *s = c->session;
    const char *system = s->system_prompt;
    const chat_branch *branch;
    cJSON *json = NULL;
    if (from) {
        CSO_TRY(cso_json_read(&json, from, MAX_CHAT_BYTES, err));
        cso_status status = take_messages(c, json, from, err);
        cJSON_Delete(json);
        CSO_TRY(status);
    } else if (system && system[0]) {
        CSO_TRY(chat_branches_say(&c->branches, "system", system, strlen(system), err));
    }
    branch = chat_branches_current(&c->branches);
    bool lists_them = branch->count && !strcmp(branch->messages[0].role, "system") &&
                      !strcmp(branch->messages[0].content, cso_strategies_prompt(s->strategies));
    c->strategies = s->arguments->strategies || lists_them;
    return CSO_OK;
}

/* A reply that begins with its strategy is no choice and no JSON, unless these come after a text. */
static cso_status check_options(const chat *c, cso_error *err) {
    const reply_options *o = c->session->defaults;
    if (o->strategy_probabilities && !c->strategies)
        return cso_fail(err, CSO_ERR_USAGE, "--chat shows the strategies' probabilities with --strategies (expected --strategies)");
    if (c->strategies && (o->schema || o->choices.count) && !o->after)
        return cso_fail(err, CSO_ERR_USAGE,
                        "--chat with strategies begins each reply with one, which %s does not allow (expected --after, or a chat "
                        "without strategies)",
                        o->schema ? "--schema" : "--choices");
    return CSO_OK;
}

static void greet(const chat *c) {
    const generate_arguments *o = c->session->arguments;
    chat_say(c, o->adapter ? "%s with %s" : "%s", cso_path_name(o->model), o->adapter);
    chat_say(c, "Type a message. /help lists the commands; Ctrl-D leaves.");
    chat_show_last(c);
}

static cso_status talk(chat *c, cso_error *err) {
    while (!c->over) {
        const char *line;
        size_t size, blank;
        char prompt[32] = "you>";
        if (c->branches.count > 1)
            snprintf(prompt, sizeof prompt, "you %zu>", c->branches.current + 1);
        if (c->terminal)
            putchar('\n');
        fflush(stdout);
        CSO_TRY(line_editor_read(c->editor, prompt, &line, &size, err));
        if (!line)
            break;
        for (blank = 0; blank < size && strchr(" \t", line[blank]);)
            blank++;
        if (blank == size)
            continue;
        CSO_TRY(line[0] == '/' ? chat_command(c, line, size, err) : chat_reply(c, line, size, err));
    }
    return CSO_OK;
}

cso_status chat_loop(generate_session *session, const char *from, cso_error *err) {
    const char *no_colour = getenv("NO_COLOR");
    chat c = {.session = session, .blocks = screen_locale(), .terminal = isatty(STDOUT_FILENO) == 1};
    c.colour = cso_terminal_replaces_lines(STDOUT_FILENO) && !(no_colour && *no_colour);
    cso_status status = chat_branches_init(&c.branches, err);
    if (status == CSO_OK)
        status = begin(&c, from, err);
    if (status == CSO_OK)
        status = check_options(&c, err);
    if (status == CSO_OK)
        status = line_editor_create(&c.editor, "cso-generate", chat_command_names, err);
    if (status == CSO_OK && c.terminal)
        greet(&c);
    if (status == CSO_OK)
        status = talk(&c, err);
    line_editor_free(c.editor);
    chat_branches_free(&c.branches);
    free(c.saved);
    return status;
}
