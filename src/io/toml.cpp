/* toml.cpp - toml++ behind a C interface; no exception leaves this file. */
#include "toml.h"

#include "base/memory.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <new>
#include <string>
#include <string_view>
#include <toml++/toml.h>
#include <vector>

namespace {

constexpr size_t MAX_SIZE = 1 << 20, MAX_DEPTH = 64;

/* An error at a position in the file. */
struct bad_input {
    size_t line;
    std::string what;
};

/* Checks a text before toml++ sees it.
 * - Depth: toml++ builds and destroys nested values recursively, and long dotted keys are nested tables. So nested brackets and
 *   the dots of a key are counted first, outside strings and comments.
 * - Characters beyond ASCII outside strings and comments: TOML forbids them, and version 3.3 runs into code marked unreachable on
 *   some (U+039D in a key). It also takes everything up to white space, a comma or a closing bracket as the rest of a value before
 *   it looks closer. So a string must not touch a value: strings and opening brackets follow white space or one of = , [ {
 *   (or the dot of a key, if all is ASCII), and = follows a key. The same code sees the character after a backslash.
 * This lexer need not be right about texts that are not TOML: toml++ also reads from the front and stops at the first error. */
class checker {
  public:
    explicit checker(std::string_view whole) : text(whole) {
        if (text.substr(0, 3) == "\xEF\xBB\xBF")
            text.remove_prefix(3);
    }

    void run() {
        while (at < text.size()) {
            char c = text[at];
            if (c == '"' || c == '\'')
                skip_string(c);
            else if (c == '#')
                at = std::min(text.find('\n', at), text.size());
            else
                take(c);
        }
    }

  private:
    std::string_view text;
    size_t at = 0, line = 1, dots = 0;
    std::string brackets; /* that are open */
    bool equals = false;  /* the current key has had its = */

    void must_follow(std::string_view allowed) const {
        if (at && allowed.find(text[at - 1]) == allowed.npos)
            throw bad_input{line, "a string or bracket begins inside of something else"};
    }

    /* A backslash at the end of a line swallows the white space that follows it. */
    void check_escape(size_t after) const {
        size_t next = text.find_first_not_of(" \t\r\n", after);
        if (next != text.npos && (unsigned char)text[next] >= 0x80)
            throw bad_input{line, "a backslash before a character that is not ASCII is not supported"};
    }

    void skip_string(char quote) {
        const std::string single(1, quote), triple(3, quote);
        const std::string &closing = text.substr(at, 3) == triple ? triple : single;
        size_t end = at + closing.size();
        while (end < text.size() && text.substr(end, closing.size()) != closing && (text[end] != '\n' || closing.size() == 3)) {
            bool escape = quote == '"' && text[end] == '\\';
            if (escape)
                check_escape(end + 1);
            end += escape ? 2 : 1;
        }
        end = std::min(end, text.size());
        std::string_view content = text.substr(at, end - at);
        bool ascii = std::all_of(content.begin(), content.end(), [](unsigned char b) { return b < 0x80; });
        must_follow(ascii ? " \t\r\n=,[{." : " \t\r\n=,[{");
        line += (size_t)std::count(content.begin(), content.end(), '\n');
        at = text.substr(end, closing.size()) == closing ? end + closing.size() : end;
    }

    void take(char c) {
        if ((unsigned char)c >= 0x80)
            throw bad_input{line, "a character that is not ASCII outside of a string or comment"};
        if (c == '[' || c == '{') {
            must_follow(" \t\r\n=,[{");
            brackets += c;
        } else if ((c == ']' || c == '}') && !brackets.empty()) {
            brackets.pop_back();
        } else if (c == '=') {
            if (equals || (!brackets.empty() && brackets.back() == '['))
                throw bad_input{line, "a second '='"};
        }
        equals = c == '=' || (equals && c != '\n' && c != ',' && c != '{');
        dots = c == '.' ? dots + 1 : c == '=' || c == ',' || c == '\n' ? 0 : dots;
        if (brackets.size() > MAX_DEPTH || dots > MAX_DEPTH)
            throw bad_input{line, "nested too deeply (expected at most 64 levels)"};
        line += c == '\n';
        at++;
    }
};

char *copy(std::string_view text) {
    char *result = cso_strndup(text.data(), text.size());
    if (!result)
        throw std::bad_alloc();
    return result;
}

size_t line_of(const toml::node &node) {
    return node.source().begin.line;
}

char *copy_string(const toml::node &node) {
    const std::string &text = node.as_string()->get();
    if (text.find('\0') != std::string::npos)
        throw bad_input{line_of(node), "a string with a zero character"};
    return copy(text);
}

/* One flattened key; owns what is in `c` until it is handed over. */
struct entry {
    cso_toml_entry c{};
    size_t line, column;
};

void free_entry(cso_toml_entry &e) {
    for (size_t i = 0; e.strings && i < e.count; i++)
        free(e.strings[i]);
    free(e.strings);
    free(e.numbers);
    free(e.string);
    free(e.key);
}

struct flattened {
    std::deque<entry> entries;                          /* references to entries stay valid as others are added */
    std::vector<std::pair<std::string, size_t>> tables; /* and their lines */

