/* cso.h - libcso: language models opened, scored, made to reply, and fine-tuned with LoRA.
 *
 *     cso_lm *model = NULL;
 *     cso_lm_worker *worker = NULL;
 *     cso_lm_error error = {0};
 *     if (cso_lm_open(&model, "model.gguf", NULL, &error) || cso_lm_worker_create(&worker, model, NULL, &error))
 *         fprintf(stderr, "%s\n", error.message);
 *     ...
 *     cso_lm_worker_free(worker);
 *     cso_lm_close(model);
 *
 * Names. Everything that the library exports is in this file: cso_version, and names that begin with cso_lm_ (CSO_LM_).
 *
 * Handles. A model (cso_lm), an adapter and a tokenizer are read-only once they are open: any number of threads may use one at
 * the same time. A worker (cso_lm_worker) is the working memory of one computation: it belongs to one thread at a time.
 * Several workers, each in a thread of its own, may use one model. cso_lm_train opens everything it needs by itself and may
 * run beside any of this. Close a handle when nothing uses it any more: workers and adapters before their model. All
 * functions that close or free take NULL.
 *
 * Errors. A function that can fail returns a cso_lm_status and, where it is not CSO_LM_OK, fills *error (which may be NULL)
 * with one line of text. Results are then NULL or zero. The library never prints, never ends the process, and installs no
 * signal handlers; a model's file that is cut short while it is in use still ends the process by SIGBUS, since files are mapped.
 *
 * Texts are UTF-8; a text with a size may hold zero bytes, one without ends with a zero. Paths are as the system takes them.
 * Structs of options: zero-initialise, then set what differs from the default; NULL stands for all defaults.
 *
 * Stability. Versions 0.x may change anything here from one minor version to the next: the library's name on the disk
 * (libcso.so.0) tells programs apart, not minor versions. docs/library.md has the details.
 */
#ifndef CSO_H
#define CSO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define CSO_API __attribute__((visibility("default")))
#else
#define CSO_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0": of the library that runs, which is not always the one of this header. A static string. */
CSO_API const char *cso_version(void);

/* ---- errors ---- */

/* The values are the exit codes of cso's programs, too. */
typedef enum cso_lm_status {
    CSO_LM_OK = 0,
    CSO_LM_ERR_INTERNAL = 1, /* a bug in the library */
    CSO_LM_ERR_USAGE = 2,    /* wrong argument, option or configuration */
    CSO_LM_ERR_INPUT = 3,    /* bad model, adapter, data or checkpoint */
    CSO_LM_ERR_SYSTEM = 4,   /* I/O, disk full, out of memory */
    CSO_LM_ERR_NUMERIC = 5,  /* NaN or Inf that could not be skipped */
    CSO_LM_STOPPED = 128     /* a callback asked to stop */
} cso_lm_status;

/* message: "FILE:LINE: what is wrong (what was expected)", printable UTF-8 without a newline. */
typedef struct cso_lm_error {
    cso_lm_status status;
    char message[1024];
} cso_lm_error;

/* ---- models ---- */

/* A model's weights (mapped, read-only), its tokenizer and its chat template. */
typedef struct cso_lm cso_lm;

typedef struct cso_lm_options {
    const char *tokenizer;     /* a folder or file; NULL or "": the model's own */
    const char *chat_template; /* "llama3", "gemma2", "chatml" or "smollm2"; NULL or "auto": the one that the files name */
} cso_lm_options;

/* path: a .gguf file, a .safetensors file, or a folder in Hugging Face layout. A model whose chat template is not known opens
 * all the same; what needs the template fails. */
CSO_API cso_lm_status cso_lm_open(cso_lm **model, const char *path, const cso_lm_options *options, cso_lm_error *error);
CSO_API void cso_lm_close(cso_lm *model);

CSO_API const char *cso_lm_family(const cso_lm *model); /* "llama", "qwen2", "gemma2": lives as long as the model */
CSO_API size_t cso_lm_parameters(const cso_lm *model);
CSO_API size_t cso_lm_vocab(const cso_lm *model);   /* token ids are below it */
CSO_API size_t cso_lm_context(const cso_lm *model); /* tokens that the model was trained for */

/* ---- adapters ---- */

/* A LoRA adapter, opened for one model. */
typedef struct cso_lm_adapter cso_lm_adapter;

/* folder: in PEFT's form (adapter_config.json, adapter_model.safetensors). Another model's adapter is CSO_LM_ERR_INPUT. */
CSO_API cso_lm_status cso_lm_adapter_open(cso_lm_adapter **adapter, const cso_lm *model, const char *folder, cso_lm_error *error);
CSO_API void cso_lm_adapter_close(cso_lm_adapter *adapter);

