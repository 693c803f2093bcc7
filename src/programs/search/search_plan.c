/* search_plan.c - see search_plan.h. */
#include "search_plan.h"

#include "base/file.h"
#include "base/printable.h"
#include "programs/common/amounts.h"
#include "programs/common/report.h"
#include "search_commands.h"
#include "search_watch.h"

#include <stdio.h>
#include <stdlib.h>

/* What the estimate of tokens takes for granted: a talk of so many turns so far, and answers of the lengths that the prompts ask for. */
enum { TALK_TURNS = 6, TOKENS_OF_TURN = 70, PLAN_TEXT = 512 };
static const double TOKENS_OF_ANSWER[CSO_ROLES] = {
    [CSO_ROLE_STRATEGY] = 160, [CSO_ROLE_SUPPORTER] = 40, [CSO_ROLE_SEEKER] = 30, [CSO_ROLE_JUDGE] = 40};

typedef struct role_plan {
    double calls, tokens_in, tokens_out; /* calls of the whole run at iterations_min; tokens of one call */
} role_plan;

typedef struct plan {
    role_plan role[CSO_ROLES];
    double calls, tokens_in, tokens_out, price;
    double factor; /* of the calls at iterations_max */
} plan;

/* The most calls of each role in an iteration: see search_most_calls. */
static void calls_of_iterations(const cso_search_options *rules, double iterations, double calls[CSO_ROLES]) {
    double rounds = (double)rules->rounds;
    calls[CSO_ROLE_STRATEGY] = iterations * (1 + rounds);
    calls[CSO_ROLE_SUPPORTER] = calls[CSO_ROLE_SEEKER] = iterations * (2 + rounds);
    calls[CSO_ROLE_JUDGE] = iterations * (1 + rounds);
}

/* A baseline's calls: of each turn one of each role. */
static void calls_of_plays(const cso_search_options *rules, double calls[CSO_ROLES]) {
    double turns = (double)rules->turns_max;
    if (rules->method == CSO_METHOD_BEST_OF_N)
        turns = (double)(rules->budget ? rules->budget : CSO_CALLS_IN_ITERATION * rules->iterations_min) / CSO_ROLES;
    for (size_t i = 0; i < CSO_ROLES; i++)
        calls[i] = turns;
}

/* Tokens of a question to the role, about: four bytes each of what is fixed, and a talk of some turns. */
static cso_status tokens_of_question(const cso_prompts *prompts, cso_role role, double *tokens, cso_error *err) {
    const cso_prompt_turn turn = {CSO_START_STRATEGY, prompts->greeting, ""};
    const cso_prompt_values values = {&turn, 1, &prompts->strategies->items[0], "", ""};
    cso_prompt prompt = {0};
    CSO_TRY(cso_prompts_render(prompts, role, &values, 0, 0, &prompt, err));
    *tokens = (double)cso_prompt_tokens(&prompt) * 3 / 4 + TALK_TURNS * TOKENS_OF_TURN;
    cso_prompt_free(&prompt);
    return CSO_OK;
}

static cso_status make_plan(const cso_search_config *config, const cso_prompts *prompts, const cso_seeds *seeds, plan *p,
                            cso_error *err) {
    const cso_search_options *rules = &config->search;
    double calls[CSO_ROLES], golden = 0, openings = 0;
    *p = (plan){.factor = 1};
    for (size_t i = 0; i < seeds->count; i++) {
        golden += (double)seeds->items[i].turn_count;
        openings += !seeds->items[i].opening;
    }
    if (rules->method == CSO_METHOD_MCTS)
        calls_of_iterations(rules, (double)rules->iterations_min, calls);
    else
        calls_of_plays(rules, calls);
    for (size_t i = 0; i < CSO_ROLES; i++) {
        role_plan *r = &p->role[i];
        r->calls = calls[i] * (double)seeds->count + (i == CSO_ROLE_SEEKER ? openings : 0);
        if (i == CSO_ROLE_STRATEGY && rules->method == CSO_METHOD_MCTS)
            r->calls += golden;
        r->tokens_out = TOKENS_OF_ANSWER[i];
        CSO_TRY(tokens_of_question(prompts, (cso_role)i, &r->tokens_in, err));
        p->calls += r->calls;
        p->tokens_in += r->calls * r->tokens_in;
        p->tokens_out += r->calls * r->tokens_out;
        p->price += r->calls * (r->tokens_in * config->role[i].price_in + r->tokens_out * config->role[i].price_out) / 1e6;
    }
    if (rules->method == CSO_METHOD_MCTS && rules->iterations_min)
        p->factor = (double)rules->iterations_max / (double)rules->iterations_min;
    return CSO_OK;
}

static void add_role(report *r, const cso_search_config *config, const plan *p, size_t role) {
    const cso_endpoint_options *o = &config->role[role];
    report_row(r);
    report_text(r, "role", cso_role_words[role]);
    if (config->own[role].path[0]) {
        report_text(r, "path", config->own[role].path);
        report_text(r, "adapter", config->own[role].adapter);
    } else {
        report_text(r, "model", o->model);
        report_text(r, "endpoint", o->endpoint);
    }
    report_number(r, "calls", p->role[role].calls);
    report_number(r, "tokens_in_each", p->role[role].tokens_in);
    report_number(r, "tokens_out_each", p->role[role].tokens_out);
    report_end_row(r);
}

