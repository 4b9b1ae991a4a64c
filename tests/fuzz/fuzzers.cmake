# name, library, of each fuzzer; the seeds lie in corpus/<name>, words of the format in dictionaries/<name>.
foreach(entry
        "config step3_model"
        "http_request step3_server"
        "image step3_image"
        "output_parser step3_text"
        "safetensors step3_model"
        "sentencepiece step3_text"
        "template step3_text"
        "tokenizer_json step3_text")
    separate_arguments(entry)
    list(GET entry 0 fuzzer)
    list(GET entry 1 library)
    set(words ${CMAKE_CURRENT_SOURCE_DIR}/dictionaries/${fuzzer})
    if(NOT EXISTS ${words})
        set(words "")
    endif()
    step3_add_fuzzer(fuzz_${fuzzer}
        SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/${fuzzer}_fuzz.cpp
        LIBRARIES ${library}
        CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${fuzzer}
        DICTIONARY ${words})
endforeach()
