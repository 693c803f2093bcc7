/* foreign_file.c - see foreign_file.h. */
#include "foreign_file.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* clang-format off */
#define CSV_COMMAND(more) \
    "python3 -c 'import csv,json,sys; [print(json.dumps(r)) for r in csv.DictReader(sys.stdin" more ")]' < in > out.jsonl"
#define PANDAS(how) "python3 -c 'import pandas; pandas." how ".to_json(\"out.jsonl\", orient=\"records\", lines=True)'"

static const struct {
    const char *magic;
    size_t size;        /* of the magic; 0: by the ending alone */
    const char *ending; /* NULL: whatever the file's name */
    const char *what, *way;
} FILES[] = {
    {"\x1f\x8b", 2, NULL, "gzip-compressed", "gunzip -k FILE unpacks it"},
    {"(\xb5/\xfd", 4, NULL, "zstd-compressed", "zstd -d FILE unpacks it"},
    {"BZh", 3, NULL, "bzip2-compressed", "bunzip2 -k FILE unpacks it"},
    {"\xfd" "7zXZ", 5, NULL, "xz-compressed", "unxz -k FILE unpacks it"},
    {"PK\3\4", 4, ".xlsx", "an Excel table", PANDAS("read_excel(\"in.xlsx\")")},
    {"PK\3\4", 4, NULL, "a zip archive", "unzip FILE unpacks it"},
    {"PAR1", 4, NULL, "a Parquet table", PANDAS("read_parquet(\"in.parquet\")")},
    {"ARROW1", 6, NULL, "an Arrow table", PANDAS("read_feather(\"in.arrow\")")},
    {"\xff\xff\xff\xff", 4, NULL, "an Arrow table",
     "python3 -c 'import datasets; datasets.Dataset.from_file(\"in.arrow\").to_json(\"out.jsonl\")'"},
    {"\xd0\xcf\x11\xe0", 4, NULL, "an Excel table", PANDAS("read_excel(\"in.xls\")")},
    {"\xff\xfe", 2, NULL, "UTF-16 text", "iconv -f UTF-16 -t UTF-8 in > out.jsonl"},
    {"\xfe\xff", 2, NULL, "UTF-16 text", "iconv -f UTF-16 -t UTF-8 in > out.jsonl"},
    {"GGUF", 4, NULL, "a model", "a model is given with --model, or as model.path"},
    {"", 0, ".csv", "comma-separated values", CSV_COMMAND("")},
    {"", 0, ".tsv", "tab-separated values", CSV_COMMAND(", delimiter=\"\\t\"")},
};
/* clang-format on */

static bool ends_with(const char *path, const char *ending) {
    size_t length = strlen(path), wanted = strlen(ending);
    return length >= wanted && !strcasecmp(path + length - wanted, ending);
}

/* Whether the first line is the head of a table with columns that data sets have: prompt,chosen,rejected. */
static bool is_table(const char *head, size_t size, char separator) {
    static const char *const COLUMNS[] = {"prompt",      "chosen", "rejected", "text",     "messages", "conversations",
                                          "instruction", "input",  "output",   "question", "answer",   "response"};
    size_t known = 0, fields = 0;
    bool first = false;
    for (size_t at = 0, end; at < size && head[at] != '\n'; at = end + (end < size && head[end] == separator)) {
        for (end = at; end < size && head[end] != separator && head[end] != '\n'; end++)
            ;
        size_t from = at, to = end;
        while (from < to && (head[from] == '"' || head[from] == ' '))
            from++;
        while (from < to && strchr("\" \r", head[to - 1]))
            to--;
        for (size_t i = 0; i < sizeof COLUMNS / sizeof *COLUMNS; i++)
            known += strlen(COLUMNS[i]) == to - from && !strncasecmp(COLUMNS[i], head + from, to - from);
        first = !fields++ ? known > 0 : first;
    }
    return fields > 1 && (first || known > 1); /* a column of numbers may come first */
}

static const char *ending_of(const char *head, size_t size) {
    return is_table(head, size, ',') ? ".csv" : is_table(head, size, '\t') ? ".tsv" : "";
}

cso_status foreign_file_check(const char *path, const char *head, size_t size, cso_error *err) {
    const char *table = ending_of(head, size);
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        const char *ending = FILES[i].ending;
        if (FILES[i].size > size || memcmp(FILES[i].magic, head, FILES[i].size) != 0)
            continue;
        if (ending && !ends_with(path, ending) && strcmp(ending, table) != 0)
            continue;
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s (expected records in JSON: %s)", path, FILES[i].what, FILES[i].way);
    }
    return CSO_OK;
}
