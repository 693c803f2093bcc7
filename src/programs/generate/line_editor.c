/* line_editor.c - see line_editor.h.
 *
 * libedit reads through get_character, which waits in slices: so it sees a signal that asks to stop, a new width of the window, and
 * that a shell took the terminal's modes back while the process was stopped (Ctrl-Z), without handlers of its own.
 */
#include "line_editor.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#ifdef CSO_HAVE_LIBEDIT
#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <wchar.h>
#endif

struct line_editor {
    const char *const *commands;
    const char *prompt;
    char *plain; /* of getline */
    size_t plain_capacity;
    bool muted;
    struct termios modes; /* before it was muted */
#ifdef CSO_HAVE_LIBEDIT
    EditLine *edit; /* NULL: no editing */
    History *history;
    char shown[64]; /* the prompt with bold type */
    size_t columns;
#endif
};

#ifdef CSO_HAVE_LIBEDIT
enum { HISTORY_LINES = 500, WAIT_MILLISECONDS = 100 };

static line_editor *editor_of(EditLine *edit) {
    void *editor = NULL;
    el_get(edit, EL_CLIENTDATA, &editor);
    return editor;
}

static char *show_prompt(EditLine *edit) {
    return editor_of(edit)->shown;
}

/* What changed while nobody typed. */
static void look_at_terminal(line_editor *e, EditLine *edit) {
    struct termios modes;
    size_t columns = cso_terminal_columns(STDIN_FILENO);
    if (columns != e->columns) {
        e->columns = columns;
        el_resize(edit);
        el_set(edit, EL_REFRESH);
    }
    if (!tcgetattr(STDIN_FILENO, &modes) && (modes.c_lflag & ICANON)) {
        el_set(edit, EL_PREP_TERM, 1);
        el_set(edit, EL_REFRESH);
    }
}

/* 1: a byte; 0: the input ended, or a signal came. */
static int get_byte(line_editor *e, EditLine *edit, char *byte) {
    for (;;) {
        struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
        int ready = poll(&in, 1, WAIT_MILLISECONDS);
        if (cso_signals_stop())
            return 0;
        if (ready > 0) {
            ssize_t got = read(STDIN_FILENO, byte, 1);
            if (got >= 0 || errno != EINTR)
                return got == 1;
        } else {
            look_at_terminal(e, edit);
        }
    }
}

static int get_character(EditLine *edit, wchar_t *character) {
    line_editor *e = editor_of(edit);
    mbstate_t state = {0};
    char byte;
    for (;;) {
        if (!get_byte(e, edit, &byte))
            return 0;
        size_t used = mbrtowc(character, &byte, 1, &state);
        if (used == (size_t)-2)
            continue; /* within a character */
        if (used != (size_t)-1)
            return 1;
        memset(&state, 0, sizeof state); /* ill-formed: dropped */
    }
}

/* Tab: the only command that begins as the line does. */
static unsigned char complete(EditLine *edit, int character) {
    (void)character;
    const LineInfo *line = el_line(edit);
    size_t size = (size_t)(line->cursor - line->buffer);
    const char *found = NULL;
    for (const char *const *command = editor_of(edit)->commands; *command && size; command++) {
        if (strncmp(*command, line->buffer, size))
            continue;
        if (found)
            return CC_ERROR;
        found = *command;
    }
    if (!found || el_insertstr(edit, found + size) || el_insertstr(edit, " "))
        return CC_ERROR;
    return CC_REFRESH;
}

