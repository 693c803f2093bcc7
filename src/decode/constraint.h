/* constraint.h - what a reply may be: one of some texts, a form, or JSON by a schema, each at once or after free text, or a line.
 *
 * A constraint is an automaton over bytes. Walking the tokens of a vocabulary through it gives the set of ids that may come
 * next: the mask. Masks are kept by the automaton's state, so that a state that was met before costs a copy. Before the reply is
 * complete a mask has at least one id; afterwards it may be empty, if no id ends replies (cso_constraint_ends).
 *
 * Special tokens are in no mask, nor are those of over 512 bytes. Ids that end a reply are in it exactly where the text so far
 * satisfies the constraint; where nothing can follow, they alone are.
 *
 * JSON. The text is compact: no blanks but at most one after each comma and colon of objects and arrays. Members come in the
 * order of the schema's `properties`; those that are not `required` may be left out, and there are no others. Keys, and values
 * of `enum` and `const`, are written in one form, without blanks. Supported: `type` (one or several of object, array, string,
 * number, integer, boolean, null), `properties`, `required`, `additionalProperties` (true or false), `items`, `minItems`,
 * `maxItems`, `minLength`, `maxLength`, `enum`, `const`, `anyOf` (of values that differ in their first character), and for
 * integers `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`. Without effect: `title`, `description`, `default`,
 * `examples`, `deprecated`, `readOnly`, `writeOnly`, `$schema`, `$id`, `$comment`. Any other keyword is refused. Integers have
 * up to 15 digits; numbers up to 15 before the point, 15 after it, and 2 in the exponent. Strings are UTF-8; what JSON escapes
 * may be escaped, \u0000 apart.
 *
 * A vocabulary's trie and a constraint do not change: any number of threads may use them.
 */
#ifndef CSO_CONSTRAINT_H
#define CSO_CONSTRAINT_H

#include "base/status.h"
#include "text/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CSO_CONSTRAINT_DEPTH = 16,          /* of a schema: objects, arrays and anyOf inside one another */
    CSO_CONSTRAINT_NODES = 4096,        /* of a schema: schemas inside it, itself included */
    CSO_CONSTRAINT_PROPERTIES = 256,    /* of one object */
    CSO_CONSTRAINT_TEXTS = 1 << 20,     /* bytes of all texts to choose from, of all keys and enum values, of a schema */
    CSO_CONSTRAINT_COUNT = 1 << 20,     /* the highest bound of items, or of characters in a string */
    CSO_CONSTRAINT_MARK = 256,          /* bytes of a mark */
    CSO_CONSTRAINT_CACHE = 64 * 1048576 /* bytes of masks that one constraint keeps */
};

/* The tokens of a tokenizer as a trie over their bytes, shared by constraints. */
typedef struct cso_token_trie cso_token_trie;

/* ends: (n_ends) ids that end a reply; -1 is ignored. The tokenizer is not needed afterwards. Errors: CSO_ERR_SYSTEM (memory). */
cso_status cso_token_trie_create(cso_token_trie **trie, const cso_tokenizer *tokenizer, const int32_t *ends, size_t n_ends,
                                 cso_error *err);
void cso_token_trie_free(cso_token_trie *trie); /* after its constraints; NULL: nothing happens */
/* Of 64 bits in a mask: id is in it if mask[id / 64] >> (id % 64) & 1. */
size_t cso_token_trie_words(const cso_token_trie *trie);

/* Free text before the constraint, UTF-8 without zero bytes: it lasts until the mark first occurs, and the constraint's text
 * follows the mark at once. The reply cannot end inside the free text. Where a maximum is reached, the mark follows, behind an
 * unfinished character. */
typedef struct cso_free_text {
    const char *mark;  /* UTF-8, not empty */
    size_t max_bytes;  /* of the text before the mark; 0: any number */
    size_t max_tokens; /* without the whole mark; 0: any number */
    bool ends;         /* an id that ends a reply may come between characters: it adds nothing, and the mark follows */
} cso_free_text;

typedef struct cso_constraint cso_constraint; /* immutable to its users, and shared by any number of states */

