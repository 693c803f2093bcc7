/* train.c - trains as a configuration says; Ctrl-C saves a checkpoint and stops: train CONFIG [KEY=VALUE]...
 *
 *     cc train.c -o train $(pkg-config --cflags --libs cso)
 *
 * Started again, it goes on from the checkpoint.
 */
#include <cso.h>

#include <signal.h>
#include <stdio.h>

static volatile sig_atomic_t stop;

static void on_interrupt(int number) {
    (void)number;
    stop = 1;
}

/* Asked after each step. */
static bool should_stop(void *context) {
    (void)context;
    return stop != 0;
}

static void on_step(void *context, const cso_lm_step *step) {
    (void)context;
    if (!step->skipped)
        printf("step %zu of %zu: loss %.4f, %.0f s left\n", step->step, step->total_steps, step->loss, step->seconds_left);
    for (size_t i = 0; i < step->n_metrics; i++)
        printf("    %s %.4f\n", step->metrics[i].name, step->metrics[i].value);
}

static void on_note(void *context, const char *text) {
    (void)context;
    printf("%s\n", text);
}

static void on_warning(void *context, const char *text) {
    (void)context;
    fprintf(stderr, "warning: %s\n", text);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: train CONFIG [KEY=VALUE]...\n");
        return CSO_LM_ERR_USAGE;
    }
    signal(SIGINT, on_interrupt); /* the library leaves signals to the program */

    cso_lm_error error = {0};
    const cso_lm_train_options options = {
        .overrides = (const char *const *)argv + 2,
        .n_overrides = (size_t)argc - 2,
        .step = on_step,
        .note = on_note,
        .warning = on_warning,
        .should_stop = should_stop,
    };
    cso_lm_status status = cso_lm_train(argv[1], &options, &error);
    if (status != CSO_LM_OK) /* CSO_LM_STOPPED too: the message says which checkpoint was saved */
        fprintf(stderr, "train: %s\n", error.message);
    return (int)status;
}
