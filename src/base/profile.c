/* profile.c - see profile.h. One clock runs for one phase at a time; entering and leaving a phase hand it over. */
#include "profile.h"

#include "clock.h"

/* The thread's own, not a context's: a clock measures the thread that runs, workers have none, and what is measured may use
 * several contexts. Nothing is shared between threads. */
static _Thread_local cso_profile *running;

const char *cso_phase_name(cso_phase phase) {
    static const char *const NAMES[CSO_PHASE_COUNT] = {"dequantize", "gemm", "attention", "norms",
                                                       "head",       "lora", "optimizer", "other"};
    return NAMES[phase];
}

static void hand_over(cso_phase phase) {
    double now = cso_clock();
    running->seconds[running->phase] += now - running->since;
    running->since = now;
    running->phase = phase;
}

void cso_profile_start(cso_profile *profile) {
    running = profile;
    if (!profile)
        return;
    profile->phase = CSO_PHASE_OTHER;
    profile->since = cso_clock();
}

void cso_profile_stop(void) {
    if (!running)
        return;
    hand_over(CSO_PHASE_OTHER);
    running->spans++;
    running = NULL;
}

/* Phases that give way to what is entered within them; the others keep the clock. */
static bool gives_way(cso_phase phase) {
    return phase == CSO_PHASE_OTHER || phase == CSO_PHASE_GEMM;
}

cso_phase cso_profile_enter(cso_phase phase) {
    if (!running)
        return CSO_PHASE_OTHER;
    cso_phase interrupted = running->phase;
    if (gives_way(interrupted))
        hand_over(phase);
    return interrupted;
}

void cso_profile_leave(cso_phase interrupted) {
    if (running && running->phase != interrupted)
        hand_over(interrupted);
}

void cso_profile_add_flops(double flops) {
    if (running)
        running->flops[running->phase] += flops;
}

double cso_profile_total(const cso_profile *profile) {
    double sum = 0;
    for (int i = 0; i < CSO_PHASE_COUNT; i++)
        sum += profile->seconds[i];
    return sum;
}
