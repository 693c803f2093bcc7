/* fixture.h - a server and an asker for each test of the pool. */
#ifndef CSO_TESTS_FIXTURE_H
#define CSO_TESTS_FIXTURE_H

#include "asker.h"

extern server_process server; /* of this test */
extern asker a;               /* zeroed; closed after the test */

/* Of a group: starts the server that most tests share, one after the other. */
int setup_all(void **state);
int teardown_all(void **state);

int setup(void **state);        /* the shared server, which forgets what was */
int setup_own(void **state);    /* for tests that drop requests, which may come when the next test runs */
int setup_faults(void **state); /* one fault in five requests */
int setup_slow(void **state);   /* every answer takes 0.1 s */
int teardown(void **state);

#define TEST(name)           cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_WITH(name, how) cmocka_unit_test_setup_teardown(name, how, teardown)

cso_endpoint_stats stats(void); /* of the asker's pool */
/* All of "question 0" and so on were answered. The server answers "[DIGEST] " and the question. */
void expect_answers(size_t count);

#endif
