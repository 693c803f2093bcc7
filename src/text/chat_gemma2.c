/* chat_gemma2.c - the template of gemma-2-it.
 *
 * Roles must alternate, contents are trimmed, the assistant is called model. The template refuses a system message; ours
 * puts its text before the first user turn, with a blank line between, as users of Gemma do by hand: the two are joined as
 * they are and then trimmed as one content.
 */
#include "chat_template.h"

#include <stdlib.h>
#include <string.h>

static void turn(cso_rendering *out, const char *role) {
    cso_render_special(out, "<start_of_turn>");
    cso_render_text(out, role);
    cso_render_text(out, "\n");
}

static void end(cso_rendering *out) {
    cso_render_special(out, "<end_of_turn>");
    cso_render_text(out, "\n");
}

static cso_status merged_turn(cso_rendering *out, const cso_message *system, const cso_message *user, cso_error *err) {
    cso_text joined = {0};
    cso_text_add(&joined, system->content, system->size);
    cso_text_add(&joined, "\n\n", 2);
    cso_text_add(&joined, user->content, user->size);
    if (joined.failed) {
        free(joined.data);
        return cso_fail_memory(err, "a chat");
    }
    turn(out, "user");
    cso_render_trimmed(out, joined.data, joined.size);
    end(out);
    free(joined.data);
    return CSO_OK;
}

/* What comes before the first message that is a turn by itself, whose index *first gets. */
static cso_status begin(cso_rendering *out, const cso_chat_request *request, size_t *first, cso_error *err) {
    const cso_message *messages = request->messages;
    *first = 0;
    cso_render_special(out, "<bos>");
    if (!cso_has_role(&messages[0], "system"))
        return CSO_OK;
    if (request->count < 2 || !cso_has_role(&messages[1], "user"))
        return cso_fail(err, CSO_ERR_INPUT, "System role not supported (gemma2 takes a system message only before a user turn)");
    *first = 2;
    return merged_turn(out, &messages[0], &messages[1], err);
}

static cso_status render(cso_rendering *out, const cso_chat_request *request, size_t first, cso_error *err) {
    const cso_message *messages = request->messages;
    size_t system = cso_has_role(&messages[0], "system"); /* with a system message, message 1 is turn 0 */
    if (!first)
        CSO_TRY(begin(out, request, &first, err));
    for (size_t i = first; i < request->count; i++) {
        bool user = (i - system) % 2 == 0;
        cso_render_cut(out, i);
        if (cso_has_role(&messages[i], "user") != user)
            return cso_fail(err, CSO_ERR_INPUT, "Conversation roles must alternate user/assistant/user/assistant/...");
        turn(out, cso_has_role(&messages[i], "assistant") ? "model" : messages[i].role);
        cso_render_turn_begin(out, &messages[i]);
        cso_render_trimmed(out, messages[i].content, messages[i].size);
        end(out);
        cso_render_turn_end(out, &messages[i]);
    }
    cso_render_cut(out, request->count);
    if (request->add_generation_prompt)
        turn(out, "model");
    return CSO_OK;
}

static const uint64_t versions[] = {
    0x2c2e86beabccd2a4, /* google/gemma-2-2b-it */
    0x7166a91d402fa38f, /* cso-inspect --make-model gemma2 */
    0,
};

const cso_chat_template cso_chat_gemma2 = {
    .name = "gemma2", .end_of_turn = "<end_of_turn>", .hint = "<start_of_turn>", .versions = versions, .render = render};
