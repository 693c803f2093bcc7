# Writes a C file that holds a text file and its SHA-256: cmake -DIN=tree_page.js -DOUT=tree_page.js.c -DNAME=page_tree_js -P EmbedText.cmake
file(READ ${IN} text)
foreach(word "</" "<!--")
  string(FIND "${text}" "${word}" at)
  if(NOT at EQUAL -1)
    message(FATAL_ERROR "${IN}: \"${word}\" may end the element that holds this text in a page")
  endif()
endforeach()
file(READ ${IN} hex HEX)
if(hex MATCHES "^(..)*(0d|00)")
  message(FATAL_ERROR "${IN}: a CR or NUL, which browsers replace, so that the hash no longer fits")
endif()
file(SHA256 ${IN} sha256)
string(REGEX REPLACE "(................................)" "\\1\n    " hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
get_filename_component(file ${IN} NAME)
file(WRITE ${OUT} "/* From ${file}. */
#include \"page_parts.h\"

static const unsigned char bytes[] = {
    ${bytes}
};
const page_asset ${NAME} = {(const char *)bytes, sizeof bytes, \"${sha256}\"};
")
