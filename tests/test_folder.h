/* test_folder.h - a fresh folder under /tmp for a test's files. */
#ifndef CSO_TESTS_TEST_FOLDER_H
#define CSO_TESTS_TEST_FOLDER_H

/* Its path; "" while there is none. */
extern char test_folder[64];

/* Setup and teardown of a test or a group of tests. */
int make_test_folder(void **state);
int remove_test_folder(void **state);

/* "FOLDER/NAME"; static until the eighth next call. */
char *in_folder(const char *name);
/* Writes a text file in the folder, or fails the test. */
void save_in_folder(const char *name, const char *text);

/* A folder that is made when this is first called, and removed when the process ends. */
const char *process_folder(void);

#endif
