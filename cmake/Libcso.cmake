# libcso.so and libcso.a, made of the layer cso_api and what it needs of those in `layers`; cso.h, cso.pc.

# Both export these names only, whatever the linker finds in the layers and in templates of C++.
set(exports cso_version cso_lm_*)

file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/libcso.map "{ global: cso_version; cso_lm_*; local: *; };\n")
add_library(cso_shared SHARED $<TARGET_OBJECTS:cso_api>)
target_link_libraries(cso_shared PRIVATE cso_flags ${layers})
target_include_directories(cso_shared INTERFACE ${CMAKE_SOURCE_DIR}/include)
target_link_options(cso_shared PRIVATE -Wl,--version-script=${CMAKE_CURRENT_BINARY_DIR}/libcso.map)
if(NOT CSO_SANITIZE AND NOT CSO_FUZZ) # their runtimes are in the program
  target_link_options(cso_shared PRIVATE -Wl,--no-undefined)
endif()
set_target_properties(cso_shared PROPERTIES OUTPUT_NAME cso VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
  LINKER_LANGUAGE CXX LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib INSTALL_RPATH "$ORIGIN")

# One object in which all other names are local, so that a program may have functions of the same names. Groups are resolved
# (--force-group-allocation): the linker could drop one for its twin in the program, and with it what is local here.
find_program(CSO_LD NAMES ld.bfd ld REQUIRED) # GNU's, with clang too: LLVM 14's lld cannot resolve groups
find_program(CSO_OBJCOPY NAMES objcopy REQUIRED)
mark_as_advanced(CSO_LD CSO_OBJCOPY)
set(archive ${CMAKE_BINARY_DIR}/lib/libcso.a)
set(object ${CMAKE_CURRENT_BINARY_DIR}/libcso.o)
list(TRANSFORM layers REPLACE "(.+)" "$<TARGET_FILE:\\1>" OUTPUT_VARIABLE archives)
list(TRANSFORM exports PREPEND "--keep-global-symbol=" OUTPUT_VARIABLE keep)
add_custom_command(OUTPUT ${archive}
  COMMAND ${CSO_LD} -r --force-group-allocation -o ${object} $<TARGET_OBJECTS:cso_api> --start-group ${archives} --end-group
  COMMAND ${CSO_OBJCOPY} --wildcard ${keep} ${object}
  COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
  COMMAND ${CMAKE_AR} rcs ${archive} ${object}
  DEPENDS cso_api ${layers} $<TARGET_OBJECTS:cso_api>
  COMMAND_EXPAND_LISTS VERBATIM COMMENT "Linking libcso.a")
add_custom_target(cso_static ALL DEPENDS ${archive})

# How a linker is told of a library: -lNAME where it looks by itself, the path elsewhere.
function(cso_link_flag result path)
  get_filename_component(folder ${path} DIRECTORY)
  get_filename_component(name ${path} NAME_WE)
  string(REGEX REPLACE "^lib" "" name ${name})
  set(${result} ${path} PARENT_SCOPE)
  foreach(known ${CMAKE_C_IMPLICIT_LINK_DIRECTORIES})
    if(folder STREQUAL known)
      set(${result} -l${name} PARENT_SCOPE)
    endif()
  endforeach()
endfunction()

# What a program that links libcso.a needs beside the packages that cso.pc names.
set(libraries ${OpenMP_C_LIB_NAMES})
# OpenBLAS by its own flags: for a static link its .pc names gfortran, which only libopenblas.a needs.
set(CSO_PC_LIBRARIES ${OPENBLAS_LDFLAGS})
foreach(name ${libraries})
  cso_link_flag(flag ${OpenMP_${name}_LIBRARY})
  list(APPEND CSO_PC_LIBRARIES ${flag})
endforeach()
if(CSO_HAVE_ONEDNN)
  cso_link_flag(flag ${CSO_ONEDNN_LIBRARY})
  list(APPEND CSO_PC_LIBRARIES ${flag})
endif()
foreach(name stdc++ c++)
  if(name IN_LIST CMAKE_CXX_IMPLICIT_LINK_LIBRARIES)
    list(APPEND CSO_PC_LIBRARIES -l${name})
  endif()
endforeach()
list(APPEND CSO_PC_LIBRARIES -lm -lpthread)
list(REMOVE_DUPLICATES CSO_PC_LIBRARIES)
list(JOIN CSO_PC_LIBRARIES " " CSO_PC_LIBRARIES)
# The folder may be moved, so cso.pc tells where things are from where it is.
file(RELATIVE_PATH CSO_PC_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" CSO_PC_PREFIX ${CSO_PC_PREFIX})
configure_file(${CMAKE_SOURCE_DIR}/cmake/cso.pc.in ${CMAKE_CURRENT_BINARY_DIR}/cso.pc @ONLY)

install(TARGETS cso_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${archive} DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/cso.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${CMAKE_SOURCE_DIR}/include/cso.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
