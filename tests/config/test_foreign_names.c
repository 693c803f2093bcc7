/* test_foreign_names.c - the table of other trainers' names: whole, right, and what is said of each. */
#include "base/foreign_names.h"
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* What these projects call their settings (transformers 5.24, TRL 1.16 with names of earlier versions, PEFT 0.21, LLaMA-Factory
 * 0.9), but for those that are called so here, too. */
static const char THEIRS[] =
    /* transformers' TrainingArguments */
    "output_dir per_device_train_batch_size num_train_epochs lr_scheduler_type lr_scheduler_kwargs optim optim_args "
    "adam_beta1 adam_beta2 adam_epsilon optim_target_modules gradient_accumulation_steps average_tokens_across_devices "
    "label_smoothing_factor bf16 fp16 bf16_full_eval fp16_full_eval tf32 activation_checkpointing "
    "activation_checkpointing_kwargs gradient_checkpointing gradient_checkpointing_kwargs torch_compile torch_compile_backend "
    "torch_compile_mode use_liger_kernel liger_kernel_config use_cache neftune_noise_alpha torch_empty_cache_steps "
    "auto_find_batch_size logging_strategy logging_steps logging_first_step log_on_each_node logging_nan_inf_filter "
    "include_num_input_tokens_seen log_level log_level_replica disable_tqdm report_to run_name project trackio_space_id "
    "trackio_bucket_id trackio_static_space_id eval_strategy eval_steps eval_delay per_device_eval_batch_size "
    "prediction_loss_only eval_on_start eval_do_concat_batches eval_use_gather_object eval_accumulation_steps "
    "include_for_metrics batch_eval_metrics save_only_model save_strategy save_steps save_on_each_node save_total_limit "
    "enable_jit_checkpoint push_to_hub hub_token hub_private_repo hub_model_id hub_strategy hub_always_push hub_revision "
    "load_best_model_at_end metric_for_best_model greater_is_better ignore_data_skip restore_callback_states_from_checkpoint "
    "full_determinism data_seed use_cpu accelerator_config parallelism_config dataloader_drop_last dataloader_num_workers "
    "dataloader_pin_memory dataloader_persistent_workers dataloader_prefetch_factor dataloader_multiprocessing_context "
    "dataloader_in_order remove_unused_columns label_names train_sampling_strategy length_column_name "
    "ddp_find_unused_parameters ddp_bucket_cap_mb ddp_broadcast_buffers ddp_static_graph ddp_backend ddp_timeout fsdp "
    "fsdp_config deepspeed debug skip_memory_metrics do_train do_eval do_predict resume_from_checkpoint local_rank "
    /* TRL's configurations of models, SFT, DPO, KTO */
    "model_name_or_path model_revision dtype attn_implementation use_peft lora_r lora_alpha lora_dropout lora_target_modules "
    "lora_target_parameters lora_modules_to_save lora_task_type use_rslora use_dora load_in_8bit load_in_4bit "
    "bnb_4bit_quant_type use_bnb_nested_quant bnb_4bit_quant_storage model_init_kwargs trust_remote_code router_aux_loss_coef "
    "chat_template_path dataset_text_field dataset_kwargs dataset_num_proc eos_token truncation_mode shuffle_dataset "
    "packing_strategy padding_free pad_to_multiple_of eval_packing completion_only_loss assistant_only_loss loss_type "
    "activation_offloading pad_token model_init_kwargs trust_remote_code router_aux_loss_coef disable_dropout "
    "dataset_num_proc truncation_mode padding_free pad_to_multiple_of precompute_ref_log_probs precompute_ref_batch_size "
    "loss_type loss_weights ld_alpha f_divergence_type f_alpha_divergence_coef use_weighting discopop_tau "
    "activation_offloading sync_ref_model ref_model_mixup_alpha ref_model_sync_steps pad_token model_init_kwargs "
    "trust_remote_code router_aux_loss_coef disable_dropout dataset_num_proc pad_to_multiple_of precompute_ref_log_probs "
    "precompute_ref_batch_size loss_type desirable_weight undesirable_weight activation_offloading sync_ref_model "
    "ref_model_mixup_alpha ref_model_sync_steps max_prompt_length max_completion_length max_target_length rpo_alpha "
    "reference_free force_use_ref_model ref_adapter_name model_adapter_name generate_during_eval label_pad_token_id "
    "padding_value max_seq_length "
    /* PEFT's LoraConfig */
    "r target_modules exclude_modules fan_in_fan_out bias modules_to_save layers_to_transform layers_pattern rank_pattern "
    "alpha_pattern megatron_config megatron_core trainable_token_indices loftq_config eva_config corda_config lora_ga_config "
    "velora_config alora_invocation_tokens use_qalora qalora_group_size monteclora_config layer_replication runtime_config "
    "lora_bias target_parameters use_bdlora arrow_config kasa_config ensure_weight_tying "
    /* LLaMA-Factory's arguments */
    "additional_target lora_rank lora_target loraplus_lr_ratio loraplus_lr_embedding pissa_init pissa_iter pissa_convert "
    "create_new_adapter module_dropout oft_rank oft_block_size oft_target pref_beta pref_ftx pref_bco_weight pref_loss "
    "dpo_label_smoothing kto_chosen_weight kto_rejected_weight simpo_gamma ppo_buffer_size ppo_epochs ppo_score_norm "
    "ppo_target ppo_whiten_rewards ref_model ref_model_adapters ref_model_quantization_bit reward_model reward_model_adapters "
    "reward_model_type use_galore galore_target use_apollo apollo_rank use_badam badam_mode use_swanlab swanlab_project "
    "pure_bf16 stage finetuning_type use_llama_pro use_adam_mini use_muon freeze_vision_tower compute_accuracy "
    "disable_shuffling early_stopping_steps plot_loss template dataset eval_dataset dataset_dir media_dir cutoff_len "
    "train_on_prompt mask_history streaming buffer_size mix_strategy interleave_probs overwrite_cache "
    "preprocessing_batch_size preprocessing_num_workers max_samples eval_num_beams ignore_pad_token_for_loss val_size "
    "eval_on_each_dataset neat_packing tool_format default_system tokenized_path data_shared_file_system adapter_name_or_path "
    "adapter_folder cache_dir use_fast_tokenizer resize_vocab split_special_tokens add_tokens add_special_tokens "
    "new_special_tokens_config init_special_tokens low_cpu_mem_usage rope_scaling flash_attn shift_attn mixture_of_depths "
    "use_unsloth use_unsloth_gc enable_liger_kernel moe_aux_loss_coef disable_gradient_checkpointing use_reentrant_gc "
    "upcast_layernorm upcast_lmhead_output train_from_scratch infer_backend offload_folder use_kv_cache use_v1_kernels "
    "infer_dtype hf_hub_token ms_hub_token om_hub_token print_param_status quantization_method quantization_bit "
    "quantization_type double_quantization quantization_device_map fp8 fp8_backend image_max_pixels video_fps "
    "use_audio_in_video audio_sampling_rate crop_to_patches image_do_pan_and_scan export_dir export_size vllm_maxlen "
    "sglang_maxlen do_sample temperature top_p top_k num_beams max_new_tokens repetition_penalty length_penalty "
    "skip_special_tokens ray_run_name ";

