/* foreign_names.c - see foreign_names.h. The names are those of transformers' TrainingArguments, TRL's configurations of DPO, SFT
 * and models, PEFT's LoraConfig and LLaMA-Factory's arguments, and what else users bring from Axolotl, MLX and llama.cpp. A name is
 * a row here and nothing else.
 */
#include "foreign_names.h"

#include "did_you_mean.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* Notes of several rows. */
/* clang-format off */
#define WHOLE_BATCH "the whole batch of one optimizer step; the engine cuts it to fit memory"
#define METRICS "metrics.jsonl in checkpoint.dir has a line for each step"
#define ON_CPU "cso computes on the CPU with train.threads threads"
#define BY_MPI "several machines take part through mpirun (docs/distributed.md)"
#define NO_UPLOAD "nothing is uploaded; adapter/ in checkpoint.dir has PEFT's form"
#define NO_DOWNLOAD "nothing is downloaded; model.path is a file or folder (hf download fetches one)"
#define DATA_AT_ONCE "data are read and tokenized once, before the first step"
#define BY_MEMORY "layers whose activations do not fit train.memory_gib are computed again"
#define BY_FILE "weights are used in the type they are stored in; a quantized model is a .gguf file"
#define ONLY_ADAMW "AdamW is the only optimizer"
#define NO_VARIANT "not in this version: LoRA is plain or rank-stabilized (lora.rslora)"
#define NO_LOSS "not in this version (cso-train --help-config lists the losses at loss.type)"
#define NO_PADDING "nothing is padded: sequences share one tree"
#define SAMPLING "cso-generate samples, with options of its own (docs/generate.md)"
#define FIXED_REFERENCE "the reference stays as it is at the start"
#define NO_EXPORT "not in this version; PEFT's merge_and_unload makes a merged model of adapter/"
#define TEXT_ONLY "cso trains on text alone"
#define NOT_HERE "there is nothing like it in this version"
#define DETERMINISTIC "results are always deterministic"
#define ONLY_REPLIES "only replies count: those of a pair, or the assistant's turns with loss.type = \"sft\""