/* ---- tokenizers and chat templates ---- */

typedef struct cso_lm_tokenizer cso_lm_tokenizer;

/* A tokenizer without a model. path: a folder, tokenizer.json, tokenizer.model or a GGUF file. chat_template as in
 * cso_lm_options. */
CSO_API cso_lm_status cso_lm_tokenizer_open(cso_lm_tokenizer **tokenizer, const char *path, const char *chat_template,
                                            cso_lm_error *error);
CSO_API void cso_lm_tokenizer_close(cso_lm_tokenizer *tokenizer);
/* A model's, which the model owns. */
CSO_API const cso_lm_tokenizer *cso_lm_get_tokenizer(const cso_lm *model);

/* What the library gives to its caller: free both with cso_lm_ids_free and cso_lm_text_free, which leave zeros. */
typedef struct cso_lm_ids {
    int32_t *ids; /* (count) */
    size_t count;
} cso_lm_ids;
typedef struct cso_lm_text {
    char *text; /* size bytes of UTF-8 and a zero byte */
    size_t size;
} cso_lm_text;
CSO_API void cso_lm_ids_free(cso_lm_ids *ids);
CSO_API void cso_lm_text_free(cso_lm_text *text);

/* The ids of size bytes of text. No special tokens are added. parse_special: strings such as "<|eot_id|>" become those tokens;
 * leave it false for what users typed. */
CSO_API cso_lm_status cso_lm_encode(const cso_lm_tokenizer *tokenizer, const char *text, size_t size, bool parse_special,
                                    cso_lm_ids *ids, cso_lm_error *error);
/* The text of count ids, special tokens spelled out; bytes that are no UTF-8 become U+FFFD. */
CSO_API cso_lm_status cso_lm_decode(const cso_lm_tokenizer *tokenizer, const int32_t *ids, size_t count, cso_lm_text *text,
                                    cso_lm_error *error);

typedef struct cso_lm_message {
    const char *role; /* "system", "user" or "assistant" */
    const char *content;
} cso_lm_message;

/* A chat as the template writes it, with add_prompt up to where the assistant's reply begins. Roles out of order and what else a
 * template refuses is CSO_LM_ERR_INPUT with the template's message. */
CSO_API cso_lm_status cso_lm_render_text(const cso_lm_tokenizer *tokenizer, const cso_lm_message *messages, size_t count,
                                         bool add_prompt, cso_lm_text *text, cso_lm_error *error);
/* Its ids. Special-token strings in contents stay text unless parse_special. */
CSO_API cso_lm_status cso_lm_render_ids(const cso_lm_tokenizer *tokenizer, const cso_lm_message *messages, size_t count,
                                        bool add_prompt, bool parse_special, cso_lm_ids *ids, cso_lm_error *error);

/* The id of the token with exactly this string; -1: none. */
CSO_API int32_t cso_lm_token_id(const cso_lm_tokenizer *tokenizer, const char *token);

/* ---- workers ---- */

typedef struct cso_lm_worker cso_lm_worker;

typedef struct cso_lm_worker_options {
    const char *compute; /* "f32" (NULL: the same) or "bf16", where the build and the processor have it */
    size_t threads;      /* 0: all physical cores; results do not depend on it */
    size_t memory;       /* bytes for activations, and as many for keys and values; 0: 80 % of what is free beside the weights */
    const char *decode;  /* replies and sessions: "fast" (NULL: the same), in integers where weights are, or "exact", as scores */
} cso_lm_worker_options;

/* The model must outlive the worker. */
CSO_API cso_lm_status cso_lm_worker_create(cso_lm_worker **worker, const cso_lm *model, const cso_lm_worker_options *options,
                                           cso_lm_error *error);
CSO_API void cso_lm_worker_free(cso_lm_worker *worker);

/* ---- scores ---- */

/* Natural logarithms. token_logps[i] is the log-probability of the i-th scored token given all tokens before it. */
typedef struct cso_lm_logps {
    double logp;               /* the sum */
    const double *token_logps; /* (count) */
    size_t count;
} cso_lm_logps;

/* One result: of a pair (count 2: chosen, rejected), a list of completions (2 or more, the best first), a completion, a text or ids
 * (count 1), or of a pair, list or completion that is longer than max_length (count 0). */
typedef struct cso_lm_score {
    size_t count;
    const cso_lm_logps *logps; /* (count) */
} cso_lm_score;

