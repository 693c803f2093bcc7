/* checksums.h - XXH3-128 of files, in JSON files that end with the checksum of themselves ("sealed"); inside src/train only.
 *
 * A checkpoint has them in cso_state.json, adapter/ and the run's folder in a cso_checksums.json of their own. A sealed file's last
 * member is "checksum", of all bytes before that member.
 */
#ifndef CSO_CHECKSUMS_H
#define CSO_CHECKSUMS_H

#include "base/status.h"
#include "io/json.h"

#include <stdbool.h>

#define CSO_CHECKSUMS_FILE "cso_checksums.json"

/* Ends an object that has members and a comma after the last one: adds the seal and the closing brace. */
void cso_seal_add(cso_text *text);
/* Reads folder/name, checks its seal and parses it; the caller deletes *json. A file that is missing or whose seal differs is
 * CSO_ERR_INPUT. */
cso_status cso_sealed_read(const char *folder, const char *name, cJSON **json, cso_error *err);

cso_status cso_checksum_file(const char *folder, const char *name, char hex[33], cso_error *err);
/* Adds the member "files": the checksum of every file in the folder but `except`, sorted by name, and a comma. */
cso_status cso_checksums_add(cso_text *text, const char *folder, const char *except, cso_error *err);
/* Writes folder/cso_checksums.json, which covers all other files of the folder. */
cso_status cso_checksums_write(const char *folder, cso_error *err);
/* Compares the files that the member "files" of json lists: the first that is missing or differs is CSO_ERR_INPUT. */
cso_status cso_checksums_check(const char *folder, const cJSON *json, cso_error *err);

#endif
