/* tree_file.h - a finished search in a file, RUN/trees/000001.json: what `cso-search show` and `extract` and the pages read.
 *
 * One JSON object: version, index (of the seed, from 1), state ("complete", "failed", "stopped"), method, mode, iterations, scene,
 * description, prompts (hash of the prompts' file), calls by role, strategies (names), and nodes in the order they were made:
 * parent (null: the root), strategy (null: the root), prior, q, n, seed, generated, ended, simulated, filled, reply, answer.
 */
#ifndef CSO_TREE_FILE_H
#define CSO_TREE_FILE_H

#include "policy.h"
#include "search_tree.h"

typedef enum cso_search_state { CSO_SEARCH_COMPLETE, CSO_SEARCH_FAILED, CSO_SEARCH_STOPPED } cso_search_state;
extern const char *const cso_search_state_words[]; /* "complete", "failed", "stopped", NULL */

/* A search and what became of it. */
typedef struct cso_search_result {
    size_t index; /* of the seed, from 1 */
    cso_search_state state;
    char *method, *mode, *scene, *description, *prompts;
    size_t iterations;
    size_t calls[CSO_ROLES];
    cso_search_tree tree;
} cso_search_result;
void cso_search_result_free(cso_search_result *result); /* takes a zeroed one too */

/* Writes a file that appears whole. */
cso_status cso_tree_file_write(const cso_search_result *result, const char *path, cso_error *err);
/* Checks all of it; CSO_ERR_INPUT with the node's number. */
cso_status cso_tree_file_read(cso_search_result *result, const char *path, cso_error *err);

#endif
