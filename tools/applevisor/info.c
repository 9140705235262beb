/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "applevisor.h"
#include "function_states.h"

static const char *setting(const char *name, const char *standard)
{
    const char *const value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : standard;
}

int command_info(int argc, char **argv)
{
    uint32_t vcpus = 0, max_ipa = 0, default_ipa = 0;

    if (argc > 1) {
        complain("info takes no argument, and got '%s'", argv[1]);
        return EXIT_USAGE;
    }
    const hv_return_t ret = hv_vm_create(NULL);
    if (ret != HV_SUCCESS) {
        complain("hv_vm_create: %s (0x%08x); HV_TRACE=1 says why", hv_name(ret), (unsigned)ret);
        return EXIT_HYPERVISOR;
    }
    hv_vm_get_max_vcpu_count(&vcpus);
    printf("engine          software (IR interpreter)\n");
    printf("chip profile    %s (HV_CHIP)\n", setting("HV_CHIP", "m4"));
    printf("acts as macOS   %s (HV_MACOS)\n", setting("HV_MACOS", "26.0"));
    printf("vCPUs           at most %u\n", vcpus);
    if (hv_vm_config_get_max_ipa_size(&max_ipa) == HV_SUCCESS &&
        hv_vm_config_get_default_ipa_size(&default_ipa) == HV_SUCCESS) {
        printf("IPA size        %u bits, at most %u\n", default_ipa, max_ipa);
    }
    printf("functions\n");
    for (size_t i = 0; i < sizeof(function_states) / sizeof(function_states[0]); i++) {
        printf("  %-50s %s (macOS %s)\n", function_states[i].name, function_states[i].state,
               function_states[i].since);
    }
    hv_vm_destroy();
    return 0;
}
