/* pace.c - see pace.h. */
#include "pace.h"

#include "base/clock.h"
#include "comm/comm.h"

#include <math.h>

/* The plan's speed is trusted for this part of the run beside the measured one, within these bounds in seconds: the first passes
 * read the weights from the disk and tell little. */
static const double TRUST_PART = 0.01, TRUST_LEAST = 1, TRUST_MOST = 60;

static cso_train_rates flop_rates(void) {
    static const cso_phase phases[] = {CSO_PHASE_GEMM, CSO_PHASE_LORA, CSO_PHASE_ATTENTION, CSO_PHASE_HEAD};
    cso_train_rates rates = {0};
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++)
        rates.forward.of[phases[i]] = rates.backward.of[phases[i]] = 1;
    return rates;
}

static void take_plan(cso_pace *p, const cso_train_plan *plan, cso_compute compute, int ranks) {
    const cso_train_time *time = &plan->time[compute];
    double evaluations = plan->evaluations ? (double)plan->evaluations : 1;
    p->planned = true;
    p->evaluation_trees = ranks > 1 ? 0 : plan->evaluation_trees;
    if (time->steps > 0) {
        p->rates = plan->rates[compute];
        p->steps = time->steps;
        p->reference = time->reference;
        p->evaluation = time->evaluation / evaluations;
        p->trust = fmin(fmax(TRUST_PART * cso_train_time_total(time), TRUST_LEAST), TRUST_MOST);
        return;
    }
    p->steps = cso_train_seconds(&p->rates, &plan->steps) / ranks;
    p->reference = cso_train_seconds(&p->rates, &plan->reference) / ranks;
    p->evaluation = cso_train_seconds(&p->rates, &plan->evaluation) / ranks / evaluations;
}

void cso_pace_start(cso_pace *p, const cso_train_job *job, size_t step, size_t total_steps) {
    *p = (cso_pace){.rates = flop_rates(),
                    .first_step = step,
                    .evaluations = cso_train_evaluations(job, step, total_steps),
                    .began = cso_clock(),
                    .hear = job->observer.progress,
                    .context = job->observer.context};
    p->now = (cso_train_progress){.step = step, .total_steps = total_steps};
    if (job->plan && job->plan->first_step == step)
        take_plan(p, job->plan, job->config->model.compute, cso_comm_size(job->comm));
}

double cso_pace_forward(const cso_pace *p, const cso_pass_work *work) {
    const cso_train_work one = {.forward = work->forward};
    return p ? cso_train_seconds(&p->rates, &one) : 0;
}

double cso_pace_backward(const cso_pace *p, const cso_pass_work *work) {
    const cso_train_work one = {.forward = work->again, .backward = work->backward};
    return p ? cso_train_seconds(&p->rates, &one) : 0;
}

static double pass_done(const cso_pace *p) {
    return p->pass_cost * p->fraction;
}

/* Seconds that one unit of cost takes. */
static double speed(const cso_pace *p) {
    double done = p->done + pass_done(p), elapsed = cso_clock() - p->began;
    return done + p->trust > 0 ? (elapsed + p->trust) / (done + p->trust) : NAN;
}

/* Cost left of the batch in hand, its other trees taken for the mean of those so far. */
static double batch_left(const cso_pace *p) {
    double visited = (double)p->visited, others = (double)p->visits - visited;
    if (!p->tree_cost)
        return p->visited ? p->trees_cost / visited * others : NAN;
    double left = fmax(0, p->tree_cost - p->in_tree - pass_done(p));
    return left + (p->trees_cost + p->tree_cost) / (visited + 1) * (others - 1);
}

/* The mean cost of a step that is not complete. The plan knows the first epoch exactly; the steps so far know what is as in
 * them. */
static double step_cost(const cso_pace *p) {
    double complete = (double)p->complete_steps, all = (double)(p->now.total_steps - p->first_step);
    double so_far = complete > 0 ? p->done_steps / complete : NAN;
    if (!p->planned || complete >= all)
        return so_far;
    double planned = fmax(0, p->steps - p->done_steps) / (all - complete), weight = complete / all;
    return complete > 0 ? (1 - weight) * planned + weight * so_far : planned;
}

static double evaluation_cost(const cso_pace *p) {
    if (p->planned)
        return p->evaluation;
    return p->complete_evaluations ? p->done_evaluations / (double)p->complete_evaluations : 0;
}

static double in_hand(const cso_pace *p) {
    return p->part + (p->reference_pass ? 0 : pass_done(p));
}

double cso_pace_next_step(const cso_pace *p) {
    return (step_cost(p) + (p->evaluation_follows ? evaluation_cost(p) : 0)) * speed(p);
}

/* Seconds left of the step in hand with the evaluation that follows it; NAN: not known yet. */
static double step_left(const cso_pace *p) {
    double left = batch_left(p);
    if (!p->busy)
        return 0;
    if (p->now.evaluation)
        return fmax(0, evaluation_cost(p) - in_hand(p)) * speed(p);
    return ((isnan(left) ? step_cost(p) : left) + (p->evaluation_follows ? evaluation_cost(p) : 0)) * speed(p);
}

