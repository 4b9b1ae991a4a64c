step3_add_fuzzer(fuzz_structured
    SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/structured_fuzz.cpp
    LIBRARIES step3_structured
    CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/structured)