static void add_json(report *r, const cso_search_config *config, const cso_prompts *prompts, const cso_seeds *seeds,
                     const plan *p) {
    report_text(r, "method", cso_search_method_words[config->search.method]);
    report_text(r, "mode", cso_search_mode_words[config->search.mode]);
    report_size(r, "searches", seeds->count);
    report_text(r, "prompts", prompts->hash);
    report_number(r, "calls", p->calls);
    report_number(r, "calls_at_iterations_max", p->calls * p->factor);
    report_number(r, "tokens_in", p->tokens_in);
    report_number(r, "tokens_out", p->tokens_out);
    report_number(r, "price", p->price);
    report_number(r, "price_at_iterations_max", p->price * p->factor);
    report_list(r, "roles");
    for (size_t i = 0; i < CSO_ROLES; i++)
        add_role(r, config, p, i);
    report_end_list(r);
}

/* The model that plays a role, for people. */
static const char *player_of(const cso_search_config *config, size_t role) {
    return config->own[role].path[0] ? cso_path_name(config->own[role].path) : config->role[role].model;
}

/* Hours of the calls of the whole run at iterations_min. */
static double hours_of(const plan *p, const search_trial *trial) {
    return p->calls * trial->seconds / (double)trial->calls / 3600;
}

static void add_trial(report *r, const plan *p, const search_trial *trial) {
    report_number(r, "trial_seconds", trial->seconds);
    report_size(r, "trial_calls", trial->calls);
    report_number(r, "trial_prompt_tokens", (double)trial->engine.prompt_tokens);
    report_number(r, "trial_reused_tokens", (double)trial->engine.reused_tokens);
    report_number(r, "trial_completion_tokens", (double)trial->engine.completion_tokens);
    report_number(r, "hours", hours_of(p, trial));
    report_number(r, "hours_at_iterations_max", hours_of(p, trial) * p->factor);
}

static void print_trial(const plan *p, const search_trial *trial) {
    char text[SEARCH_ENGINE_TEXT];
    printf("measured   %zu calls in %.0f s: %s\n", trial->calls, trial->seconds, search_engine_text(&trial->engine, text));
    printf("time       about %.1f hours at most", hours_of(p, trial));
    if (p->factor > 1)
        printf(" at iterations_min, %.1f at iterations_max", hours_of(p, trial) * p->factor);
    printf("\n");
}

static void print_people(const cso_search_config *config, const cso_prompts *prompts, const cso_seeds *seeds, const plan *p) {
    const cso_search_options *rules = &config->search;
    char a[AMOUNT_TEXT], b[AMOUNT_TEXT];
    size_t golden = 0;
    for (size_t i = 0; i < seeds->count; i++)
        golden += seeds->items[i].turn_count > 0;
    printf("searches   %zu (%zu from golden dialogues, %zu from scene and description), %zu at once\n", seeds->count, golden,
           seeds->count - golden, rules->parallel < seeds->count ? rules->parallel : seeds->count);
    printf("method     %s, %s mode, %zu strategies, prompts %.8s\n", cso_search_method_words[rules->method],
           cso_search_mode_words[rules->mode], prompts->strategies->count, prompts->hash);
    if (rules->method == CSO_METHOD_MCTS)
        printf("iterations %zu to %zu a search\n", rules->iterations_min, rules->iterations_max);
    printf("calls      %s at most", grouped_text((size_t)p->calls, a));
    if (p->factor > 1)
        printf(" at %zu iterations, %s at %zu", rules->iterations_min, grouped_text((size_t)(p->calls * p->factor), b),
               rules->iterations_max);
    printf("\n");
    for (size_t i = 0; i < CSO_ROLES; i++) {
        char role[PLAN_TEXT], model[PLAN_TEXT];
        snprintf(role, sizeof role, "%s", cso_role_words[i]);
        printf("  %-9s %s, about %.0f tokens in and %.0f out each: %s\n", role, grouped_text((size_t)p->role[i].calls, a),
               p->role[i].tokens_in, p->role[i].tokens_out, cso_printable(model, sizeof model, player_of(config, i)));
    }
    printf("tokens     in about %s, ", amount_text(p->tokens_in, a));
    printf("out about %s (talks of %d turns)\n", amount_text(p->tokens_out, a), TALK_TURNS);
    if (p->price > 0)
        printf("price      about %.2f%s\n", p->price, config->search.max_cost > 0 ? "" : ", no limit (search.max_cost)");
    if (config->search.max_cost > 0)
        printf("limit      %.2f (search.max_cost)\n", config->search.max_cost);
    printf("results    %s/esc-pro.jsonl\n", cso_printable((char[PLAN_TEXT]){0}, PLAN_TEXT, rules->dir));
}

cso_status search_print_plan(const cso_search_config *config, const cso_prompts *prompts, const cso_seeds *seeds,
                             const search_trial *trial, bool json, cso_error *err) {
    plan p;
    CSO_TRY(make_plan(config, prompts, seeds, &p, err));
    if (!json) {
        print_people(config, prompts, seeds, &p);
        if (trial->made)
            print_trial(&p, trial);
        return search_finish_output(err);
    }
    report r;
    report_begin(&r, true);
    add_json(&r, config, prompts, seeds, &p);
    if (trial->made)
        add_trial(&r, &p, trial);
    report_end(&r);
    bool failed = r.text.failed;
    if (!failed)
        fwrite(r.text.data, 1, r.text.size, stdout);
    free(r.text.data);
    return failed ? cso_fail_memory(err, "the plan") : search_finish_output(err);
}
