// spm.cpp - see cso/spm.h. No exception of the library leaves this file.
#include "spm.h"

#include "base/memory.h"

#include <cstring>
#include <exception>
#include <new>
#include <sentencepiece_processor.h>
#include <string_view>
#include <vector>

struct cso_spm {
    sentencepiece::SentencePieceProcessor processor;
};

static cso_status fail(cso_error *err, const char *place, const char *what) {
    return cso_fail(err, CSO_ERR_INPUT, "%s: libsentencepiece: %s", place, what);
}

extern "C" cso_status cso_spm_create(cso_spm **spm, const void *proto, size_t size, const char *place, cso_error *err) {
    cso_spm *made = nullptr;
    cso_status status = CSO_OK;
    try {
        made = new cso_spm;
        auto loaded = made->processor.LoadFromSerializedProto(std::string_view(static_cast<const char *>(proto), size));
        if (!loaded.ok())
            status = fail(err, place, loaded.ToString().c_str());
    } catch (const std::bad_alloc &) {
        status = cso_fail_memory(err, "libsentencepiece");
    } catch (const std::exception &exception) {
        status = fail(err, place, exception.what());
    } catch (...) {
        status = fail(err, place, "unknown exception");
    }
    if (status == CSO_OK)
        *spm = made;
    else
        delete made;
    return status;
}

extern "C" void cso_spm_free(cso_spm *spm) {
    delete spm;
}

extern "C" cso_status cso_spm_encode(const cso_spm *spm, const char *text, size_t size, int32_t **ids, size_t *count,
                                     cso_error *err) {
    try {
        std::vector<int> found;
        auto encoded = spm->processor.Encode(std::string_view(text, size), &found);
        if (!encoded.ok())
            return fail(err, "encoding", encoded.ToString().c_str());
        int32_t *copy = static_cast<int32_t *>(cso_malloc(found.size() * sizeof(int32_t)));
        if (!copy)
            return cso_fail_memory(err, "token ids");
        for (size_t i = 0; i < found.size(); i++)
            copy[i] = found[i];
        *ids = copy;
        *count = found.size();
        return CSO_OK;
    } catch (const std::bad_alloc &) {
        return cso_fail_memory(err, "libsentencepiece");
    } catch (const std::exception &exception) {
        return fail(err, "encoding", exception.what());
    } catch (...) {
        return fail(err, "encoding", "unknown exception");
    }
}
