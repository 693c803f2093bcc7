/* adapter_folder.h - adapter/, what a run is for: the adapter with all that others need to load it.
 *
 * adapter_config.json and adapter_model.safetensors (PEFT), README.md (model_card.h), and copies of the tokenizer's files where it
 * has any: a tokenizer in a GGUF has none. The bytes depend on the run alone, not on time or machine. The caller adds
 * cso_checksums.json (checksums.h) last.
 */
#ifndef CSO_ADAPTER_FOLDER_H
#define CSO_ADAPTER_FOLDER_H

#include "model_card.h"
#include "trainer.h"

/* Fills an existing folder. A file of the tokenizer that cannot be read, is no file or
 * too large is left out with a warning to the job's observer: it does not cost the adapter. */
cso_status cso_adapter_folder_write(const cso_train_job *job, const cso_adapter_origin *origin, const char *folder, cso_error *err);

#endif
