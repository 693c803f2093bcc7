/* profile.h - where the time of a training step goes: wall seconds by phase.
 *
 * Only the thread that started a profile is measured; a profile costs one branch where none runs, and never allocates. A phase
 * entered within a task counts where this thread runs the task: as all threads do the same work, it stands for them, and the
 * seconds stay wall seconds. They are exclusive, so that they add up to the time between start and stop:
 *
 *   - a dequantization within a product counts as dequantize, not as gemm;
 *   - attention, head, lora and optimizer own all that happens within them: the head's products, its dequantization and its
 *     norm are head, LoRA's thin products and its dropout are lora.
 */
#ifndef CSO_PROFILE_H
#define CSO_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum cso_phase {
    CSO_PHASE_DEQUANTIZE, /* weights to f32 or bf16 panels */
    CSO_PHASE_GEMM,       /* products with the weights of the layers */
    CSO_PHASE_ATTENTION,
    CSO_PHASE_NORMS, /* all work row by row: norms, RoPE, activations, biases, embeddings */
    CSO_PHASE_HEAD,
    CSO_PHASE_LORA,
    CSO_PHASE_OPTIMIZER, /* AdamW and the gradient's norm */
    CSO_PHASE_OTHER,     /* what is in none of these: trees, copies, the loss */
    CSO_PHASE_COUNT
} cso_phase;

typedef struct cso_profile {
    double seconds[CSO_PHASE_COUNT];
    double flops[CSO_PHASE_COUNT]; /* of matrix products in that phase, 2 per multiply-add; 0 where nobody counts */
    size_t spans;                  /* from start to stop, so far */
    cso_phase phase;               /* that runs now */
    double since;                  /* its beginning, by cso_clock */
} cso_profile;

const char *cso_phase_name(cso_phase phase); /* "gemm" */

/* From here to stop, this thread's time is added to the profile (zeroed before its first use). NULL: to none. */
void cso_profile_start(cso_profile *profile);
void cso_profile_stop(void);

/* A phase begins; gives the phase it interrupts, which leave takes. A call that fails may skip its leave. */
cso_phase cso_profile_enter(cso_phase phase);
void cso_profile_leave(cso_phase interrupted);
/* Counts work of the phase that runs. */
void cso_profile_add_flops(double flops);

double cso_profile_total(const cso_profile *profile); /* seconds of all phases */

#endif
