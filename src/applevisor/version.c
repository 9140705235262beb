/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <applevisor/version.h>

#include "applevisor/internal.h"

#ifdef __APPLE__
#include <mach/mach_time.h>
#endif

#define TEXT(x)   #x
#define STRING(x) TEXT(x)

const char *av_version(void)
{
    return STRING(AV_VERSION_MAJOR) "." STRING(AV_VERSION_MINOR) "." STRING(AV_VERSION_PATCH);
}

/* ticks * numer / denom, without an intermediate result that is larger than the final one. */
static uint64_t scale(uint64_t ticks, uint32_t numer, uint32_t denom)
{
    return ticks / denom * numer + ticks % denom * numer / denom;
}

#ifdef __APPLE__

/* One function that each version brought. They are linked weakly: NULL where the system is older. */
uint32_t av_macos_version(void)
{
    // clang-format off
    return hv_vm_config_get_default_ipa_granule != NULL ? 260000
         : hv_sme_config_get_max_svl_bytes != NULL      ? 150200
         : hv_gic_create != NULL                        ? 150000
         : hv_vm_config_create != NULL                  ? 130000
         : hv_vm_allocate != NULL                       ? 120100
                                                        : 110000;
    // clang-format on
}

uint64_t av_framework_ticks_to_ns(uint64_t ticks)
{
    mach_timebase_info_data_t base;

    mach_timebase_info(&base);
    return scale(ticks, base.numer, base.denom);
}

#else

uint32_t av_macos_version(void)
{
    return hvx_macos();
}

/* libhypervisor's counter runs at 24 MHz, as Apple silicon's does. */
uint64_t av_framework_ticks_to_ns(uint64_t ticks)
{
    return scale(ticks, 125, 3);
}

#endif

bool av_macos_has(uint32_t macos)
{
    return av_macos_version() >= macos;
}

av_error av_need_macos(uint32_t macos, const char *function)
{
    const uint32_t have = av_macos_version();

    if (have >= macos) {
        return AV_OK;
    }
    return av_fail(AV_ERROR_UNSUPPORTED, function, "needs macOS %u.%u, and this system %s %u.%u",
                   macos / 10000, macos / 100 % 100, FRAMEWORK_HAS_EXTENSIONS ? "acts as" : "is",
                   have / 10000, have / 100 % 100);
}
