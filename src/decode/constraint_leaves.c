/* constraint_leaves.c - strings, numbers, integers and characters, byte by byte.
 *
 * Each step takes only bytes after which the value can still be finished.
 */
#include "constraint_parts.h"

/* Unfinished characters (Unicode 15, table 3-7): the first byte decides what the second may be. */
enum {
    CHARACTER_1 = 1, /* one more, 80 to BF */
    CHARACTER_2,     /* two more */
    CHARACTER_3,
    CHARACTER_E0, /* A0 to BF, then one more */
    CHARACTER_ED, /* 80 to 9F, then one more: no surrogates */
    CHARACTER_F0, /* 90 to BF, then two more */
    CHARACTER_F4, /* 80 to 8F, then two more */
    CHARACTERS
};

/* Of strings: 0 between characters, a character's part, or one of these. `value` of hexadecimal digits: their kind so far. */
enum {
    STRING_ESCAPE = CHARACTERS, /* after a backslash */
    STRING_HEX,                 /* \u and `at` digits */
    STRING_LOW,                 /* after a high surrogate's escape: a backslash */
    STRING_LOW_U,               /* then u */
    STRING_LOW_HEX,             /* then `at` digits of a low surrogate */
};
enum { HEX_ANY, HEX_ZERO, HEX_D, HEX_HIGH };

static uint8_t first_of_character(uint8_t byte) {
    if (byte >= 0xC2 && byte <= 0xDF)
        return CHARACTER_1;
    if (byte == 0xE0)
        return CHARACTER_E0;
    if (byte == 0xED)
        return CHARACTER_ED;
    if (byte >= 0xE1 && byte <= 0xEF)
        return CHARACTER_2;
    if (byte == 0xF0)
        return CHARACTER_F0;
    if (byte >= 0xF1 && byte <= 0xF3)
        return CHARACTER_3;
    return byte == 0xF4 ? CHARACTER_F4 : 0;
}

bool utf8_step(uint8_t *part, uint8_t byte) {
    static const struct {
        uint8_t low, high, next;
    } rows[CHARACTERS] = {
        [CHARACTER_1] = {0x80, 0xBF, 0},
        [CHARACTER_2] = {0x80, 0xBF, CHARACTER_1},
        [CHARACTER_3] = {0x80, 0xBF, CHARACTER_2},
        [CHARACTER_E0] = {0xA0, 0xBF, CHARACTER_1},
        [CHARACTER_ED] = {0x80, 0x9F, CHARACTER_1},
        [CHARACTER_F0] = {0x90, 0xBF, CHARACTER_2},
        [CHARACTER_F4] = {0x80, 0x8F, CHARACTER_2},
    };
    if (!*part) {
        *part = first_of_character(byte);
        return byte < 0x80 || *part;
    }
    if (byte < rows[*part].low || byte > rows[*part].high)
        return false;
    *part = rows[*part].next;
    return true;
}

uint32_t utf8_missing(uint8_t part) {
    static const uint8_t missing[CHARACTERS] = {0, 1, 2, 3, 2, 2, 3, 3};
    return missing[part];
}

bool string_in_character(const cso_constraint_state *state) {
    return state->part > 0 && state->part < CHARACTERS;
}

/* The value of a hexadecimal digit, -1: it is none. */
static int hex(uint8_t byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* A digit of \uXXXX: not of U+0000, nor of a low surrogate alone. */
static bool hex_step(cso_constraint_state *s, uint8_t byte) {
    int digit = hex(byte);
    if (digit < 0 || (s->at == 3 && s->value == HEX_ZERO && !digit) || (s->at == 1 && s->value == HEX_D && digit >= 12))
        return false;
    if (s->at == 0)
        s->value = digit == 0 ? HEX_ZERO : digit == 13 ? HEX_D : HEX_ANY;
    else if (s->value == HEX_D)
        s->value = digit >= 8 ? HEX_HIGH : HEX_ANY;
    else if (digit && s->value == HEX_ZERO)
        s->value = HEX_ANY;
    if (++s->at == 4) {
        s->part = s->value == HEX_HIGH ? STRING_LOW : 0;
        s->at = 0;
        s->value = 0;
    }
    return true;
}

static bool low_hex_step(cso_constraint_state *s, uint8_t byte) {
    int digit = hex(byte);
    if (digit < 0 || (s->at == 0 && digit != 13) || (s->at == 1 && digit < 12))
        return false;
    if (++s->at == 4) {
        s->part = 0;
        s->at = 0;
    }
    return true;
}

static bool escape_step(cso_constraint_state *s, uint8_t byte) {
    switch (byte) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        s->part = 0;
        return true;
    case 'u':
        s->part = STRING_HEX;
        s->at = 0;
        s->value = HEX_ANY;
        return true;
    default:
        return false;
    }
}

/* A byte between characters. */
static bool character_step(const constraint_node *node, cso_constraint_state *s, uint8_t byte, bool *over) {
    if (byte == '"') {
        *over = true;
        return s->count >= node->low;
    }
    if (byte < 0x20 || byte == 0x7F || s->count >= node->high)
        return false;
    if (s->count < UINT32_MAX - 1)
        s->count++;
    if (byte != '\\')
        return utf8_step(&s->part, byte);
    s->part = STRING_ESCAPE;
    return true;
}

