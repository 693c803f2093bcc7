/* constraint_parts.h - what the files of constraints share. */
#ifndef CSO_CONSTRAINT_PARTS_H
#define CSO_CONSTRAINT_PARTS_H

#include "byte_trie.h"
#include "constraint.h"

enum {
    TOKEN_LONGEST = 512, /* bytes: longer tokens are in no mask */
    INTEGER_DIGITS = 15, /* f64 holds all such integers */
    NUMBER_DIGITS = 15,  /* before the point, and after it */
    EXPONENT_DIGITS = 2,
};
#define INTEGER_MOST INT64_C(999999999999999)

struct cso_token_trie {
    byte_trie trie;    /* its values are ids */
    uint16_t *heights; /* (trie.count) token_trie_heights of the characters that JSON strings have as they are */
    uint32_t *begins;  /* (vocab + 1) in pool: the bytes of a token; none: the token is in no mask */
    char *pool;
    size_t vocab;
    uint64_t *ends;     /* (words) the ids that end a reply */
    bool bytes[256];    /* whether a token is this byte alone */
    bool continuations; /* whether 80 to BF are all there, so that each character that was begun can be finished */
};

/* *heights: for each node the bytes from its own to the end of the longest token below, where all of them are plain characters,
 * which are ASCII; else 0. The caller frees. */
cso_status token_trie_heights(const cso_token_trie *tokens, const bool plain[256], uint16_t **heights, cso_error *err);

typedef enum constraint_kind {
    CONSTRAINT_TEXTS,  /* one of the texts of a trie: choices, and JSON values that are written in one way */
    CONSTRAINT_STRING, /* low to high characters */
    CONSTRAINT_NUMBER,
    CONSTRAINT_INTEGER, /* least to most */
    CONSTRAINT_OBJECT,
    CONSTRAINT_ARRAY, /* low to high items */
    CONSTRAINT_ANY,   /* one of several nodes, which begin with different bytes */
    CONSTRAINT_LINE,
} constraint_kind;

typedef struct constraint_property {
    uint32_t node;
    uint32_t last; /* where this one could come next, the last one that could: the first from here on that is required */
} constraint_property;

/* A schema. */
typedef struct constraint_node {
    constraint_kind kind;
    uint32_t low, high;              /* high UINT32_MAX: any number */
    int64_t least, most;             /* within +-INTEGER_MOST */
    byte_trie trie;                  /* texts, or keys with quotes and colon, whose values are properties */
    uint32_t *nodes;                 /* (count) of CONSTRAINT_ANY; of an array, nodes[0] are the items */
    constraint_property *properties; /* (count) */
    uint32_t count;
    uint32_t n_required; /* properties up to the last that is required */
    uint64_t begins[4];  /* the bytes that a value can begin with, or more */
} constraint_node;

/* The marks of a line as an automaton: by Aho and Corasick 1975, all transitions written out. State 0: nothing of a mark. */
typedef struct line_marks {
    uint16_t (*next)[256]; /* (states) by byte; LINE_MARK: a mark is complete */
    bool end;              /* the line, then */
} line_marks;
enum { LINE_MARK = UINT16_MAX };

/* Masks by state. */
typedef struct mask_cache mask_cache;

struct cso_constraint {
    const cso_token_trie *tokens;
    constraint_node *nodes; /* (n_nodes) the first is the whole */
    uint32_t n_nodes;
    bool sequence; /* the nodes follow each other */
    line_marks marks;
    size_t node_capacity, texts; /* while it is made: bytes of all tries */
    char *mark;                  /* NULL: no free text */
    uint32_t mark_size;
    /* By Knuth, Morris and Pratt 1977: the length of the longest beginning of the mark that ends its first i + 1 bytes. */
    uint32_t fallback[CSO_CONSTRAINT_MARK];
    uint32_t max_bytes, max_tokens; /* UINT32_MAX: any number */
    bool free_ends;                 /* ids that end a reply may come in the free text */
    uint16_t *free_heights;         /* token_trie_heights of what cannot begin the mark; NULL: no free text */
    mask_cache *cache;
};

