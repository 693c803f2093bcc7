/* schedule.c - learning rates by step, as transformers' get_*_schedule_with_warmup have them. */
#include "optim.h"

#include <math.h>

const char *const cso_schedule_words[] = {
    [CSO_SCHEDULE_CONSTANT] = "constant",
    [CSO_SCHEDULE_LINEAR] = "linear",
    [CSO_SCHEDULE_COSINE] = "cosine",
    NULL,
};

double cso_schedule_rate(cso_schedule schedule, double learning_rate, size_t step, size_t warmup, size_t total) {
    const double pi = 3.14159265358979323846;
    if (step < warmup)
        return learning_rate * (double)step / (double)warmup;
    if (schedule == CSO_SCHEDULE_CONSTANT)
        return learning_rate;
    if (step >= total)
        return 0;
    double left = (double)(total - step) / (double)(total - warmup);
    if (schedule == CSO_SCHEDULE_LINEAR)
        return learning_rate * left;
    return learning_rate * 0.5 * (1 + cos(pi * (1 - left)));
}