    ~flattened() {
        for (entry &e : entries)
            free_entry(e.c);
    }
};

/* inf and nan are numbers in TOML; what is out of f64's range, as 9e999, toml++ refuses. */
double number_of(const toml::node &node) {
    const auto *integer = node.as_integer();
    return integer ? (double)integer->get() : node.as_floating_point()->get();
}

void read_array(cso_toml_entry &e, const toml::array &array) {
    bool strings = true, numbers = true, tables = true;
    for (const toml::node &item : array) {
        strings = strings && item.is_string();
        numbers = numbers && item.is_number();
        tables = tables && item.is_table();
    }
    e.type = array.empty() ? CSO_TOML_EMPTY_ARRAY
             : strings     ? CSO_TOML_STRINGS
             : numbers     ? CSO_TOML_NUMBERS
             : tables      ? CSO_TOML_TABLES
                           : CSO_TOML_OTHER;
    if (tables)
        e.count = array.size();
    if (e.type == CSO_TOML_STRINGS) {
        e.strings = (char **)cso_calloc(array.size(), sizeof *e.strings);
        if (!e.strings)
            throw std::bad_alloc();
        e.count = array.size();
        for (size_t i = 0; i < e.count; i++)
            e.strings[i] = copy_string(array[i]);
    } else if (e.type == CSO_TOML_NUMBERS) {
        e.numbers = (double *)cso_calloc(array.size(), sizeof *e.numbers);
        if (!e.numbers)
            throw std::bad_alloc();
        e.count = array.size();
        for (size_t i = 0; i < e.count; i++)
            e.numbers[i] = number_of(array[i]);
    }
}

/* "[3]". Not by std::to_string, whose tables would be symbols of libcso. */
static std::string index_text(std::size_t index) {
    char text[32];
    std::snprintf(text, sizeof text, "[%zu]", index);
    return text;
}

/* A bare part of a key unchanged; others in quotes, so that "a.b" is not taken for a and b. */
std::string key_part(std::string_view part) {
    bool bare = !part.empty() && std::all_of(part.begin(), part.end(), [](unsigned char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
    return bare ? std::string(part) : '"' + std::string(part) + '"';
}

void flatten(flattened &out, const toml::table &table, const std::string &prefix) {
    for (auto &&[name, node] : table) {
        std::string key = prefix + key_part(name.str());
        if (key.find('\0') != std::string::npos)
            throw bad_input{name.source().begin.line, "a key with a zero character"};
        if (const toml::table *inner = node.as_table()) {
            out.tables.emplace_back(key, name.source().begin.line);
            flatten(out, *inner, key + ".");
            continue;
        }
        out.entries.emplace_back();
        entry &e = out.entries.back();
        e.line = name.source().begin.line;
        e.column = name.source().begin.column;
        e.c.line = (int)e.line;
        e.c.key = copy(key);
        if (node.is_string()) {
            e.c.type = CSO_TOML_STRING;
            e.c.string = copy_string(node);
        } else if (const auto *integer = node.as_integer()) {
            e.c.type = CSO_TOML_INTEGER;
            e.c.integer = integer->get();
            e.c.number = (double)e.c.integer;
        } else if (node.is_floating_point()) {
            e.c.type = CSO_TOML_FLOAT;
            e.c.number = number_of(node);
        } else if (const auto *boolean = node.as_boolean()) {
            e.c.type = CSO_TOML_BOOL;
            e.c.boolean = boolean->get();
        } else if (const auto *array = node.as_array()) {
            read_array(e.c, *array);
            for (size_t i = 0; e.c.type == CSO_TOML_TABLES && i < array->size(); i++)
                flatten(out, *(*array)[i].as_table(), key + index_text(i) + ".");
        } else {
            e.c.type = CSO_TOML_OTHER;
        }
    }
}

void parse(cso_toml &toml, std::string_view text) {
    if (text.size() > MAX_SIZE)
        throw bad_input{1, "is too large (expected at most 1 MiB)"};
    checker(text).run();
    toml::table root = toml::parse(text);
    flattened flat;
    flatten(flat, root, "");
    /* toml++ sorts by name; users wrote an order. */
    std::stable_sort(flat.entries.begin(), flat.entries.end(),
                     [](const entry &a, const entry &b) { return a.line != b.line ? a.line < b.line : a.column < b.column; });
    std::stable_sort(flat.tables.begin(), flat.tables.end(), [](const auto &a, const auto &b) { return a.second < b.second; });

    toml.entries = (cso_toml_entry *)cso_calloc(flat.entries.size(), sizeof *toml.entries);
    toml.tables = (char **)cso_calloc(flat.tables.size(), sizeof *toml.tables);
    if (!toml.entries || !toml.tables)
        throw std::bad_alloc();
    for (const auto &table : flat.tables)
        toml.tables[toml.table_count++] = copy(table.first);
    for (entry &e : flat.entries) {
        toml.entries[toml.count++] = e.c;
        e.c = cso_toml_entry{};
    }
}

} // namespace

cso_status cso_toml_parse(cso_toml *toml, const char *text, size_t size, const char *place, cso_error *err) {
    *toml = cso_toml{};
    cso_status status;
    try {
        parse(*toml, std::string_view(text, size));
        return CSO_OK;
    } catch (const toml::parse_error &error) {
        status = cso_fail(err, CSO_ERR_USAGE, "%s:%u: %.*s", place, (unsigned)error.source().begin.line,
                          (int)error.description().size(), error.description().data());
    } catch (const bad_input &error) {
        status = cso_fail(err, CSO_ERR_USAGE, "%s:%zu: %s", place, error.line, error.what.c_str());
    } catch (const std::bad_alloc &) {
        status = cso_fail_memory(err, place);
    } catch (const std::exception &error) {
        status = cso_fail(err, CSO_ERR_INTERNAL, "%s: %s", place, error.what());
    } catch (...) {
        status = cso_fail(err, CSO_ERR_INTERNAL, "%s: unknown failure of the TOML parser", place);
    }
    cso_toml_free(toml);
    return status;
}

void cso_toml_free(cso_toml *toml) {
    for (size_t i = 0; i < toml->count; i++)
        free_entry(toml->entries[i]);
    for (size_t i = 0; i < toml->table_count; i++)
        free(toml->tables[i]);
    free(toml->entries);
    free(toml->tables);
    *toml = cso_toml{};
}
