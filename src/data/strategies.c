/* strategies.c - the eight strategies of ESC-Pro, and names found among strategies. */
#include "strategies.h"

#include "strategies_prompt.h"

#include <string.h>

#define ESC_PRO(ROW)                                                                                                               \
    ROW("Emotional Validation", "Recognise the User’s feelings and tell them, free of judgment, that these feelings make sense.")  \
    ROW("Affirmation", "Name the User’s strengths and encourage them so that they regain some hope and confidence.")               \
    ROW("Collaborative Planning", "Think through the next steps together with the User and settle on a plan they can act upon.")   \
    ROW("Empathetic Statements", "Show that you understand what the User is living through and that you feel with them.")          \
    ROW("Avoid Judgment and Criticism",                                                                                            \
        "Keep the conversation a safe and open place in which the User can say what they feel without fear of being criticised. "  \
        "Do not judge or find fault with their experiences or decisions.")                                                         \
    ROW("Provide Different Perspectives",                                                                                          \
        "Suggest other ways to look at the situation so that the User can discover something new in it.")                          \
    ROW("Reframe Negative Thoughts", "Help the User turn a negative thought into one that is kinder or closer to the facts.")      \
    ROW("Share Information", "Give facts or practical knowledge about emotions, ways of coping, or looking after oneself.")

#define STRATEGY_ROW(name, description) {name, description},
static const cso_strategy esc_pro_items[] = {ESC_PRO(STRATEGY_ROW)};

static const cso_strategies esc_pro = {
    .items = esc_pro_items,
    .count = sizeof esc_pro_items / sizeof *esc_pro_items,
    .system_prompt = PROMPT_BEFORE_COUNT "8" PROMPT_AFTER_COUNT ESC_PRO(PROMPT_ENTRY) PROMPT_END,
};

const cso_strategies *cso_strategies_builtin(void) {
    return &esc_pro;
}

const char *cso_strategies_prompt(const cso_strategies *strategies) {
    return (strategies ? strategies : &esc_pro)->system_prompt;
}

const char *cso_strategies_find(const cso_strategies *strategies, const char *name, size_t size) {
    const cso_strategies *known = strategies ? strategies : &esc_pro;
    for (size_t i = 0; i < known->count; i++)
        if (strlen(known->items[i].name) == size && !memcmp(known->items[i].name, name, size))
            return known->items[i].name;
    return NULL;
}

const char *cso_strategies_of(const cso_strategies *strategies, const char *text, size_t size, size_t *reply) {
    *reply = 0;
    const char *end = size && text[0] == '(' ? memchr(text, ')', size) : NULL;
    if (!end)
        return NULL;
    const char *strategy = cso_strategies_find(strategies, text + 1, (size_t)(end - text) - 1);
    if (strategy)
        *reply = (size_t)(end - text) + 1;
    return strategy;
}
