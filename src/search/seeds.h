/* seeds.h - what searches begin with: golden dialogues (ESC-Pro trees), or a scene and a description. */
#ifndef CSO_SEARCH_SEEDS_H
#define CSO_SEARCH_SEEDS_H

#include "base/option.h"
#include "base/status.h"

#include <stddef.h>

typedef struct cso_seed_turn {
    size_t strategy; /* in the strategies given */
    char *supporter;
    char *seeker; /* the answer to it; of the last turn NULL */
} cso_seed_turn;

typedef struct cso_seed {
    size_t index;              /* from 1, over all files */
    char *scene, *description; /* the emotion or kind of problem, and the situation */
    char *opening;             /* the seeker's first words of a golden dialogue; NULL: the seeker role makes them */
    cso_seed_turn *turns;      /* (turn_count) of a golden dialogue */
    size_t turn_count;
    char digest[33]; /* of all of this */
} cso_seed;

typedef struct cso_seeds {
    cso_seed *items;
    size_t count, capacity;
} cso_seeds;

/* Reads all records of the files, in order. `messages` begin with the seeker (role "user" or "seeker"), who takes turns with the
 * supporter ("assistant" or "supporter"), whose strategies are among `strategies`; a seeker's turn at the end is dropped, unknown keys are ignored. CSO_ERR_INPUT with
 * "FILE:LINE: ...". */
cso_status cso_seeds_read(cso_seeds *seeds, const cso_strings *files, const char *const *strategies, size_t count, cso_error *err);
void cso_seeds_free(cso_seeds *seeds); /* takes a zeroed one too */

#endif
