# Runs FUZZER from the SEEDS folder, with the words of the file DICTIONARY if it is given, for STEP3_FUZZ_SECONDS
# (environment, default 10) seconds. What it mutates follows from STEP3_FUZZ_SEED (default 1), so that a test run can be
# repeated; a hunt for new defects gives other seeds.
set(seconds 10)
if(DEFINED ENV{STEP3_FUZZ_SECONDS})
    set(seconds $ENV{STEP3_FUZZ_SECONDS})
endif()
set(seed 1)
if(DEFINED ENV{STEP3_FUZZ_SEED})
    set(seed $ENV{STEP3_FUZZ_SEED})
endif()
set(words "")
if(DICTIONARY)
    set(words -dict=${DICTIONARY})
endif()
get_filename_component(name ${FUZZER} NAME)
set(corpus ${CMAKE_CURRENT_BINARY_DIR}/corpus-${name})
file(REMOVE_RECURSE ${corpus})
file(MAKE_DIRECTORY ${corpus})
execute_process(COMMAND ${FUZZER} -seed=${seed} -max_total_time=${seconds} -timeout=10 -rss_limit_mb=2048 -max_len=65536
                        -artifact_prefix=${corpus}/ ${words} ${corpus} ${SEEDS}
                RESULT_VARIABLE result)
if(NOT result EQUAL 0)
    message(FATAL_ERROR "${name} found a defect (${result}); the input lies in ${corpus}")
endif()
