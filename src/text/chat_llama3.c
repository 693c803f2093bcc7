/* chat_llama3.c - the template of Llama-3.1-Instruct and 3.2-Instruct, without their tools.
 *
 * A system header with two dates always comes first; "26 Jul 2024" is what both templates write if no date is given: a clock would
 * make training depend on the day it began. Every content is trimmed.
 */
#include "chat_template.h"

#include <string.h>

static void header(cso_rendering *out, const char *role) {
    cso_render_special(out, "<|start_header_id|>");
    cso_render_text(out, role);
    cso_render_special(out, "<|end_header_id|>");
    cso_render_text(out, "\n\n");
}

/* The header, with the system message if there is one. Gives the number of messages that are written. */
static size_t begin(cso_rendering *out, const cso_message *messages) {
    size_t first = cso_has_role(&messages[0], "system") ? 1 : 0;
    cso_render_special(out, "<|begin_of_text|>");
    header(out, "system");
    cso_render_text(out, "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n");
    if (first)
        cso_render_trimmed(out, messages[0].content, messages[0].size);
    cso_render_special(out, "<|eot_id|>");
    return first;
}

static cso_status render(cso_rendering *out, const cso_chat_request *request, size_t first, cso_error *err) {
    (void)err;
    const cso_message *messages = request->messages;
    for (size_t i = first ? first : begin(out, messages); i < request->count; i++) {
        cso_render_cut(out, i);
        header(out, messages[i].role);
        cso_render_turn_begin(out, &messages[i]);
        cso_render_trimmed(out, messages[i].content, messages[i].size);
        cso_render_special(out, "<|eot_id|>");
        cso_render_turn_end(out, &messages[i]);
    }
    cso_render_cut(out, request->count);
    if (request->add_generation_prompt)
        header(out, "assistant");
    return CSO_OK;
}

static const uint64_t versions[] = {
    0x301acff0d796d163, /* meta-llama/Llama-3.1-8B-Instruct */
    0xfd5fd28505f849dc, /* meta-llama/Llama-3.2-3B-Instruct, which takes today's date where the renderer has a clock */
    0xa123ffd23aea3d99, /* cso-inspect --make-model llama */
    0,
};

const cso_chat_template cso_chat_llama3 = {
    .name = "llama3", .end_of_turn = "<|eot_id|>", .hint = "<|start_header_id|>", .versions = versions, .render = render};