/* The reply is one of count > 0 texts, each UTF-8 and not empty; one may begin another. free_text NULL: none.
 * Errors: CSO_ERR_INPUT (a text, the mark, or a byte that no token of the vocabulary has), CSO_ERR_SYSTEM (memory). */
cso_status cso_constraint_choice(cso_constraint **constraint, const cso_token_trie *trie, const char *const *texts, size_t count,
                                 const cso_free_text *free_text, cso_error *err);
/* A part of a form: one of count > 0 texts, as of choices; of one that begins another, the longer where the next part leaves both. */
typedef struct cso_form_part {
    const char *const *texts; /* (count) */
    size_t count;
} cso_form_part;
/* The reply is a text of each of n > 0 parts, in their order. Errors: as above. */
cso_status cso_constraint_form(cso_constraint **constraint, const cso_token_trie *trie, const cso_form_part *parts, size_t n,
                               const cso_free_text *free_text, cso_error *err);

/* A line of text: UTF-8 without control characters that has a letter or digit of ASCII, or any other character beyond ASCII. It begins
 * neither with a blank or quotation mark, nor with a label: a word, perhaps among stars, and a colon. It may end anywhere; line breaks at
 * its end are part of the reply, and nothing follows them. */
typedef struct cso_line {
    const char *const *marks; /* (n_marks) each not empty */
    size_t n_marks;
    bool marks_end; /* a mark ends the line; else none may occur */
} cso_line;
/* The reply is a line. Errors: as above; CSO_ERR_INPUT also for marks of over CSO_CONSTRAINT_MARK bytes together. */
cso_status cso_constraint_line(cso_constraint **constraint, const cso_token_trie *trie, const cso_line *line, cso_error *err);
/* The reply is a JSON value of this schema: `size` bytes of JSON. place begins messages: "PLACE: #/properties/a: what is wrong".
 * Errors: as above; CSO_ERR_INPUT also for schemas that are malformed, too large, or use what is not supported. */
cso_status cso_constraint_schema(cso_constraint **constraint, const cso_token_trie *trie, const char *schema, size_t size,
                                 const char *place, const cso_free_text *free_text, cso_error *err);
void cso_constraint_free(cso_constraint *constraint); /* NULL: nothing happens */

/* An array or object that the text is inside of. */
typedef struct cso_constraint_level {
    uint32_t node;  /* of the schema */
    uint32_t count; /* items begun, or properties that are over */
} cso_constraint_level;

/* Where a reply is: copied by assignment, holds no memory. Its fields are the constraint's. */
typedef struct cso_constraint_state {
    int64_t value;   /* of an integer or an escape */
    uint8_t step;    /* what the next byte belongs to */
    uint8_t part;    /* of a string, a number or a character */
    uint16_t depth;  /* levels in use */
    uint32_t node;   /* of the schema */
    uint32_t at;     /* in a trie of texts, or in the mark */
    uint32_t count;  /* of bytes, characters or digits */
    uint32_t tokens; /* of the free text */
    cso_constraint_level levels[CSO_CONSTRAINT_DEPTH];
} cso_constraint_state;

/* The state before the first token of a reply. */
cso_constraint_state cso_constraint_start(const cso_constraint *constraint);
/* Fills mask[cso_token_trie_words]. Errors: CSO_ERR_SYSTEM (memory). */
cso_status cso_constraint_mask(const cso_constraint *constraint, const cso_constraint_state *state, uint64_t *mask, cso_error *err);
/* The state after one more id. False, and nothing changed, if the mask does not have it. An id that ends replies changes the state only
 * inside free text: the mark follows. */
bool cso_constraint_advance(const cso_constraint *constraint, cso_constraint_state *state, int32_t id);
/* Whether the text so far satisfies the constraint: the reply may end here. */
bool cso_constraint_complete(const cso_constraint *constraint, const cso_constraint_state *state);
/* Writes what must come next to text[capacity], where it is complete or a character further on leaves a choice; 0: there is a choice
 * now. Whole characters, no zero behind them. */
size_t cso_constraint_forced(const cso_constraint *constraint, const cso_constraint_state *state, char *text, size_t capacity);
/* Whether it does and nothing can follow: the reply ends here, without asking the model. */
bool cso_constraint_ends(const cso_constraint *constraint, const cso_constraint_state *state);

#endif