bool string_step(const constraint_node *node, cso_constraint_state *s, uint8_t byte, bool *over) {
    *over = false;
    switch (s->part) {
    case 0:
        return character_step(node, s, byte, over);
    case STRING_ESCAPE:
        return escape_step(s, byte);
    case STRING_HEX:
        return hex_step(s, byte);
    case STRING_LOW:
        s->part = STRING_LOW_U;
        return byte == '\\';
    case STRING_LOW_U:
        s->part = STRING_LOW_HEX;
        s->at = 0;
        return byte == 'u';
    case STRING_LOW_HEX:
        return low_hex_step(s, byte);
    default:
        return utf8_step(&s->part, byte);
    }
}

enum {
    NUMBER_FIRST,
    NUMBER_MINUS,
    NUMBER_ZERO,
    NUMBER_WHOLE,
    NUMBER_POINT,
    NUMBER_FRACTION,
    NUMBER_E,
    NUMBER_SIGN,
    NUMBER_EXPONENT,
};

static bool number_digit(cso_constraint_state *s, uint8_t byte) {
    static const uint8_t most[] = {
        [NUMBER_WHOLE] = NUMBER_DIGITS, [NUMBER_FRACTION] = NUMBER_DIGITS, [NUMBER_EXPONENT] = EXPONENT_DIGITS};
    switch (s->part) {
    case NUMBER_FIRST:
    case NUMBER_MINUS:
        s->part = byte == '0' ? NUMBER_ZERO : NUMBER_WHOLE;
        s->count = 1;
        return true;
    case NUMBER_POINT:
        s->part = NUMBER_FRACTION;
        s->count = 1;
        return true;
    case NUMBER_E:
    case NUMBER_SIGN:
        s->part = NUMBER_EXPONENT;
        s->count = 1;
        return true;
    case NUMBER_ZERO:
        return false;
    default:
        return s->count++ < most[s->part];
    }
}

bool number_may_end(const cso_constraint_state *s) {
    return s->part == NUMBER_ZERO || s->part == NUMBER_WHOLE || s->part == NUMBER_FRACTION || s->part == NUMBER_EXPONENT;
}

constraint_taken number_step(cso_constraint_state *s, uint8_t byte) {
    uint8_t part = s->part;
    bool whole = part == NUMBER_ZERO || part == NUMBER_WHOLE;
    if (byte >= '0' && byte <= '9')
        return number_digit(s, byte) ? BYTE_TAKEN : BYTE_REFUSED;
    if (byte == '-' && part == NUMBER_FIRST)
        s->part = NUMBER_MINUS;
    else if (byte == '.' && whole)
        s->part = NUMBER_POINT;
    else if ((byte == 'e' || byte == 'E') && (whole || part == NUMBER_FRACTION))
        s->part = NUMBER_E;
    else if ((byte == '+' || byte == '-') && part == NUMBER_E)
        s->part = NUMBER_SIGN;
    else
        return number_may_end(s) ? VALUE_OVER : BYTE_REFUSED;
    s->count = 0;
    return BYTE_TAKEN;
}

/* INTEGER_FREE: whatever digits follow, the integer is in its range, so that `value` does not matter and is 0. */
enum { INTEGER_FIRST, INTEGER_MINUS, INTEGER_BELOW, INTEGER_ABOVE, INTEGER_FREE };

/* The range of the magnitude, for integers below 0 or above. */
static void magnitudes(const constraint_node *node, bool below, int64_t *low, int64_t *high) {
    *low = below ? -node->most : node->least;
    *high = below ? -node->least : node->most;
    if (*low < below) /* 0 is above */
        *low = below;
}

/* Whether a magnitude of that many digits, or one that begins with it, is from low to high. *all: all of them are. */
static bool reaches(int64_t value, uint32_t digits, int64_t low, int64_t high, bool *all) {
    int64_t first = value, last = value;
    bool any = false;
    *all = true;
    for (;;) {
        bool some = first <= high && last >= low;
        any = any || some;
        *all = *all && first >= low && last <= high;
        if (!value || digits++ == INTEGER_DIGITS)
            return any;
        first *= 10;
        last = last * 10 + 9;
    }
}

bool integer_may_end(const constraint_node *node, const cso_constraint_state *s) {
    int64_t low, high;
    if (s->part == INTEGER_FREE)
        return true;
    if (s->part != INTEGER_BELOW && s->part != INTEGER_ABOVE)
        return false;
    magnitudes(node, s->part == INTEGER_BELOW, &low, &high);
    return s->value >= low && s->value <= high;
}

/* One more digit; false if the integer cannot be finished with it. */
static bool integer_digit(const constraint_node *node, cso_constraint_state *s, uint8_t byte) {
    int64_t low, high;
    bool all, below = s->part == INTEGER_MINUS || s->part == INTEGER_BELOW;
    if (s->count == INTEGER_DIGITS || (s->part == INTEGER_MINUS && byte == '0') || (s->part == INTEGER_ABOVE && !s->value))
        return false;
    s->count++;
    if (s->part == INTEGER_FREE)
        return true;
    s->value = s->value * 10 + (byte - '0');
    s->part = below ? INTEGER_BELOW : INTEGER_ABOVE;
    magnitudes(node, below, &low, &high);
    if (!reaches(s->value, s->count, low, high, &all))
        return false;
    if (all && s->value) {
        s->part = INTEGER_FREE;
        s->value = 0;
    }
    return true;
}

constraint_taken integer_step(const constraint_node *node, cso_constraint_state *s, uint8_t byte) {
    if (byte == '-' && s->part == INTEGER_FIRST) {
        s->part = INTEGER_MINUS;
        return node->least < 0 ? BYTE_TAKEN : BYTE_REFUSED;
    }
    if (byte >= '0' && byte <= '9')
        return integer_digit(node, s, byte) ? BYTE_TAKEN : BYTE_REFUSED;
    return integer_may_end(node, s) ? VALUE_OVER : BYTE_REFUSED;
}
