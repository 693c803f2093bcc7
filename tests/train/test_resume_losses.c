/* Every loss through a stop and a resume: the same bits as in one go, and no other loss goes on with its checkpoint. */
#include "loss_cases.h"
#include "resume_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 6, STOP = 3 };

static void same_bits(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    cso_objective objective, other;
    size_t cases = 0;
    const char *name;
    resume_fixture_open(&f);
    cso_dataset pairs = f.data;
    cso_error err = {0};
    const char *const types[] = {"cso", "ipo"};
    const cso_loss_options options = cso_loss_default_options();
    golden_ok(cso_objective_make(&other, types, NULL, 2, &options, &err), &err);
    f.config.train.max_steps = STEPS;
    f.objective = &objective;
    for (size_t k = 0; loss_case(k, &objective, &name); k++) {
        char whole[32], parts[32];
        snprintf(whole, sizeof whole, "whole-%zu", k);
        snprintf(parts, sizeof parts, "parts-%zu", k);
        f.data = loss_dataset(objective.takes, &pairs);
        f.config.loss.options = objective.options;
        run_well(&f, &p, whole, 0);
        assert_int_equal(p.count, STEPS);
        assert_int_equal(p.steps[STEPS - 1].skipped, 0);
        run_well(&f, &p, parts, STOP);
        if (objective.takes == CSO_EXAMPLE_PAIR) {
            f.objective = &other;
            run_refused(&f, parts, CSO_ERR_INPUT, "loss.type is 1 cso + 1 ipo here and ", objective.text, " there", NULL);
            f.objective = &objective;
        }
        run_well(&f, &p, parts, 0);
        assert_int_equal(p.count, STEPS - STOP);
        same_bytes(&f, whole, parts, STEPS);
        same_metrics(&f, whole, parts, STEPS);
        loss_dataset_free(&f.data);
        cases++;
    }
    assert_in_range(cases, 30, 100);
    f.data = pairs;
    resume_fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