static cso_status start_editing(line_editor *e, const char *program, cso_error *err) {
    HistEvent event;
    e->edit = el_init(program, stdin, stdout, stderr);
    e->history = history_init();
    if (!e->edit || !e->history)
        return cso_fail_memory(err, "line editing");
    history(e->history, &event, H_SETSIZE, HISTORY_LINES);
    history(e->history, &event, H_SETUNIQUE, 1);
    el_set(e->edit, EL_CLIENTDATA, e);
    el_set(e->edit, EL_EDITOR, "emacs");
    el_set(e->edit, EL_PROMPT_ESC, show_prompt, '\1');
    el_set(e->edit, EL_SIGNAL, 0);
    el_set(e->edit, EL_HIST, history, e->history);
    el_wset(e->edit, EL_ADDFN, L"cso-complete", L"completes a command", complete); /* el_set would keep copies for ever */
    el_set(e->edit, EL_BIND, "^I", "cso-complete", NULL);
    el_set(e->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(e->edit, NULL); /* what a person prefers */
    el_set(e->edit, EL_GETCFN, get_character);
    return CSO_OK;
}

static cso_status read_edited(line_editor *e, const char **line, size_t *size, cso_error *err) {
    HistEvent event;
    int count = 0;
    const char *no_colour = getenv("NO_COLOR");
    bool bold = !(no_colour && *no_colour);
    /* a sequence is written with the character behind it, so the prompt ends with a blank */
    snprintf(e->shown, sizeof e->shown, bold ? "\1\033[1m\1%s\1\033[0m\1 " : "%s ", e->prompt);
    e->columns = cso_terminal_columns(STDIN_FILENO);
    el_resize(e->edit);
    cso_signals_hold();               /* a signal must not leave the terminal as the editor needs it */
    el_set(e->edit, EL_PREP_TERM, 1); /* before the prompt: what is typed as soon as it shows is meant for the editor */
    *line = el_gets(e->edit, &count);
    el_set(e->edit, EL_PREP_TERM, 0);
    if (cso_signals_stop()) {
        putchar('\n');
        fflush(stdout);
        return cso_fail(err, CSO_STOPPED, "stopped by signal %d", cso_signals_stop());
    }
    cso_signals_release();
    if (!*line || count <= 0) {
        *line = NULL;
        return CSO_OK;
    }
    *size = (size_t)count;
    if (strspn(*line, " \t\n") < *size)
        history(e->history, &event, H_ENTER, *line);
    return CSO_OK;
}
#endif

cso_status line_editor_create(line_editor **editor, const char *program, const char *const *commands, cso_error *err) {
    line_editor *e = *editor = cso_calloc(1, sizeof *e);
    if (!e)
        return cso_fail_memory(err, "line editing");
    e->commands = commands;
#ifdef CSO_HAVE_LIBEDIT
    if (isatty(STDIN_FILENO) == 1 && cso_terminal_replaces_lines(STDOUT_FILENO))
        return start_editing(e, program, err);
#else
    (void)program;
#endif
    return CSO_OK;
}

void line_editor_mute(line_editor *e, bool mute) {
    if (mute == e->muted || (mute && (isatty(STDIN_FILENO) != 1 || tcgetattr(STDIN_FILENO, &e->modes))))
        return;
    struct termios modes = e->modes;
    if (mute)
        modes.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &modes);
    e->muted = mute;
}

void line_editor_free(line_editor *e) {
    if (!e)
        return;
    line_editor_mute(e, false);
#ifdef CSO_HAVE_LIBEDIT
    if (e->edit)
        el_end(e->edit);
    if (e->history)
        history_end(e->history);
#endif
    free(e->plain);
    free(e);
}

static cso_status read_plain(line_editor *e, const char **line, size_t *size, cso_error *err) {
    if (isatty(STDIN_FILENO) == 1) {
        printf("%s ", e->prompt);
        fflush(stdout);
    }
    ssize_t count = getline(&e->plain, &e->plain_capacity, stdin);
    if (count < 0 && ferror(stdin))
        return cso_fail_errno(err, "read", "standard input");
    *line = count < 0 ? NULL : e->plain;
    *size = count < 0 ? 0 : (size_t)count;
    return CSO_OK;
}

cso_status line_editor_read(line_editor *e, const char *prompt, const char **line, size_t *size, cso_error *err) {
    *size = 0;
    e->prompt = prompt;
#ifdef CSO_HAVE_LIBEDIT
    if (e->edit)
        CSO_TRY(read_edited(e, line, size, err));
    else
#endif
        CSO_TRY(read_plain(e, line, size, err));
    while (*line && *size && strchr("\r\n", (*line)[*size - 1]))
        (*size)--;
    return CSO_OK;
}