/* Is given each result in order; *score lives as long as the call. false: stop, which ends the scoring with CSO_LM_STOPPED. It must
 * not use the worker. */
typedef bool (*cso_lm_score_callback)(void *context, const cso_lm_score *score);

typedef struct cso_lm_score_options {
    cso_lm_score_callback callback; /* must be given, so options are never NULL here */
    void *context;                  /* of the callback */
    const cso_lm_adapter *adapter;  /* NULL: the base model */
    size_t max_length;  /* tokens: longer pairs lose older turns as in training, longer texts are an error; 0: no limit */
    bool parse_special; /* special-token strings in texts become those tokens */
} cso_lm_score_options;

/* A sequence of tokens of which those from `start` on are scored (0 is as 1: the first has nothing before it). */
typedef struct cso_lm_sequence {
    const int32_t *ids; /* (count) */
    size_t count, start;
} cso_lm_sequence;

/* n sequences at once: what they share at their beginning is computed once, so give sequences that share together. */
CSO_API cso_lm_status cso_lm_score_ids(cso_lm_worker *worker, const cso_lm_sequence *sequences, size_t n,
                                       const cso_lm_score_options *options, cso_lm_error *error);
/* Every token of a text after the first; a tokenizer that puts BOS first does so. */
CSO_API cso_lm_status cso_lm_score_text(cso_lm_worker *worker, const char *text, size_t size, const cso_lm_score_options *options,
                                        cso_lm_error *error);
/* Two replies to one chat, as training sees a preference pair: end-of-turn tokens count. */
CSO_API cso_lm_status cso_lm_score_pair(cso_lm_worker *worker, const cso_lm_message *prompt, size_t count, const char *chosen,
                                        const char *rejected, const cso_lm_score_options *options, cso_lm_error *error);
/* All pairs, lists, completions, texts and ids of a JSON or JSON Lines file in any of the forms of docs/data.md. */
CSO_API cso_lm_status cso_lm_score_file(cso_lm_worker *worker, const char *path, const cso_lm_score_options *options,
                                        cso_lm_error *error);

/* ---- replies ---- */

typedef struct cso_lm_logit_bias {
    int32_t id;
    float bias; /* is added to its logit; -INFINITY: the token is impossible */
} cso_lm_logit_bias;

/* How tokens are chosen; all zeros: always the most probable. Steps are in the order of these fields' comments by number, each as the
 * transformers library does it where it has one. A draw depends on seed, sequence number and position alone, so the same options give
 * the same reply, alone or among others, with any number of threads. */
typedef struct cso_lm_sampling {
    double temperature;            /* 4: >= 0; 0: the most probable token, of equals the lowest id */
    size_t top_k;                  /* 5: the k most probable; 0: all */
    double top_p;                  /* 6: the most probable until their sum reaches p; 0 and 1: all */
    double min_p;                  /* 7: at least m times as probable as the most probable; 0: all */
    double repetition_penalty;     /* 2: of tokens in prompt and reply, positive logits / r, others * r; 0 and 1: none */
    double presence_penalty;       /* 3: is taken from the logits of tokens in the reply */
    double frequency_penalty;      /* 3: the same, for each time that they are there */
    const cso_lm_logit_bias *bias; /* 1: (n_bias), each id once */
    size_t n_bias;
    uint64_t seed;
    /* Below 2^40: gives replies with one seed draws of their own. The prompts of a call have this one and the next ones. */
    uint64_t sequence;
} cso_lm_sampling;

/* A token with the natural logarithm of its probability by the model's own distribution: before penalties, temperature and filters. */
typedef struct cso_lm_alternative {
    int32_t id;
    double logp;
} cso_lm_alternative;

/* A token of a reply as it is chosen. It lives as long as the call that is given it. */
typedef struct cso_lm_token {
    size_t prompt, number; /* of the prompts; of the replies to it */
    int32_t id;            /* -1: no token, but the rest of the text, at the end of the reply */
    bool forced;           /* of the prefix */
    double logp;           /* as in cso_lm_alternative; NAN: not asked for */
    /* What the reply's text is longer by: size bytes of complete UTF-8, without what may be the beginning of a stop text, and a zero. */
    const char *text;
    size_t size;
} cso_lm_token;
/* false: the reply ends after this token. It must not use the worker. */
typedef bool (*cso_lm_token_callback)(void *context, const cso_lm_token *token);

typedef enum cso_lm_finish {
    CSO_LM_FINISH_STOP,     /* the end of the turn, or a stop text */
    CSO_LM_FINISH_LENGTH,   /* max_tokens */
    CSO_LM_FINISH_CANCELLED /* the callback for tokens */
} cso_lm_finish;

