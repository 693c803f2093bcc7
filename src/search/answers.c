/* answers.c - see answers.h. */
#include "answers.h"

#include "base/memory.h"
#include "io/json.h"
#include "io/json_walk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const END_MARKS[] = {"</end/>", "/end/", "<end>"};

bool cso_answer_ends(const char *text) {
    for (size_t i = 0; i < sizeof END_MARKS / sizeof *END_MARKS; i++)
        if (strstr(text, END_MARKS[i]))
            return true;
    return false;
}

enum { MAX_OBJECT_TRIES = 64 }; /* so that a long answer full of braces costs little */

/* Finds the last "{...}" that is JSON, braces in its strings included. *size: its bytes, 0: there is none. false: out of memory. */
static bool find_last_object(const char *text, size_t *begin, size_t *size) {
    size_t tries = 0;
    *size = 0;
    for (size_t end = strlen(text); end > 0; end--) {
        if (text[end - 1] != '}')
            continue;
        const size_t before = tries;
        for (size_t i = end; i > 0; i--) {
            if (text[i - 1] != '{')
                continue;
            if (++tries > MAX_OBJECT_TRIES)
                return true;
            cso_status status = cso_json_check_record(text + i - 1, end - i + 1, "answer", 1, NULL);
            if (status == CSO_ERR_SYSTEM)
                return false;
            if (status == CSO_OK) {
                *begin = i - 1;
                *size = end - *begin;
                return true;
            }
        }
        if (tries == before)
            return true;
    }
    return true;
}

/* The strategy of a key, with its quotes, among the names, without regard to case; count: none, SIZE_MAX: out of memory. */
static size_t find_strategy(const cso_json_walk *walk, cso_json_room *room, const char *const *names, size_t count) {
    const char *key;
    size_t size, i = 0;
    if (!cso_json_walk_string(room, walk->key, walk->key_size, &key, &size))
        return SIZE_MAX;
    while (size && key[0] == ' ')
        key++, size--;
    while (size && key[size - 1] == ' ')
        size--;
    while (i < count && (strlen(names[i]) != size || strncasecmp(names[i], key, size) != 0))
        i++;
    return i;
}

static bool add_score(cso_scores *scores, size_t strategy, const cso_json_walk *walk, const char **why) {
    double score;
    for (size_t i = 0; i < scores->count; i++)
        if (scores->strategy[i] == strategy) {
            *why = "it names a strategy twice";
            return false;
        }
    if (!cso_json_walk_number(walk, &score) || !(score >= 0 && score <= 10)) {
        *why = "a score is not from 0 to 10";
        return false;
    }
    scores->strategy[scores->count] = strategy;
    scores->score[scores->count++] = score;
    return true;
}

/* The scores of one JSON object, which was checked. */
static bool read_object(const char *text, size_t size, const char *const *names, size_t count, cso_scores *scores,
                        const char **why) {
    cso_json_room room = {0};
    bool good = true;
    cso_json_walk walk = cso_json_walk_begin(text, size);
    while (good && cso_json_walk_next(&walk)) {
        size_t strategy = find_strategy(&walk, &room, names, count);
        if (strategy < count)
            good = add_score(scores, strategy, &walk, why);
        else if (strategy == SIZE_MAX) {
            good = false;
            *why = NULL;
        }
    }
    free(room.bytes);
    if (good && !scores->count) {
        *why = "it scores no strategy that is known";
        good = false;
    }
    return good;
}

bool cso_answer_scores(const char *text, const char *const *names, size_t count, cso_scores *scores, const char **why) {
    size_t begin, size;
    *scores = (cso_scores){0};
    *why = NULL;
    if (!find_last_object(text, &begin, &size))
        return false;
    *why = "it has no JSON object with scores";
    return size && read_object(text + begin, size, names, count < CSO_MAX_STRATEGIES ? count : CSO_MAX_STRATEGIES, scores, why);
}

/* What may stand around a level: not a minus. */
static bool is_around_level(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '*' || c == '`';
}

static bool is_before_line(char c) {
    return is_around_level(c) || c == '#' || c == '-';
}

