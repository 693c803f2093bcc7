/* test_allocations.c - once a plan's memory is reserved and a first step has been made, a step allocates nothing.
 *
 * The program's own malloc and kin count the calls and pass them on to glibc's. What the libraries for products and threads
 * allocate inside of theirs is their own affair.
 */
#include "loss_cases.h"
#include "train_fixture.h"

#include "train/example_weights.h"

#include "train/optim.h"
#include "train/train_batch.h"
#include "train/train_plan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#if defined __GLIBC__
#include <link.h>
#endif

#if defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined __GLIBC__ && !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__ && !defined SANITIZED
#define COUNTED 1
#else
#define COUNTED 0
#endif

static atomic_bool counting;
static atomic_size_t calls, most_bytes;

#if COUNTED
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

/* The code of the libraries for products, of C++'s operator new, which only these use in a step, and of LLVM's OpenMP, which
 * allocates something at each parallel region. */
static struct { uintptr_t begin, end; } foreign[32];
static size_t n_foreign;

static int add_foreign(struct dl_phdr_info *info, size_t size, void *context) {
    static const char *const names[] = {"libopenblas", "libdnnl", "libstdc++", "libomp"};
    (void)size;
    (void)context;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (int k = 0; strstr(info->dlpi_name, names[i]) && k < info->dlpi_phnum; k++)
            if (info->dlpi_phdr[k].p_type == PT_LOAD && n_foreign < sizeof foreign / sizeof *foreign) {
                uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[k].p_vaddr;
                foreign[n_foreign].begin = begin;
                foreign[n_foreign++].end = begin + info->dlpi_phdr[k].p_memsz;
            }
    return 0;
}

static bool is_foreign(const void *caller) {
    for (size_t i = 0; i < n_foreign; i++)
        if ((uintptr_t)caller >= foreign[i].begin && (uintptr_t)caller < foreign[i].end)
            return true;
    return false;
}

static void count(size_t bytes, const void *caller) {
    if (!atomic_load(&counting) || is_foreign(caller))
        return;
    atomic_fetch_add(&calls, 1);
    if (bytes > atomic_load(&most_bytes))
        atomic_store(&most_bytes, bytes);
}

void *malloc(size_t size) {
    count(size, __builtin_return_address(0));
    return __libc_malloc(size);
}

void *calloc(size_t items, size_t size) {
    count(items * size, __builtin_return_address(0));
    return __libc_calloc(items, size);
}

void *realloc(void *memory, size_t size) {
    count(size, __builtin_return_address(0));
    return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    count(size, __builtin_return_address(0));
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    count(size, __builtin_return_address(0));
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}
#endif

typedef struct run {
    train_fixture f;
    cso_reference_cache cache;
    cso_arena arena;
    cso_adamw adamw;
    float *grads;
    cso_batch_job job;
    test_objective o;
    cso_dataset data; /* of the objective's kind */
    double *weights;
} run;

/* What is run: one loss, or an objective. */
typedef struct setting {
    const cso_loss *loss;
    const cso_objective *objective;
    cso_packing packing;
    size_t memory;
    double dropout;
} setting;

/* Everything that a trainer makes before its first step. */
static void run_open(run *r, const setting *s) {
    cso_error err = {0}, warning;
    cso_train_plan plan;
    *r = (run){0};
    train_fixture_open(&r->f, "r4", s->memory);
    r->f.config.data.packing = s->packing;
    r->f.adapter->options.dropout = s->dropout;
    r->data = loss_dataset(s->objective ? s->objective->takes : CSO_EXAMPLE_PAIR, &r->f.data);
    cso_train_job job = train_fixture_job(&r->f);
    if (s->objective) {
        r->o.objective = *s->objective;
        cso_metric_table_make(&r->o.table, &r->o.objective, &r->data, NULL);
    } else {
        test_objective_make(&r->o, s->loss, test_options(0.1, 0), &r->data);
    }
    job.objective = &r->o.objective;
    job.train = &r->data;
    golden_ok(cso_train_plan_make(&plan, &job, &err), &err);
    golden_ok(cso_example_weights(&r->o.objective, &r->data, &r->weights, &err), &err);
    golden_ok(cso_reference_cache_open(&r->cache, NULL, NULL, 0, &r->data, &warning, &err), &err);
    cso_trainables trained = cso_adapter_trainables(r->f.adapter);
    golden_ok(cso_adamw_create(&r->adamw, &trained, 0.9, 0.999, 1e-8, 0.01, &err), &err);
    r->grads = calloc(r->f.adapter->n_params, sizeof *r->grads);
    assert_true(cso_arena_reserve(&r->arena, plan.need.arena));
    golden_ok(cso_engine_reserve(r->f.engine, &plan.need.engine, &err), &err);
    r->job = (cso_batch_job){
        .engine = r->f.engine,
        .data = &r->data,
        .packing = s->packing,
        .objective = &r->o.objective,
        .weights = r->weights,
        .metrics = &r->o.table,
        .cache = &r->cache,
        .arena = &r->arena,
    };
}

