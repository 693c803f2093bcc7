/* constraint_line.c - a line of text, byte by byte.
 *
 * Of the state: `part` is of a character; `node` is 0, as it was; `at` is the marks' state; `value` is where in the line it is; `count` is
 * 1 once the line has a letter, a digit or a character beyond ASCII. A mark that is complete ends the line or cannot be.
 */
#include "base/memory.h"
#include "constraint_parts.h"

#include <stdlib.h>
#include <string.h>

/* Where in the line: a label is stars, a word, stars and blanks, a colon. */
enum { PLACE_BEGIN, PLACE_STARS, PLACE_WORD, PLACE_BEHIND_WORD, PLACE_TEXT };

static bool is_letter(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* The place behind a byte that begins a character, -1: it cannot come there. Quotation marks and blanks beyond ASCII are among the
 * characters that C2 (U+0080 to U+00BF) and E2 (U+2000 to U+2FFF) begin: a line begins with none of these. */
static int next_place(int place, uint8_t byte) {
    switch (place) {
    case PLACE_BEGIN:
    case PLACE_STARS:
        if (byte == ' ' || byte == '"' || byte == '\'' || byte == '`' || byte == 0xC2 || byte == 0xE2)
            return -1;
        return byte == '*' ? PLACE_STARS : is_letter(byte) ? PLACE_WORD : PLACE_TEXT;
    case PLACE_WORD:
        if (is_letter(byte))
            return PLACE_WORD;
        return byte == ':' ? -1 : byte == '*' || byte == ' ' ? PLACE_BEHIND_WORD : PLACE_TEXT;
    case PLACE_BEHIND_WORD:
        return byte == ':' ? -1 : byte == '*' || byte == ' ' ? PLACE_BEHIND_WORD : PLACE_TEXT;
    default:
        return PLACE_TEXT;
    }
}

bool line_in_character(const cso_constraint_state *s) {
    return s->part > 0;
}

bool line_may_end(const cso_constraint_state *s) {
    return s->count && !s->part;
}

bool line_step(const cso_constraint *c, cso_constraint_state *s, uint8_t byte) {
    bool begins = !s->part;
    if (byte == '\n') {
        s->step = STEP_LINE_BREAK;
        return line_may_end(s);
    }
    if (byte < ' ' || byte == 0x7F || !utf8_step(&s->part, byte))
        return false;
    if (begins) {
        int place = next_place((int)s->value, byte);
        if (place < 0)
            return false;
        s->value = place;
    }
    if (!s->part && (byte >= 0x80 || is_letter(byte) || (byte >= '0' && byte <= '9')))
        s->count = 1;
    uint16_t mark = c->marks.next[s->at][byte];
    if (mark == LINE_MARK) {
        s->step = STEP_END;
        return c->marks.end && s->count;
    }
    s->at = mark;
    return true;
}

/* ---- the marks ---- */

/* LINE_MARK if text[size] ends in a mark; else the longest end of it that is a beginning of one, as the number of that beginning's
 * state, 0: none. States are numbered by mark and length; of equal beginnings the first mark's counts. */
static uint16_t find_state(const cso_line *line, const char *text, size_t size) {
    size_t longest = 0, found = 0, state = 1;
    for (size_t i = 0; i < line->n_marks; i++) {
        size_t mark = strlen(line->marks[i]);
        if (mark <= size && !memcmp(line->marks[i], text + size - mark, mark))
            return LINE_MARK;
        for (size_t length = longest + 1; length < mark && length <= size; length++)
            if (!memcmp(line->marks[i], text + size - length, length)) {
                longest = length;
                found = state + length - 1;
            }
        state += mark;
    }
    return (uint16_t)found;
}

cso_status line_marks_build(line_marks *marks, const cso_line *line, cso_error *err) {
    size_t states = 1;
    char text[CSO_CONSTRAINT_MARK + 1] = "";
    for (size_t i = 0; i < line->n_marks; i++) {
        if (!*line->marks[i] || strlen(line->marks[i]) > CSO_CONSTRAINT_MARK - states + 1)
            return cso_fail(err, CSO_ERR_INPUT, "the marks of a line: one is empty, or they have over %d bytes together",
                            CSO_CONSTRAINT_MARK);
        states += strlen(line->marks[i]);
    }
    marks->end = line->marks_end;
    marks->next = cso_calloc(states, sizeof *marks->next);
    if (!marks->next)
        return cso_fail_memory(err, "a constraint");
    for (int byte = 0; byte < 256; byte++) {
        text[0] = (char)byte;
        marks->next[0][byte] = find_state(line, text, 1);
        for (size_t i = 0, state = 1; i < line->n_marks; i++)
            for (size_t length = 1; length <= strlen(line->marks[i]); length++, state++) {
                memcpy(text, line->marks[i], length);
                text[length] = (char)byte;
                marks->next[state][byte] = find_state(line, text, length + 1);
            }
    }
    return CSO_OK;
}

void line_marks_free(line_marks *marks) {
    free(marks->next);
}