double cso_pace_left(const cso_pace *p) {
    bool step = p->busy && !p->now.evaluation, evaluation = p->busy && p->now.evaluation;
    size_t steps = p->now.total_steps - p->first_step - p->complete_steps, evaluations = p->evaluations - p->complete_evaluations;
    double mean = step_cost(p), cost = 0;
    if (!steps && !evaluations) /* without what rounding leaves of the reference */
        return 0;
    if (isnan(mean)) /* the first step, without a plan: all steps are as what is known of this one */
        mean = in_hand(p) + batch_left(p);
    if (steps)
        cost += mean * (double)(steps - step) + (step ? fmax(0, mean - in_hand(p)) : 0);
    if (evaluations)
        cost +=
            evaluation_cost(p) * (double)(evaluations - evaluation) + (evaluation ? fmax(0, evaluation_cost(p) - in_hand(p)) : 0);
    cost += fmax(0, p->reference - p->done_reference - (p->reference_pass ? pass_done(p) : 0));
    return fmax(cost * speed(p), step_left(p));
}

/* Of the step or evaluation in hand, 0 to 1. */
static double part_done(const cso_pace *p) {
    double left = p->now.evaluation ? evaluation_cost(p) - in_hand(p) : batch_left(p);
    double done = p->now.evaluation ? in_hand(p) : p->trees_cost + p->in_tree + pass_done(p);
    return done > 0 && left >= 0 ? done / (done + left) : done > 0 && !isnan(left);
}

static void tell(cso_pace *p) {
    if (!p->hear)
        return;
    p->now.part = part_done(p);
    p->now.step_seconds_left = step_left(p);
    p->now.seconds_left = cso_pace_left(p);
    p->hear(p->context, &p->now);
}

/* What a step that failed in a pass has left does not count. */
static void forget_pass(cso_pace *p) {
    p->in_tree = p->pass_cost = p->fraction = 0;
    p->reference_pass = false;
}

void cso_pace_begin(cso_pace *p, bool evaluation) {
    if (!p)
        return;
    p->busy = true;
    p->part = 0;
    p->visits = p->visited = p->trees_before = 0;
    p->trees_cost = p->tree_cost = 0;
    forget_pass(p);
    p->now.pass = CSO_PASS_NONE;
    p->now.evaluation = evaluation;
    p->now.step += !evaluation;
    p->now.tree = p->now.tokens = 0;
    p->now.trees = evaluation ? p->evaluation_trees : 0;
    tell(p);
}

void cso_pace_end(cso_pace *p) {
    if (!p)
        return;
    *(p->now.evaluation ? &p->done_evaluations : &p->done_steps) += p->part;
    ++*(p->now.evaluation ? &p->complete_evaluations : &p->complete_steps);
    p->busy = false;
    forget_pass(p);
    p->now.evaluation = false;
    p->now.pass = CSO_PASS_NONE;
    tell(p);
}

void cso_pace_batch(cso_pace *p, size_t trees, size_t visits) {
    if (!p)
        return;
    p->trees_before = p->now.evaluation ? p->now.tree : 0;
    p->visits = visits;
    p->visited = 0;
    p->trees_cost = p->tree_cost = 0;
    if (!p->now.evaluation)
        p->now.trees = trees;
}

void cso_pace_tree(cso_pace *p, size_t k, double cost) {
    if (!p)
        return;
    p->now.tree = p->trees_before + k + 1;
    p->tree_cost = cost;
    p->in_tree = 0;
    tell(p);
}

void cso_pace_end_tree(cso_pace *p, size_t tokens) {
    if (!p)
        return;
    p->trees_cost += p->in_tree;
    p->tree_cost = p->in_tree = 0;
    p->visited++;
    p->now.tokens += tokens;
    p->now.pass = CSO_PASS_NONE;
    tell(p);
}

void cso_pace_pass(cso_pace *p, cso_train_pass pass, double cost) {
    if (!p)
        return;
    p->now.pass = pass;
    p->now.layer = 0;
    p->pass_cost = cost;
    p->fraction = 0;
    p->reference_pass = pass == CSO_PASS_REFERENCE && p->planned; /* else the reference counts as a part of the step */
    tell(p);
}

void cso_pace_end_pass(cso_pace *p) {
    if (!p)
        return;
    p->done += p->pass_cost;
    p->in_tree += p->pass_cost;
    *(p->reference_pass ? &p->done_reference : &p->part) += p->pass_cost;
    p->pass_cost = p->fraction = 0;
    p->reference_pass = false;
}

void cso_pace_part(void *context, size_t done, size_t of) {
    cso_pace *p = context;
    p->fraction = (double)done / (double)of;
    p->now.layer = done;
    p->now.layers = of;
    tell(p);
}

void cso_pace_saving(cso_pace *p) {
    if (!p)
        return;
    p->now.pass = CSO_PASS_SAVE;
    tell(p);
}