const cso_foreign_name cso_foreign_names[] = {
    /* the run and its length */
    {"output_dir save_dir run_dir checkpoint_dir out_dir", "checkpoint.dir", NULL, NULL},
    {"overwrite_output_dir", NULL, NULL, "a run that is there is gone on with; a new one needs another checkpoint.dir"},
    {"run_name project", NULL, NULL, "a run is known by its folder, checkpoint.dir"},
    {"do_train", NULL, NULL, "cso-train trains; with --dry-run it only checks"},
    {"do_eval", "data.eval", NULL, "is evaluated at the end, and every log.eval_every_steps"},
    {"do_predict predict_with_generate generate_during_eval",
     NULL, NULL, "cso-eval score and cso-generate show what a trained adapter does"},
    {"num_train_epochs num_epochs n_epochs epoch max_epochs", "train.epochs", NULL, NULL},
    {"max_train_steps num_training_steps num_steps train_steps total_steps iters max_iters iterations",
     "train.max_steps", NULL, NULL},
    {"resume_from_checkpoint", NULL, "resume", "goes on from the newest checkpoint by itself, or from the folder given"},
    {"ignore_data_skip restore_callback_states_from_checkpoint", NULL, NULL, "a resumed run goes on exactly where it stopped"},
    {"stage trainer_type", "loss.type", NULL, NULL},
    {"finetuning_type fine_tune_type use_peft use_lora",
     NULL, NULL, "a [lora] table, even empty, trains an adapter; training all weights is not in this version"},
    {"random_seed data_seed rng_seed", "train.seed", NULL, NULL},
    {"full_determinism deterministic", NULL, NULL, DETERMINISTIC},
    {"config_file yaml_config", NULL, "config", NULL},
    /* batches */
    {"per_device_train_batch_size per_gpu_train_batch_size train_batch_size micro_batch_size mini_batch_size minibatch_size "
     "batchsize bs global_batch_size total_batch_size effective_batch_size auto_find_batch_size gradient_accumulation_steps "
     "grad_accum_steps gradient_accumulation accumulate_grad_batches grad_accumulation_steps",
     "train.batch_size", NULL, WHOLE_BATCH},
    {"per_device_eval_batch_size per_gpu_eval_batch_size eval_batch_size precompute_ref_batch_size preprocessing_batch_size",
     NULL, NULL, "evaluation takes train.batch_size, and the engine cuts it to fit memory"},
    {"dataloader_drop_last", NULL, NULL, "the last batch of an epoch may be short; nothing is dropped"},
    {"average_tokens_across_devices num_input_tokens_seen split_batches dispatch_batches", NULL, NULL, NOT_HERE},
    /* the optimizer and its rate */
    {"lr learning_rates peak_lr", "train.learning_rate", NULL, NULL},
    {"lr_scheduler_type lr_scheduler scheduler lr_schedule scheduler_type",
     "train.schedule", NULL, "constant, linear or cosine, each after the warm-up"},
    {"lr_scheduler_kwargs min_lr lr_end cosine_min_lr_ratio num_cycles",
     NULL, NULL, "train.schedule has no parameters; linear and cosine end at 0"},
    {"num_warmup_steps lr_warmup_steps warmup_iters warmup", "train.warmup_steps", NULL, NULL},
    {"lr_warmup_ratio warmup_fraction", "train.warmup_ratio", NULL, NULL},
    {"wd weight_decays", "train.weight_decay", NULL, NULL},
    {"adam_beta1 adam_beta2 beta1 beta2 adam_betas", "train.betas", NULL, "both in one array, [0.9, 0.999]"},
    {"adam_epsilon adam_eps epsilon optimizer_eps", "train.eps", NULL, NULL},
    {"clip_grad_norm grad_clip gradient_clipping gradient_clip_val grad_norm_clip max_norm clip_grad",
     "train.max_grad_norm", NULL, NULL},
    {"optim optimizer optim_args optim_target_modules optimizer_type adafactor use_galore galore_* use_apollo apollo_* "
     "use_badam badam_* use_adam_mini use_muon", NULL, NULL, ONLY_ADAMW},
    {"loraplus_lr_ratio loraplus_lr_embedding loraplus_weight_decay embedding_lr",
     NULL, NULL, "all trained numbers have one train.learning_rate"},
    {"neftune_noise_alpha", NULL, NULL, NOT_HERE},
    {"logging_nan_inf_filter", "train.max_skipped", NULL, "steps without finite numbers are skipped; so many in a row end the run"},
    /* LoRA */
    {"r lora_r lora_rank rank_r lora_dim", "lora.rank", NULL, NULL},
    {"lora_alpha", "lora.alpha", NULL, NULL},
    {"lora_dropout disable_dropout", "lora.dropout", NULL, NULL},
    {"target_modules lora_target lora_target_modules lora_target_linear lora_targets modules", "lora.targets", NULL, NULL},
    {"exclude_modules", "lora.targets", NULL, "lists the projections that are adapted; leave the others out"},
    {"use_rslora rs_lora", "lora.rslora", NULL, NULL},
    {"adapter_name_or_path adapter_path lora_path lora_model_dir peft_model_path lora_weights peft_model adapter_folder",
     "lora.init", "adapter", NULL},
    {"init_lora_weights", "lora.init", NULL, "default, or the folder of a PEFT adapter to go on from"},
    {"create_new_adapter", NULL, NULL, "lora.init = \"default\" makes a new adapter"},
    {"layers_to_transform layers_pattern rank_pattern alpha_pattern num_layers",
     NULL, NULL, "all layers are adapted, with one lora.rank and lora.alpha"},
    {"modules_to_save lora_modules_to_save additional_target target_parameters lora_target_parameters "
     "trainable_token_indices ensure_weight_tying freeze_*", NULL, NULL, "only the projections of lora.targets are trained"},
    {"bias lora_bias", NULL, NULL, "biases are not trained"},
    {"use_dora use_qalora qalora_group_size use_bdlora megatron_config megatron_core loftq_config eva_config corda_config "
     "lora_ga_config velora_config alora_invocation_tokens monteclora_config arrow_config kasa_config layer_replication "
     "runtime_config pissa_init pissa_iter pissa_convert use_llama_pro fan_in_fan_out oft_* module_dropout use_dft_loss "
     "use_asft_loss asft_alpha lora_init", NULL, NULL, NO_VARIANT},
    {"task_type lora_task_type peft_type inference_mode", NULL, NULL, "PEFT's form of adapter/ says so by itself"},
    /* the loss and its reference */
    {"loss_type pref_loss loss_fn rl rl_type dpo_loss", "loss.type", NULL, NULL},
    {"pref_beta dpo_beta kl_coef", "loss.beta", NULL, NULL},
    {"label_smoothing_factor dpo_label_smoothing cdpo_eps", "loss.label_smoothing", NULL, NULL},
    {"ref_model reference_model ref_model_path ref_model_name_or_path ref_adapter_name ref_model_adapters ref_adapter_path "
     "model_adapter_name reference_adapter", "loss.reference", NULL, "base, initial or the folder of a PEFT adapter"},
    {"reference_free force_use_ref_model",
     NULL, NULL, "loss.reference says what the reference is; the loss says whether it needs one"},
    {"precompute_ref_log_probs use_logits_to_keep base_model_attribute_name",
     NULL, NULL, "the reference's log-probabilities are computed once and kept by themselves"},
    {"sync_ref_model ref_model_mixup_alpha ref_model_sync_steps ref_model_init_kwargs ref_model_quantization_bit",
     NULL, NULL, FIXED_REFERENCE},
    {"loss_weights", "loss.weights", NULL, NULL},
    {"kto_chosen_weight kto_desirable_weight", "loss.desirable_weight", NULL, NULL},
    {"kto_rejected_weight kto_undesirable_weight", "loss.undesirable_weight", NULL, NULL},
    {"gamma_beta_ratio", "loss.simpo_gamma", NULL, "simpo_gamma is the margin itself: the ratio times loss.beta"},
    {"rpo_alpha pref_ftx", "loss.types", NULL, "[\"cso\", \"sft\"], with loss.weights"},
    {"pref_bco_weight", "loss.types", NULL, "[\"cso\", \"bco_pair\"], with loss.weights"},
    {"ppo_* reward_model reward_model_* router_aux_loss_coef moe_aux_loss_coef center_rewards_coefficient orpo_alpha eaft_alpha use_eaft_loss compute_accuracy",
     NULL, NULL, NO_LOSS},
    {"completion_only_loss assistant_only_loss train_on_prompt mask_history train_on_inputs train_on_responses_only "
     "mask_prompt", NULL, NULL, ONLY_REPLIES},
    /* data */
    {"dataset dataset_name dataset_path data_path train_file train_files train_data train_dataset datasets data_files "
     "dataset_dir", "data.train", NULL, "files with records, .jsonl or .json"},
    {"eval_dataset validation_file eval_file valid_file eval_data val_data validation_data test_file valid",
     "data.eval", NULL, "files with records, .jsonl or .json"},
    {"val_size test_size validation_split_percentage val_set_size eval_split dataset_test_split validation_split",
     NULL, NULL, "data.eval is a file of its own; keep whole dialogues apart when you make it"},
    {"dataset_config dataset_train_split dataset_text_field dataset_kwargs text_column columns formatting tools tool_format",
     NULL, NULL, "records are known by their keys (docs/data.md)"},
    {"max_seq_length max_seq_len max_sequence_length cutoff_len model_max_length sequence_len block_size context_length "
     "ctx_size n_ctx", "data.max_length", "max-length", NULL},
    {"max_prompt_length max_completion_length max_target_length max_source_length",
     "data.max_length", NULL, "of prompt and reply together; data.truncation says what is cut"},
    {"truncation_mode truncation_side", "data.truncation", NULL, "left (keep_end), drop or error"},
    {"packing_strategy neat_packing sample_packing eval_packing efficient_eos",
     "data.packing", NULL, "tree, pair or none, with equal results"},
    {"group_by_length train_sampling_strategy length_column_name dataloader_in_order",
     "data.packing", NULL, "trees take sequences of any length together"},
    {"padding_free pad_to_multiple_of padding_value label_pad_token_id pad_token pad_token_id padding_side "
     "ignore_pad_token_for_loss", NULL, NULL, NO_PADDING},
    {"is_encoder_decoder image_* video_* use_audio_in_video audio_* media_dir crop_to_patches", NULL, NULL, TEXT_ONLY},
    {"shuffle_dataset disable_shuffling shuffle_data", "data.shuffle", NULL, "dialogue, pair or none"},
    {"system default_system system_message system_text", "data.system_prompt", NULL, "a text file"},
    {"split_special_tokens", "data.parse_special", NULL, "the other way round: false splits them"},
    {"dataset_num_proc num_proc num_workers preprocessing_num_workers dataloader_num_workers dataloader_* "
     "data_shared_file_system streaming dataset_streaming buffer_size overwrite_cache tokenized_path mix_strategy "
     "interleave_probs remove_unused_columns label_names skip_prepare_dataset past_index", NULL, NULL, DATA_AT_ONCE},
    {"max_samples max_train_samples max_eval_samples",
     NULL, NULL, "head -n N makes a smaller file; train.max_steps ends the run early"},
    /* the model */
    {"model_name_or_path model_name model_id model_path base_model pretrained_model_name_or_path pretrained hf_model "
     "model_dir", "model.path", "model", NULL},
    {"base_model_name_or_path", "model.base_name", NULL, NULL},
    {"tokenizer_name tokenizer_name_or_path tokenizer_path", "model.tokenizer", "tokenizer", NULL},
    {"template chat_template_path conversation_template prompt_template", "model.chat_template", "chat-template", NULL},
    {"torch_dtype dtype bf16 mixed_precision precision infer_dtype pure_bf16 bf16_full_eval",
     "model.compute", "compute", "f32 or bf16"},
    {"fp16 fp16_full_eval fp16_opt_level half_precision_backend tf32 fp8 fp8_* fp32",
     "model.compute", "compute", "f32 or bf16; there is no other"},
    {"load_in_8bit load_in_4bit bnb_* use_bnb_nested_quant quantization_* double_quantization low_cpu_mem_usage "
     "offload_folder", NULL, NULL, BY_FILE},
    {"model_revision cache_dir trust_remote_code hf_hub_token ms_hub_token om_hub_token use_auth_token force_download",
     NULL, NULL, NO_DOWNLOAD},
    {"model_init_kwargs attn_implementation flash_attn use_flash_attention_2 shift_attn rope_scaling mixture_of_depths "
     "use_unsloth use_unsloth_gc use_liger_kernel liger_kernel_config enable_liger_kernel use_cache use_kv_cache "
     "use_v1_kernels upcast_layernorm upcast_lmhead_output train_from_scratch use_fast_tokenizer moe_implementation use_kt "
     "kt_*", NULL, NULL, "the model runs as its files say; there is nothing to choose"},
    {"resize_vocab add_tokens add_special_tokens new_special_tokens new_special_tokens_config init_special_tokens eos_token "
     "bos_token", NULL, NULL, "the vocabulary stays as it is"},
    {"print_param_status", NULL, NULL, "cso-inspect shows what is in a model"},
    /* memory and machines */
    {"gradient_checkpointing gradient_checkpointing_kwargs activation_checkpointing activation_checkpointing_kwargs "
     "activation_offloading disable_gradient_checkpointing use_reentrant_gc grad_checkpoint", "train.memory_gib", NULL, BY_MEMORY},
    {"max_memory memory max_memory_mb", "train.memory_gib", NULL, NULL},
    {"num_threads n_threads nproc cpu_threads omp_num_threads", "train.threads", "threads", NULL},
    {"no_cuda use_cpu use_mps_device use_ipex device device_map fp16_backend torch_compile torch_compile_* torchdynamo "
     "jit_mode_eval torch_empty_cache_steps n_gpu gpus tpu_*", NULL, NULL, ON_CPU},
    {"local_rank fsdp fsdp_* deepspeed ddp_* ds3_gather_for_generation accelerator_config parallelism_config nnodes "
     "world_size sharded_ddp xpu_backend ray_* enable_jit_checkpoint", NULL, NULL, BY_MPI},
    /* what is told and kept */
    {"logging_steps log_every_n_steps log_interval steps_per_report print_freq",
     "log.every_steps", NULL, "metrics.jsonl has every step anyway"},
    {"logging_dir logging_strategy logging_first_step report_to include_num_input_tokens_seen include_tokens_per_second "
     "include_for_metrics include_inputs_for_metrics use_wandb wandb_* use_swanlab swanlab_* trackio_* plot_loss tensorboard",
     NULL, NULL, METRICS},
    {"log_level log_level_replica log_on_each_node disable_tqdm verbose silent",
     NULL, "quiet", "cso-train --quiet prints warnings and errors alone"},
    {"debug skip_memory_metrics", "log.profile", NULL, NULL},
    {"eval_strategy evaluation_strategy eval_steps steps_per_eval eval_every eval_interval val_check_interval eval_on_start "
     "eval_delay", "log.eval_every_steps", NULL, "0: at the end alone"},
    {"prediction_loss_only batch_eval_metrics eval_do_concat_batches eval_use_gather_object eval_accumulation_steps "
     "eval_on_each_dataset eval_num_beams", NULL, NULL, "evaluation gives the loss's own metrics of all of data.eval"},
    {"save_strategy save_steps save_every save_interval steps_per_save saves_per_epoch", "checkpoint.every_steps", NULL, NULL},
    {"save_total_limit max_checkpoints keep_last_n", "checkpoint.keep_last", NULL, NULL},
    {"load_best_model_at_end", "checkpoint.restore_best", NULL, NULL},
    {"save_best_model",
     "checkpoint.keep_best", NULL, "keeps the best checkpoint beside the last ones; checkpoint.restore_best makes adapter/ of it"},
    {"metric_for_best_model greater_is_better",
     NULL, NULL, "the best checkpoint is that of the lowest evaluation loss"},
    {"early_stopping_steps", "train.early_stopping_patience", NULL, "counts evaluations"},
    {"early_stopping_threshold", "train.early_stopping_min_delta", NULL, NULL},
    {"save_only_model save_safetensors save_on_each_node",
     NULL, NULL, "checkpoints hold all that a run needs to resume, as safetensors"},
    {"push_to_hub push_to_hub_* hub_*", NULL, NULL, NO_UPLOAD},
    {"export_* merge_and_unload save_merged", NULL, NULL, NO_EXPORT},
    /* replies */
    {"max_new_tokens n_predict max_gen_toks max_gen_length num_predict", NULL, "max-tokens", "an option of cso-generate"},
    {"lora peft adapter_dir", NULL, "adapter", "a folder in PEFT's form"},
    {"do_sample", NULL, "temperature", "0 takes the most probable token"},
    {"num_return_sequences num_generations best_of", NULL, "n", NULL},
    {"stop_strings stop_sequences stop_words", NULL, "stop", "given once for each text"},
    {"n_probs top_logprobs", NULL, "logprobs", NULL},
    {"json_schema guided_json response_format", NULL, "schema", "a file with a JSON Schema"},
    {"guided_choice", NULL, "choices", "given once for each text"},
    {"repeat_penalty", NULL, "repetition-penalty", NULL},
    {"interactive conversation", NULL, "chat", NULL},
    {"temperature top_p top_k min_p num_beams repetition_penalty length_penalty generation_kwargs "
     "chat_template_kwargs vllm_* sglang_* infer_backend skip_special_tokens cache_implementation",
     NULL, NULL, SAMPLING},
};
/* clang-format on */
const size_t cso_foreign_name_count = sizeof cso_foreign_names / sizeof *cso_foreign_names;

