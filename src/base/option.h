/* option.h - the row of a configuration key: everything that is known of the key, in one place.
 *
 * A layer offers its keys as an array of rows whose offsets count from the struct of its options; an option set puts several such
 * arrays one after the other. Reading, --set, bounds, defaults, config.toml, help, run identity and the check of
 * docs/configuration.md follow from the rows, so a new key is a row, a field and a line of documentation.
 */
#ifndef CSO_OPTION_H
#define CSO_OPTION_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cso_strings {
    char **items;
    size_t count;
} cso_strings;

typedef struct cso_numbers {
    double *items;
    size_t count;
} cso_numbers;

typedef enum cso_option_type {
    CSO_OPTION_STRING,   /* char * */
    CSO_OPTION_PATH,     /* char *: relative to the configuration file's folder, except "", "-" and the row's words */
    CSO_OPTION_PATHS,    /* cso_strings of such paths */
    CSO_OPTION_CHOICE,   /* an enum whose values are the indexes of the row's words */
    CSO_OPTION_CHOICES,  /* cso_strings of the row's words, or the word "all-linear" for all of them */
    CSO_OPTION_SIZE,     /* size_t */
    CSO_OPTION_INTEGER,  /* int64_t */
    CSO_OPTION_SEED,     /* uint64_t */
    CSO_OPTION_NUMBER,   /* double */
    CSO_OPTION_NUMBERS2, /* double[2] */
    CSO_OPTION_NUMBERS4, /* double[4] */
    CSO_OPTION_STRINGS,  /* cso_strings of any texts */
    CSO_OPTION_NUMBERS,  /* cso_numbers */
    CSO_OPTION_BOOL      /* bool */
} cso_option_type;

typedef struct cso_option_range {
    double min, max;           /* of numbers; min 1 for texts and lists: not empty. max == min: no upper bound */
    bool above_min, below_max; /* the bound itself is excluded */
    double least;              /* > 0: the smallest value beside 0; what is between is too small to have an effect */
} cso_option_range;

#define CSO_OPTION_INT32_MAX 2147483647.0 /* bounds what becomes a position or an index in token trees; help does not show it */
/* clang-format off */
#define CSO_RANGE_ANY           {0, 0, false, false, 0}
#define CSO_RANGE_NOT_EMPTY     {1, 1, false, false, 0}
#define CSO_RANGE_FROM(a)       {a, a, false, false, 0}
#define CSO_RANGE_BETWEEN(a, b) {a, b, false, false, 0}
#define CSO_RANGE_ABOVE(a, b)   {a, b, true, false, 0} /* a excluded, b included */
#define CSO_RANGE_BELOW(a, b)   {a, b, false, true, 0} /* a included, b excluded */
#define CSO_RANGE_ZERO_OR(a, b) {0, b, false, false, a} /* 0, or from a to b */
/* clang-format on */

/* What a run does with a key when it resumes. The identity of a run is a list of names and values that must not change. */
#define CSO_IDENTITY_OWN  ""   /* the value is in the identity, under the key's own name */
#define CSO_IDENTITY_FREE NULL /* the value may change at resume */
/* Any other text: the name in the identity of something that the value determines ("data.train": the tokens of the data). */

typedef enum cso_option_flag {
    CSO_OPTION_RANKS = 1, /* not in the identity, but all processes of a run must have the same value */
    CSO_OPTION_LATE =
        2, /* a key that came after the first release: in the identity only where it has not its default, so that older
                           * checkpoints go on */
} cso_option_flag;

typedef struct cso_option {
    const char *name; /* "train.max_steps" */
    cso_option_type type;
    size_t offset; /* of the field in the struct of the layer's options */
    cso_option_range range;
    const char *const *words; /* NULL-terminated */
    const char *fallback;     /* the default as TOML; NULL: the key must be given */
    const char *identity;     /* CSO_IDENTITY_OWN, CSO_IDENTITY_FREE or a name */
    unsigned flags;           /* of cso_option_flag */
    const char *help;         /* one line */
} cso_option;

typedef struct cso_option_list {
    const cso_option *rows;
    size_t count;
} cso_option_list;

/* The rows of one layer, and where the struct of its options lies in the whole configuration. */
typedef struct cso_option_table {
    const cso_option_list *list;
    size_t offset;
} cso_option_table;

typedef struct cso_option_set {
    const cso_option_table *tables;
    size_t count;
} cso_option_set;

/* A row and where its field lies in the whole configuration. */
typedef struct cso_option_place {
    const cso_option *row; /* NULL: there is none */
    size_t offset;
} cso_option_place;

/* Rows are numbered through all tables; past the last one the row is NULL. */
cso_option_place cso_options_at(const cso_option_set *set, size_t index);
cso_option_place cso_options_find(const cso_option_set *set, const char *name);

/* How many numbers a value is: 2 of CSO_OPTION_NUMBERS2, 4 of CSO_OPTION_NUMBERS4, 1 of all others. */
size_t cso_option_parts(const cso_option *row);
/* The value as an identity has it, cut to `size` bytes: words and texts plain, "true", numbers by cso_number_text from 6 digits;
 * part: which of its parts. Of a list the number of its texts or numbers. */
void cso_option_text(const cso_option *row, const void *field, size_t part, char *text, size_t size);

/* NaN and Inf are in no range. */
bool cso_option_in_range(const cso_option_range *range, double value);
/* ">= 1", "> 0 and <= 1000000", ">= 0 and < 1", "from 1 to 65536", "0 or from 1e-12 to 100": what a number must be. */
void cso_option_range_text(const cso_option_range *range, char *text, size_t size);

/* The index of a text among NULL-terminated words; false if it is none of them. */
bool cso_word_find(const char *const *words, const char *text, size_t *index);

#endif