/* What the next byte belongs to: cso_constraint_state.step. */
enum {
    STEP_FREE,       /* free text; at: how much of the mark was just written; part: of a character */
    STEP_VALUE,      /* the first byte of a value of `node`; part 1: or a blank */
    STEP_TEXT,       /* at: in the node's trie */
    STEP_STRING,     /* count: characters begun; part, value: see constraint_leaves.c */
    STEP_NUMBER,     /* part; count: digits of this part */
    STEP_INTEGER,    /* part; value: its magnitude so far; count: digits */
    STEP_FIRST_KEY,  /* after { */
    STEP_KEY,        /* after a comma; part 1: or a blank */
    STEP_IN_KEY,     /* at: in the trie of keys */
    STEP_FIRST_ITEM, /* after [ */
    STEP_AFTER,      /* after a member or item */
    STEP_LINE,       /* see constraint_line.c */
    STEP_LINE_BREAK, /* after a line's first line break */
    STEP_END,        /* nothing follows */
};

/* What a byte did to a number or an integer. */
typedef enum constraint_taken { BYTE_TAKEN, BYTE_REFUSED, VALUE_OVER } constraint_taken;

/* constraint_leaves.c: strings, numbers, characters. */
/* The state of a character (0: none is unfinished) after one more byte; false if UTF-8 does not have it. */
bool utf8_step(uint8_t *part, uint8_t byte);
uint32_t utf8_missing(uint8_t part); /* bytes until the character is finished */
/* One byte inside a string, behind its first quote. *over: it was the last quote. */
bool string_step(const constraint_node *node, cso_constraint_state *state, uint8_t byte, bool *over);
bool string_in_character(const cso_constraint_state *state); /* part 0: between characters */
constraint_taken number_step(cso_constraint_state *state, uint8_t byte);
bool number_may_end(const cso_constraint_state *state);
constraint_taken integer_step(const constraint_node *node, cso_constraint_state *state, uint8_t byte);
bool integer_may_end(const constraint_node *node, const cso_constraint_state *state);

/* constraint_line.c: one byte of a line, whose state was all zeros at its beginning. */
bool line_step(const cso_constraint *constraint, cso_constraint_state *state, uint8_t byte);
bool line_may_end(const cso_constraint_state *state);
bool line_in_character(const cso_constraint_state *state);
cso_status line_marks_build(line_marks *marks, const cso_line *line, cso_error *err);
void line_marks_free(line_marks *marks);

/* constraint_step.c: one byte. False: it cannot come, and the state is undefined. */
bool constraint_step(const cso_constraint *constraint, cso_constraint_state *state, uint8_t byte);
/* Whether the maximum of tokens is reached, so that only the mark can follow. */
bool constraint_free_is_forced(const cso_constraint *constraint, const cso_constraint_state *state);
/* Whether a token may end in this state: what the vocabulary has can finish the character. */
bool constraint_may_pause(const cso_constraint *constraint, const cso_constraint_state *state);
/* What a token's end changes. */
void constraint_token_over(const cso_constraint *constraint, cso_constraint_state *state);

/* constraint_mask.c */
cso_status mask_cache_create(mask_cache **cache, const cso_token_trie *tokens, cso_error *err);
void mask_cache_free(mask_cache *cache);

/* constraint.c */
/* A new node; its index in *node. */
cso_status constraint_add_node(cso_constraint *constraint, constraint_kind kind, uint32_t *node, cso_error *err);
/* Whether tokens of one byte can write the text: CSO_ERR_INPUT if not. place begins messages. */
cso_status constraint_check_bytes(const cso_token_trie *tokens, const char *text, size_t size, const char *place, cso_error *err);
/* Gives a node its trie, after checking that the vocabulary can write all texts. */
cso_status constraint_set_texts(cso_constraint *constraint, uint32_t node, byte_trie_string *texts, uint32_t count,
                                const char *place, cso_error *err);

static inline void constraint_begin_with(constraint_node *node, uint8_t byte) {
    node->begins[byte / 64] |= UINT64_C(1) << byte % 64;
}

#endif