enum { MAX_NAME = 64, MAX_NAMES = 1024 };

/* "--Learning-Rate" and "training.learning_rate" as "learning_rate". */
static void normalize(const char *name, char plain[MAX_NAME]) {
    const char *dot = strrchr(name, '.');
    size_t n = 0;
    for (const char *c = dot ? dot + 1 : name + strspn(name, "-"); *c && n + 1 < MAX_NAME; c++)
        plain[n++] = (char)(*c == '-' ? '_' : tolower((unsigned char)*c));
    plain[n] = '\0';
}

/* Whether one of a row's names, which ends at a blank or the end, is this one. */
static bool is_name(const char *name, size_t length, const char *plain) {
    if (name[length - 1] == '*')
        return !strncmp(name, plain, length - 1) && plain[length - 1];
    return strlen(plain) == length && !memcmp(name, plain, length);
}

const cso_foreign_name *cso_foreign_name_find(const char *name) {
    char plain[MAX_NAME];
    normalize(name, plain);
    for (const cso_foreign_name *row = cso_foreign_names; row < cso_foreign_names + cso_foreign_name_count; row++)
        for (const char *at = row->names; *at; at += strspn(at, " ")) {
            size_t length = strcspn(at, " ");
            if (is_name(at, length, plain))
                return row;
            at += length;
        }
    return NULL;
}

const cso_foreign_name *cso_foreign_name_near(const char *name) {
    char plain[MAX_NAME], words[MAX_NAMES][MAX_NAME];
    const char *names[MAX_NAMES];
    size_t count = 0;
    normalize(name, plain);
    for (const cso_foreign_name *row = cso_foreign_names; row < cso_foreign_names + cso_foreign_name_count; row++)
        for (const char *at = row->names; *at && count < MAX_NAMES; at += strspn(at, " ")) {
            size_t length = strcspn(at, " ");
            if (at[length - 1] != '*' && length < MAX_NAME) {
                memcpy(words[count], at, length);
                words[count][length] = '\0';
                names[count] = words[count];
                count++;
            }
            at += length;
        }
    const char *near = strlen(plain) > 3 ? cso_did_you_mean(plain, names, count) : NULL;
    return near ? cso_foreign_name_find(near) : NULL;
}