/* A finished reply. It lives as long as the call that is given it. */
typedef struct cso_lm_made {
    size_t prompt, number; /* of the prompts; of the replies to it */
    const char *text;      /* size bytes of UTF-8 and a zero: it ends before a stop text */
    size_t size;
    /* (count): those of the prefix first, of a stop text last; the token that ends the turn is not one of them. */
    const int32_t *ids;
    size_t count, n_prefix;
    cso_lm_finish finish;
    const double *logps;           /* (count), as in cso_lm_alternative; NULL: not asked for */
    const cso_lm_alternative *top; /* (count, n_top), the most probable first; NULL: not asked for */
} cso_lm_made;
/* Replies come in the order in which they are finished. false: stop, which ends the call with CSO_LM_STOPPED. It must not use the
 * worker. */
typedef bool (*cso_lm_made_callback)(void *context, const cso_lm_made *reply);

typedef struct cso_lm_generate_options {
    const cso_lm_adapter *adapter;  /* NULL: the base model */
    size_t max_tokens;              /* chosen for a reply; 0: 256 */
    bool parse_special;             /* special-token strings in contents become those tokens */
    cso_lm_token_callback callback; /* NULL: none */
    void *context;                  /* of the callbacks */
    cso_lm_sampling sampling;
    const char *const *stop_texts; /* (n_stop_texts) not empty: the first to be complete ends the reply */
    size_t n_stop_texts;
    const char *prefix;      /* text that each reply begins with; NULL: none */
    const char *json_schema; /* each reply is JSON of this schema, which is a text of JSON (docs/library.md); NULL: anything */
    const char *const *only; /* (n_only) each reply is one of these texts; not with json_schema */
    size_t n_only;
    const char *mark; /* free text comes first, up to this text, and what json_schema or `only` ask for behind it; NULL: none */
    size_t max_free_tokens;    /* of the free text, without the mark; 0: any number */
    size_t n;                  /* replies to each prompt, below 65536, for cso_lm_generate alone; 0: 1 */
    bool logps;                /* for cso_lm_generate: log-probabilities, */
    size_t n_top;              /* and so many alternatives at each position */
    size_t together;           /* replies that are made at the same time; 0: 16. They do not depend on it */
    cso_lm_made_callback made; /* of cso_lm_generate */
} cso_lm_generate_options;

/* The reply to a chat, until the end of the turn, a stop text or max_tokens. */
CSO_API cso_lm_status cso_lm_reply(cso_lm_worker *worker, const cso_lm_message *messages, size_t count,
                                   const cso_lm_generate_options *options, cso_lm_text *reply, cso_lm_error *error);
/* The same from ids to ids, count > 0: ids as in cso_lm_made. */
CSO_API cso_lm_status cso_lm_continue(cso_lm_worker *worker, const int32_t *ids, size_t count,
                                      const cso_lm_generate_options *options, cso_lm_ids *reply, cso_lm_error *error);

/* What replies begin after. */
typedef struct cso_lm_prompt {
    const int32_t *ids; /* (count > 0) */
    size_t count;
} cso_lm_prompt;
/* Several replies to several prompts, many at a time; options->made must be given. What prompts share is computed once. */
CSO_API cso_lm_status cso_lm_generate(cso_lm_worker *worker, const cso_lm_prompt *prompts, size_t n,
                                      const cso_lm_generate_options *options, cso_lm_error *error);

/* ---- choices ---- */

/* One of several texts that may come next. */
typedef struct cso_lm_choice {
    const char *text;   /* not empty; no special tokens are read in it */
    double logp;        /* result: natural logarithm of its tokens' probability, given all before them */
    double probability; /* result: exp(logp) as a part of the sum over all choices */
} cso_lm_choice;

/* How probable n choices are after count ids, by the model's own distribution. What choices share is computed once. */
CSO_API cso_lm_status cso_lm_choices(cso_lm_worker *worker, const cso_lm_adapter *adapter, const int32_t *ids, size_t count,
                                     cso_lm_choice *choices, size_t n, cso_lm_error *error);

/* ---- sessions ---- */

/* A sequence of tokens that grows: what replies, samplers and searches are made of. Forking one costs nothing, and sessions of a
 * worker that begin with the same tokens (and have the same adapter) share the work and the memory of their beginning. A session
 * belongs to its worker's thread. Its logits depend on its tokens and its adapter alone, to the bit: not on other sessions, on
 * how tokens were cut into steps, or on threads. Where keys and values outgrow the worker's memory, those that were not used for
 * the longest time are dropped, and computed again by the next step that needs them. */