static void run_close(run *r) {
    cso_arena_free(&r->arena);
    cso_adamw_free(&r->adamw);
    cso_reference_cache_free(&r->cache);
    free(r->grads);
    free(r->weights);
    loss_dataset_free(&r->data);
    train_fixture_close(&r->f);
}

static void make_step(run *r, size_t step, const size_t *pairs, size_t n) {
    cso_error err = {0};
    cso_batch_result result;
    memset(r->grads, 0, r->f.adapter->n_params * sizeof *r->grads);
    cso_engine_set_step(r->f.engine, 42, step);
    golden_ok(cso_batch_run(&r->job, r->f.adapter, pairs, n, r->grads, &result, &err), &err);
    double norm = cso_grad_norm(r->grads, r->f.adapter->n_params);
    cso_adamw_step(&r->adamw, r->f.ctx, r->grads, 1 / (norm + 1), 1e-4);
}

/* Two epochs of the steps that the plan has seen, the first step apart: in it libraries and threads begin. */
static size_t count_steps(const char *what, setting s) {
    run r;
    size_t pairs[16], size = 8, kept;
    run_open(&r, &s);
    for (size_t i = 0; i < 16; i++)
        pairs[i] = i;
    make_step(&r, 0, pairs + size, size);
    kept = cso_engine_kept_layers(r.f.engine);
    atomic_store(&calls, 0);
    atomic_store(&most_bytes, 0);
    atomic_store(&counting, true);
    for (size_t step = 1; step < 5; step++)
        make_step(&r, step, pairs + (step % 2 ? 0 : size), size);
    atomic_store(&counting, false);
    print_message("%s: %zu layers kept, %zu allocations in four steps, the largest of %zu bytes\n", what, kept, calls, most_bytes);
    run_close(&r);
    return calls;
}

static void no_allocation(void **state) {
    const cso_loss *cso = cso_loss_find("cso");
    (void)state;
    if (!COUNTED) {
        print_message("skipped: allocations are counted with glibc and without sanitizers only\n");
        skip();
    }
    assert_int_equal(count_steps("packing tree", (setting){.loss = cso}), 0);
    assert_int_equal(count_steps("packing pair, dropout", (setting){.loss = cso, .packing = CSO_PACK_PAIR, .dropout = 0.1}), 0);
    train_fixture f;
    train_fixture_open(&f, "r4", 0);
    size_t little = cso_engine_bytes(f.engine, 1200, 0);
    train_fixture_close(&f);
    assert_int_equal(count_steps("little memory", (setting){.loss = cso, .memory = little}), 0);
    cso_loss greedy = *cso; /* it asks for all that a loss may ask for */
    greedy.needs |= CSO_LOSS_TOKENS | CSO_LOSS_WHOLE_BATCH | CSO_LOSS_MISMATCHED;
    assert_int_equal(count_steps("a loss that needs everything", (setting){.loss = &greedy, .memory = little}), 0);
    cso_objective objective;
    const char *name;
    for (size_t k = 0; loss_case(k, &objective, &name); k++) {
        bool plain = objective.n == 1 && !objective.token_weights && !objective.example_weights;
        if (!plain || objective.needs != CSO_LOSS_REFERENCE || objective.takes != CSO_EXAMPLE_PAIR) /* the others are as cso */
            assert_int_equal(count_steps(name, (setting){.objective = &objective, .memory = little}), 0);
    }
}

/* The counter itself: it would hide everything if it saw nothing. */
static void counter_counts(void **state) {
    (void)state;
    if (!COUNTED)
        skip();
#if COUNTED
    dl_iterate_phdr(add_foreign, NULL);
#endif
    atomic_store(&calls, 0);
    atomic_store(&counting, true);
    cso_arena arena = {0};
    bool reserved = cso_arena_reserve(&arena, 1 << 20);
    atomic_store(&counting, false);
    assert_true(reserved);
    assert_int_equal(calls, 1);
    cso_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(counter_counts), cmocka_unit_test(no_allocation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
