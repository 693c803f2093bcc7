/* model_card.c - see model_card.h. */
#include "model_card.h"

#include "base/file.h"
#include "base/hub.h"
#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_FILES = 16, MAX_SHOWN = 200 };

/* A text as Markdown code in a table: what could end it, or be taken for HTML or a new line, is replaced. */
static void code(cso_text *card, const char *text) {
    size_t size = strlen(text), shown = size < MAX_SHOWN ? size : MAX_SHOWN;
    bool readable = cso_utf8_check(text, size, NULL);
    while (shown && shown < size && ((unsigned char)text[shown] & 0xC0) == 0x80) /* not inside a character */
        shown--;
    cso_text_add(card, "`", 1);
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)text[i];
        bool odd = c < ' ' || c == 0x7F || c == '`' || c == '|' || c == '\\' || (c > 0x7F && !readable);
        cso_text_add(card, odd ? "_" : text + i, 1);
    }
    cso_text_format(card, "%s`", shown < size ? "..." : "");
}

/* A text as YAML: a JSON string is one, too. */
static void yaml(cso_text *card, const char *text) {
    cso_text_json_string(card, text, strlen(text));
}

static void front_matter(cso_text *card, const cso_train_job *job) {
    const char *base = job->adapter->base;
    bool hub = cso_is_hub_id(base);
    cso_text_format(card, "---\n");
    if (hub) { /* the hub refuses other names */
        cso_text_format(card, "base_model: ");
        yaml(card, base);
        cso_text_format(card, "\n");
    }
    cso_text_format(card, "library_name: peft\npipeline_tag: text-generation\ntags:\n");
    if (hub) {
        cso_text_format(card, "- \"base_model:adapter:");
        cso_text_add(card, base, strlen(base)); /* an id has nothing to escape */
        cso_text_format(card, "\"\n");
    }
    cso_text_format(card, "- lora\n- transformers\n- ");
    yaml(card, job->objective->loss[0]->name);
    cso_text_format(card, "\n---\n\n");
}

static void row(cso_text *card, const char *name) {
    cso_text_format(card, "| %s | ", name);
}

static void data_row(cso_text *card, const char *name, const cso_strings *files, const cso_train_job *job,
                     const cso_dataset *data) {
    row(card, name);
    for (size_t i = 0; i < files->count && i < MAX_FILES; i++) {
        cso_text_format(card, "%s", i ? ", " : "");
        code(card, cso_path_name(files->items[i]));
    }
    if (files->count > MAX_FILES)
        cso_text_format(card, " and %zu more", files->count - MAX_FILES);
    cso_text_format(card, ": %zu %s |\n", data->count, cso_example_kind_name(job->objective->takes));
}

static void method_row(cso_text *card, const cso_adapter *adapter) {
    const cso_lora_options *options = &adapter->options;
    const char *separator = "";
    row(card, "adapter");
    cso_text_format(card, "LoRA, rank %zu, alpha %g, dropout %g%s, on ", options->rank, options->alpha, options->dropout,
                    options->rslora ? ", scaled by the root of the rank (rsLoRA)" : "");
    for (cso_module m = 0; m < CSO_MODULE_COUNT; m++)
        if (options->targets[m]) {
            cso_text_format(card, "%s%s", separator, cso_module_name(m));
            separator = ", ";
        }
    cso_text_format(card, " |\n");
}

/* The other options that have been set. */
static void loss_options(cso_text *card, const cso_loss_options *options) {
    for (size_t i = 0; i < cso_loss_option_list.count; i++) {
        const cso_option *option = &cso_loss_option_list.rows[i];
        char value[64];
        bool told = !strcmp(option->name, "loss.beta") || !strcmp(option->name, "loss.label_smoothing");
        if (told || !cso_loss_option_is_set(option, options))
            continue;
        cso_option_text(option, (const char *)options + option->offset, 0, value, sizeof value);
        cso_text_format(card, ", %s %s", strchr(option->name, '.') + 1, value);
    }
}

static void loss_row(cso_text *card, const cso_train_job *job) {
    const cso_run_config *config = job->config;
    row(card, "loss");
    code(card, job->objective->text);
    if (cso_objective_has_rewards(job->objective))
        cso_text_format(card, ", beta %g, label smoothing %g", config->loss.options.beta, config->loss.options.label_smoothing);
    loss_options(card, &job->objective->options);
    if ((job->objective->needs & CSO_LOSS_REFERENCE) && config->loss.reference) {
        cso_text_format(card, ", reference ");
        code(card, cso_path_name(config->loss.reference));
    }
    cso_text_format(card, " |\n");
}

static void training(cso_text *card, const cso_train_job *job, const cso_adapter_origin *origin) {
    const cso_run_config *config = job->config;
    const cso_train_length length = cso_train_measure(config, job->train->count);
    bool hub = cso_is_hub_id(job->adapter->base);
    cso_text_format(card, "## Training\n\n| | |\n| --- | --- |\n");
    row(card, "base model");
    code(card, hub ? job->adapter->base : cso_path_name(job->adapter->base));
    cso_text_format(card, " |\n");
    method_row(card, job->adapter);
    loss_row(card, job);
    data_row(card, "training data", &config->data.train, job, job->train);
    if (job->eval)
        data_row(card, "evaluation data", &config->data.eval, job, job->eval);
    cso_text_format(card, "| steps | %zu of %zu examples", origin->steps, config->train.batch_size);
    if (origin->steps < length.total_steps)
        cso_text_format(card, ", stopped early out of %zu", length.total_steps);
    if (origin->step < origin->steps)
        cso_text_format(card, "; the adapter is that after step %zu, with the lowest evaluation loss", origin->step);
    cso_text_format(card, " |\n");
    cso_text_format(card, "| optimizer | AdamW, learning rate %g, schedule %s, steps of warm-up: %zu, weight decay %g |\n",
                    config->train.learning_rate, cso_schedule_words[config->train.schedule], length.warmup_steps,
                    config->train.weight_decay);
    if (config->model.chat_template) {
        row(card, "chat template");
        code(card, config->model.chat_template);
        cso_text_format(card, " |\n");
    }
    cso_text_format(card, "| seed | %llu |\n| arithmetic | %s |\n\n", (unsigned long long)config->train.seed,
                    cso_compute_words[config->model.compute]);
}

