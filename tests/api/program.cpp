// program.cpp - libcso from C++, in a program that has functions of its own with names that the library uses inside.
#include <cso.h>

#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

// Were these names visible in libcso, they would clash (static), or replace the library's own (shared).
extern "C" int cso_fail(void) {
    return 1;
}
extern "C" int cso_model_open(void) {
    return 1;
}
extern "C" int cso_parallel_for(void) {
    return 1;
}

struct closer {
    void operator()(cso_lm *model) const { cso_lm_close(model); }
    void operator()(cso_lm_worker *worker) const { cso_lm_worker_free(worker); }
};

static bool keep(void *context, const cso_lm_score *score) {
    static_cast<std::vector<double> *>(context)->push_back(score->logps[0].logp);
    return true;
}

static int fail(const char *what, const cso_lm_error &error) {
    std::fprintf(stderr, "program: %s: %s\n", what, error.message);
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 2)
        return CSO_LM_ERR_USAGE;
    cso_lm *opened = nullptr;
    cso_lm_worker *created = nullptr;
    cso_lm_error error{};
    if (cso_lm_open(&opened, argv[1], nullptr, &error))
        return fail("open", error);
    std::unique_ptr<cso_lm, closer> model(opened);
    if (cso_lm_worker_create(&created, model.get(), nullptr, &error))
        return fail("worker", error);
    std::unique_ptr<cso_lm_worker, closer> worker(created);

    const std::string text = "I feel lost.";
    std::vector<double> logps;
    cso_lm_score_options options{};
    options.callback = keep;
    options.context = &logps;
    if (cso_lm_score_text(worker.get(), text.data(), text.size(), &options, &error))
        return fail("score", error);
    if (logps.size() != 1 || !(std::isfinite(logps[0]) && logps[0] < 0))
        return 1;

    // Two continuations of one session, computed together.
    cso_lm_session *session = nullptr, *fork = nullptr;
    const std::vector<int32_t> prompt{1, 2, 3};
    if (cso_lm_session_open(&session, worker.get(), nullptr, &error) ||
        cso_lm_session_feed(session, prompt.data(), prompt.size(), &error) || cso_lm_session_fork(&fork, session, 2, &error) ||
        cso_lm_session_feed(fork, &prompt[2], 1, &error))
        return fail("session", error);
    cso_lm_session *const both[] = {session, fork};
    if (cso_lm_sessions_step(worker.get(), both, 2, &error))
        return fail("step", error);
    const double logp = cso_lm_session_logp(session, 4);
    if (!(logp < 0) || logp != cso_lm_session_logp(fork, 4))
        return 1;
    cso_lm_session_drop(session);
    cso_lm_session_drop(fork);

    // A failure is a status and a line of text.
    cso_lm *missing = nullptr;
    if (cso_lm_open(&missing, "/nowhere/model.gguf", nullptr, &error) == CSO_LM_OK || missing || !*error.message)
        return 1;
    std::printf("%s %.17g\n", cso_version(), logps[0]);
    return cso_fail() + cso_model_open() + cso_parallel_for() == 3 ? 0 : 1;
}
