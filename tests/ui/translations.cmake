# Fails unless every text of the window has a finished Chinese translation. LUPDATE, SOURCE (the source tree), WORK (a folder).
file(COPY ${SOURCE}/resources/translations/step3_zh_CN.ts DESTINATION ${WORK})
set(file ${WORK}/step3_zh_CN.ts)
execute_process(COMMAND ${LUPDATE} -I ${SOURCE} -locations none -no-obsolete -disable-heuristic sametext ui app -ts ${file}
                WORKING_DIRECTORY ${SOURCE} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT result EQUAL 0)
    message(FATAL_ERROR "lupdate failed: ${output}")
endif()
file(STRINGS ${file} unfinished REGEX "unfinished")
list(LENGTH unfinished count)
if(NOT count EQUAL 0)
    message(FATAL_ERROR "${count} texts are not translated; run lupdate as in tests/ui/translations.cmake on resources/translations/step3_zh_CN.ts and complete it")
endif()