/* The last line of metrics.jsonl, up to that of the step, that has a number under this key; the caller deletes it; NULL: none. */
static cJSON *last_line(const cso_map *map, size_t step, const char *key) {
    const char *text = (const char *)map->data;
    for (size_t end = map->size; end;) {
        size_t begin = end - 1; /* of the line feed, or of a line that lacks one */
        while (begin && text[begin - 1] != '\n')
            begin--;
        cJSON *line = NULL;
        size_t of = 0;
        if (cso_json_parse(&line, text + begin, end - begin, "metrics", 1, NULL) == CSO_OK &&
            cso_json_size(line, "step", "metrics", 0, &of, NULL) == CSO_OK && of <= step &&
            cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(line, key)))
            return line;
        cJSON_Delete(line);
        end = begin;
    }
    return NULL;
}

static void metric_rows(cso_text *card, const cJSON *line, const char *prefix, const char *const *names) {
    for (size_t i = 0; line && names[i]; i++) {
        char key[96];
        snprintf(key, sizeof key, "%s%s", prefix, names[i]);
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(line, key), *step = cJSON_GetObjectItemCaseSensitive(line, "step");
        if (cJSON_IsNumber(value) && cJSON_IsNumber(step))
            cso_text_format(card, "| `%s` | %.0f | %.6g |\n", key, step->valuedouble, value->valuedouble);
    }
}

static void results(cso_text *card, const cso_train_job *job, const cso_adapter_origin *origin) {
    struct stat info;
    cso_map map = {0};
    if (stat(origin->metrics, &info) || !S_ISREG(info.st_mode) || cso_map_open(&map, origin->metrics, NULL) != CSO_OK)
        return;
    cso_metric_table table;
    cso_metric_table_make(&table, job->objective, job->train, job->eval);
    cJSON *step = last_line(&map, origin->step, table.names[0]);
    cJSON *evaluation = job->eval ? last_line(&map, origin->step, "eval_loss") : NULL;
    if (step || evaluation) {
        cso_text_format(card, "## Results\n\nOf the adapter's step, a mean over its batch, and of its evaluation.\n\n"
                              "| metric | step | value |\n| --- | --- | --- |\n");
        metric_rows(card, step, "", table.names);
        metric_rows(card, evaluation, "eval_", table.names);
        cso_text_format(card, "\n");
    }
    cJSON_Delete(step);
    cJSON_Delete(evaluation);
    cso_map_close(&map);
}

static void usage(cso_text *card, const cso_train_job *job, bool with_tokenizer) {
    const char *base = job->adapter->base;
    bool gguf = job->model->weights->gguf, hub = cso_is_hub_id(base);
    cso_text_format(card,
                    "## Use\n\nWith PEFT, where this folder is `adapter`:\n\n```python\nfrom peft import AutoPeftModelForCausalLM\n"
                    "from transformers import AutoTokenizer\n\n"
                    "model = AutoPeftModelForCausalLM.from_pretrained(\"adapter\")\ntokenizer = AutoTokenizer.from_pretrained(");
    if (with_tokenizer)
        cso_text_format(card, "\"adapter\")\n```\n\n");
    else
        cso_text_format(
            card,
            "model.peft_config[\"default\"].base_model_name_or_path)\n```\n\nThe tokenizer is the base model's: it has no "
            "files here%s.\n\n",
            gguf ? ", as the run took it from a GGUF file" : "");
    if (!hub)
        cso_text_format(
            card,
            "The base model is known by its place on the machine of the run only%s. To load the adapter elsewhere, give "
            "`base_model_name_or_path` in `adapter_config.json` the base model's id on the hub, or load it with "
            "`PeftModel.from_pretrained(model, \"adapter\")`.\n\n",
            gguf ? ", a GGUF file, which PEFT cannot read" : "");
    cso_text_format(card,
                    "With llama.cpp: `convert_lora_to_gguf.py adapter`%s, then `llama-cli -m MODEL.gguf --lora ADAPTER.gguf`.\n",
                    hub ? "" : ", with `--base FOLDER` or `--base-model-id OWNER/NAME`");
    if (job->adapter->options.rslora) /* its files have no word for the other scale */
        cso_text_format(card,
                        "llama.cpp scales by alpha / rank, this adapter by alpha / sqrt(rank): `--lora-scaled ADAPTER.gguf %g`.\n",
                        sqrt((double)job->adapter->options.rank));
}

void cso_model_card(cso_text *card, const cso_train_job *job, const cso_adapter_origin *origin, bool with_tokenizer) {
    const char *base = job->adapter->base;
    front_matter(card, job);
    cso_text_format(card, "# Adapter of ");
    code(card, cso_is_hub_id(base) ? base : cso_path_name(base));
    cso_text_format(card, "\n\nA LoRA adapter in PEFT's form, trained with cso.\n\n");
    training(card, job, origin);
    results(card, job, origin);
    usage(card, job, with_tokenizer);
}
