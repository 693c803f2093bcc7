/* chat_chatml.c - the templates that write ChatML: Qwen2.5-Instruct's (chatml) and SmolLM2-Instruct's (smollm2), without tools.
 *
 * Both add their own system message if the first message is not a system message (an empty one counts). Contents are not trimmed.
 */
#include "chat_template.h"

static void turn(cso_rendering *out, const cso_message *message) {
    cso_render_special(out, "<|im_start|>");
    cso_render_text(out, message->role);
    cso_render_turn_begin(out, message);
    cso_render_text(out, "\n");
    cso_render_bytes(out, message->content, message->size);
    cso_render_special(out, "<|im_end|>");
    cso_render_text(out, "\n");
    cso_render_turn_end(out, message);
}

static cso_status render(cso_rendering *out, const cso_chat_request *request, size_t first, const char *system,
                         size_t system_size) {
    if (!first && !cso_has_role(&request->messages[0], "system"))
        turn(out, &(cso_message){"system", system, system_size});
    for (size_t i = first; i < request->count; i++) {
        cso_render_cut(out, i);
        turn(out, &request->messages[i]);
    }
    cso_render_cut(out, request->count);
    if (request->add_generation_prompt) {
        cso_render_special(out, "<|im_start|>");
        cso_render_text(out, "assistant\n");
    }
    return CSO_OK;
}

static cso_status render_qwen(cso_rendering *out, const cso_chat_request *request, size_t first, cso_error *err) {
    static const char system[] = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
    (void)err;
    return render(out, request, first, system, sizeof system - 1);
}

static cso_status render_smollm2(cso_rendering *out, const cso_chat_request *request, size_t first, cso_error *err) {
    static const char system[] = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
    (void)err;
    return render(out, request, first, system, sizeof system - 1);
}

static const uint64_t qwen_versions[] = {
    0x3025c552c3bb7a0e, /* Qwen/Qwen2.5-7B-Instruct, Qwen2.5-Coder-0.5B-Instruct */
    0xbffc4c2f824f1496, /* cso-inspect --make-model qwen2 */
    0,
};

static const uint64_t smollm2_versions[] = {
    0x99ab995e9629dacd, /* HuggingFaceTB/SmolLM2-135M-Instruct */
    0,
};

const cso_chat_template cso_chat_chatml = {.name = "chatml",
                                           .end_of_turn = "<|im_end|>",
                                           .hint = "You are Qwen, created by Alibaba Cloud",
                                           .versions = qwen_versions,
                                           .render = render_qwen};
const cso_chat_template cso_chat_smollm2 = {
    .name = "smollm2", .end_of_turn = "<|im_end|>", .hint = "named SmolLM", .versions = smollm2_versions, .render = render_smollm2};
