step3_add_fuzzer(structured_fuzzer CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/structured
                 SOURCES structured_fuzzer.cpp LIBRARIES step3_structured)
