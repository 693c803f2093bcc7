/* Exchanges between processes. The program starts itself again under mpirun: with a word, it is one of the processes. */
#include "mpirun.h"

#include "comm/comm.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *self;

#define CHECK(condition)                                                                                                           \
    do {                                                                                                                           \
        if (!(condition)) {                                                                                                        \
            fprintf(stderr, "process %d: line %d: %s is false\n", cso_comm_rank(comm), __LINE__, #condition);                      \
            cso_comm_abort(comm, 99);                                                                                              \
        }                                                                                                                          \
    } while (0)

/* Some number of each process, whose sums depend on the order and on how often they are rounded. */
static float term(size_t i, int rank) {
    float x = (float)((i + (size_t)rank * 7919) * 2654435761u % 65521) - 32000;
    return rank % 2 ? x * 1e-6F : x;
}

/* More than one block of them. */
static void check_sums(cso_comm *comm) {
    enum { N = 5000003, FEW = 3 };
    int rank = cso_comm_rank(comm), size = cso_comm_size(comm);
    float *x = malloc(N * sizeof *x);
    double few[FEW];
    for (size_t i = 0; i < N; i++)
        x[i] = term(i, rank);
    for (size_t i = 0; i < FEW; i++)
        few[i] = 1.0 / (double)(i + 3 + (size_t)rank);
    cso_comm_sum_f32(comm, x, N);
    cso_comm_sum_f64(comm, few, FEW);
    for (size_t i = 0; i < N; i += 997) {
        double sum = 0;
        for (int r = 0; r < size; r++)
            sum += term(i, r);
        CHECK(x[i] == (float)sum);
    }
    for (size_t i = 0; i < FEW; i++) { /* fewer numbers than processes */
        double sum = 0;
        for (int r = 0; r < size; r++)
            sum += 1.0 / (double)(i + 3 + (size_t)r);
        CHECK(few[i] == sum);
    }
    float *first = malloc(N * sizeof *first); /* the same bits everywhere */
    memcpy(first, x, N * sizeof *x);
    cso_comm_broadcast(comm, first, N * sizeof *first);
    CHECK(!memcmp(first, x, N * sizeof *x));
    free(first);
    free(x);
}

static void check_copies(cso_comm *comm) {
    int mine[2] = {cso_comm_rank(comm), 7}, all[16];
    cso_comm_gather_all(comm, mine, all, sizeof mine);
    for (int r = 0; r < cso_comm_size(comm); r++)
        CHECK(all[2 * r] == r && all[2 * r + 1] == 7);
    int root = 40 + cso_comm_rank(comm);
    cso_comm_broadcast(comm, &root, sizeof root);
    CHECK(root == 40);
    CHECK(cso_comm_local_size(comm) == cso_comm_size(comm));
    cso_comm_barrier(comm);
}

static void check_agree(cso_comm *comm) {
    cso_error err = {0};
    int rank = cso_comm_rank(comm);
    CHECK(cso_comm_agree(comm, CSO_OK, &err) == CSO_OK);
    cso_status status = rank == 1 ? cso_fail(&err, CSO_ERR_NUMERIC, "not a number") : CSO_OK;
    CHECK(cso_comm_agree(comm, status, &err) == CSO_ERR_NUMERIC && !strcmp(err.message, "not a number"));
    status = rank == 1 ? cso_fail(&err, CSO_ERR_NUMERIC, "not a number") : cso_fail(&err, CSO_ERR_SYSTEM, "disk %d", rank);
    CHECK(cso_comm_agree(comm, status, &err) == CSO_ERR_SYSTEM && !strcmp(err.message, "disk 0"));
    status = rank == 2 ? cso_fail(&err, CSO_ERR_INPUT, "bad file") : CSO_OK;
    CHECK(cso_comm_agree(comm, status, &err) == CSO_ERR_INPUT);
    CHECK(!strncmp(err.message, "process 2 on ", 13) && strstr(err.message, ": bad file"));
}

/* The work of one process under mpirun; it ends like a program. */
static int be_process(const char *what) {
    cso_comm *comm;
    cso_error err = {0};
    cso_status status = cso_comm_open(&comm, &err);
    if (status == CSO_OK && !strcmp(what, "exchange")) {
        check_sums(comm);
        check_copies(comm);
        check_agree(comm);
    } else if (status == CSO_OK && !strcmp(what, "all-fail")) {
        status = cso_fail(&err, CSO_ERR_INPUT, "as all do");
    } else if (status == CSO_OK && !strcmp(what, "one-fails")) { /* while the others wait for it */
        if (cso_comm_rank(comm) == 1)
            status = cso_fail(&err, CSO_ERR_SYSTEM, "as nobody else does");
        else
            cso_comm_barrier(comm);
    } else if (status == CSO_OK && !strcmp(what, "last-fails")) { /* while the others are done */
        if (cso_comm_rank(comm) == 2)
            status = cso_fail(&err, CSO_ERR_SYSTEM, "at the very end");
    }
    bool first, met = cso_comm_meet(comm, status, &first);
    if (first)
        fprintf(stderr, "said: %s\n", err.message);
    if (!met)
        cso_comm_abort(comm, (int)status);
    cso_comm_close(comm);
    return (int)status;
}

static int run(int n, const char *what, char *text, size_t size) {
    char file[] = "/tmp/cso-test-comm-XXXXXX";
    const char *const words[] = {what, NULL};
    close(mkstemp(file));
    int code = mpirun_wait(mpirun_start(n, self, words, file));
    FILE *in = fopen(file, "r");
    text[fread(text, 1, size - 1, in)] = '\0';
    fclose(in);
    unlink(file);
    return code;
}

static size_t times(const char *text, const char *part) {
    size_t count = 0;
    for (; (text = strstr(text, part)); text++)
        count++;
    return count;
}

static void alone(void **state) {
    (void)state;
    float x[2] = {1, 2};
    double y[2] = {3, 4};
    int all = 0, mine = 5;
    bool first;
    cso_comm *comm;
    cso_error err = {0};
    assert_int_equal(cso_comm_open(&comm, &err), CSO_OK);
    assert_null(comm);
    assert_int_equal(cso_comm_rank(comm), 0);
    assert_int_equal(cso_comm_size(comm), 1);
    assert_int_equal(cso_comm_local_size(comm), 1);
    cso_comm_sum_f32(comm, x, 2);
    cso_comm_sum_f64(comm, y, 2);
    assert_true(x[0] == 1 && x[1] == 2 && y[0] == 3 && y[1] == 4);
    cso_comm_gather_all(comm, &mine, &all, sizeof mine);
    assert_int_equal(all, 5);
    cso_comm_broadcast(comm, &mine, sizeof mine);
    cso_comm_barrier(comm);
    assert_int_equal(cso_comm_agree(comm, CSO_ERR_INPUT, &err), CSO_ERR_INPUT);
    assert_true(cso_comm_meet(comm, CSO_OK, &first) && !first);
    assert_true(cso_comm_meet(comm, CSO_ERR_INPUT, &first) && first);
    cso_comm_close(comm);
}

/* Started by an mpirun but not joined: no two runs may each believe to be alone. */
static void an_mpirun_that_is_not_ours(void **state) {
    (void)state;
    char text[4000];
    setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
    int code = run(0, "exchange", text, sizeof text);
    unsetenv("OMPI_COMM_WORLD_SIZE");
    if (code != CSO_ERR_USAGE || !strstr(text, "started as one of 2 processes, "))
        fail_msg("exit code %d: %s", code, text);
}

static void exchanges(void **state) {
    (void)state;
    char text[4000];
    if (!mpirun_there())
        skip();
    for (int n = 3; n <= 4; n++) {
        int code = run(n, "exchange", text, sizeof text);
        if (code)
            fail_msg("%d processes: exit code %d: %s", n, code, text);
    }
}

static void failures(void **state) {
    (void)state;
    char text[4000];
    if (!mpirun_there())
        skip();
    assert_int_equal(run(3, "all-fail", text, sizeof text), CSO_ERR_INPUT);
    assert_int_equal(times(text, "said: as all do\n"), 1);
    assert_int_equal(run(3, "one-fails", text, sizeof text), CSO_ERR_SYSTEM);
    assert_int_equal(times(text, "said: as nobody else does\n"), 1);
    assert_int_equal(run(3, "last-fails", text, sizeof text), CSO_ERR_SYSTEM);
    assert_int_equal(times(text, "said: at the very end\n"), 1);
}

int main(int argc, char **argv) {
    self = argv[0];
    if (argc > 1)
        return be_process(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone),
        cmocka_unit_test(an_mpirun_that_is_not_ours),
        cmocka_unit_test(exchanges),
        cmocka_unit_test(failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
