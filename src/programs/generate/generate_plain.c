/* generate_plain.c - one reply as plain text, written as it comes. */
#include "generate_batch.h"
#include "reply_request.h"
#include "screen_text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct plain {
    const cso_request *request; /* NULL: given */
    bool terminal;
    screen_writer screen; /* of a terminal, which must not obey what the model writes */
} plain;

static cso_status write_text(plain *p, const char *text, size_t size, cso_error *err) {
    if (p->terminal) {
        screen_write(&p->screen, text, size);
        return CSO_OK;
    }
    bool written = fwrite(text, 1, size, stdout) == size && fflush(stdout) == 0;
    return written ? CSO_OK : cso_fail_errno(err, "write", "standard output");
}

static cso_status next_request(void *context, const cso_request **request, cso_error *err) {
    plain *p = context;
    (void)err;
    *request = p->request;
    p->request = NULL;
    return CSO_OK;
}

static cso_status take_token(void *context, const cso_reply_token *token, bool *stop, cso_error *err) {
    (void)stop;
    return token->size ? write_text(context, token->text, token->size, err) : CSO_OK;
}

cso_status generate_plain(generate_session *s, const prompt_rows *rows, cso_error *err) {
    plain p = {.terminal = isatty(STDOUT_FILENO) == 1, .screen = {.out = stdout}};
    reply_request *request = NULL;
    cso_generate_options options = generate_session_options(s);
    options.context = &p;
    options.next = next_request;
    options.token = take_token;
    cso_status status;
    CSO_TRY_DONE(reply_request_create(&request, s, &rows->items[0], err));
    p.request = &request->request;
    CSO_TRY_DONE(cso_request_check(p.request, &options, s->decoder, err));
    CSO_TRY_DONE(cso_generate(s->decoder, &options, err));
    if (p.terminal)
        screen_flush(&p.screen);
    status = fputc('\n', stdout) == EOF || fflush(stdout) ? cso_fail_errno(err, "write", "standard output") : CSO_OK;
done:
    screen_writer_free(&p.screen);
    reply_request_free(request);
    return status;
}
