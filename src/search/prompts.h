/* prompts.h - what the roles are asked: the prompts' file (docs/search-configuration.md), and the texts that it makes of a dialogue.
 *
 * Roles see a dialogue as lines "seeker: TEXT" and "supporter: TEXT", for strategy role and judge "supporter: (STRATEGY) TEXT". A
 * judge does not see the greeting. A text's own line breaks are blanks there.
 */
#ifndef CSO_PROMPTS_H
#define CSO_PROMPTS_H

#include "base/digest.h"
#include "base/status.h"
#include "data/strategies.h"
#include "io/json.h"
#include "io/toml.h"
#include "policy.h"

#include <stdbool.h>
#include <stddef.h>

#define CSO_START_STRATEGY "start" /* of the greeting */

typedef struct cso_prompts {
    const char *greeting;             /* one line */
    const cso_strategies *strategies; /* in the order of the file */
    char hash[CSO_DIGEST_HEX];        /* XXH3-128 of the file */
    struct {
        const char *system, *user; /* with placeholders; system may be "" */
    } role[CSO_ROLES];
    /* inside prompts.c only */
    cso_toml toml;
    cso_strategies *owned;
    char *list; /* {strategies} */
} cso_prompts;

/* Reads the file. An unknown key, a missing text, a role's text without a placeholder that it needs or with one that it cannot have, a
 * wrong strategy (data/strategies.h), a file that cannot be read: CSO_ERR_USAGE with "FILE:LINE: ...". */
cso_status cso_prompts_read(cso_prompts *prompts, const char *path, cso_error *err);
void cso_prompts_free(cso_prompts *prompts); /* takes a zeroed one too */

/* One turn of a dialogue: the supporter's reply and the seeker's answer to it. The first turn is the greeting and the opening. */
typedef struct cso_prompt_turn {
    const char *strategy; /* of the first turn not looked at: it is CSO_START_STRATEGY */
    const char *supporter;
    const char *seeker; /* NULL or "": there is none yet, or the dialogue has ended */
} cso_prompt_turn;

/* What a question is about. */
typedef struct cso_prompt_values {
    const cso_prompt_turn *turns; /* (count), at least one: from the greeting to where the dialogue is */
    size_t count;
    const cso_strategy *strategy;    /* of the reply that the supporter is asked for; NULL for other roles */
    const char *situation, *emotion; /* the seed's description and scene */
} cso_prompt_values;

typedef struct cso_prompt {
    char *system, *user; /* to be freed with cso_prompt_free */
    size_t left_out;     /* turns that are not in the history, the oldest */
    bool fits;           /* false: it is too long even with the last turn alone */
} cso_prompt;

/* The question to a role. Where context is not 0, as many of the oldest turns as needed are left out, whole, so that
 * cso_prompt_tokens + max_tokens <= context; the last turn always stays. Fails only if out of memory. */
cso_status cso_prompts_render(const cso_prompts *prompts, cso_role role, const cso_prompt_values *values, size_t context,
                              size_t max_tokens, cso_prompt *prompt, cso_error *err);
void cso_prompt_free(cso_prompt *prompt); /* takes a zeroed one too */

/* An estimate from above for usual texts: a token for each three bytes of system and user together, rounded up. Tokenizers make about
 * four bytes of English a token; the rest is for the chat template and for other scripts. */
size_t cso_prompt_tokens(const cso_prompt *prompt);

/* The lines of a dialogue without the `left_out` oldest turns, joined by line breaks. */
typedef struct cso_history_options {
    bool strategies, greeting;
    size_t left_out;
} cso_history_options;
void cso_prompts_history(const cso_prompt_turn *turns, size_t count, const cso_history_options *options, cso_text *text);

#endif