typedef struct cso_lm_session cso_lm_session;

/* adapter NULL: the base model. It must outlive the session, and the session must be dropped before the worker is freed. */
CSO_API cso_lm_status cso_lm_session_open(cso_lm_session **session, cso_lm_worker *worker, const cso_lm_adapter *adapter,
                                          cso_lm_error *error);
/* A session with the first `length` tokens of another one. */
CSO_API cso_lm_status cso_lm_session_fork(cso_lm_session **fork, const cso_lm_session *session, size_t length, cso_lm_error *error);
CSO_API void cso_lm_session_drop(cso_lm_session *session);
/* Tokens, those that wait for a step included. */
CSO_API size_t cso_lm_session_length(const cso_lm_session *session);
/* Adds tokens; nothing is computed yet. */
CSO_API cso_lm_status cso_lm_session_feed(cso_lm_session *session, const int32_t *ids, size_t count, cso_lm_error *error);
/* Computes what n different sessions of the worker, each with a token at least, were fed since their last step, all at once. A
 * failure leaves them as they were. */
CSO_API cso_lm_status cso_lm_sessions_step(cso_lm_worker *worker, cso_lm_session *const *sessions, size_t n, cso_lm_error *error);
/* After its last token, cso_lm_vocab numbers, until the worker's next step or reply; NULL: the session was not in the last step, or
 * has been fed since. */
CSO_API const float *cso_lm_session_logits(const cso_lm_session *session);
/* The natural logarithm of a token's probability by these logits; NAN where there are none or there is no such token. */
CSO_API double cso_lm_session_logp(const cso_lm_session *session, int32_t id);
/* How probable n choices are after a session with a token at least, which stays as it is, tokens that wait for a step included. Its
 * logits are gone, as after any step. */
CSO_API cso_lm_status cso_lm_session_choices(const cso_lm_session *session, cso_lm_choice *choices, size_t n, cso_lm_error *error);

/* ---- training ---- */

/* A number with the name that metrics.jsonl gives it: "rewards/chosen", "logps/rejected", "eval_loss", ... */
typedef struct cso_lm_metric {
    const char *name;
    double value;
} cso_lm_metric;

/* What is known when an optimizer step is done. Everything in it lives as long as the call that is given it. */
typedef struct cso_lm_step {
    size_t step, total_steps; /* counted from 1 */
    double epoch;
    double loss, learning_rate, grad_norm;
    size_t tokens;                /* computed, after sharing */
    double seconds, seconds_left; /* of the step; of the run, evaluations included, NAN: not known */
    bool skipped;       /* loss, gradient or update was NaN or Inf: nothing was changed, and loss and metrics are not there */
    const char *reason; /* why it was skipped, "" if it was not */
    const cso_lm_metric *metrics;
    size_t n_metrics;              /* names beginning with "eval_": there was an evaluation */
    const char *stage;             /* name of the stage whose step it is, "" in a run without stages */
    size_t stage_number, n_stages; /* which of how many, from 1; 0 without stages */
} cso_lm_step;

/* All callbacks are called by the thread that called cso_lm_train; any may be NULL. */
typedef struct cso_lm_train_options {
    const char *const *overrides; /* (n_overrides) "train.max_steps=10": as cso-train --set, over the file */
    size_t n_overrides;
    const char *resume; /* NULL or "auto": the newest checkpoint in checkpoint.dir, if any; "never"; or a checkpoint's folder */
    void *context;      /* of the callbacks */
    void (*step)(void *context, const cso_lm_step *step);
    void (*note)(void *context, const char *text);    /* what users may want to know, one line */
    void (*warning)(void *context, const char *text); /* what they must know */
    bool (*should_stop)(void *context);               /* asked after each step; true: a checkpoint is saved, then CSO_LM_STOPPED */
} cso_lm_train_options;

/* Trains as `cso-train --config path` does, in this one process: writes checkpoints, metrics.jsonl, config.toml and adapter/ to the
 * configuration's checkpoint.dir. A run that was stopped goes on from its checkpoint when it is called again. Two runs need two
 * folders: the second in one folder is CSO_LM_ERR_USAGE. Of a configuration with [[stage]] tables all stages are run: steps are
 * counted anew in each, errors, notes and warnings begin with "stage NAME: ", and resume is "auto" or "never". */
CSO_API cso_lm_status cso_lm_train(const char *path, const cso_lm_train_options *options, cso_lm_error *error);

#ifdef __cplusplus
}
#endif
#endif
