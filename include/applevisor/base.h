/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * What every header of libapplevisor needs: export, the macOS version that is built for, and
 * scope-bound ownership.
 */
#ifndef APPLEVISOR_BASE_H
#define APPLEVISOR_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <Hypervisor/Hypervisor.h>

#ifdef __cplusplus
#define AV_BEGIN_DECLS extern "C" {
#define AV_END_DECLS   }
#else
#define AV_BEGIN_DECLS
#define AV_END_DECLS
#endif

/** Exported from libapplevisor, also when a program is built with -fvisibility=hidden. */
#define AV_API __attribute__((visibility("default")))

/**
 * The oldest macOS that the program shall run on: major * 10000 + minor * 100. One of 110000,
 * 120100, 130000, 150000, 150200 and 260000, the default. Functions that need a newer system are
 * not declared then. Define it before the first include, or with -DAPPLEVISOR_MACOS=150200.
 */
#ifndef APPLEVISOR_MACOS
#define APPLEVISOR_MACOS 260000
#endif
#if APPLEVISOR_MACOS != 110000 && APPLEVISOR_MACOS != 120100 && APPLEVISOR_MACOS != 130000 && \
    APPLEVISOR_MACOS != 150000 && APPLEVISOR_MACOS != 150200 && APPLEVISOR_MACOS != 260000
#error "APPLEVISOR_MACOS is one of 110000, 120100, 130000, 150000, 150200 and 260000"
#endif

/**
 * Declares a pointer that gives up its object when it goes out of scope, in any order with others:
 *
 *     AV_AUTO(av_vm) vm = NULL;
 *     AV_AUTO(av_memory) memory = NULL;
 *
 * Initialise it, with NULL at least. Not for a pointer that is handed on to somebody else. Needs gcc
 * or clang.
 */
#define AV_AUTO(type) __attribute__((cleanup(type##_auto))) type *

#endif /* APPLEVISOR_BASE_H */
