/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* error.h and version.h. */
#include <pthread.h>

#include "av_check.h"

TEST(every_framework_code_has_its_error_and_back)
{
    static const struct {
        hv_return_t hv;
        av_error error;
    } pairs[] = {
        {HV_SUCCESS, AV_OK},
        {HV_ERROR, AV_ERROR_FAILED},
        {HV_BUSY, AV_ERROR_BUSY},
        {HV_BAD_ARGUMENT, AV_ERROR_BAD_ARGUMENT},
        {HV_ILLEGAL_GUEST_STATE, AV_ERROR_ILLEGAL_GUEST_STATE},
        {HV_NO_RESOURCES, AV_ERROR_NO_RESOURCES},
        {HV_NO_DEVICE, AV_ERROR_NO_DEVICE},
        {HV_DENIED, AV_ERROR_DENIED},
        {HV_EXISTS, AV_ERROR_EXISTS},
        {HV_UNSUPPORTED, AV_ERROR_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        EXPECT_EQ(av_error_from_hv(pairs[i].hv), pairs[i].error);
        EXPECT_EQ((uint32_t)av_error_to_hv(pairs[i].error), (uint32_t)pairs[i].hv);
    }
}

TEST(a_code_that_nobody_knows_is_unknown)
{
    EXPECT_EQ(av_error_from_hv(12345), AV_ERROR_UNKNOWN);
    EXPECT_EQ(av_error_from_hv(HV_ERROR + 100), AV_ERROR_UNKNOWN);
    EXPECT_EQ((uint32_t)av_error_to_hv(AV_ERROR_UNKNOWN), (uint32_t)HV_ERROR);
    EXPECT_STR(av_error_name((av_error)999), "AV_ERROR_UNKNOWN");
}

TEST(names_and_descriptions_are_all_different)
{
    static const av_error all[] = {
        AV_OK,
        AV_ERROR_FAILED,
        AV_ERROR_BUSY,
        AV_ERROR_BAD_ARGUMENT,
        AV_ERROR_ILLEGAL_GUEST_STATE,
        AV_ERROR_NO_RESOURCES,
        AV_ERROR_NO_DEVICE,
        AV_ERROR_DENIED,
        AV_ERROR_EXISTS,
        AV_ERROR_UNSUPPORTED,
        AV_ERROR_UNKNOWN,
        AV_ERROR_NULL_ARGUMENT,
        AV_ERROR_MISALIGNED,
        AV_ERROR_OUT_OF_RANGE,
        AV_ERROR_BUFFER_SIZE,
        AV_ERROR_WRONG_THREAD,
        AV_ERROR_WRONG_VM,
        AV_ERROR_VM_EXISTS,
        AV_ERROR_VCPU_EXISTS,
        AV_ERROR_VCPU_GONE,
        AV_ERROR_MAPPED,
        AV_ERROR_NOT_MAPPED,
        AV_ERROR_OVERLAP,
        AV_ERROR_NO_GIC,
        AV_ERROR_RUNNING,
        AV_ERROR_NO_MEMORY,
        AV_ERROR_TIMED_OUT,
    };
    const size_t n = sizeof(all) / sizeof(all[0]);
    for (size_t i = 0; i < n; i++) {
        EXPECT(strncmp(av_error_name(all[i]), "AV_", 3) == 0);
        EXPECT(strlen(av_error_description(all[i])) >= 4);
        EXPECT(i == 0 || av_error_to_hv(all[i]) != HV_SUCCESS);
        for (size_t j = 0; j < i; j++) {
            EXPECT(strcmp(av_error_name(all[i]), av_error_name(all[j])) != 0);
            EXPECT(strcmp(av_error_description(all[i]), av_error_description(all[j])) != 0);
        }
    }
}

static void *look_at_errors(void *arg)
{
    (void)arg;
    EXPECT_STR(av_error_message(), "");
    EXPECT_EQ(av_error_last(), AV_OK);
    return NULL;
}

TEST(a_failure_is_kept_per_thread_with_code_raw_code_and_sentence)
{
    pthread_t thread;
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vm_create(NULL));
    EXPECT_EQ(av_error_last(), AV_ERROR_NULL_ARGUMENT);
    EXPECT_EQ((uint32_t)av_error_raw(), (uint32_t)HV_BAD_ARGUMENT);
    EXPECT_STR(av_error_message(),
               "av_vm_create: vm is NULL, and must point to a place for the result");
    pthread_create(&thread, NULL, look_at_errors, NULL);
    pthread_join(thread, NULL);
    EXPECT(av_error_message()[0] != '\0');
}

TEST(success_leaves_the_last_failure_and_clear_forgets_it)
{
    av_vm *vm = NULL;
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vm_create(NULL));
    OK(av_vm_create(&vm));
    EXPECT_EQ(av_error_last(), AV_ERROR_NULL_ARGUMENT);
    av_error_clear();
    EXPECT_EQ(av_error_last(), AV_OK);
    EXPECT_EQ(av_error_raw(), HV_SUCCESS);
    EXPECT_STR(av_error_message(), "");
    av_vm_unref(vm);
}

TEST(the_library_has_the_version_of_its_headers)
{
    char text[32];
    snprintf(text, sizeof(text), "%d.%d.%d", AV_VERSION_MAJOR, AV_VERSION_MINOR, AV_VERSION_PATCH);
    EXPECT_STR(av_version(), text);
}

TEST(macos_version_is_what_the_environment_says)
{
    const char *const text = getenv("HV_MACOS");
    unsigned major = 26, minor = 0;
    if (text != NULL && text[0] != '\0') {
        EXPECT_EQ(sscanf(text, "%u.%u", &major, &minor), 2);
    }
    EXPECT_EQ(av_macos_version(), major * 10000 + minor * 100);
    EXPECT(av_macos_has(110000));
    EXPECT(av_macos_has(av_macos_version()));
    EXPECT(!av_macos_has(av_macos_version() + 1));
}

MAIN(T(every_framework_code_has_its_error_and_back), T(a_code_that_nobody_knows_is_unknown),
     T(names_and_descriptions_are_all_different),
     T(a_failure_is_kept_per_thread_with_code_raw_code_and_sentence),
     T(success_leaves_the_last_failure_and_clear_forgets_it),
     T(the_library_has_the_version_of_its_headers), T(macos_version_is_what_the_environment_says))
