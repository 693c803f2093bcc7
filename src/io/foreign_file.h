/* foreign_file.h - files that hold data, but not as JSON: told apart by how they begin, with a way to make JSON Lines of them. */
#ifndef CSO_FOREIGN_FILE_H
#define CSO_FOREIGN_FILE_H

#include "base/status.h"

#include <stddef.h>

enum { CSO_FOREIGN_HEAD = 512 }; /* bytes from the beginning that suffice */

/* CSO_ERR_INPUT naming what the file is and a command that makes JSON Lines of it; CSO_OK where its beginning is none of those
 * known. head: its first `size` bytes. path: for its name's ending, and for the message. */
cso_status foreign_file_check(const char *path, const char *head, size_t size, cso_error *err);

#endif
