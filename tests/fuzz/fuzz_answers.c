/* fuzz_answers.c - answers of the roles: whatever the text is, scores are from 0 to 10 of different strategies, levels from 0 to 4, and
 * a reply is not blank at its ends.
 */
#include "search/answers.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                                         \
    do {                                                                                                                           \
        if (!(condition))                                                                                                          \
            __builtin_trap();                                                                                                      \
    } while (0)

static const char *const NAMES[] = {"Ask", "Tell Them", "Hold"};
enum { COUNT = 3 };

static void check_scores(const char *text) {
    cso_scores scores;
    const char *why = NULL;
    if (!cso_answer_scores(text, NAMES, COUNT, &scores, &why)) {
        REQUIRE(why && why[0]);
        return;
    }
    bool seen[COUNT] = {false};
    REQUIRE(scores.count >= 1 && scores.count <= COUNT);
    for (size_t i = 0; i < scores.count; i++) {
        REQUIRE(scores.strategy[i] < COUNT && !seen[scores.strategy[i]]);
        REQUIRE(scores.score[i] >= 0 && scores.score[i] <= 10);
        seen[scores.strategy[i]] = true;
    }
}

static void check_levels(const char *text) {
    double levels[CSO_CRITERIA];
    const char *why = NULL;
    if (!cso_answer_levels(text, levels, &why)) {
        REQUIRE(why && why[0]);
        return;
    }
    for (size_t i = 0; i < CSO_CRITERIA; i++)
        REQUIRE(levels[i] == 0 || levels[i] == 1 || levels[i] == 2 || levels[i] == 3 || levels[i] == 4);
}

static void check_reply(const char *text) {
    char *reply = NULL;
    const char *why = NULL;
    if (!cso_answer_reply(text, &reply, &why)) {
        REQUIRE(!reply && why && why[0]);
        return;
    }
    size_t size = strlen(reply);
    REQUIRE(size > 0 && size <= strlen(text) && strstr(text, reply));
    REQUIRE(!strchr(" \t\r\n\v\f", reply[0]) && !strchr(" \t\r\n\v\f", reply[size - 1]));
    free(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    REQUIRE(text);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    check_scores(text);
    check_levels(text);
    check_reply(text);
    REQUIRE(cso_answer_ends(text) == (strstr(text, "</end/>") || strstr(text, "/end/") || strstr(text, "<end>")));
    free(text);
    return 0;
}
