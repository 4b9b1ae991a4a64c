# Runs FUZZER over a private copy of the SEEDS folder for STEP3_FUZZ_SECONDS (environment, default 10) seconds.
set(seconds 10)
if(DEFINED ENV{STEP3_FUZZ_SECONDS})
    set(seconds $ENV{STEP3_FUZZ_SECONDS})
endif()
get_filename_component(name ${FUZZER} NAME)
set(corpus ${CMAKE_CURRENT_BINARY_DIR}/corpus-${name})
file(REMOVE_RECURSE ${corpus})
file(MAKE_DIRECTORY ${corpus})
execute_process(COMMAND ${FUZZER} -max_total_time=${seconds} -timeout=10 -rss_limit_mb=2048 -max_len=65536
                        -artifact_prefix=${corpus}/ ${corpus} ${SEEDS}
                RESULT_VARIABLE result)
if(NOT result EQUAL 0)
    message(FATAL_ERROR "${name} found a defect (${result}); the input lies in ${corpus}")
endif()
