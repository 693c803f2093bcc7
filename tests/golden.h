/* golden.h - reference values for tests: files made with transformers, PEFT and TRL (tests/golden/README.md). */
#ifndef CSO_TESTS_GOLDEN_H
#define CSO_TESTS_GOLDEN_H

#include "io/json.h"
#include "io/safetensors.h"

#include <stdbool.h>
#include <stddef.h>

/* tests/golden/NAME, or the large fixtures' goldens/NAME where they are present. Fails the test if neither has it, and
 * where the large ones are absent gives NULL and prints that it is skipped. The result is static until the fourth next call. */
const char *golden_path(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A tensor of any numeric type as doubles; the caller frees. Fails the test if it is missing. */
double *golden_doubles(const cso_safetensors *file, const char *name, size_t *count);
bool golden_has(const cso_safetensors *file, const char *name);

/* Opens or fails the test with the message. */
cso_safetensors *golden_safetensors(const char *path);
cJSON *golden_json(const char *path);

/* Ids of a JSON array of numbers; the caller frees. */
int32_t *golden_ids(const cJSON *array, size_t *count);

/* The golden pairs of a model as JSON Lines for supervised training: {"messages": prompt and chosen reply}. The caller frees. */
char *golden_conversations(const char *model);

/* Fails the test with error.message if status is not CSO_OK. */
void golden_ok(cso_status status, const cso_error *error);

/* |a - b| / |b| over n numbers, by norms; fails the test if b is all zero (a reference that could not fail). */
double golden_relative(const double *a, const double *b, size_t n);

#endif