/* The names of a blank-separated list, one after the other. */
static bool next_name(const char **at, char *name, size_t size) {
    *at += strspn(*at, " ");
    size_t length = strcspn(*at, " ");
    if (!length)
        return false;
    snprintf(name, size, "%.*s", (int)length, *at);
    *at += length;
    return true;
}

/* A key of ours is called so in some table. */
static bool is_ours(const char *name) {
    cso_option_place key;
    for (size_t k = 0; (key = cso_options_at(&cso_run_options, k)).row; k++)
        if (!strcmp(strrchr(key.row->name, '.') + 1, name))
            return true;
    return false;
}

static void every_name_is_known(void **state) {
    (void)state;
    char name[64];
    size_t count = 0, missing = 0;
    for (const char *at = THEIRS; next_name(&at, name, sizeof name); count++)
        if (!cso_foreign_name_find(name) && !is_ours(name)) {
            print_message("no row has %s\n", name);
            missing++;
        }
    assert_true(count > 300);
    assert_int_equal(missing, 0);
}

/* Our names are keys, rows say something, and no name stands twice or hides one of ours. */
static void rows_are_right(void **state) {
    (void)state;
    char name[64], plain[64];
    for (size_t i = 0; i < cso_foreign_name_count; i++) {
        const cso_foreign_name *row = &cso_foreign_names[i];
        if (row->ours && !cso_options_find(&cso_run_options, row->ours).row)
            fail_msg("%s: there is no key %s", row->names, row->ours);
        assert_true(row->ours || row->option || row->note);
        for (const char *at = row->names; next_name(&at, name, sizeof name);) {
            snprintf(plain, sizeof plain, "%.*s", (int)strcspn(name, "*"), name);
            if (strchr(name, '*'))
                strcat(plain, "x");
            if (cso_foreign_name_find(plain) != row)
                fail_msg("%s stands in two rows", name);
            cso_option_place key;
            for (size_t k = 0; (key = cso_options_at(&cso_run_options, k)).row; k++)
                if (!strcmp(strrchr(key.row->name, '.') + 1, plain))
                    fail_msg("%s is called so here, too", name);
        }
    }
}

/* What is said after "unknown key 'NAME'". */
static void hints(void **state) {
    (void)state;
    static const char *const CASES[][2] = {
        {"lr", " (did you mean 'train.learning_rate'?)"},
        {"r", " (did you mean 'lora.rank'?)"},
        {"lora_alpha", " (did you mean 'lora.alpha'?)"},
        {"train.lr", " (did you mean 'train.learning_rate'?)"},
        {"training.Learning-Rate", " (did you mean 'train.learning_rate'?)"},
        {"gradient_accumulation_steps",
         " (did you mean 'train.batch_size'?): the whole batch of one optimizer step; the engine cuts it to fit memory"},
        {"per_device_train_batch_size",
         " (did you mean 'train.batch_size'?): the whole batch of one optimizer step; the engine cuts it to fit memory"},
        {"num_train_epochs", " (did you mean 'train.epochs'?)"},
        {"warmup_steps", " (did you mean 'train.warmup_steps'?)"},
        {"max_prompt_length", " (did you mean 'data.max_length'?): of prompt and reply together; data.truncation says what is cut"},
        {"output_dir", " (did you mean 'checkpoint.dir'?)"},
        {"vllm_mode", ": cso-generate samples, with options of its own (docs/generate.md)"},
        {"num_train_epoch", " (did you mean 'train.epochs'?)"}, /* misspelt */
        {"seeed", " (did you mean 'train.seed'?)"},
        {"elephants", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char text[256];
        cso_run_config_hint(CASES[i][0], "'", "'", false, text, sizeof text);
        assert_string_equal(text, CASES[i][1]);
    }
    char text[256];
    cso_run_config_hint("seeed", "'", "'", true, text, sizeof text);
    assert_string_equal(text, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_is_known),
        cmocka_unit_test(rows_are_right),
        cmocka_unit_test(hints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
