/* esc_strategies.c - the eight strategies of ESC-Pro and the system prompt that lists them. */
#include "pair_source.h"

#include <string.h>

const char *const cso_strategies[8] = {"Emotional Validation",         "Affirmation",
                                       "Collaborative Planning",       "Empathetic Statements",
                                       "Avoid Judgment and Criticism", "Provide Different Perspectives",
                                       "Reframe Negative Thoughts",    "Share Information"};

/* Adapters are trained under these very words: a change makes them another prompt. */
static const char SYSTEM_PROMPT[] =
    "\n"
    "You are someone who gives emotional support. The person you talk to is seeking help. Every reply you give "
    "must follow one of the strategies below.\n\n"
    "Choose the strategy from these 8 kinds of strategy:\n\n"
    "  - Emotional Validation: Recognise the User’s feelings and tell them, free of judgment, that these feelings "
    "make sense.\n\n"
    "  - Affirmation: Name the User’s strengths and encourage them so that they regain some hope and confidence.\n\n"
    "  - Collaborative Planning: Think through the next steps together with the User and settle on a plan they can "
    "act upon.\n\n"
    "  - Empathetic Statements: Show that you understand what the User is living through and that you feel with "
    "them.\n\n"
    "  - Avoid Judgment and Criticism: Keep the conversation a safe and open place in which the User can say what "
    "they feel without fear of being criticised. Do not judge or find fault with their experiences or decisions.\n\n"
    "  - Provide Different Perspectives: Suggest other ways to look at the situation so that the User can discover "
    "something new in it.\n\n"
    "  - Reframe Negative Thoughts: Help the User turn a negative thought into one that is kinder or closer to the "
    "facts.\n\n"
    "  - Share Information: Give facts or practical knowledge about emotions, ways of coping, or looking after "
    "oneself.\n\n"
    "Write every reply in this format:\n\n"
    "(<strategy>) <response>\n";

const char *cso_system_prompt(void) {
    return SYSTEM_PROMPT;
}

const char *esc_strategy_find(const char *name, size_t size) {
    for (size_t i = 0; i < sizeof cso_strategies / sizeof *cso_strategies; i++)
        if (strlen(cso_strategies[i]) == size && !memcmp(cso_strategies[i], name, size))
            return cso_strategies[i];
    return NULL;
}

const char *esc_strategy_of(const char *text, size_t size, size_t *reply) {
    *reply = 0;
    const char *end = size && text[0] == '(' ? memchr(text, ')', size) : NULL;
    if (!end)
        return NULL;
    const char *strategy = esc_strategy_find(text + 1, (size_t)(end - text) - 1);
    if (strategy)
        *reply = (size_t)(end - text) + 1;
    return strategy;
}