/* Whether a line is "2: 3", with any words between number and colon; the text after the last colon must be the level alone. */
static bool read_level(const char *line, size_t size, size_t *criterion, double *level) {
    size_t colon = size, end = size, begin = 0;
    while (begin < size && is_before_line(line[begin]))
        begin++;
    if (begin + 1 >= size || line[begin] < '1' || line[begin] > '0' + CSO_CRITERIA ||
        (line[begin + 1] >= '0' && line[begin + 1] <= '9'))
        return false;
    while (colon && line[colon - 1] != ':')
        colon--;
    if (colon <= begin + 1)
        return false;
    while (colon < end && is_around_level(line[colon]))
        colon++;
    while (end > colon && is_around_level(line[end - 1]))
        end--;
    *criterion = (size_t)(line[begin] - '1');
    *level = end == colon + 1 && line[colon] >= '0' && line[colon] <= '4' ? line[colon] - '0' : NAN;
    return true;
}

bool cso_answer_levels(const char *text, double levels[CSO_CRITERIA], const char **why) {
    bool seen[CSO_CRITERIA] = {false};
    for (size_t i = 0; i < CSO_CRITERIA; i++)
        levels[i] = NAN;
    for (size_t size; *text; text += size + (text[size] == '\n')) {
        size_t criterion;
        double level;
        size = strcspn(text, "\n");
        if (!read_level(text, size, &criterion, &level))
            continue;
        if (isnan(level) || (seen[criterion] && levels[criterion] != level)) {
            *why = isnan(level) ? "a level is not a whole number from 0 to 4" : "it gives a criterion two levels";
            return false;
        }
        seen[criterion] = true;
        levels[criterion] = level;
    }
    for (size_t i = 0; i < CSO_CRITERIA; i++)
        if (!seen[i]) {
            *why = "a criterion has no level (expected four lines \"1: 3\" to \"4: 2\")";
            return false;
        }
    return true;
}

typedef struct span {
    const char *begin, *end;
} span;

static bool is_white(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static span trimmed(span s) {
    while (s.begin < s.end && is_white(*s.begin))
        s.begin++;
    while (s.end > s.begin && is_white(s.end[-1]))
        s.end--;
    return s;
}

/* Without "supporter:" or "seeker:" at the beginning, however it is written, bold included. */
static span without_label(span s) {
    static const char *const LABELS[] = {"supporter", "seeker"};
    for (size_t i = 0; i < sizeof LABELS / sizeof *LABELS; i++) {
        const char *at = s.begin;
        size_t length = strlen(LABELS[i]);
        while (at < s.end && *at == '*')
            at++;
        if ((size_t)(s.end - at) <= length || strncasecmp(at, LABELS[i], length) != 0)
            continue;
        at += length;
        while (at < s.end && (*at == '*' || *at == ' '))
            at++;
        if (at == s.end || *at != ':')
            continue;
        at++;
        while (at < s.end && *at == '*')
            at++;
        return trimmed((span){at, s.end});
    }
    return s;
}

/* Without a pair of quotation marks around the whole. Marks inside it mean that the first and the last are no pair. */
static span without_quotes(span s) {
    static const char *const PAIRS[][2] = {
        {"\"", "\""}, {"'", "'"}, {"\u201c", "\u201d"}, {"\u2018", "\u2019"}, {"\u00ab", "\u00bb"}};
    for (size_t i = 0; i < sizeof PAIRS / sizeof *PAIRS; i++) {
        size_t open = strlen(PAIRS[i][0]), close = strlen(PAIRS[i][1]), size = (size_t)(s.end - s.begin);
        if (size < open + close || memcmp(s.begin, PAIRS[i][0], open) != 0 || memcmp(s.end - close, PAIRS[i][1], close) != 0)
            continue;
        span inner = {s.begin + open, s.end - close};
        if (open == 1 && PAIRS[i][0][0] == '"' && memchr(inner.begin, '"', (size_t)(inner.end - inner.begin)))
            return s;
        return trimmed(inner);
    }
    return s;
}

bool cso_answer_reply(const char *text, char **reply, const char **why) {
    span s = trimmed((span){text, text + strlen(text)});
    s = without_quotes(without_label(s));
    s = without_label(s); /* "supporter: ..." in quotation marks */
    *reply = NULL;
    if (s.begin == s.end) {
        *why = "it is empty";
        return false;
    }
    *reply = cso_strndup(s.begin, (size_t)(s.end - s.begin));
    return true;
}
